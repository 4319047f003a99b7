"""Weights from disk into memory: safetensors only, no code from the model's folder, ever."""

import json
import time
import warnings
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from whet.errors import ModelError
from whet.models.elementwise import fuse
from whet.models.quantized import Quantize, demand, multiply_plainly

transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")

LARGEST_CONFIG = 1 << 20
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def device_of(name: Literal["auto", "cpu", "cuda", "mps"]) -> torch.device:
    """Return the device of that name; auto takes an accelerator if there is one.

    Raises:
        ModelError: this machine has no such device.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    if not there[name]:
        raise ModelError(f"model.device: this machine has no {name}; use auto")
    return torch.device(name)


def quick_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 where this machine's bfloat16 products are quicker than float32's, else float32.

    Measured, in under 0.2 s: processors without bfloat16 units emulate it a hundred times slower.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "mps":
        return torch.float32

    def seconds(dtype: torch.dtype) -> float:
        left, right = torch.ones(64, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
        left @ right
        start = time.perf_counter()
        left @ right
        return time.perf_counter() - start

    return (
        torch.bfloat16
        if min(seconds(torch.bfloat16) for _ in range(3)) < min(seconds(torch.float32) for _ in range(3))
        else torch.float32
    )


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """Return the precision of that name; auto is the quicker one on this machine."""
    return DTYPES.get(name) or quick_dtype(device)


def check_folder(folder: Path) -> dict[str, Any]:
    """Return the model's config.json after making sure that the folder can be loaded without running its code.

    Raises:
        ModelError: no or bad config, no safetensors weights (pickles are never opened), or code of its own.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise ModelError(f"{folder}: no config.json, so this is not a model folder")
    if file.stat().st_size > LARGEST_CONFIG:
        raise ModelError(f"{file}: larger than 1 MiB, so this is not a model's configuration")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ModelError(f"{file}: names no model_type")
    if config.get("auto_map"):
        raise ModelError(
            f"{folder}: this model brings its own code (auto_map), which whet never runs; "
            "use a model of a supported architecture"
        )
    if config.get("quantization_config"):
        raise ModelError(
            f"{file}: these weights are packed already (quantization_config); name the model that they were made from, "
            "with model.quantize=nf4 if its linear layers are to be kept in 4 bits"
        )
    if config["model_type"] not in transformers.CONFIG_MAPPING:
        raise ModelError(
            f"{file}: the architecture {config['model_type']!r} is not known to transformers {transformers.__version__}"
        )
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in folder.glob(pattern))
        found = f"only {', '.join(pickles)}, which can run code when opened" if pickles else "no weights"
        raise ModelError(f"{folder}: {found}; whet reads safetensors (model.safetensors)")
    return config


def load(folder: Path, dtype: torch.dtype, device: torch.device, quantize: Quantize | None = None) -> nn.Module:
    """Return the causal language model of a folder, in evaluation mode; with `quantize`, its linear layers packed.

    Raises:
        ModelError: see `check_folder`; or the weights do not fit the configuration.
        UsageError: packing needs a library that is not installed.
    """
    check_folder(folder)
    packing = _packing(device) if quantize else {}
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32 if quantize else dtype,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **packing,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder}: cannot load the model: {str(error).splitlines()[0]}") from None
    except Exception as error:  # safetensors raises its own type from Rust
        if type(error).__module__.startswith("safetensors"):
            raise ModelError(f"{folder}: damaged weights: {error}") from None
        raise
    model: Any = loaded[0]
    info: dict[str, Any] = loaded[1]
    missing = sorted(set(info["missing_keys"]) | {str(key) for key in info["mismatched_keys"]})
    if missing:
        shown = ", ".join(missing[:3])
        raise ModelError(f"{folder}: the weights lack {len(missing)} tensors of the architecture ({shown} ...)")
    model.config.use_cache = True
    if quantize:
        multiply_plainly(model, dtype)  # before anything is computed with it
    fuse(model)
    return model.eval() if quantize else model.to(device).eval()  # type: ignore[no-any-return]


def _packing(device: torch.device) -> dict[str, Any]:
    """Return how transformers is to pack: from float32, so that the same weights are packed alike on every machine."""
    demand()
    nf4 = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
    )
    return {"quantization_config": nf4, "device_map": {"": device}}


def context_of(folder: Path) -> int:
    """Return the longest sequence the model was made for, in tokens (2,048 where it does not say)."""
    config = check_folder(folder)
    said = config.get("max_position_embeddings") or config.get("n_positions") or 2048
    return int(said)
