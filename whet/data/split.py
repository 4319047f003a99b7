"""Train, validation and test: by content, so that a row keeps its place when others are added.

A group of near-identical questions goes to one side as a whole; which side is decided by the hash of the group's
first row in the file. Appending rows therefore moves no row that was there, except where a new row is so like two
groups that it makes them one.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from whet.data.near import groups
from whet.errors import DataError, Problem, UsageError
from whet.types import Chat, Example, Feedback, Preference, Prompt, SplitName, Text

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows of each side, and what a person should know about how they were parted."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    notes: tuple[str, ...] = ()


def question(example: Example) -> str:
    """Return what a row asks, without its system message and its last answer or replies."""
    if isinstance(example, Text):
        return example.text
    before = example.messages[:-1] if isinstance(example, Chat) else example.messages
    return "\n".join(message.content for message in before if message.role != "system")


def content_hash(example: Example) -> str:
    """Return the sha256 of a row's content: white space folded, its place in a file ignored."""
    if isinstance(example, Text):
        parts = [example.text]
    else:
        parts = [f"{m.role}\x1f{m.content}\x1f{m.tool_calls!r}" for m in example.messages]
        if isinstance(example, Preference):
            parts += [f"{grade}\x1f{reply!r}" for grade, reply in zip(example.grades, example.replies, strict=True)]
        elif isinstance(example, Feedback):
            parts.append(f"{example.value}\x1f{example.reply!r}")
        elif isinstance(example, Prompt):
            parts += [*example.targets, repr(dict(example.item)), repr(example.grader)]
    return hashlib.sha256(_SPACE.sub(" ", "\x1e".join(parts)).strip().encode()).hexdigest()


def _share(digest: str) -> float:
    return int(digest[:13], 16) / 16**13


def part(
    examples: Sequence[Example], shares: tuple[float, float], validation: bool = True, test: bool = True
) -> Splits:
    """Return the examples parted by content; rows whose data names a split go there.

    `shares` are validation's and test's; a side that is not wanted (its file was given) gets nothing.

    Raises:
        UsageError: the shares leave nothing to train on.
    """
    for_validation = shares[0] if validation else 0.0
    for_test = shares[1] if test else 0.0
    if for_validation + for_test >= 1:
        raise UsageError(f"data.shares: {shares} leave nothing to train on; they must add up to less than 1")
    named = {example.split for example in examples if example.split}
    sides: dict[SplitName, list[Example]] = defaultdict(list)
    leaders = groups([question(example) for example in examples])
    for example, leader in zip(examples, leaders, strict=True):
        if example.split:
            sides[example.split].append(example)
            continue
        place = _share(hashlib.sha256(b"split" + content_hash(examples[leader]).encode()).hexdigest())
        if place < for_test and "test" not in named:
            sides["test"].append(example)
        elif for_test <= place < for_test + for_validation and "validation" not in named:
            sides["validation"].append(example)
        else:
            sides["train"].append(example)
    grouped = len(leaders) - len(set(leaders))
    notes = (f"{grouped:,} rows ask nearly the same as an earlier row and were kept on its side",) if grouped else ()
    return Splits(tuple(sides["train"]), tuple(sides["validation"]), tuple(sides["test"]), notes)


def check_apart(splits: Splits) -> tuple[str, ...]:
    """Return sentences about training questions that are also asked in validation or test, with other answers.

    Raises:
        DataError: a whole row (question and answer) stands in two splits; every such row is named.
    """
    problems, notes = [], []
    seen = {content_hash(row): row for row in splits.train}
    asked = {question(row) for row in splits.train}
    for name, rows in (("validation", splits.validation), ("test", splits.test)):
        digests = [content_hash(row) for row in rows]
        for row, digest in zip(rows, digests, strict=True):
            if digest in seen:
                path, _, line = row.source.rpartition(":")
                what = f"this row of the {name} split also stands at {seen[digest].source}; remove it from one of them"
                problems.append(Problem(path, int(line or 0), what))
        seen.update(zip(digests, rows, strict=True))  # only now: a row may stand twice on one side
        shared = sum(isinstance(row, Chat) and question(row) in asked for row in rows)
        if shared:
            notes.append(f"{shared:,} of {len(rows):,} {name} questions are also asked in training, answered otherwise")
    if problems:
        raise DataError(problems)
    return tuple(notes)


def draw(examples: Iterable[Example], limit: int | None) -> tuple[Example, ...]:
    """Return at most `limit` examples, those of the smallest content hash, in their original order."""
    rows = list(examples)
    if limit is None or len(rows) <= limit:
        return tuple(rows)
    digests = [content_hash(row) for row in rows]
    kept = sorted(range(len(rows)), key=lambda at: (digests[at], at))[:limit]
    return tuple(rows[at] for at in sorted(kept))


def prompts(examples: Iterable[Example]) -> tuple[Prompt, ...]:
    """Return the questions to judge on: everything before the last answer, its answers gathered as targets."""
    gathered: dict[object, tuple[Chat, list[str]]] = {}
    for example in examples:
        if isinstance(example, Chat):
            before = example.messages[:-1]
            key = tuple((m.role, m.content, repr(m.tool_calls)) for m in before)
            gathered.setdefault(key, (example, []))[1].append(example.messages[-1].spoken)
    return tuple(
        Prompt(first.messages[:-1], tuple(dict.fromkeys(targets)), first.source, first.tools)
        for first, targets in gathered.values()
    )


def draw_prompts(questions: Sequence[Prompt], limit: int) -> tuple[Prompt, ...]:
    """Return at most `limit` questions, drawn by content, in their original order."""
    if len(questions) <= limit:
        return tuple(questions)
    digests = [hashlib.sha256(repr([(m.role, m.content) for m in q.messages]).encode()).hexdigest() for q in questions]
    kept = sorted(range(len(questions)), key=lambda at: (digests[at], at))[:limit]
    return tuple(questions[at] for at in sorted(kept))
