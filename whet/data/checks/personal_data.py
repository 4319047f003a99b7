"""Personal data: e-mail addresses, telephone numbers, accounts and cards, addresses of computers."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from whet.data.checks._personal import KINDS, personal
from whet.data.findings import Found, Seen

__all__ = ["PersonalData"]


class PersonalData:
    """Finds personal data of kinds that can be told by their form; names are not among them."""

    def __init__(self) -> None:
        self._rows: dict[str, Counter[int]] = defaultdict(Counter)

    def see(self, row: Seen) -> None:
        """Look at a row."""
        for text in row.texts:
            for kind, _, _ in personal(text):
                self._rows[kind][row.number] += 1

    def findings(self) -> Iterator[Found]:
        """Yield a finding for each kind, the rows that hold most of it first."""
        for kind in KINDS:
            if counts := self._rows.get(kind):
                yield Found(
                    "personal_data",
                    "warning",
                    [number for number, _ in counts.most_common()],
                    f"{sum(counts.values()):,} x {kind}: a model repeats what it was trained on, to anybody who asks",
                    "replace each by a placeholder, or make sure that the people concerned agreed",
                )
