"""A finished model on disk, in the formats that the rest of the field loads."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from whet.errors import ModelError
from whet.models.adapt import adapter_files, causal, check_folds, load_adapter, merged
from whet.models.load import check_folder, load
from whet.models.quantized import Quantize, unpacked
from whet.models.source import Base, at_home, is_file, is_folder, weights_digest
from whet.runs.run import disk

TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
)
ABOUT = "whet.json"
BESIDE = "base_beside"  # where a base that is a run lies, seen from the adapter: both may be moved together
OF_ADAPTERS = (
    "base",
    BESIDE,
    "base_weights",
    "kind",
    "quantize",
)  # what whet.json says that a merged model is no longer


def write_model(
    model: nn.Module, folder: Path, base: Base, about: dict[str, Any], write: Callable[[Path], None] | None = None
) -> None:
    """Write the model to `folder`, whole or not at all: a PEFT adapter, or full weights with their config.

    `write` writes the weights and their config in another form, into the folder that it is given.

    `about` (template digest, instruction, lengths) goes to whet.json, so that serving can tell that it asks the way
    training did.
    """
    staging = folder.with_name(f".{folder.name}.new")
    with disk(folder):
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        if write:
            write(staging)
        elif causal(model) is not model:
            adapter_files(model, staging, base.public_name)
        else:
            full_weights(model, staging)
            shutil.copy(base.folder / "config.json", staging / "config.json")
            _say_dtype(staging / "config.json", str(next(model.parameters()).dtype).removeprefix("torch."))
        for name in TOKENIZER:
            if (base.folder / name).is_file():
                shutil.copy(base.folder / name, staging / name)
        _write_about(staging, {"base": lasting_name(base), **_beside(base, folder), **about})
        for file in staging.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)


def _beside(base: Base, folder: Path) -> dict[str, str]:
    path = at_home(base.name)
    return {BESIDE: os.path.relpath(path.resolve(), folder.resolve())} if is_file(path / "run.json") else {}


def _write_about(folder: Path, about: dict[str, Any]) -> None:
    text = json.dumps(about, indent=2, ensure_ascii=False)
    (folder / ABOUT).write_text(text + "\n", encoding="utf-8")


def read_about(folder: Path) -> dict[str, Any]:
    """Return what a folder's whet.json says about how its model was trained; empty where there is none.

    Raises:
        ModelError: the file is damaged.
    """
    file = folder / ABOUT
    if not is_file(file):
        return {}
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file}: not valid JSON: {error}") from None
    return about if isinstance(about, dict) else {}


def carried(about: dict[str, Any]) -> dict[str, Any]:
    """Return what of an adapter's whet.json holds for the merged model too."""
    return {key: value for key, value in about.items() if key not in OF_ADAPTERS}


def lasting_name(base: Base) -> str:
    """Return the base's name so that it is found from any folder."""
    path = at_home(base.name)
    return str(path.resolve()) if is_folder(path) or is_file(path) else base.name


def check_base(folder: Path, about: dict[str, Any]) -> None:
    """Make sure that an adapter meets the weights that it was trained on.

    Raises:
        ModelError: the base model in `folder` is another one.
    """
    if about.get("base_weights") not in (None, weights_digest(folder)):
        raise ModelError(
            f"{folder}: these are not the base weights that the adapter was trained on, so its answers would not be "
            "those that were measured; fetch the same model again, or train again"
        )


def full_weights(model: nn.Module, folder: Path) -> None:
    """Write model.safetensors; tensors that share memory (tied embeddings) are written once, as transformers does."""
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items() if name not in tied
    }
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def export_merged(base_folder: Path, adapter: Path, target: Path, quantize: Quantize | None = None) -> float:
    """Write base and adapter as one plain model and return the largest difference of their logits.

    The written files are loaded again and compared with base + adapter on a probe, in float32. A base that was packed
    in training is written as the weights that the packed ones stand for, as the adapter was trained on those. What the
    adapter's whet.json says of its training (instruction, labels ...) goes along, so that the model is asked alike.

    Raises:
        ModelError: the target is in use, or the merged model answers differently (nothing is then left there);
            or the adapter is no change of the weights.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - "." has no name, and links stay as they are
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        what = "exists and is not empty" if target.is_dir() else "is a file"
        raise ModelError(f"{target}: {what}; choose another folder")
    config = check_folder(base_folder)
    cpu = torch.device("cpu")
    probe = torch.randint(0, int(config["vocab_size"]), (2, 48), generator=torch.Generator().manual_seed(1))
    model = load_adapter(load(base_folder, torch.float32, cpu, quantize), adapter)
    check_folds(model)
    with torch.no_grad():
        wanted = model(input_ids=probe).logits
    if quantize:
        model = load_adapter(unpacked(load(base_folder, torch.float32, cpu, quantize)), adapter)
    staging = target.with_name(f".{target.name}.new")
    with disk(target):
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        full_weights(merged(model), staging)
        for source in (base_folder / "config.json", *(adapter / name for name in TOKENIZER)):
            if source.is_file():
                shutil.copy(source, staging / source.name)
        _say_dtype(staging / "config.json", "float32")
        if about := carried(read_about(adapter)):
            _write_about(staging, about)
    try:
        with torch.no_grad():
            got = load(staging, torch.float32, cpu)(input_ids=probe).logits
    except ModelError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise ModelError(f"the merged model cannot be read again ({error}); nothing was exported") from None
    worst = float((wanted - got).abs().max())
    # float32 merging rounds once more than adding the two products does; anything larger is a fault.
    if not worst <= 1e-3 * max(1.0, float(wanted.abs().max())):
        shutil.rmtree(staging, ignore_errors=True)
        raise ModelError(f"the merged model's logits differ from base + adapter by {worst:.3g}; nothing was exported")
    with disk(target):
        if target.exists():
            target.rmdir()
        staging.rename(target)
    return worst


def _say_dtype(path: Path, dtype: str) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    config["dtype"] = dtype
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
