"""Rows in another shape, read back and compared before they count."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from operator import ne
from pathlib import Path
from typing import Any

from whet.config.tree import Data
from whet.data.formulas import guarded
from whet.data.read import read, read_files
from whet.data.shapes import Unusable
from whet.data.sources import files
from whet.data.trail import leave
from whet.errors import DataError, Problem, RunError, UsageError
from whet.plugins import find, names
from whet.types import Chat, Example, Feedback, Message, Preference

ENDINGS = (".jsonl", ".json", ".csv", ".tsv")


def convert(path: str | Path, to: str, out: Path, data: Data | None = None) -> list[str]:
    """Write the rows of a file in another shape and return what a person should know.

    Raises:
        DataError: rows that cannot be read, for which the shape has no place, or that do not come back the same.
        UsageError: no such shape, or `out` cannot be used. RunError: it cannot be written.
    """
    if to not in names("data.writers"):
        raise UsageError(f"--to {to}: choose from {', '.join(names('data.writers'))}")
    if out.suffix.lower() not in ENDINGS:
        raise UsageError(f"--out {out}: rows are written as {', '.join(ENDINGS)}; name such a file")
    if out.exists():
        raise UsageError(f"--out: {out} exists and nothing is overwritten; name another file")
    told = list[str]()
    named = files(path, told)
    dataset = read_files(named, data, told)
    notes = list(dataset.notes)
    examples: Sequence[Example] = dataset.examples
    if to in ("messages", "prompt_completion", "sharegpt") and isinstance(examples[0], Preference | Feedback):
        examples = [best for example in examples if (best := _best(example))]
        notes.append(f"the best reply of each row was kept, {len(examples):,} in all; what lost is left out")
    rows, problems = _written(examples, to)
    if problems:
        raise DataError(problems)
    text, count = _text(rows, out.suffix.lower())
    if count:
        cells = "cells that a spreadsheet would run as formulas have ' before them; whet reads them without it"
        notes.append(f"{count:,} {cells}, other programs do not")
    part = out.with_name(f".part-{out.name}")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        if problems := _differing(examples, part, to):
            raise DataError(problems)
        part.replace(out)
    except OSError as error:
        why = f"cannot be written ({error.strerror or error})"
        raise RunError(f"--out {out}: {why}; name a file in a folder that exists and has room") from None
    finally:
        part.unlink(missing_ok=True)
    leave(out, "convert", named, {"to": to}, {"rows": len(rows)})
    return [*notes, f"{len(rows):,} rows written as {to} to {out}; read back, they say the same"]


def _best(example: Example) -> Example | None:
    """Return the conversation with the best reply, if that one is good."""
    if isinstance(example, Preference):
        return Chat(
            (*_context(example.messages), *example.replies[0]),
            example.source,
            example.tools,
            split=example.split,
            groups=example.groups,
            time=example.time,
        )
    if isinstance(example, Feedback) and example.value > 0.5:
        return Chat(
            (*_context(example.messages), *example.reply),
            example.source,
            example.tools,
            split=example.split,
            groups=example.groups,
            time=example.time,
        )
    return None


def _context(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(replace(turn, weight=0.0) if turn.role == "assistant" else turn for turn in messages)


def _written(examples: Sequence[Example], to: str) -> tuple[list[dict[str, Any]], list[Problem]]:
    write = find("data.writers", to)
    splits = any(example.split for example in examples)
    rows, problems = [], []
    for example in examples:
        try:
            rows.append({**write(example), **_place(example, splits)})
        except Unusable as error:
            problems.append(_problem(example, str(error)))
    return rows, problems


def _place(example: Example, splits: bool) -> dict[str, Any]:
    """Return the columns that say where a row belongs."""
    named = dict(group.split("=", 1) for group in example.groups if not group.startswith("row="))
    time = {} if example.time is None else {"time": example.time}
    return {**({"split": example.split or "train"} if splits else {}), **named, **time}


def _differing(examples: Sequence[Example], file: Path, to: str) -> list[Problem]:
    """Return the rows that do not come back the same from a file."""
    groups = tuple({group.partition("=")[0]: "" for one in examples for group in one.groups}) or None
    time = "time" if any(one.time is not None for one in examples) else None
    try:
        back = read(file, Data(shape=to, group=groups, time=time)).examples
    except DataError as error:
        return [
            Problem(
                str(file.with_name(file.name.removeprefix(".part-"))),
                one.line,
                f"refused when read back as {to}: {one.what}",
            )
            for one in error.problems
        ]
    if len(back) != len(examples):
        return [
            _problem(examples[0], f"{len(examples):,} rows came back as {len(back):,}; choose another format or shape")
        ]
    what = f"{file.suffix} as {to} does not say all that this row says; choose another format or shape"
    pairs = zip(examples, back, strict=True)
    return [_problem(one, what) for one, other in pairs if _plain(one) != _plain(other)]


def _plain(example: Example) -> Example:
    """Return what a row says, without where it stands; a label is an answer like any other in most shapes."""
    groups = tuple(sorted({group for group in example.groups if not group.startswith("row=")}))
    bare = replace(example, source="", split=None, groups=groups)
    return replace(bare, label=None) if isinstance(bare, Chat) else bare


def _problem(example: Example, what: str) -> Problem:
    path, _, line = example.source.rpartition(":")
    return Problem(path, int(line or 0), what)


def _text(rows: Sequence[dict[str, Any]], suffix: str) -> tuple[str, int]:
    """Return the file's text and how many cells were guarded against spreadsheets."""
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), 0
    if suffix == ".json":
        return json.dumps(list(rows), ensure_ascii=False, indent=1) + "\n", 0
    columns = list(dict.fromkeys(name for row in rows for name in row))
    sink = io.StringIO()
    sheet = csv.writer(sink, "excel-tab" if suffix == ".tsv" else "excel", lineterminator="\n")
    sheet.writerow(map(guarded, columns))
    count = 0
    for row in rows:
        cells = [_cell(row.get(name)) for name in columns]
        safe = list(map(guarded, cells))
        count += sum(map(ne, safe, cells))
        sheet.writerow(safe)
    return sink.getvalue(), count


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
