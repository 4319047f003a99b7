"""Which words in questions go with wrong answers, without taking what chance picks out for a finding."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whet.evals.columns import Vector, finite
from whet.evals.many import holm
from whet.evals.slices import FEWEST, gap_p_value
from whet.scorers._text import words

TRIED = 20  # words that are tested by resampling, those with the greatest distance in standard errors


@dataclass(frozen=True, slots=True)
class Telling:
    """A word, and the mean score of the questions with it and of those without.

    `rows` are those with it, the lowest score first. `adjusted` is the p-value after Holm's correction over all words
    that were looked at.
    """

    word: str
    mean_with: float
    mean_without: float
    rows: tuple[int, ...]
    adjusted: float


def telling_words(
    texts: Sequence[str],
    values: ArrayLike,
    groups: Sequence[object] | None = None,
    *,
    fewest: int = FEWEST,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Telling]:
    """Return the words whose questions are answered tellably worse or better than the others, the worst first.

    Looked at are words of `fewest` questions with and as many without. Those in the same questions count as one, by
    the first of them. All that were looked at are corrected for, though only the most distant are resampled (the
    others count as p = 1), so that of texts without such a word one in twenty sets tells one.

    Shapes: texts and values (n,).
    Raises: ValueError if a value is not finite, or the lengths differ.
    Source: `gap_p_value`; Holm 1979.
    """
    column = finite(values, "values")
    if len(texts) != len(column) or (groups is not None and len(groups) != len(column)):
        raise ValueError(f"{len(texts)} texts and their groups for {len(column)} values")
    inside: dict[str, list[int]] = {}
    for at, text in enumerate(texts):
        for word in dict.fromkeys(words(text)):
            inside.setdefault(word, []).append(at)
    looked: dict[tuple[int, ...], str] = {}
    for word, places in inside.items():
        if fewest <= len(places) <= len(column) - fewest:
            looked.setdefault(tuple(places), word)
    distances = {rows: _distance(column, np.asarray(rows)) for rows in looked}
    tried = sorted(looked, key=lambda rows: -distances[rows])[:TRIED]
    p_values = []
    for rows in tried:
        outside = [at for at in range(len(column)) if at not in set(rows)]
        parts = [(column[list(part)], groups and [groups[at] for at in part]) for part in (rows, outside)]
        p_values.append(gap_p_value(*parts[0], *parts[1], resamples=resamples, seed=seed))
    found = []
    for rows, adjusted in zip(tried, holm(p_values + [1.0] * (len(looked) - len(tried))), strict=False):
        if adjusted <= 1 - confidence:
            mask = np.isin(np.arange(len(column)), rows)
            ordered = tuple(sorted(rows, key=lambda at: column[at]))
            found.append(
                Telling(looked[rows], float(column[mask].mean()), float(column[~mask].mean()), ordered, adjusted)
            )
    return sorted(found, key=lambda one: one.mean_with - one.mean_without)


def _distance(column: Vector, rows: NDArray[np.intp]) -> float:
    """Return how far apart the means with and without are, in standard errors (Welch's)."""
    mask = np.isin(np.arange(len(column)), rows)
    sides = column[mask], column[~mask]
    error = math.sqrt(sum(float(side.var()) / len(side) for side in sides))
    return float(abs(sides[0].mean() - sides[1].mean())) / max(error, 1e-9)
