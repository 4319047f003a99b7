"""What training begins with: a base model, or a model that was trained before, its adapter folded in."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from whet.config.places import cache_folder
from whet.errors import ModelError
from whet.models.adapt import CONFIG, WEIGHTS
from whet.models.export import BESIDE, TOKENIZER, carried, check_base, export_merged, read_about
from whet.models.source import Base, Say, at_home, is_file, is_folder, resolve, sha256, weights_digest, workplace

WHOLE = "whole.json"
"""Written last into a folded model: the sha256 of each of its files."""


def start_from(name: str, say: Say = lambda _: None) -> Base:
    """Return the model of a name as plain weights: as `resolve`, and of a run or an adapter the model that it made.

    An adapter is folded into its base in float32, compared with it, and kept in the cache by the digest of all that it
    is made of. One that is damaged there is folded again.

    Raises:
        ModelError: as `resolve`; the run has no model yet, or one that says nothing; its base is another one now.
    """
    folder = model_folder(name)
    about = read_about(folder) if is_folder(folder) else {}
    if about.get("scores"):
        raise ModelError(f"model.name: {name} scores replies and says none; it is a reward model")
    if not is_file(folder / CONFIG):
        ours = folder != at_home(name)
        return Base(name, folder, "a run", folder.resolve().parent.name) if ours else resolve(name, say)
    base = start_from(base_name(folder, about), say)
    check_base(base.folder, about)
    target = cache_folder() / "merged" / _made_of(folder, base, about)
    if not _whole(target):
        with workplace(target) as place:
            if not _whole(target):
                say(f"folding the adapter of {name} into {base.name}, once")
                export_merged(base.folder, folder, place / "model", about.get("quantize"))
                (place / "model" / WHOLE).write_text(json.dumps(_digests(place / "model")), encoding="utf-8")
                shutil.rmtree(target, ignore_errors=True)
                (place / "model").rename(target)
    return Base(name, target, f"{base.origin}, with an adapter folded in", folder.resolve().parent.name)


def _made_of(folder: Path, base: Base, about: dict[str, Any]) -> str:
    """Return one digest over everything that a folded model is made of."""
    tokenizer = [folder / name for name in TOKENIZER if is_file(folder / name)]
    files = [folder / WEIGHTS, folder / CONFIG, base.folder / "config.json", *tokenizer]
    known = [(file.name, sha256(file)) for file in files]
    said = [known, weights_digest(base.folder), carried(about), about.get("quantize")]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: sha256(file) for file in sorted(folder.iterdir()) if file.name != WHOLE}


def _whole(folder: Path) -> bool:
    """Say whether a folded model is there as it was written."""
    try:
        told = json.loads((folder / WHOLE).read_text(encoding="utf-8"))
        return bool(told == _digests(folder))
    except (OSError, ValueError, RecursionError):
        return False


def model_folder(name: str) -> Path:
    """Return where the model of a run lies; any other name stays as it is, but for a ~ that begins it.

    Raises:
        ModelError: the run has no finished model.
    """
    folder = at_home(name)
    if not is_file(folder / "run.json"):
        return folder
    if not is_folder(folder / "model"):
        raise ModelError(f"{name}: this run has no finished model yet; continue it with `whet resume {name}`")
    return folder / "model"


def base_name(folder: Path, about: dict[str, Any]) -> str:
    """Return the name of the model that an adapter was trained on.

    A run that is gone from where it was is looked for where it lay beside the adapter: both may have been moved.

    Raises:
        ModelError: the folder does not say.
    """
    if "base" in about:
        beside = (folder.resolve() / str(about.get(BESIDE, ""))).resolve()
        moved = BESIDE in about and not is_folder(at_home(str(about["base"]))) and is_folder(beside)
        return str(beside if moved else about["base"])
    file = folder / CONFIG
    try:
        adapter = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file}: not valid JSON: {error}") from None
    name = adapter.get("base_model_name_or_path") if isinstance(adapter, dict) else None
    if not isinstance(name, str) or not name:
        raise ModelError(f"{file}: names no base model (base_model_name_or_path)")
    return name
