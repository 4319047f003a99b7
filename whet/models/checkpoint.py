"""Checkpoints that can be trusted: whole or not there, verified before use, never torn by a crash.

The order of a save: every file written and fsynced inside ckpt/.tmp-<step>-<attempt>/, then the manifest with their
sizes and sha256, then the folder fsynced, then one rename to step-<N>, then the parent fsynced, then LATEST replaced,
and only then older ones pruned. A folder that is not complete is therefore never named step-<N>.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor

from whet.errors import FitError, RunError
from whet.runs.run import disk

FORMAT = 1
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything a run needs to go on as if it had never stopped."""

    step: int
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    random: dict[str, Tensor]  # the state of torch's generators by device, uint8
    state: dict[str, Any]  # plain JSON: best loss, patience, digests of what was consumed


def folder_of(run: Path, step: int) -> Path:
    """Return the folder of a step's checkpoint."""
    return run / "ckpt" / f"step-{step:08d}"


def save(run: Path, checkpoint: Checkpoint, *, keep: int = 2, protect: int | None = None) -> Path:
    """Write a checkpoint so that it is whole or not there, then prune all but the newest `keep` and `protect`.

    Raises:
        FitError: less free space than twice the checkpoint; nothing is then left half-written.
    """
    parent = run / "ckpt"
    target = folder_of(run, checkpoint.step)
    with disk(parent):
        parent.mkdir(exist_ok=True)
        blobs = {
            "weights.safetensors": save_bytes(checkpoint.weights),
            "optimizer.safetensors": save_bytes(checkpoint.optimizer),
            "random.safetensors": save_bytes(checkpoint.random),
            "state.json": json.dumps({"step": checkpoint.step, **checkpoint.state}, indent=1).encode(),
        }
        _demand_space(parent, sum(map(len, blobs.values())))
        attempt = sum(1 for _ in parent.glob(f".tmp-{checkpoint.step}-*"))
        staging = parent / f".tmp-{checkpoint.step}-{attempt}"
        try:
            staging.mkdir()
            for name, blob in blobs.items():
                _write(staging / name, blob)
            files = {
                name: {"size": len(blob), "sha256": hashlib.sha256(blob).hexdigest()} for name, blob in blobs.items()
            }
            manifest = {"format": FORMAT, "step": checkpoint.step, "world_size": 1, "files": files}
            _write(staging / "manifest.json", json.dumps({**manifest, "sha256": _digest(manifest)}, indent=1).encode())
            _sync(staging)
            if target.exists():
                shutil.rmtree(target)
            staging.rename(target)
            _sync(parent)
        except OSError:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        fresh = parent / ".LATEST.new"
        _write(fresh, target.name.encode())
        fresh.replace(parent / "LATEST")
        _sync(parent)
    _prune(parent, keep, protect)
    return target


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _write(path: Path, blob: bytes) -> None:
    with path.open("wb") as file:
        file.write(blob)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _demand_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < 2 * size:
        raise FitError(
            f"{folder}: a checkpoint of {size:,} bytes needs {2 * size:,} free and there are {free:,}; "
            f"free some space and continue with `whet resume {folder.parent}`"
        )


def _prune(parent: Path, keep: int, protect: int | None) -> None:
    steps = sorted(parent.glob("step-*"))
    for old in steps[:-keep]:
        if protect is None or old != parent / f"step-{protect:08d}":
            # Renamed first: a prune cut short must not leave something that looks like a checkpoint.
            gone = old.with_name(f".gone-{old.name}")
            old.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
    for rest in [*parent.glob(".tmp-*"), *parent.glob(".gone-*")]:
        shutil.rmtree(rest, ignore_errors=True)


def newest(run: Path, say: Say) -> Checkpoint | None:
    """Return the newest checkpoint that verifies; others are quarantined, each with a sentence. None: none is left."""
    for folder in sorted((run / "ckpt").glob("step-*"), reverse=True):
        try:
            return read(folder)
        except RunError as error:
            set_aside(folder)
            say(f"{error}; it was set aside and the one before it is used")
    return None


def set_aside(folder: Path) -> None:
    """Rename a checkpoint that cannot be trusted, so that it is not taken for one and can be looked at."""
    tries = (folder.with_name(f".corrupt-{folder.name}-{n}") for n in range(10_000))
    with disk(folder):
        folder.rename(next(path for path in tries if not path.exists()))


def read(folder: Path) -> Checkpoint:
    """Return a checkpoint after verifying every byte of it.

    Raises:
        RunError: a file is missing, cut short, changed, or from a newer format; it is named.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if _digest({key: value for key, value in manifest.items() if key != "sha256"}) != manifest["sha256"]:
            raise ValueError("changed")
        files: Mapping[str, Mapping[str, Any]] = manifest["files"]
        if manifest["format"] != FORMAT:
            raise RunError(f"{folder}: checkpoint format {manifest['format']}, but this version reads {FORMAT}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{folder / 'manifest.json'}: missing or damaged") from None
    blobs = {}
    for name in ("weights.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"):
        try:
            blob = (folder / name).read_bytes()
            expected = files[name]
        except (OSError, KeyError):
            raise RunError(f"{folder / name}: missing from the checkpoint") from None
        if len(blob) != expected["size"] or hashlib.sha256(blob).hexdigest() != expected["sha256"]:
            raise RunError(f"{folder / name}: damaged (its sha256 is not the one in the manifest)")
        blobs[name] = blob
    try:
        state = json.loads(blobs["state.json"])
        weights, moments = (
            load_bytes(blobs["weights.safetensors"]),
            load_bytes(blobs["optimizer.safetensors"]),
        )
        return Checkpoint(state.pop("step"), weights, moments, load_bytes(blobs["random.safetensors"]), state)
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{folder}: damaged: {error}") from None


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of the generators that a step on this device draws from."""
    state = {"torch": torch.get_rng_state()}
    return {**state, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def restore_random(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Put the generators back into that state."""
    torch.set_rng_state(state["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the optimizer's state as named tensors; a plain count becomes an int64."""
    return {
        f"{name}/{key}": torch.as_tensor(value).detach().clone().contiguous()
        for name, parameter in names.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[str, Tensor], saved: Mapping[str, Tensor]
) -> None:
    """Put saved tensors back as the optimizer's state, exactly as they were.

    Raises:
        RunError: they are those of another kind of optimizer.
    """
    plain = {full.rpartition("/")[2] for full in saved} & {"exp_avg", "state1"}
    if plain - {"state1" if hasattr(optimizer, "get_state_buffer") else "exp_avg"}:
        raise RunError("optim.moments: changed since the checkpoint was written; put it back or start a new run")
    for full, value in saved.items():
        name, _, key = full.rpartition("/")
        parameter = names[name]
        if key == "step":  # a tensor on the CPU in torch's AdamW, a plain count in bitsandbytes'
            optimizer.state[parameter][key] = value.clone() if value.is_floating_point() else int(value)
            continue
        if value.shape == parameter.shape and hasattr(optimizer, "get_state_buffer"):
            buffer = optimizer.get_state_buffer(parameter, dtype=value.dtype)  # in pages, where it keeps them so
        else:
            buffer = torch.empty_like(value, device=parameter.device)
        optimizer.state[parameter][key] = buffer.copy_(value)


def steps(run: Path) -> Iterator[int]:
    """Yield the steps that have a checkpoint, oldest first."""
    for folder in sorted((run / "ckpt").glob("step-*")):
        yield int(folder.name.removeprefix("step-"))
