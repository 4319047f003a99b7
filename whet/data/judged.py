"""Replies that were judged, as token rows: the replies to one prompt stay together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whet.config.tree import Data
from whet.data.render import Renderer
from whet.errors import DataError, ModelError, Problem
from whet.types import Chat, Feedback, Message, Preference, Tokens


@dataclass(frozen=True, slots=True)
class Judged:
    """The replies to one prompt as rows that train on the reply alone, with a grade for each: higher is better.

    Of single replies that somebody liked or not, the grade is from 0 (bad) to 1 (good), and `other` is the same prompt
    with a reply to another one, by which KTO knows how far the model moved at all.
    """

    rows: tuple[Tokens, ...]
    grades: tuple[float, ...]
    source: str = ""
    other: Tokens | None = None
    groups: tuple[str, ...] = ()  # as its example's

    @property
    def every(self) -> tuple[Tokens, ...]:
        """All rows that a reference is needed for."""
        return (*self.rows, self.other) if self.other else self.rows

    @property
    def tokens(self) -> int:
        """All tokens of its rows."""
        return sum(len(row.ids) for row in self.rows)


@dataclass(frozen=True, slots=True)
class RenderedJudged:
    """What is left of judged replies as rows, and what had to be done."""

    groups: tuple[Judged, ...]
    dropped: int = 0  # too long
    tied: int = 0  # no reply better than another, or neither good nor bad

    def notes(self) -> list[str]:
        """Return one sentence per thing that was done to the rows."""
        told = (
            (self.dropped, "dropped because a reply with its prompt is longer than data.max_tokens"),
            (self.tied, "left out because no reply is better than another, or is neither good nor bad"),
        )
        return [f"{count:,} rows were {what}" for count, what in told if count]


def pairs(grades: Sequence[float]) -> list[tuple[int, int]]:
    """Return the places of every reply and one that it is better than."""
    return [
        (at, other) for at, one in enumerate(grades) for other, grade in enumerate(grades) if one > grade
    ]  # fmt: skip


def render_judged(
    examples: Sequence[Preference | Feedback],
    renderer: Renderer,
    data: Data,
    longest: int,
    *,
    single: bool = False,
    scored: bool = False,
) -> RenderedJudged:
    """Return judged replies as token rows; with `single`, one reply at a time, good or bad.

    With `scored` a row is all that the template writes, to be scored by its last token, and ties are kept.

    Raises:
        DataError: every row that cannot train: too long (unless the recipe says to drop it), refused by the template,
            or too few of them.
    """
    problems: list[Problem] = []
    groups: list[Judged] = []
    dropped = tied = 0
    for example in examples:
        path, _, line = example.source.rpartition(":")
        where = (path, int(line) if line.isdigit() else 0)
        if isinstance(example, Feedback) and not single:
            problems.append(Problem(*where, "is one reply with a verdict; to learn from it use method.name=kto"))
            continue
        replies, grades = _replies(example)
        try:
            rows = tuple(_row(example, reply, renderer, scored) for reply in replies)
        except ModelError as error:
            problems.append(Problem(*where, f"{error}; change the row, or choose a model whose template takes it"))
            continue
        if (size := max(len(row.ids) for row in rows)) > longest:
            if data.overlong == "error":
                what = f"{size:,} tokens, but a reply with its prompt may have {longest:,}; shorten it, raise "
                problems.append(Problem(*where, what + "data.max_tokens, or set data.overlong=drop"))
            dropped += 1
        elif single:
            singles = _singles(rows, grades, example)
            tied += not singles
            groups += singles
        elif pairs(grades) or (scored and len(grades) > 1):
            groups.append(Judged(rows, grades, example.source, groups=example.groups))
        else:
            tied += 1
    if problems:
        raise DataError(problems)
    if not groups:
        raise DataError([Problem("data", 0, f"no row is left to learn from ({dropped:,} too long, {tied:,} tied)")])
    return RenderedJudged(tuple(_mismatched(groups) if single else groups), dropped, tied)


def _replies(example: Preference | Feedback) -> tuple[tuple[tuple[Message, ...], ...], tuple[float, ...]]:
    if isinstance(example, Feedback):
        return (example.reply,), (example.value,)
    return example.replies, example.grades


def _row(example: Preference | Feedback, reply: tuple[Message, ...], renderer: Renderer, scored: bool) -> Tokens:
    """Return a prompt with a reply; only the reply trains, to its end token, even where it is empty.

    Raises:
        ModelError: the template refuses the conversation, or rewrites earlier turns.
    """
    if scored:
        ids = renderer.conversation((*example.messages, *reply), example.tools)
        return Tokens(tuple(ids), (*[0.0] * (len(ids) - 1), 1.0), example.source)
    asked = tuple(replace(message, weight=0.0) for message in example.messages)
    rows = renderer.render(Chat((*asked, *reply), example.source, example.tools))
    if len(rows) != 1 or not rows[0].trained:
        raise ModelError("the chat template rewrites earlier turns, so that a reply of several cannot be one row")
    return rows[0]


def _singles(rows: Sequence[Tokens], grades: Sequence[float], example: Preference | Feedback) -> list[Judged]:
    """Return each reply as good (1) or bad (0): by its verdict, or the best of several against the others."""
    if isinstance(example, Feedback):
        marks = [float(grades[0] > 0.5)] if grades[0] != 0.5 else []
    else:
        marks = [float(grade == max(grades)) for grade in grades] if pairs(grades) else []
    told = zip(rows, marks, strict=bool(marks))
    return [Judged((row,), (mark,), example.source, groups=example.groups) for row, mark in told]


def _mismatched(groups: Sequence[Judged]) -> list[Judged]:
    """Return the groups, each with the reply to another prompt: that of the next group whose prompt differs."""
    split = [_parted(group.rows[0]) for group in groups]
    made = []
    for at, group in enumerate(groups):
        prompt = split[at][0]
        ahead = (split[(at + step) % len(split)] for step in range(1, len(split)))
        reply = next((reply for asked, reply in ahead if asked != prompt), split[at][1])
        ids = (*prompt, *reply)
        other = Tokens(ids, tuple(float(place >= len(prompt)) for place in range(len(ids))), group.source)
        made.append(replace(group, other=other))
    return made


def _parted(row: Tokens) -> tuple[tuple[int, ...], tuple[int, ...]]:
    start = next(at for at, weight in enumerate(row.weights) if weight > 0)
    return row.ids[:start], row.ids[start:]
