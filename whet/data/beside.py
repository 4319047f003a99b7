"""Rows to learn from with others, made of them, beside them; and a trail of where they came from."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whet.config.tree import Data
from whet.data.place import GROUPS
from whet.data.read import GATHERED, Stream, notes_of, through
from whet.data.sources import files
from whet.data.trail import leave
from whet.data.writers.messages import messages
from whet.data.writers.text_label import text_label
from whet.errors import DataError, Problem, RunError, UsageError
from whet.types import Chat, Progress

TOGETHER = GROUPS[-1]
"""The column that keeps a row and what was made of it on one side when the file is parted."""

Make = Callable[[Chat], Iterable[tuple[str, Chat]]]
"""What is made of a row, each with its kind."""


@dataclass
class Beside:
    """What was written: how many rows, and how many made of them by kind; `notes` are what a person should know."""

    rows: int = 0
    made: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Act:
    """What is done, as the trail calls it; `column` says of a made row what kind it is; `none` why none was made."""

    name: str
    settings: Mapping[str, Any]
    column: str
    none: str


def chats(
    path: str, data: Data, act: str, show: Progress | None, told: list[str]
) -> tuple[list[Stream], Iterator[Chat]]:
    """Return a file's streams, and its rows.

    Raises:
        UsageError: several rows make one conversation. DataError: rows that cannot be read, or are no conversations.
    """
    streams = [Stream(file, data) for file in files(path, told, show=show)]
    return streams, _chats(streams, act, show)


def _chats(streams: Sequence[Stream], act: str, show: Progress | None) -> Iterator[Chat]:
    for stream, row in through(streams, act, show):
        if stream.shape in GATHERED:
            raise UsageError(f"{stream.name}: several rows make one conversation; first `whet data convert` them")
        if not isinstance(row, Chat):
            what = f"rows read as {stream.shape} are no questions with answers; name a file of those"
            raise DataError([Problem(stream.name, 0, what)])
        yield row


def write_beside(path: str, make: Make, act: Act, out: Path, data: Data, show: Progress | None = None) -> Beside:
    """Write every row of a file and after it what is made of it, and leave a trail.

    Rows are written as messages, or as texts with their labels, and those that belong together have the same
    `group_id`, unless they have a column of their own for that.

    Raises:
        UsageError: `out` cannot be used, or several rows make one conversation. DataError: rows that cannot be read,
        are no conversations, or of which nothing can be made. RunError: it cannot be written; then nothing is left.
    """
    writable(out)
    done, told = Beside(), list[str]()
    streams, rows = chats(path, data, f"{act.name}:", show, told)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("x", encoding="utf-8") as sink:
            for row in _written(rows, make, act, done):
                sink.write(json.dumps(row, ensure_ascii=False) + "\n")
        if not done.made:
            raise DataError([Problem(path, 0, f"{act.none} in {done.rows:,} rows; nothing to do")])
        part.replace(out)
    except OSError as error:
        why = f"cannot be written ({error.strerror or error})"
        raise RunError(f"--out {out}: {why}; name a file in a folder that exists and has room") from None
    finally:
        part.unlink(missing_ok=True)
    done.notes += [*notes_of(streams), *told]
    counts = {"rows": done.rows, **{f"made ({kind})": count for kind, count in done.made.items()}}
    leave(out, act.name, [stream.file for stream in streams], dict(act.settings), counts)
    return done


def writable(out: Path) -> None:
    """Check, before anything is read, that a file can be written.

    Raises:
        UsageError: it exists, or has the wrong ending.
    """
    if out.suffix.lower() != ".jsonl":
        raise UsageError(f"--out {out}: rows are written as JSON Lines; name a file that ends in .jsonl")
    if out.exists():
        raise UsageError(f"--out: {out} exists and nothing is overwritten; name another file")


def _written(rows: Iterator[Chat], make: Make, act: Act, done: Beside) -> Iterator[dict[str, Any]]:
    for row in rows:
        done.rows += 1
        plain = row.label is not None and [message.role for message in row.messages] == ["user", "assistant"]
        write: Callable[[Chat], dict[str, Any]] = text_label if plain else messages
        own = dict(group.split("=", 1) for group in row.groups if not group.startswith("row="))
        place: dict[str, Any] = {"split": row.split} if row.split else {}
        place |= own or {TOGETHER: str(done.rows)}
        yield {**write(row), **place}
        for kind, made in make(row):
            done.made[kind] += 1
            yield {**write(made), **place, act.column: kind}
