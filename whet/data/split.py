"""Train, validation and test: by content, so that a row keeps its place when others are added.

A group of near-identical questions, or of one user, document or whatever else the data names, goes to one side as a
whole; which side is decided by the hash of the group's first row in the file, unless labels or time decide. Appending
rows therefore moves no row that was there, except where a new row is so like two groups that it makes them one.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from whet.config.tree import Data
from whet.data.near import settled_groups
from whet.errors import DataError, Problem, UsageError
from whet.types import Chat, Example, Feedback, Preference, Prompt, SplitName, Text

SIDES: tuple[SplitName, ...] = ("train", "validation", "test")
GOLDEN = (5**0.5 - 1) / 2
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


def part(examples: Sequence[Example], data: Data, validation: bool = True, test: bool = True) -> Splits:
    """Return the examples parted as the settings say; rows whose data names a split go there.

    A side that is not wanted (its file was given) gets nothing.

    Raises:
        UsageError: the settings leave nothing to train on, or contradict each other.
        DataError: rows without a time where time decides.
    """
    for_validation = data.shares[0] if validation else 0.0
    for_test = (1 / data.folds if data.folds else data.shares[1]) if test else 0.0
    if for_validation + for_test >= 1:
        raise UsageError(f"data.shares: {data.shares} leave nothing to train on; they must add up to less than 1")
    if data.folds and not test:
        raise UsageError("data.folds: a test file is given, so no part is tested in turn; leave one of them out")
    if data.time and (data.folds or data.stratify):
        raise UsageError("data.time: the newest rows are tested, so data.folds and data.stratify have no say")
    named = {example.split for example in examples if example.split}
    carved = "train" in named and "validation" not in named and for_validation > 0  # from what is to train, then
    leaders = _together(examples)
    if data.time and (validation or test):
        if all(example.time is None for example in examples):
            raise UsageError(f"data.time: no row has a time in {data.time!r}; name the column that has it")
        places = _by_time(examples, leaders)
    else:
        places = (_by_label if data.stratify else _by_content)(examples, leaders)
    sides: dict[SplitName, list[Example]] = defaultdict(list)
    for example, leader in zip(examples, leaders, strict=True):
        place, begin = places[leader], 0.0
        if data.folds:
            tested, place = divmod(place * data.folds, 1)
            if tested == (data.fold or 0):
                place = -1.0
        else:
            begin = for_test
        if example.split and not (carved and example.split == "train"):
            sides[example.split].append(example)
        elif place < begin and "test" not in named and example.split is None:
            sides["test"].append(example)
        elif begin <= place < begin + for_validation and "validation" not in named:
            sides["validation"].append(example)
        else:
            sides["train"].append(example)
    train, held_out, judged = (tuple(sides[side]) for side in SIDES)
    remarks = [*_remarks(examples, leaders)]
    if carved and held_out:
        remarks.append(f"no row is named for validation: {len(held_out):,} of those for training are taken")
    return Splits(train, held_out, judged, tuple(remarks))


def _together(examples: Sequence[Example]) -> list[int]:
    """Return, per row, the first of all rows that must stand on its side: alike, or of one group."""
    leaders = settled_groups(question(example) for example in examples)
    first: dict[str, int] = {}

    def find(at: int) -> int:
        while leaders[at] != at:
            leaders[at] = leaders[leaders[at]]
            at = leaders[at]
        return at

    for at, example in enumerate(examples):
        for group in example.groups:
            one, other = find(first.setdefault(group, at)), find(at)
            leaders[max(one, other)] = min(one, other)
    return [find(at) for at in range(len(leaders))]


def _by_content(examples: Sequence[Example], leaders: Sequence[int]) -> dict[int, float]:
    """Return a place from 0 to 1 for every group: the hash of its first row."""
    return {
        leader: _share(hashlib.sha256(b"split" + content_hash(examples[leader]).encode()).hexdigest())
        for leader in dict.fromkeys(leaders)
    }


def _by_label(examples: Sequence[Example], leaders: Sequence[int]) -> dict[int, float]:
    """Return places that are spread evenly among the groups of a label, in the order of the file.

    Multiples of the golden ratio, modulo 1, leave no gap that is much larger than others (Knuth, TAOCP 3, 6.4), so
    that every label gets its share, and rows that are appended move none.
    """
    count: Counter[str] = Counter()
    places = {}
    for leader in dict.fromkeys(leaders):
        label = getattr(examples[leader], "label", None) or ""
        places[leader] = (_share(hashlib.sha256(label.encode()).hexdigest()) + count[label] * GOLDEN) % 1
        count[label] += 1
    return places


def _by_time(examples: Sequence[Example], leaders: Sequence[int]) -> dict[int, float]:
    """Return places by age, the newest group first; a group is as new as its newest row."""
    problems = []
    newest: dict[int, float] = {}
    size: Counter[int] = Counter()
    for example, leader in zip(examples, leaders, strict=True):
        if example.time is None:
            path, _, line = example.source.rpartition(":")
            problems.append(Problem(path, int(line or 0), "no time here, by which data.time parts rows; add one"))
        else:
            newest[leader] = max(newest.get(leader, example.time), example.time)
            size[leader] += 1
    if problems:
        raise DataError(problems)
    places, before = {}, 0
    for leader in sorted(newest, key=lambda leader: (-newest[leader], leader)):
        places[leader] = before / len(examples)
        before += size[leader]
    return places


def _remarks(examples: Sequence[Example], leaders: Sequence[int]) -> Iterator[str]:
    sizes = Counter(leaders)
    grouped = len(leaders) - len(sizes)
    if grouped:
        why = "or belong together with it " if any(example.groups for example in examples) else ""
        yield f"{grouped:,} rows ask nearly the same as an earlier row {why}and were kept on its side"
    largest = max(sizes.values(), default=0)
    if largest * 2 > len(leaders) and largest > 1:
        yield f"{largest:,} of {len(leaders):,} rows belong together: the sides cannot have the shares asked for"


def check_apart(splits: Splits) -> tuple[str, ...]:
    """Return sentences about training questions that are also asked in validation or test, with other answers.

    Raises:
        DataError: a whole row (question and answer) stands in two splits; every such row is named.
    """
    problems, notes = [], []
    seen = {content_hash(row): row for row in splits.train}
    asked = {question(row) for row in splits.train}
    learned = {group for row in splits.train for group in row.groups}
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
        akin = [group for row in rows if (group := next((one for one in row.groups if one in learned), None))]
        if akin:
            kinds = " or ".join(dict.fromkeys(group.partition("=")[0] for group in akin))
            notes.append(f"{len(akin):,} of {len(rows):,} {name} rows share a {kinds} with training rows")
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
