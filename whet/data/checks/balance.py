"""Labels that are rare beside others."""

from collections import defaultdict
from collections.abc import Iterator

from whet.data.findings import Found, Seen
from whet.types import Chat

__all__ = ["Balance"]

FEW = 5  # rows of a label from which something can be learned and judged
UNEVEN = 20  # times as many rows as the rarest label


class Balance:
    """Finds labels with hardly any rows, and labels with many times as many rows as others."""

    def __init__(self) -> None:
        self._rows: dict[str, list[int]] = defaultdict(list)

    def see(self, row: Seen) -> None:
        """Look at a row."""
        if isinstance(row.example, Chat) and row.example.label is not None and row.side != "test":
            self._rows[row.example.label].append(row.number)

    def findings(self) -> Iterator[Found]:
        """Yield at most one finding; the lines are those of the rarest labels."""
        if len(self._rows) < 2:
            return
        most = max(map(len, self._rows.values()))
        rare = sorted((rows for rows in self._rows.values() if len(rows) < FEW or len(rows) * UNEVEN < most), key=len)
        if rare:
            yield Found(
                "imbalance",
                "note",
                [number for rows in rare for number in rows],
                f"{len(rare):,} of {len(self._rows):,} labels have between {len(rare[0]):,} and {len(rare[-1]):,} "
                f"rows, the largest has {most:,}: rare labels are learned last and judged on few",
                "collect more rows of these labels, or judge each label by itself",
            )
