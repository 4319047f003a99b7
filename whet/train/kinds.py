"""What can be learned from which rows."""

from collections.abc import Sequence

from whet.config.tree import Data
from whet.data.split import Splits
from whet.errors import DataError, Problem, UsageError
from whet.types import Chat, Example, Feedback, Preference, Text

ONLINE = ("grpo",)  # draws its own replies, so that answers are only what scorers compare with
PAIRED = ("dpo", "simpo", "orpo", "cpo", "ranking", "reward")


def method_for(asked: str | None, splits: Splits, data: Data) -> str:
    """Return the method that learns from these rows: the one that is asked for, or the one that suits them.

    Raises:
        DataError: rows of different kinds. UsageError: the method cannot learn from such rows.
    """
    sides: dict[str, Sequence[Example]] = {
        "train": splits.train, "validation": splits.validation, "test": splits.test,
    }  # fmt: skip
    kinds = {_kind(row): name for name, rows in sides.items() for row in rows}
    if len(kinds) > 1:
        where = str(data.train)
        what = f"holds {' and '.join(sorted(kinds))} beside each other; part them, as each is learned in its own way"
        raise DataError([Problem(where, 0, what)])
    (kind,) = kinds
    ways = {"answers": ("sft", "grpo"), "preferences": (*PAIRED, "kto"), "verdicts": ("kto",)}[kind]
    if asked is None:
        return ways[0]
    if asked in ways:
        return asked
    if asked == "sft":
        way = f"to learn the preferred replies alone: whet data convert {data.train} --to messages --out FILE.jsonl"
        raise UsageError(f"method.name: sft learns answers, and {data.train} holds {kind} on replies; {way}")
    raise UsageError(f"method.name: {asked} cannot learn from {kind}; with such rows use {', '.join(ways)}")


def _kind(row: Example) -> str:
    if isinstance(row, Chat | Text):
        return "answers"
    return "preferences" if isinstance(row, Preference) else "verdicts" if isinstance(row, Feedback) else "prompts"
