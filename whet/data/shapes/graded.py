"""Prompts whose replies a grader judges, as OpenAI's files for reinforcement fine-tuning write them."""

from typing import Any

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable, kind
from whet.data.shapes._pairs import Asked
from whet.data.shapes._turns import unpacked
from whet.types import Frozen, Prompt

__all__ = ["graded"]

TARGETS = (
    "reference_answer",
    "reference",
    "ground_truth",
    "solution",
    "target",
    "expected_output",
    "expected",
    "answer",
)
REPLIES = ("completion", "response", "chosen", "output")


def graded(table: Table, data: Data) -> Reading | None:
    """`messages` that end with the user (or `prompt`), and what a grader reads: `reference_answer`, any column.

    All other columns are kept for the grader, as OpenAI's `item`.
    """
    asked = Asked(table, data, "messages", "prompt")
    if asked.column is None or (data.shape is None and (data.columns or table.find(*REPLIES))):
        return None
    target, grader = table.optional(*TARGETS), table.optional("grader")
    told = target or grader or (asked.column.strip().casefold() == "messages" and _others(table, asked))
    waits = all(_open(value) for value in table.values(asked.column))
    if data.shape is None and not (told and waits):
        return None

    def convert(row: Row) -> list[Prompt]:
        wanted = row.get(target) if target else None
        targets = tuple(_written(one) for one in (wanted if isinstance(wanted, list) else [wanted]) if one is not None)
        item = {name: value for name, value in row.items() if name not in (*asked.columns, grader)}
        return [Prompt(asked.of(row), targets, tools=asked.tools_of(row), item=item, grader=_grader(row, grader))]

    how = f"{asked.column} -> a prompt to be answered" + (f", {target} -> what is right" if target else "")
    how += f", {grader} -> the grader" if grader else ""
    note = table.say("graded", f"{how}; everything else is kept for the grader", *table.names)
    return Reading(note, (asked.column,), convert, asked.optional)


def _others(table: Table, asked: Asked) -> bool:
    """Say whether rows have anything besides a prompt, which a grader could read."""
    return any(name not in (*asked.columns, *table.placing) for name in table.names)


def _open(value: Any) -> bool:
    """Say whether a prompt waits for a reply. A prompt that is plain text does where nothing but its target follows."""
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        return value[-1].get("role") in ("user", "tool", "developer", "system")
    return False


def _written(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _grader(row: Row, column: str | None) -> Frozen | None:
    value = unpacked(row.get(column), column) if column else None
    if value in (None, ""):
        return None
    if not isinstance(value, dict):
        raise Unusable(f"{column!r} is {kind(value)}, not an object; write it as OpenAI's graders are written")
    return value
