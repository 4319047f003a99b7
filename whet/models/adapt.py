"""What trains: an adapter in PEFT's format, or the weights themselves."""

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.helpers import rescale_adapter_scale
from peft.tuners.lora import LoraLayer
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from whet.config.adapters import MOVED
from whet.config.tree import Adapter
from whet.errors import ModelError
from whet.models.adapters import described
from whet.models.lora import fuse
from whet.models.quantized import count
from whet.models.ranks import left
from whet.models.virtual import ahead
from whet.models.which import unfreeze
from whet.runs.run import disk

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
START = "start"  # the adapter that takes away what training began with


def attach(model: nn.Module, adapter: Adapter, seed: int, steps: int = 0) -> nn.Module:
    """Return the model with what trains marked by `requires_grad`; the same seed gives the same first weights.

    `steps` is how many will be taken, as far as that matters (adalora).

    Raises:
        UsageError: the model has no such layer or module. ModelError: it takes no adapter of this kind.
    """
    torch.manual_seed(seed)  # for the adapter's first weights and for whatever dropout the model has
    if adapter.kind == "full":
        unfreeze(model, adapter)
        return model
    moved = adapter.init in MOVED
    kept = _weights(model) if moved else {}
    config = described(model, adapter, steps)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapted = get_peft_model(model, config)
            if moved:
                _start(adapted, kept)
    except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError) as error:
        what = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"adapter.kind={adapter.kind}: {type(model).__name__} does not take it: {what}") from None
    for name, weight in adapted.named_parameters():
        if ".ranknum." in name:
            weight.requires_grad_(False)  # a number of AdaLoRA's, which PEFT lets train in bfloat16
        if weight.requires_grad or ".ranknum." in name:
            weight.data = weight.data.float()  # bfloat16 cannot hold an update a thousand times smaller than itself
    if adapter.kind == "prefix":
        _as_words(adapted)
    fuse(adapted)
    return adapted


def _weights(model: nn.Module) -> dict[nn.Module, Tensor]:
    """Return the weights of all linear layers, which PEFT changes where it begins with a part of them."""
    return {module: module.weight.data.clone() for module in model.modules() if isinstance(module, nn.Linear | Conv1D)}


def _start(adapted: Any, kept: Mapping[nn.Module, Tensor]) -> None:
    """Keep the base as it was, with an adapter that takes away what the other begins with.

    PiSSA (arXiv:2404.02948) and OLoRA (arXiv:2406.01775) take it from the weights, W - s B0 A0 + s B A. The same sum
    with W left alone has the same gradients, and the base is still there: switched off, for the reference of DPO, and
    as what the saved adapter is added to.
    """
    for module, weight in kept.items():
        module.weight.data = weight
    plain = replace(adapted.peft_config["default"], init_lora_weights=True, lora_dropout=0.0)
    adapted.add_adapter(START, plain)
    layers: list[Any] = [module for module in adapted.modules() if isinstance(module, LoraLayer)]
    for layer in layers:
        layer.lora_A[START].weight.data.copy_(layer.lora_A["default"].weight.data)
        layer.lora_B[START].weight.data.copy_(-layer.lora_B["default"].weight.data)
    adapted.base_model.set_adapter(["default", START])
    for name, weight in adapted.named_parameters():
        if _of_start(name):
            weight.requires_grad_(False)


def _of_start(name: str) -> bool:
    return f".{START}." in name and ".lora_" in name


@torch.no_grad()
def _as_words(adapted: Any) -> None:
    """Begin a prefix as the keys and values of tokens drawn from the vocabulary (arXiv:2101.00190, section 7.4)."""
    inner = adapted.get_base_model()
    config = adapted.peft_config["default"]
    ids = torch.randint(0, inner.get_input_embeddings().num_embeddings, (1, config.num_virtual_tokens))
    layers = inner(input_ids=ids.to(inner.device), use_cache=True).past_key_values
    pairs = [torch.stack([layer.keys[0], layer.values[0]]) for layer in layers.layers]  # (2, heads, P, D) each
    weight = adapted.prompt_encoder["default"].embedding.weight
    weight.copy_(torch.stack(pairs).permute(3, 0, 1, 2, 4).reshape(weight.shape))


