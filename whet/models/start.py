"""What training begins with: a base model, or a model that was trained before, its adapter folded in."""

import hashlib
import json
from pathlib import Path
from typing import Any

from whet.config.places import cache_folder
from whet.errors import ModelError
from whet.models.adapt import CONFIG, WEIGHTS
from whet.models.export import check_base, export_merged, read_about
from whet.models.source import Base, Say, is_file, is_folder, resolve, sha256, weights_digest


def start_from(name: str, say: Say = lambda _: None) -> Base:
    """Return the model of a name as plain weights: as `resolve`, and of a run or an adapter the model that it made.

    An adapter is folded into its base in float32, compared with it, and kept in the cache by the digest of both.

    Raises:
        ModelError: as `resolve`; the run has no model yet, or one that says nothing; its base is another one now.
    """
    folder = model_folder(name)
    about = read_about(folder) if is_folder(folder) else {}
    if about.get("scores"):
        raise ModelError(f"model.name: {name} scores replies and says none; it is a reward model")
    if not is_file(folder / CONFIG):
        return resolve(name, say) if folder == Path(name) else Base(name, folder, "a run", folder.resolve().parent.name)
    base = start_from(base_name(folder, about), say)
    check_base(base.folder, about)
    made_of = f"{sha256(folder / WEIGHTS)} {sha256(folder / CONFIG)} {weights_digest(base.folder)}"
    target = cache_folder() / "merged" / hashlib.sha256(made_of.encode()).hexdigest()[:32]
    if not is_folder(target):
        say(f"folding the adapter of {name} into {base.name}, once")
        export_merged(base.folder, folder, target, about.get("quantize"))
    return Base(name, target, f"{base.origin}, with an adapter folded in", folder.resolve().parent.name)


def model_folder(name: str) -> Path:
    """Return where the model of a run lies; any other name stays as it is.

    Raises:
        ModelError: the run has no finished model.
    """
    folder = Path(name)
    if not is_file(folder / "run.json"):
        return folder
    if not is_folder(folder / "model"):
        raise ModelError(f"{name}: this run has no finished model yet; continue it with `whet resume {name}`")
    return folder / "model"


def base_name(folder: Path, about: dict[str, Any]) -> str:
    """Return the name of the model that an adapter was trained on.

    Raises:
        ModelError: the folder does not say.
    """
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
