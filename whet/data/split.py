"""Train, validation and test: by content, so that a row keeps its place when others are added.

A group of near-identical questions, or of one user, document or whatever else the data names, goes to one side as a
whole; which side is decided by the hash of the group's first row in the file, unless labels or time decide. Appending
rows therefore moves no row that was there, except where a new row is so like two groups that it makes them one.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from whet.config.tree import Data
from whet.data.content import content_hash, share
from whet.data.outline import FREE, SIDES, Outline
from whet.data.scan import MAX_PROBLEMS
from whet.errors import DataError, Problem, UsageError
from whet.types import Chat, Example, Prompt

TRAIN, VALIDATION, TEST = range(len(SIDES))
GOLDEN = (5**0.5 - 1) / 2

Codes = NDArray[np.int8]  # a number of SIDES for each row


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows of each side, and what a person should know about how they were parted."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    notes: tuple[str, ...] = ()


def part(examples: Sequence[Example], data: Data, validation: bool = True, test: bool = True) -> Splits:
    """Return the examples parted as the settings say; rows whose data names a split go there.

    A side that is not wanted (its file was given) gets nothing.

    Raises:
        UsageError: the settings leave nothing to train on, or contradict each other.
        DataError: rows without a time where time decides.
    """
    shares_wanted(data, validation, test)
    codes, notes = sides(Outline.of(examples), data, validation, test)
    train, held_out, judged = (tuple(compress(examples, codes == side)) for side in (TRAIN, VALIDATION, TEST))
    return Splits(train, held_out, judged, notes)


def shares_wanted(data: Data, validation: bool = True, test: bool = True) -> tuple[float, float]:
    """Return the shares of validation and test.

    Raises:
        UsageError: they leave nothing to train on, or other settings contradict them.
    """
    for_validation = data.shares[0] if validation else 0.0
    for_test = (1 / data.folds if data.folds else data.shares[1]) if test else 0.0
    if for_validation + for_test >= 1:
        raise UsageError(f"data.shares: {data.shares} leave nothing to train on; they must add up to less than 1")
    if data.folds and not test:
        raise UsageError("data.folds: a test file is given, so no part is tested in turn; leave one of them out")
    if data.time and (data.folds or data.stratify):
        raise UsageError("data.time: the newest rows are tested, so data.folds and data.stratify have no say")
    return for_validation, for_test


def sides(outline: Outline, data: Data, validation: bool = True, test: bool = True) -> tuple[Codes, tuple[str, ...]]:
    """Return the side of every row, and what a person should know; see `part`."""
    for_validation, for_test = shares_wanted(data, validation, test)
    named = np.asarray(outline.named)
    names_one = {side: bool((named == side).any()) for side in (TRAIN, VALIDATION, TEST)}
    carved = names_one[TRAIN] and not names_one[VALIDATION] and for_validation > 0  # from what is to train, then
    leaders = outline.leaders()
    if data.time and (validation or test):
        places = _by_time(outline, leaders, data.time)[leaders]
    else:
        places = (_by_label(outline, leaders) if data.stratify else np.asarray(outline.places))[leaders]
    begin = for_test
    if data.folds:
        turn, places = np.divmod(places * data.folds, 1)
        places[turn == (data.fold or 0)] = -1.0
        begin = 0.0
    codes = np.full(len(outline), TRAIN, np.int8)
    free = (named == FREE) | (carved & (named == TRAIN))
    if not names_one[VALIDATION]:
        codes[free & (begin <= places) & (places < begin + for_validation)] = VALIDATION
    if not names_one[TEST]:
        codes[(named == FREE) & (places < begin)] = TEST
    codes[~free] = named[~free]
    remarks = [*_remarks(outline, leaders)]
    if carved and (taken := int((codes == VALIDATION).sum())):
        remarks.append(f"no row is named for validation: {taken:,} of those for training are taken")
    return codes, tuple(remarks)


def _by_label(outline: Outline, leaders: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return places that are spread evenly among the groups of a label, in the order of the file.

    Multiples of the golden ratio, modulo 1, leave no gap that is much larger than others (Knuth, TAOCP 3, 6.4), so
    that every label gets its share, and rows that are appended move none.
    """
    count: Counter[int] = Counter()
    begins = [share(hashlib.sha256(label.encode()).hexdigest()) for label in outline.label_names]
    places = np.zeros(len(outline))
    for leader in np.flatnonzero(leaders == np.arange(len(leaders))):
        label = outline.labels[leader]
        places[leader] = (begins[label] + count[label] * GOLDEN) % 1
        count[label] += 1
    return places


