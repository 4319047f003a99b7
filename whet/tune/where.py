"""Where a model is good and where not: by the columns of the test rows, by length, by words, by confused labels."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whet.config.tree import Config
from whet.data.formats import rows_of
from whet.data.scan import Findings, Unreadable
from whet.errors import UsageError
from whet.evals.bounds import numbers
from whet.evals.clusters import clusters
from whet.evals.evaluate import Answer
from whet.evals.slices import FEWEST, by_slice
from whet.evals.telling import telling_words
from whet.scorers._text import words
from whet.tune.compare import column, predictions
from whet.types import Prompt

MOST = 12  # values of a column that are told apart, and confusions that are shown
SHOWN = 3  # rows named as examples
REST = "(others)"

Parts = Mapping[str, Mapping[str, Sequence[int]]]
"""By column, by value: the places of the questions."""


def parts(prompts: Sequence[Prompt], columns: Sequence[str]) -> Parts:
    """Return the questions by the values of columns of their rows, and by their length.

    Raises:
        UsageError: no row has such a column, or the rows' file is not at hand.
    """
    found: dict[str, dict[str, list[int]]] = {name: {} for name in columns}
    if columns:
        for at, row in enumerate(_rows(prompts)):
            for name in columns:
                found[name].setdefault(str(row[name]) if row.get(name) is not None else "(none)", []).append(at)
        if absent := [name for name in columns if set(found[name]) == {"(none)"}]:
            raise UsageError(f"eval.slices: no test row has a column {absent[0]!r}")
    made: dict[str, Mapping[str, Sequence[int]]] = {name: _largest(by) for name, by in found.items()}
    return {**made, **_by_length(prompts)}


def _rows(prompts: Sequence[Prompt]) -> Iterator[Mapping[str, Any]]:
    """Yield the row that each question was read from, as its file has it."""
    files: dict[str, dict[int, Mapping[str, Any]]] = {}
    for prompt in prompts:
        path, _, line = prompt.source.rpartition(":")
        if path not in files:
            if not Path(path).is_file():
                raise UsageError(f"eval.slices: {path or 'the rows'} cannot be read again here; name a file")
            files[path] = {}
            with suppress(Unreadable, OSError):  # it was read before; what cannot be read now has no columns
                files[path] |= dict(rows_of(Path(path), Findings(path), []))
        row = files[path].get(int(line or 0))
        yield row if isinstance(row, Mapping) else {}


def _largest(by: Mapping[str, list[int]]) -> dict[str, Sequence[int]]:
    ordered = sorted(by.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    if len(ordered) <= MOST:
        return dict(ordered)
    rest = sorted(at for _, places in ordered[MOST - 1 :] for at in places)
    return {**dict(ordered[: MOST - 1]), REST: rest}


def _by_length(prompts: Sequence[Prompt]) -> dict[str, Mapping[str, Sequence[int]]]:
    """Return the questions in three parts by how many words they have, where each part can say something."""
    counts = [len(words(prompt.question)) for prompt in prompts]
    ordered = sorted(counts)
    third, two = (ordered[max(0, part * len(ordered) // 3 - 1)] for part in (1, 2))
    bins = {f"up to {third} words": [], f"{third + 1} to {two}": [], f"more than {two}": []}  # type: dict[str, list[int]]
    names = list(bins)
    for at, count in enumerate(counts):
        bins[names[(count > third) + (count > two)]].append(at)
    made = {name: places for name, places in bins.items() if places}
    return {"length of the question": made} if len(made) > 1 and min(map(len, made.values())) >= FEWEST else {}


def where(answers: Sequence[Answer], metric: str, labels: Sequence[str], by: Parts, config: Config) -> dict[str, Any]:
    """Return what the deciding metric is in each part, which words go with bad answers, and which labels are confused.

    Higher is better throughout. A gap and a word are told only where they are more than chance, corrected for how many
    were looked at.
    """
    values = column(answers, metric)
    prompts = [answer.prompt for answer in answers]
    groups = clusters(prompts)
    options: dict[str, Any] = {
        "resamples": config.eval.resamples, "confidence": config.eval.confidence, "seed": config.seed,
    }  # fmt: skip
    slices = []
    for name, places in by.items():
        found = by_slice(values, places, groups, **options)
        told = [asdict(gap) for gap in found.gaps if gap.adjusted <= 1 - config.eval.confidence]
        rows = [
            {"name": one.name, "rows": one.rows, "too_small": one.too_small, **numbers(one.score)}
            for one in found.slices
        ]
        slices.append({"by": name, "slices": rows, "gaps": told, "compared": len(found.gaps)})
    telling = telling_words([prompt.question for prompt in prompts], values, groups, **options)
    return {
        "slices": slices,
        "words": [
            {**asdict(one), "rows": len(one.rows), "sources": [prompts[at].source for at in one.rows[:SHOWN]]}
            for one in telling
        ],
        "confusions": _confusions(answers, labels) if labels else [],
    }


def _confusions(answers: Sequence[Answer], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the labels that are taken for others, the most frequent first, each with rows to look at."""
    wanted, said, _ = predictions(answers, labels)
    pairs = list(zip(wanted, said, strict=True))
    counts = Counter(pair for pair in pairs if pair[0] != pair[1])
    of = Counter(wanted)
    return [
        {
            "label": pair[0], "said": pair[1], "count": count, "of": of[pair[0]],
            "sources": [one.prompt.source for one, its in zip(answers, pairs, strict=True) if its == pair][:SHOWN],
        }
        for pair, count in counts.most_common(MOST)
    ]  # fmt: skip
