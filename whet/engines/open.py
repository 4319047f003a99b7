"""From a name to an engine: a base model, a run, or a folder that holds a finished model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from whet.config.tree import Model
from whet.data.render import Renderer
from whet.engines.local import Local
from whet.errors import ModelError, UsageError
from whet.models.adapt import CONFIG, load_adapter
from whet.models.export import check_base, read_about
from whet.models.load import DTYPES, context_of, device_of, dtype_of, load
from whet.models.policy import Policy
from whet.models.quantized import Quantize
from whet.models.source import Say, is_file, is_folder, resolve
from whet.models.virtual import ahead
from whet.runs.run import Run


@dataclass(frozen=True, slots=True)
class Opened:
    """An engine, and what its model says about how it was trained (empty for a base model)."""

    engine: Local
    about: dict[str, Any]
    base_folder: Path

    @property
    def instruction(self) -> str | None:
        """The system message that the model was trained with, if it was given one by whet."""
        said = self.about.get("instruction")
        return said if isinstance(said, str) else None


def open_model(name: str, model: Model | None = None, say: Say = lambda _: None) -> Opened:
    """Return the engine for a base model's name, a run's folder, or a model folder.

    Raises:
        ModelError: nothing of that name; or its chat template or tokenizer is not the one it was trained with.
        UsageError: model.quantize asks for other weights than it was trained on.
    """
    settings = model or Model()
    folder = Path(name)
    if is_file(folder / "run.json"):
        folder = folder / "model"
        if not is_folder(folder):
            raise ModelError(f"{name}: this run has no finished model yet; continue it with `whet resume {name}`")
    about = read_about(folder)
    if about.get("scores"):
        raise ModelError(f"{name}: this model scores replies and says none; it is a reward model")
    device = device_of(settings.device)
    dtype = dtype_of(_precision(folder, about, device) if settings.dtype == "auto" else settings.dtype, device)
    adapted = is_file(folder / CONFIG)
    base = resolve(_base_name(folder, about) if adapted else str(folder) if is_folder(folder) else name, say)
    renderer = Renderer(folder if is_file(folder / "tokenizer.json") else base.folder)
    if "template" in about and about["template"] != renderer.digest:
        raise ModelError(
            f"{folder}: the chat template or tokenizer is not the one this model was trained with, so its answers "
            "would not be those that were measured; restore the files or train again"
        )
    weights = load(base.folder, dtype, device, _quantize(name, about, settings))
    if adapted:
        check_base(base.folder, about)
        weights = load_adapter(weights, folder)
    context = min(context_of(base.folder), int(about.get("context", 1 << 30))) - ahead(weights)
    return Opened(Local(weights, renderer, context, packs=Policy(weights).packs), about, base.folder)


def _precision(folder: Path, about: dict[str, Any], device: torch.device) -> str:
    """Return the precision that the model was trained and judged in; auto where that was on another kind of device.

    A measurement may turn out otherwise the next time, and with it an answer.
    """
    if about.get("device") == device.type and str(about.get("dtype")) in DTYPES:
        return str(about["dtype"])
    file = folder.parent / "precision.json"  # runs that were trained before whet.json had it
    if "dtype" in about or "kind" not in about or not is_file(file):
        return "auto"
    said = Run(folder.parent).read_json(file.name)
    return str(said) if str(said) in DTYPES else "auto"


def _quantize(name: str, about: dict[str, Any], settings: Model) -> Quantize | None:
    """Return how the linear layers are kept: as they were in training, where that is known."""
    trained: Quantize | None = about.get("quantize") if "kind" in about else settings.quantize
    if settings.quantize not in (None, trained):
        raise UsageError(
            f"model.quantize: {name} was trained on weights that were not packed, so it would answer differently; "
            "leave it out, or train with it"
        )
    return trained


def about_of(name: str) -> dict[str, Any]:
    """Return what the model of a run, or a model folder, says about how it was trained; nothing for a base model."""
    folder = Path(name)
    return read_about(folder / "model" if (folder / "run.json").is_file() else folder)


def _base_name(folder: Path, about: dict[str, Any]) -> str:
    if "base" in about:
        return str(about["base"])
    file = folder / CONFIG
    try:
        adapter = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file}: not valid JSON: {error}") from None
    name = adapter.get("base_model_name_or_path") if isinstance(adapter, dict) else None
    if not isinstance(name, str) or not name:
        raise ModelError(f"{file}: names no base model (base_model_name_or_path)")
    return name
