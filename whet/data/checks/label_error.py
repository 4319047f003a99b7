"""Labels that are likely wrong, by what a model learns from all other rows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from whet.data.findings import Finding, Seen
from whet.types import Chat

__all__ = ["LabelErrors"]

LEAST = 50  # rows from which something can be said
FOLDS = 5
MANY = 30_000  # rows from which a quicker and coarser model is used


class LabelErrors:
    """Finds rows whose label a model that has not seen them is confident to be another.

    Confident learning (Northcutt et al. 2021, arXiv:1911.00068, sections 3.1 and 3.2): a row counts where another label
    is at least as likely as that label is, on average, among the rows that bear it; the order is by the margin between
    the given and the likeliest other label. The model is logistic regression on words and pairs of words.
    """

    remark = ""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str]] = []  # source, question, label

    def see(self, row: Seen) -> None:
        """Look at a row."""
        if isinstance(row.example, Chat) and row.example.label is not None:
            self._rows.append((row.source, row.question, row.example.label))

    def findings(self) -> Iterator[Finding]:
        """Yield at most one finding."""
        counts = Counter(label for _, _, label in self._rows)
        rows = [row for row in self._rows if counts[row[2]] >= FOLDS]  # of a rarer label nothing can be learned
        if len(rows) < LEAST or len({label for _, _, label in rows}) < 2:
            return
        if find_spec("sklearn") is None:
            self.remark = "wrong labels were not looked for; that needs scikit-learn (pip install 'whet-llm[eval]')"
            return
        order, likely = suspects([text for _, text, _ in rows], [label for _, _, label in rows])
        lines = tuple(rows[at][0] for at in order if likely[at])
        if lines:
            yield Finding(
                "label_error",
                "warning",
                lines,
                f"{len(lines):,} labels are likely wrong: a model that saw all other rows is confident of another",
                "look at these rows, from the first on, until they are mostly right",
            )


def suspects(texts: Sequence[str], labels: Sequence[str]) -> tuple[list[int], Any]:
    """Return all rows, the most suspect first, and which of them are likely wrong. Shapes: (N,), (N,) bool.

    Every label has at least FOLDS rows.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.naive_bayes import MultinomialNB

    names, given = np.unique(np.array(labels), return_inverse=True)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    model = (
        MultinomialNB(alpha=0.05)
        if len(texts) > MANY
        else SGDClassifier(loss="log_loss", alpha=2e-5, max_iter=10, tol=None, random_state=0)
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    try:
        seen = words.fit_transform(texts)
    except ValueError:  # not a word in any text
        return list(range(len(texts))), np.zeros(len(texts), bool)
    likely = cross_val_predict(model, seen, given, cv=folds, method="predict_proba")
    every = np.arange(len(given))
    usual = np.array([likely[given == name, name].mean() for name in range(len(names))])
    own = likely[every, given].copy()
    likely[every, given] = -1.0
    margin = own - likely.max(1)
    confident = ((likely >= usual) & (likely > own[:, None])).any(1)
    return np.argsort(margin, kind="stable").tolist(), confident
