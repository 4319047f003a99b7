"""Rows that stand in one side more than once, to the letter or nearly."""

from collections import defaultdict
from collections.abc import Iterator

from whet.data.findings import Finding, Seen
from whet.data.near import groups
from whet.data.split import content_hash

__all__ = ["Duplicates"]


class Duplicates:
    """Finds rows that repeat an earlier one of their side; those that repeat come first, then those repeated."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._once: dict[str, list[tuple[str, str]]] = defaultdict(list)  # the first row of each content, by side

    def see(self, row: Seen) -> None:
        """Look at a row."""
        lines = self._exact[row.side, content_hash(row.example)]
        if not lines:
            self._once[row.side].append((row.source, f"{row.question}\n{row.answer}"))
        lines.append(row.source)

    def findings(self) -> Iterator[Finding]:
        """Yield at most one finding for rows that are equal and one for rows that nearly are."""
        equal = [lines for lines in self._exact.values() if len(lines) > 1]
        if equal:
            again = sum(len(lines) - 1 for lines in equal)
            yield Finding(
                "exact_duplicate",
                "warning",
                _ordered(equal),
                f"{again:,} rows repeat an earlier row to the letter; they weigh double in training",
                "keep one of each",
            )
        alike: dict[tuple[str, int], list[str]] = defaultdict(list)
        for side, rows in self._once.items():
            for (source, _), leader in zip(rows, groups([text for _, text in rows]), strict=True):
                alike[side, leader].append(source)
        nearly = [lines for lines in alike.values() if len(lines) > 1]
        if nearly:
            again = sum(len(lines) - 1 for lines in nearly)
            yield Finding(
                "near_duplicate",
                "note",
                _ordered(nearly),
                f"{again:,} rows say nearly what an earlier row says; the split keeps them on one side",
                "keep one of each unless the difference matters",
            )


def _ordered(found: list[list[str]]) -> tuple[str, ...]:
    return (*(line for lines in found for line in lines[1:]), *(lines[0] for lines in found))
