"""Which rows of a file are left out: decided as its examples stream by, of which a few bytes each are kept."""

from array import array
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whet.data.findings import Inspection, gravest, seen
from whet.data.near import Near
from whet.plugins import names
from whet.types import Example

DROPS = (
    "empty", "encoding", "exact_duplicate", "label_error", "language", "near_duplicate", "offensive", "outlier",
    "personal_data", "refusal", "repetition", "secret", "trigger", "truncated",
)  # fmt: skip
DUPLICATES = ("exact_duplicate", "near_duplicate")
FOUND_BY = {  # what each check of ours finds that rows can be left out for; those that find nothing of it stay idle
    "answer": ("empty", "refusal", "repetition", "truncated"),
    **{name: (name,) for name in ("encoding", "label_error", "language", "outlier", "personal_data", "secret")},
    "terms": ("offensive",),
    "trigger": ("trigger",),
    **dict.fromkeys(("balance", "boilerplate", "contradiction", "duplicate", "leak", "mention", "style"), ()),
}
ENOUGH = "more than enough of its label"
_REASONS = ("", *DROPS, ENOUGH)


@dataclass(frozen=True, slots=True)
class Dropped:
    """Why which rows are left out, a byte for each."""

    codes: NDArray[np.uint8]

    def why(self, row: int) -> str:
        """Return why a row (counted from 0) is left out, "" if it stays."""
        return _REASONS[self.codes[row]] if row < len(self.codes) else ""

    def counts(self) -> dict[str, int]:
        """Return how many rows are left out for which reason, in the order in which reasons are met first."""
        codes, first, counts = np.unique(self.codes, return_index=True, return_counts=True)
        return {_REASONS[codes[at]]: int(counts[at]) for at in np.argsort(first) if codes[at]}


class Drops:
    """Takes in the examples of a file and decides; of rows that are alike, the first stays."""

    def __init__(self, kinds: Collection[str], most_per_label: int | None = None) -> None:
        self._kinds, self._most = frozenset(kinds), most_per_label
        checked = self._kinds - {*DUPLICATES}
        asked = [name for name in names("data.checks") if checked & {*FOUND_BY.get(name, DROPS)}]
        self._inspection = Inspection(asked) if checked else None
        self._near = Near() if "near_duplicate" in kinds else None
        self._rows, self._contents, self._labels = array("Q"), array("Q"), array("q")
        self._names: dict[str, int] = {}

    def see(self, row: int, example: Example) -> None:
        """Take in an example of a row; rows are counted from 0, and some have several examples."""
        if not (self._kinds or self._most):
            return
        inspection = self._inspection
        one = inspection.see("train", example) if inspection else seen(len(self._rows), "train", example)
        self._rows.append(row)
        self._contents.append(one.content)
        label = getattr(example, "label", None)
        self._labels.append(self._names.setdefault(label, len(self._names)) if label and self._most else -1)
        if self._near:
            self._near.add(f"{one.question}\n{one.answer}")

    def decided(self) -> Dropped:
        """Return which rows are left out, once all were seen; what was kept for it is let go."""
        if not self._rows:
            return Dropped(np.zeros(0, np.uint8))
        rows, contents = (np.frombuffer(one, np.uint64).astype(np.int64) for one in (self._rows, self._contents))
        codes = np.zeros(rows[-1] + 1, np.uint8)

        def leave_out(examples: NDArray[np.int64], reason: str) -> None:
            theirs = rows[examples]
            codes[theirs[codes[theirs] == 0]] = _REASONS.index(reason)

        if "exact_duplicate" in self._kinds:
            _, first, which = np.unique(contents, return_index=True, return_inverse=True)
            leave_out(np.flatnonzero(rows[first[which]] != rows), "exact_duplicate")
        if self._near:
            near, self._near = self._near, None
            leave_out(np.flatnonzero(rows[np.array(near.groups())] != rows), "near_duplicate")
        if self._inspection:
            for found in gravest(self._inspection.found()[0]):
                if found.kind in self._kinds:
                    leave_out(np.array(found.rows, np.int64), found.kind)
        if self._most:
            labels = np.frombuffer(self._labels, np.int64)
            kept = np.flatnonzero((labels >= 0) & (codes[rows] == 0))
            leave_out(self._beyond(kept, labels[kept], np.frombuffer(self._contents, np.uint64)[kept]), ENOUGH)
        return Dropped(codes)

    def _beyond(
        self, examples: NDArray[np.int64], labels: NDArray[np.int64], contents: NDArray[np.uint64]
    ) -> NDArray[np.int64]:
        """Return the examples that are too many of their label; those of the smallest hashes stay."""
        order = np.lexsort((contents, labels))
        ordered = labels[order]
        begin = np.searchsorted(ordered, ordered)  # of its label
        return examples[order[np.arange(len(order)) - begin >= (self._most or 0)]]
