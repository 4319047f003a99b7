"""Labels that are likely wrong, by what a model learns from all other rows."""

from array import array
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whet.data.findings import Found, Seen
from whet.types import Chat

__all__ = ["LabelErrors"]

LEAST = 50  # rows from which something can be said
FOLDS = 5
LEARNED = 20_000  # rows that a model learns from at most
SHOWN = 80_000  # rows times passes over them
WEIGHTS = 2**24  # of a model at most: labels times words
AT_ONCE = 20_000  # rows judged together
RIVALS = 2  # likeliest other labels that are looked at
CHARACTERS = 1000  # of a text that are looked at


class LabelErrors:
    """Finds rows whose label a model that has not seen them is confident to be another.

    Confident learning (Northcutt et al. 2021, arXiv:1911.00068, sections 3.1 and 3.2): a row counts where another label
    is at least as likely as that label is, on average, among the rows that bear it; the order is by the margin between
    the given and the likeliest other label. The model is logistic regression on words and pairs of words.
    """

    remark = ""

    def __init__(self) -> None:
        self._numbers, self._labels, self._ends = array("Q"), array("L"), array("Q")
        self._texts = bytearray()
        self._names: dict[str, int] = {}

    def see(self, row: Seen) -> None:
        """Look at a row."""
        if isinstance(row.example, Chat) and row.example.label is not None:
            self._numbers.append(row.number)
            self._labels.append(self._names.setdefault(row.example.label, len(self._names)))
            self._texts += row.question[:CHARACTERS].encode("utf-8", "replace")
            self._ends.append(len(self._texts))

    def findings(self) -> Iterator[Found]:
        """Yield at most one finding."""
        labels = np.frombuffer(self._labels, f"u{self._labels.itemsize}").astype(np.int64)
        kept = np.flatnonzero(np.bincount(labels, minlength=1)[labels] >= FOLDS)  # of a rarer one nothing is learned
        if len(kept) < LEAST or len(np.unique(labels[kept])) < 2:
            return
        if find_spec("sklearn") is None:
            self.remark = "wrong labels were not looked for; that needs scikit-learn (pip install 'whet-llm[eval]')"
            return
        order, wrong = suspects(_Texts(self._texts, self._ends, kept), labels[kept])
        rows = np.frombuffer(self._numbers, np.uint64)[kept[order[wrong[order]]]].tolist()
        if rows:
            yield Found(
                "label_error",
                "warning",
                rows,
                f"{len(rows):,} labels are likely wrong: a model that saw other rows is confident of another",
                "look at these rows, from the first on, until they are mostly right",
            )


class _Texts(Sequence[str]):
    """Some of many texts that lie end to end."""

    def __init__(self, whole: bytearray, ends: "array[int]", kept: NDArray[Any]) -> None:
        self._whole, self._ends, self._kept = whole, ends, kept

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, at: Any) -> Any:
        place = int(self._kept[at])
        return self._whole[self._ends[place - 1] if place else 0 : self._ends[place]].decode("utf-8")


def suspects(texts: Sequence[str], labels: Sequence[Any] | NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return all rows, the most suspect first, and which of them are likely wrong. Shapes: (N,), (N,) bool.

    Every label has at least FOLDS rows.
    """
    from sklearn.model_selection import StratifiedKFold

    names, given = np.unique(np.array(labels), return_inverse=True)
    own = np.zeros(len(given), np.float32)
    rivals = np.zeros((len(given), min(RIVALS, len(names) - 1)), np.int32)
    likely = np.zeros(rivals.shape, np.float32)
    count = FOLDS if len(given) <= LEARNED * FOLDS / (FOLDS - 1) else 2  # of many rows a model learns from some anyway
    folds = StratifiedKFold(count, shuffle=True, random_state=0)
    for number, (others, fold) in enumerate(folds.split(np.zeros(len(given)), given)):
        judge = _learned(texts, given, _drawn(others, given, number), len(names))
        if judge is None:  # not a word in any text
            return np.arange(len(given)), np.zeros(len(given), bool)
        for begin in range(0, len(fold), AT_ONCE):
            rows = fold[begin : begin + AT_ONCE]
            chances = judge([texts[at] for at in rows])
            each = np.arange(len(rows))
            own[rows] = chances[each, given[rows]]
            chances[each, given[rows]] = -1.0
            rivals[rows] = np.argpartition(-chances, rivals.shape[1] - 1, axis=1)[:, : rivals.shape[1]]
            likely[rows] = np.take_along_axis(chances, rivals[rows].astype(np.int64), 1)
    usual = np.bincount(given, own) / np.bincount(given)
    wrong = (likely >= usual[rivals]) & (likely > own[:, None])
    return np.argsort(own - likely.max(1), kind="stable"), np.any(wrong, axis=1)


def _drawn(rows: NDArray[Any], given: NDArray[Any], seed: int) -> NDArray[Any]:
    """Return at most LEARNED of the rows, some of every label."""
    if len(rows) <= LEARNED:
        return rows
    rows = np.random.default_rng(seed).permutation(rows)
    _, first = np.unique(given[rows], return_index=True)
    return np.union1d(rows[first], rows[:LEARNED])


def _learned(texts: Sequence[str], given: NDArray[Any], rows: NDArray[Any], labels: int) -> Any:
    """Return what judges texts, (N,) -> (N, labels), learned from some rows; None if there is not a word in them."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier

    most = max(1, WEIGHTS // labels)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", max_features=most)
    try:
        seen = words.fit_transform([texts[at] for at in rows])
    except ValueError:
        return None
    passes = max(3, min(10, SHOWN // len(rows)))
    model = SGDClassifier(loss="log_loss", alpha=2e-5, max_iter=passes, tol=None, random_state=0, n_jobs=-1).fit(
        seen, given[rows]
    )
    return lambda some: model.predict_proba(words.transform(some))
