"""Several replies to one prompt, in order or with a grade each."""

from typing import Any

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable, kind
from whet.data.shapes._pairs import Asked, number_of, preference, reply_of
from whet.data.shapes._turns import unpacked
from whet.types import Preference

__all__ = ["ranking"]

LISTS = ("completions", "responses", "replies", "answers", "outputs", "candidates")
ORDERED = ("ranked", "ranking", "ranked_responses", "ranked_completions")
GRADES = ("grades", "scores", "ratings", "rewards")
RANKS = ("ranks", "rank")
WITHIN = ("overall_score", "fine-grained_score", "score", "rating", "grade", "reward")
TEXT = ("response", "completion", "text", "content", "reply", "answer", "output", "messages")


def ranking(table: Table, data: Data) -> Reading | None:
    """A prompt and a list of replies: `ranked` (the best first), or `completions` (`responses`, ...) with grades.

    Grades are a list beside it (`scores`, `ratings`, ...: higher is better; `ranks`: 1 is best), or stand in each reply
    as {"response": ..., "score": ...}. Equal grades are ties.
    """
    asked = Asked(table, data, "prompt", "instruction", "question", "query")
    ordered, listed = table.find(*ORDERED), table.find(*LISTS)
    grades, ranks = table.find(*GRADES), table.find(*RANKS)
    column = ordered or listed
    if asked.column is None or column is None or table.kind(column) not in ("a list", "text"):
        return None
    within = ordered is None and not grades and not ranks
    if within and not _graded(table, column):
        return None

    def convert(row: Row) -> list[Preference]:
        replies = _list(row, column)
        if ordered:
            levels = [float(len(replies) - at) for at in range(len(replies))]
        elif within:
            levels = [_within(one, column) for one in replies]
        else:
            beside = str(grades or ranks)
            levels = [number_of(one, beside) * (1 if grades else -1) for one in _list(row, beside)]
        if len(levels) != len(replies):
            raise Unusable(f"{column!r} has {len(replies)} replies and {len(levels)} grades; give each reply one")
        turns = [reply_of(_text(one, column), column) for one in replies]
        return [preference(asked.of(row), turns, levels, asked.tools_of(row))]

    order = "the best first" if ordered else f"graded by {grades or ranks or 'a score in each'}"
    used = tuple(name for name in (column, grades or ranks if not ordered else None) if name)
    note = table.say("ranking", f"{asked.column} -> the prompt, {column} -> replies, {order}", *used, *asked.columns)
    return Reading(note, (asked.column, *used), convert, asked.optional)


def _graded(table: Table, column: str) -> bool:
    values = [value for value in table.values(column) if isinstance(value, list)]
    return any(isinstance(one, dict) and any(name in one for name in WITHIN) for value in values for one in value)


def _list(row: Row, column: str) -> list[Any]:
    value = unpacked(row.get(column), column)
    if not isinstance(value, list):
        raise Unusable(f"{column!r} is {kind(value)}, not a list; write one entry for each reply")
    return value


def _within(one: Any, column: str) -> float:
    name = next((name for name in WITHIN if isinstance(one, dict) and one.get(name) is not None), None)
    if name is None:
        raise Unusable(f"a reply in {column!r} has no score; give each one or none")
    return number_of(one[name], name)


def _text(one: Any, column: str) -> Any:
    if not isinstance(one, dict) or "role" in one:
        return one
    name = next((name for name in TEXT if one.get(name) is not None), None)
    if name is None:
        raise Unusable(f"a reply in {column!r} has no text; write it as 'response'")
    return one[name]