def causal(model: nn.Module) -> nn.Module:
    """Return the causal language model inside, adapters in place."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


@contextmanager
def switched_off(model: nn.Module) -> Iterator[None]:
    """Let the model answer as its base does, as long as the context lasts."""
    if isinstance(model, PeftModel):
        trains = {weight: weight.requires_grad for weight in model.parameters()}
        try:
            with model.disable_adapter():
                yield
        finally:  # switched on again, PEFT lets every adapter train, START too
            for weight, whether in trains.items():
                weight.requires_grad_(whether)
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
    """Multiply what a saved low-rank adapter adds, once however often it is asked for; PEFT loads it as before."""
    file = folder / WEIGHTS
    with safe_open(file, "pt") as saved:
        if "scale" in (saved.metadata() or {}):
            return
        state = {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118 - no mapping
    state = {name: tensor * factor if ".lora_B" in name else tensor for name, tensor in state.items()}
    fresh = file.with_name(f".{WEIGHTS}.new")
    with disk(file):
        save_file(state, fresh, metadata={"format": "pt", "scale": f"{factor:g}"})
        fresh.replace(file)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that train, by name, in a fixed order."""
    return {name: p for name, p in sorted(model.named_parameters()) if p.requires_grad}


def learned(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return what a checkpoint holds, by name, in a fixed order: what trains, and what that is held against (START)."""
    return {name: p for name, p in sorted(model.named_parameters()) if p.requires_grad or _of_start(name)}


def adapter_files(model: nn.Module, folder: Path, base_name: str) -> None:
    """Write adapter_config.json and adapter_model.safetensors as plain PEFT loads them."""
    assert isinstance(model, PeftModel)
    config = model.peft_config["default"]
    if isinstance(config, AdaLoraConfig):
        config.rank_pattern = left(model)
    state = _state(model, "default")
    if START in model.peft_config:
        began = _state(model, START)
        state = {name: torch.cat([part, began[name]], int(".lora_B." in name)) for name, part in state.items()}
        assert isinstance(config, LoraConfig)
        times = math.sqrt(2) if config.use_rslora else 2  # of twice the rank, so that the scale stays
        alpha: Any = config.lora_alpha * times  # need not be whole
        config = replace(config, r=2 * config.r, lora_alpha=alpha, init_lora_weights=True)
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    said = config.to_dict() | {"inference_mode": True, "base_model_name_or_path": base_name}
    # A set has no order, and the file must be the same each time.
    plain = {
        key: sorted(value) if isinstance(value, set) else getattr(value, "value", value) for key, value in said.items()
    }
    if isinstance(plain.get("target_modules"), list):
        plain["target_modules"] = sorted(plain["target_modules"])
    (folder / CONFIG).write_text(json.dumps(plain, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")


def _state(model: PeftModel, name: str) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it takes AdaLoRA's matrices of rank 0 for parts of some
        found = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    return {key: tensor.detach().cpu().contiguous() for key, tensor in found.items()}


def load_adapter(model: nn.Module, folder: Path) -> nn.Module:
    """Return the model with a PEFT adapter from disk attached, in evaluation mode.

    Raises:
        ModelError: the folder has no safetensors adapter, or it does not fit the model.
    """
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder}: no {WEIGHTS}; whet reads adapters as safetensors only")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it takes AdaLoRA's pattern of ranks for LoRA's
            adapted = PeftModel.from_pretrained(model, folder, use_safetensors=True).eval()
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(
            f"{folder}: the adapter does not fit the base model: {(str(error) or 'damaged').splitlines()[0]}"
        ) from None
    fuse(adapted)
    return adapted


def check_folds(model: nn.Module) -> None:
    """Make sure that an adapter can be folded into the weights.

    Raises:
        ModelError: it is no change of them (prompt, prefix).
    """
    if ahead(model):
        raise ModelError(
            "virtual tokens are held by no weight, so they cannot be folded into the model; serve the adapter beside "
            "its base, or train with adapter.kind=lora"
        )


def merged(model: nn.Module) -> nn.Module:
    """Return a plain model with the adapter folded into the weights; `model` is used up.

    Raises:
        ModelError: the adapter is no change of the weights (prompt, prefix).
    """
    if not isinstance(model, PeftModel):
        return model
    check_folds(model)
    return model.merge_and_unload()  # type: ignore[no-any-return]


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """Return how many parameters train and how many there are."""
    every: dict[int, Tensor] = {id(p): p for p in model.parameters()}
    return sum(p.numel() for p in every.values() if p.requires_grad), sum(map(count, every.values()))
