"""From a name to an engine: a base model, a run, or a folder that holds a finished model."""

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
from whet.models.source import Say, at_home, is_file, is_folder, resolve
from whet.models.start import base_name, model_folder, start_from
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


@dataclass(frozen=True, slots=True)
class Located:
    """Where a model lies, before its weights are loaded: `adapted` says that its folder has an adapter of the base."""

    folder: Path
    base: Path
    adapted: bool
    about: dict[str, Any]
    renderer: Renderer

    @property
    def context(self) -> int:
        """The longest prompt and reply together, in tokens."""
        return min(context_of(self.base), int(self.about.get("context", 1 << 30)))


def locate(name: str, say: Say = lambda _: None) -> Located:
    """Return where the model of that name lies: a base model, a run's folder, or a model folder.

    Raises:
        ModelError: nothing of that name; or its chat template or tokenizer is not the one it was trained with.
    """
    folder = model_folder(name)
    about = read_about(folder)
    if about.get("scores"):
        raise ModelError(f"{name}: this model scores replies and says none; it is a reward model")
    adapted = is_file(folder / CONFIG)
    if adapted:
        base = start_from(base_name(folder, about), say)
    else:
        base = resolve(str(folder) if is_folder(folder) else name, say)
    renderer = Renderer(folder if is_file(folder / "tokenizer.json") else base.folder)
    if "template" in about and about["template"] != renderer.digest:
        raise ModelError(
            f"{folder}: the chat template or tokenizer is not the one this model was trained with, so its answers "
            "would not be those that were measured; restore the files or train again"
        )
    return Located(folder, base.folder, adapted, about, renderer)


def open_model(name: str, model: Model | None = None, say: Say = lambda _: None) -> Opened:
    """Return the engine for a base model's name, a run's folder, or a model folder.

    Raises:
        ModelError: as `locate`. UsageError: model.quantize asks for other weights than it was trained on.
    """
    settings, found = model or Model(), locate(name, say)
    device = device_of(settings.device)
    auto = settings.dtype == "auto"
    dtype = dtype_of(_precision(found.folder, found.about, device) if auto else settings.dtype, device)
    weights = load(found.base, dtype, device, _quantize(name, found.about, settings))
    if found.adapted:
        check_base(found.base, found.about)
        weights = load_adapter(weights, found.folder)
    context = found.context - ahead(weights)
    engine = Local(weights, found.renderer, context, packs=Policy(weights).packs)
    return Opened(engine, found.about, found.base)


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
    folder = at_home(name)
    return read_about(folder / "model" if (folder / "run.json").is_file() else folder)
