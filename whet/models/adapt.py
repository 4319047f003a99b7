"""What trains: low-rank additions in PEFT's format, or every weight. Only this room and the next know peft."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.helpers import rescale_adapter_scale
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from whet.config.tree import Adapter
from whet.errors import ModelError
from whet.models.lora import fuse
from whet.models.quantized import count
from whet.runs.run import disk

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def attach(model: nn.Module, adapter: Adapter, seed: int) -> nn.Module:
    """Return the model with what trains marked by `requires_grad`; the same seed gives the same first weights."""
    torch.manual_seed(seed)  # for the adapter's first weights and for whatever dropout the model has
    if adapter.kind == "full":
        model.requires_grad_(True)
        return model
    lora = LoraConfig(
        r=adapter.r,
        lora_alpha=adapter.alpha,  # type: ignore[arg-type]
        lora_dropout=adapter.dropout,
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = get_peft_model(model, lora)
    fuse(adapted)
    return adapted


def causal(model: nn.Module) -> nn.Module:
    """Return the causal language model inside, adapters in place."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


@contextmanager
def switched_off(model: nn.Module) -> Iterator[None]:
    """Let the model answer as its base does, as long as the context lasts."""
    if isinstance(model, PeftModel):
        with model.disable_adapter():
            yield
    else:
        yield


@contextmanager
def scaled(model: nn.Module, factor: float) -> Iterator[None]:
    """Let the adapter of a model count for so much of its strength, as long as the context lasts."""
    if factor == 1:
        yield
        return
    with rescale_adapter_scale(model, factor):
        yield


def weaken(folder: Path, factor: float) -> None:
    """Multiply what a saved LoRA adapter adds, once however often it is asked for; plain PEFT loads it as before."""
    file = folder / WEIGHTS
    with safe_open(file, "pt") as saved:
        if "scale" in (saved.metadata() or {}):
            return
        state = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118 - no mapping
    state = {name: tensor * factor if ".lora_B." in name else tensor for name, tensor in state.items()}
    fresh = file.with_name(f".{WEIGHTS}.new")
    with disk(file):
        save_file(state, fresh, metadata={"format": "pt", "scale": f"{factor:g}"})
        fresh.replace(file)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that train, by name, in a fixed order."""
    return {name: p for name, p in sorted(model.named_parameters()) if p.requires_grad}


def adapter_files(model: nn.Module, folder: Path, base_name: str) -> None:
    """Write adapter_config.json and adapter_model.safetensors as plain PEFT loads them."""
    assert isinstance(model, PeftModel)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in get_peft_model_state_dict(model).items()}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    lora = model.peft_config["default"].to_dict()
    lora.update(inference_mode=True, base_model_name_or_path=base_name)
    lora["target_modules"] = sorted(
        lora["target_modules"]
    )  # a set has no order, and the file must be the same each time
    plain = {
        key: sorted(value) if isinstance(value, set) else getattr(value, "value", value) for key, value in lora.items()
    }
    (folder / CONFIG).write_text(json.dumps(plain, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")


def load_adapter(model: nn.Module, folder: Path) -> nn.Module:
    """Return the model with a PEFT adapter from disk attached, in evaluation mode.

    Raises:
        ModelError: the folder has no safetensors adapter, or it does not fit the model.
    """
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder}: no {WEIGHTS}; whet reads adapters as safetensors only")
    try:
        adapted = PeftModel.from_pretrained(model, folder, use_safetensors=True).eval()
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(
            f"{folder}: the adapter does not fit the base model: {(str(error) or 'damaged').splitlines()[0]}"
        ) from None
    fuse(adapted)
    return adapted


def merged(model: nn.Module) -> nn.Module:
    """Return a plain model with the adapter folded into the weights; `model` is used up."""
    if not isinstance(model, PeftModel):
        return model
    return model.merge_and_unload()  # type: ignore[no-any-return]


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """Return how many parameters train and how many there are."""
    every: dict[int, Tensor] = {id(p): p for p in model.parameters()}
    return sum(p.numel() for p in every.values() if p.requires_grad), sum(map(count, every.values()))
