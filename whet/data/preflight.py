"""Examples to the token rows that train, with every reason not to train found before the first step."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from whet.config.tree import Data
from whet.data.render import Renderer
from whet.errors import DataError, ModelError, Problem
from whet.types import Chat, Example, Feedback, Preference, Prompt, Text, Tokens

Row = TypeVar("Row", bound=Example)

LONGEST = 4096
LONGEST_REPLY = 256
CLASSIFY = "Classify the message. Answer with its label only."


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token rows ready to train, and what had to be done to get there."""

    rows: tuple[Tokens, ...]
    dropped: int = 0  # rows left out because they were too long
    truncated: int = 0  # rows that lost tokens on the left
    split: int = 0  # rows cut into several
    quoted: tuple[tuple[str, tuple[str, ...]], ...] = ()  # where the words of special tokens stand as text, and which
    written: tuple[int, ...] = ()  # how long all rows were before any was cut or left out

    def __add__(self, other: "Rendered") -> "Rendered":
        return Rendered(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def tokens(self) -> int:
        """All tokens."""
        return sum(len(row.ids) for row in self.rows)

    @property
    def trained(self) -> int:
        """The tokens that train."""
        return sum(row.trained for row in self.rows)

    def notes(self) -> list[str]:
        """Return one sentence per thing that was done to the rows."""
        told = (
            (self.dropped, "dropped because they are longer than data.max_tokens"),
            (self.truncated, "truncated on the left to data.max_tokens"),
            (self.split, "split into pieces of data.max_tokens"),
        )
        notes = [f"{count:,} rows were {what}" for count, what in told if count]
        if self.quoted:
            words = ", ".join(sorted({word for _, found in self.quoted for word in found}))
            notes.append(
                f"{len(self.quoted):,} rows contain words that are special tokens of this model ({words}; first at "
                f"{self.quoted[0][0]}): in a conversation they are plain text and end or open nothing"
            )
        return notes


def longest_row(data: Data, context: int) -> int:
    """Return the longest row allowed, in tokens, for a model with this context."""
    return min(data.max_tokens or min(context, LONGEST), context)


def instruction_for(asked: str | None, labelled: bool) -> str | None:
    """Return the system message that says what the task is, where rows do not say it themselves.

    `asked` is `data.instruction`; `labelled` says whether answers are some of a fixed set of labels.
    """
    if asked is not None:
        return asked
    return CLASSIFY if labelled else None


def not_lessons(path: str, shape: str, first: Example) -> Problem | None:
    """Return why rows like the first of a file cannot be learned as answers, and the way out."""
    if isinstance(first, Chat | Text):
        return None
    if isinstance(first, Prompt):
        way = "to learn from how replies are graded: method.name=grpo"
        return Problem(path, 0, f"its rows ({shape}) are prompts without an answer; {way}")
    way = f"whet data convert {path} --to messages --out FILE.jsonl"
    return Problem(path, 0, f"its rows ({shape}) judge replies; to learn the preferred ones alone: {way}")


def with_instruction(example: Row, instruction: str | None) -> Row:
    """Return the example with a system message, unless it is raw text or has one."""
    asked = Chat | Preference | Feedback | Prompt
    if not instruction or not isinstance(example, asked) or example.messages[0].role == "system":
        return example
    from_us = type(example.messages[0])("system", instruction)
    return replace(example, messages=(from_us, *example.messages))


def render_all(examples: Sequence[Example], renderer: Renderer, data: Data, longest: int) -> Rendered:
    """Return the examples as token rows, over-long ones treated as `data.overlong` says.

    Raises:
        DataError: every row that cannot train: too long (unless the recipe says what to do), no trainable token,
            an answer whose end token does not train, or a conversation that the template refuses.
    """
    rendered, problems = render_some(examples, renderer, data, longest)
    if problems:
        raise DataError(problems)
    if not rendered.trained:
        raise DataError([Problem("data", 0, f"no row is left to train on ({rendered.dropped:,} were too long)")])
    return rendered


def render_some(
    examples: Iterable[Example], renderer: Renderer, data: Data, longest: int
) -> tuple[Rendered, list[Problem]]:
    """Return some of the examples as `render_all` does, and what is wrong with the others."""
    problems: list[Problem] = []
    rows: list[Tokens] = []
    counts = {"drop": 0, "truncate_left": 0, "split": 0}
    quoted: list[tuple[str, tuple[str, ...]]] = []
    written: list[int] = []
    for example in examples:
        if not isinstance(example, Chat | Text):
            path, _, line = example.source.rpartition(":")
            problems.append(Problem(path, int(line or 0), "has no single answer to learn from; see docs/data.md"))
            continue
        if isinstance(example, Chat) and (words := renderer.quoted(example)):
            quoted.append((example.source, tuple(words)))
        path, _, line = example.source.rpartition(":")
        where = (path, int(line) if line.isdigit() else 0)
        try:
            rendered = renderer.render(example, data.train_on)
        except ModelError as error:
            problems.append(Problem(*where, f"{error}; change the row, or choose a model whose template takes it"))
            continue
        for row in rendered:
            written.append(len(row.ids))
            complaint = _complaint(row, renderer, data.train_on == "all")
            if complaint:
                problems.append(Problem(*where, complaint))
            elif len(row.ids) <= longest:
                rows.append(row)
            elif data.overlong == "error":
                what = f"{len(row.ids):,} tokens, but a row may have {longest:,}; shorten it, raise data.max_tokens, "
                problems.append(Problem(*where, what + "or set data.overlong to drop, truncate_left or split"))
            else:
                counts[data.overlong] += 1
                rows.extend(_shortened(row, data.overlong, longest))
    done = (counts["drop"], counts["truncate_left"], counts["split"])
    return Rendered(tuple(rows), *done, tuple(quoted), tuple(written)), problems


def _complaint(row: Tokens, renderer: Renderer, everything: bool) -> str | None:
    if not row.trained:
        return "no token of this row would train: it has no answer of weight above 0; add one or remove the row"
    ends = [
        at
        for at, weight in enumerate(row.weights)
        if weight > 0 and (at + 1 == len(row.ids) or not (everything or row.weights[at + 1]))
    ]
    if any(row.ids[at] not in renderer.stops for at in ends):
        return "the end token of an answer would not train, so the model would not learn to stop"
    return None


def _shortened(row: Tokens, how: str, longest: int) -> list[Tokens]:
    """Return what is left of an over-long row; pieces on which nothing would train are left out."""
    if how == "drop":
        return []
    if how == "truncate_left":
        pieces = [slice(len(row.ids) - longest, len(row.ids))]
    else:
        count = math.ceil(len(row.ids) / longest)
        pieces = [slice(at * longest, (at + 1) * longest) for at in range(count)]
    cut = [replace(row, ids=row.ids[piece], weights=(0.0, *row.weights[piece][1:])) for piece in pieces]
    return [piece for piece in cut if piece.trained]


def reply_length(rows: Sequence[Tokens]) -> int:
    """Return a length in tokens that covers 99 % of the answers, rounded up to a multiple of 8, at most 256.

    How many replies reached it is in the report; `eval.max_tokens` sets another.
    """
    lengths = sorted(row.trained for row in rows)
    return min(LONGEST_REPLY, math.ceil(lengths[min(len(lengths) - 1, int(0.99 * len(lengths)))] / 8) * 8)
