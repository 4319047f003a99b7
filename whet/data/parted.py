"""The sides of a data set as files, rows as they stood in theirs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.config.tree import Data
from whet.data.formats import rows_of
from whet.data.read import GATHERED, read_files
from whet.data.scan import Findings
from whet.data.sources import File, files
from whet.data.split import SIDES, check_apart, part
from whet.data.trail import leave
from whet.errors import RunError, UsageError
from whet.types import SplitName

SETTINGS = ("shares", "group", "time", "stratify", "folds")


Place = tuple[int, int]  # of a file among those named, and of a row in it: rows of JSON may share a line


@dataclass(frozen=True, slots=True)
class Parting:
    """Which rows go to which side, and what a person should know; several for cross-validation."""

    files: tuple[File, ...]
    sides: tuple[Mapping[Place, SplitName], ...]
    notes: tuple[str, ...]
    settings: Mapping[str, Any]

    def sentences(self) -> list[str]:
        """Return what will be written."""
        said = list(self.notes)
        for number, sides in enumerate(self.sides):
            counts = [f"{list(sides.values()).count(side):,} rows to {side}" for side in SIDES]
            said.append((f"fold {number}: " if len(self.sides) > 1 else "") + ", ".join(counts))
        return said


def parting(path: str, data: Data) -> Parting:
    """Return how a file (or folder, or pattern, or what lies elsewhere) is parted; nothing is written.

    Raises:
        DataError: rows that cannot be read, or stand on two sides. UsageError: see `part`.
    """
    told = list[str]()
    named = files(path, told)
    dataset = read_files(named, data, told)
    if set(dataset.shape.split(" and ")) & set(GATHERED):
        way = "first `whet data convert` them to messages"
        raise UsageError(f"{path}: several rows make one conversation ({dataset.shape}), so they are not parted; {way}")
    places = {id(row): place for row, place in zip(dataset.examples, dataset.rows, strict=True)}
    notes, found = list(dataset.notes), []
    for fold in range(data.folds or 1):
        splits = part(dataset.examples, data.model_copy(update={"fold": fold}))
        notes += [note for note in (*splits.notes, *check_apart(splits)) if note not in notes]
        found.append({places[id(row)]: side for side in SIDES for row in getattr(splits, side)})
    said = {name: value for name in SETTINGS if (value := getattr(data, name)) is not None}
    return Parting(tuple(named), tuple(found), tuple(notes), said)


def write(parted: Parting, out: Path) -> None:
    """Write `train.jsonl`, `validation.jsonl` and `test.jsonl` (in `fold-0` ... for several), each with its trail.

    Raises:
        UsageError: the folder is there and not empty. RunError: it cannot be written.
    """
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"--out: {out} exists and nothing is overwritten; name a new folder")
        for number, sides in enumerate(parted.sides):
            folder = out / f"fold-{number}" if len(parted.sides) > 1 else out
            folder.mkdir(parents=True, exist_ok=True)
            _write(parted, sides, folder)
    except OSError as error:
        if isinstance(error, RunError):
            raise
        why = f"cannot be written ({error.strerror or error})"
        raise RunError(f"--out {out}: {why}; name a folder where there is room and you may write") from None


def _write(parted: Parting, sides: Mapping[Place, SplitName], folder: Path) -> None:
    counts = dict.fromkeys(SIDES, 0)
    sinks = {side: (folder / f"{side}.jsonl").open("w", encoding="utf-8") for side in SIDES}
    try:
        for at, file in enumerate(parted.files):
            for number, (_, row) in enumerate(rows_of(file.path, Findings(file.name), [])):
                if side := sides.get((at, number)):
                    sinks[side].write(json.dumps(row, ensure_ascii=False) + "\n")
                    counts[side] += 1
    finally:
        for sink in sinks.values():
            sink.close()
    for side in SIDES:
        if counts[side]:
            leave(folder / f"{side}.jsonl", f"split: {side}", parted.files, parted.settings, {"rows": counts[side]})
        else:
            (folder / f"{side}.jsonl").unlink()