def _by_time(outline: Outline, leaders: NDArray[np.int64], column: str) -> NDArray[np.float64]:
    """Return places by age, the newest group first; a group is as new as its newest row."""
    times = np.asarray(outline.times)
    without = np.flatnonzero(np.isnan(times))
    if len(without) == len(times):
        raise UsageError(f"data.time: no row has a time in {column!r}; name the column that has it")
    if len(without):
        what = "no time here, by which data.time parts rows; add one"
        raise DataError([outline.origins.problem(int(row), what) for row in without[:MAX_PROBLEMS]])
    newest = np.full(len(times), -np.inf)
    np.maximum.at(newest, leaders, times)
    first = np.flatnonzero(leaders == np.arange(len(leaders)))
    order = first[np.lexsort((first, -newest[first]))]
    sizes = np.bincount(leaders, minlength=len(times))[order]
    places = np.zeros(len(times))
    places[order] = (np.cumsum(sizes) - sizes) / len(times)
    return places


def _remarks(outline: Outline, leaders: NDArray[np.int64]) -> Iterator[str]:
    sizes = np.bincount(leaders) if len(leaders) else np.zeros(1, int)
    grouped = len(leaders) - int((sizes > 0).sum())
    if grouped:
        why = "or belong together with it " if outline.groups else ""
        yield f"{grouped:,} rows ask nearly the same as an earlier row {why}and were kept on its side"
    largest = int(sizes.max())
    if largest * 2 > len(leaders) and largest > 1:
        yield f"{largest:,} of {len(leaders):,} rows belong together: the sides cannot have the shares asked for"


def check_apart(splits: Splits) -> tuple[str, ...]:
    """Return sentences about training questions that are also asked in validation or test, with other answers.

    Raises:
        DataError: a whole row (question and answer) stands in two splits; every such row is named.
    """
    rows = [splits.train, splits.validation, splits.test]
    outline = Outline.of((row for side in rows for row in side), alike=False)
    return apart(outline, np.repeat(np.arange(len(SIDES), dtype=np.int8), [len(side) for side in rows]))


def apart(outline: Outline, codes: Codes) -> tuple[str, ...]:
    """Do what `check_apart` does, for rows of which only the outline is at hand."""
    contents, questions, chats = (np.asarray(one) for one in (outline.contents, outline.questions, outline.chats))
    owners, groups, kinds = (np.asarray(one) for one in (outline.owners, outline.groups, outline.kinds))
    problems, notes = list[Problem](), list[str]()
    learned = np.unique(groups[codes[owners] == TRAIN])
    kind_names = list(outline.kind_names)
    for code in (VALIDATION, TEST):
        here = codes == code
        twice = np.flatnonzero(here & np.isin(contents, contents[codes < code]))
        first = {
            int(contents[row]): int(row) for row in np.flatnonzero((codes < code) & np.isin(contents, contents[twice]))
        }
        for row in twice[: MAX_PROBLEMS - len(problems)]:
            there = outline.origins.source(first[int(contents[row])])
            what = f"this row of the {SIDES[code]} split also stands at {there}; remove it from one of them"
            problems.append(outline.origins.problem(int(row), what))
        count = f"of {int(here.sum()):,} {SIDES[code]}"
        if shared := int((here & (chats == 1) & np.isin(questions, questions[codes == TRAIN])).sum()):
            notes.append(f"{shared:,} {count} questions are also asked in training, answered otherwise")
        met = np.flatnonzero(here[owners] & np.isin(groups, learned))
        akin, at = np.unique(owners[met], return_index=True)
        if len(akin):
            names = " or ".join(dict.fromkeys(kind_names[kinds[membership]] for membership in met[at]))
            notes.append(f"{len(akin):,} {count} rows share a {names} with training rows")
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
    """Return the questions to judge on: everything before the last answer, its answers gathered as targets.

    Rows that are prompts already stay as they are, each with its own item and grader.
    """
    gathered: dict[object, list[Chat]] = {}
    ready: list[Prompt] = []
    for example in examples:
        if isinstance(example, Prompt):
            ready.append(example)
        elif isinstance(example, Chat):
            before = example.messages[:-1]
            key = tuple((m.role, m.content, repr(m.tool_calls)) for m in before)
            gathered.setdefault(key, []).append(example)
    return *ready, *(
        Prompt(
            rows[0].messages[:-1],
            tuple(dict.fromkeys(row.messages[-1].spoken for row in rows)),
            rows[0].source,
            rows[0].tools,
            groups=tuple(dict.fromkeys(group for row in rows for group in row.groups)),
        )
        for rows in gathered.values()
    )


def draw_prompts(questions: Sequence[Prompt], limit: int) -> tuple[Prompt, ...]:
    """Return at most `limit` questions, drawn by content, in their original order."""
    if len(questions) <= limit:
        return tuple(questions)
    digests = [hashlib.sha256(repr([(m.role, m.content) for m in q.messages]).encode()).hexdigest() for q in questions]
    kept = sorted(range(len(questions)), key=lambda at: (digests[at], at))[:limit]
    return tuple(questions[at] for at in sorted(kept))
