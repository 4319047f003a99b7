"""Labels that are rare beside others."""

from collections import defaultdict
from collections.abc import Iterator

from whet.data.findings import Finding, Seen
from whet.types import Chat

__all__ = ["Balance"]

FEW = 5  # rows of a label from which something can be learned and judged
UNEVEN = 20  # times as many rows as the rarest label


class Balance:
    """Finds labels with hardly any rows, and labels with many times as many rows as others."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = defaultdict(list)

    def see(self, row: Seen) -> None:
        """Look at a row."""
        if isinstance(row.example, Chat) and row.example.label is not None and row.side != "test":
            self._lines[row.example.label].append(row.source)

    def findings(self) -> Iterator[Finding]:
        """Yield at most one finding; the lines are those of the rarest labels."""
        if len(self._lines) < 2:
            return
        most = max(map(len, self._lines.values()))
        rare = sorted(
            (lines for lines in self._lines.values() if len(lines) < FEW or len(lines) * UNEVEN < most), key=len
        )
        if rare:
            yield Finding(
                "imbalance",
                "note",
                tuple(line for lines in rare for line in lines),
                f"{len(rare):,} of {len(self._lines):,} labels have between {len(rare[0]):,} and {len(rare[-1]):,} "
                f"rows, the largest has {most:,}: rare labels are learned last and judged on few",
                "collect more rows of these labels, or judge each label by itself",
            )
