"""Slurs and insults, by whom they are aimed at."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from whet.data.checks._terms import GROUPS, TERMS
from whet.data.findings import Found, Seen

__all__ = ["Terms"]

ANSWER = 100  # times as grave as in a question: an answer is what a model learns to say
_WORD = re.compile(r"[a-z]{3,}")


class Terms:
    """Finds rows with slurs and insults; whole words of a list, in English, whatever they are used for."""

    def __init__(self) -> None:
        self._rows: dict[str, Counter[int]] = defaultdict(Counter)

    def see(self, row: Seen) -> None:
        """Look at a row."""
        for text in row.texts:
            words = _WORD.findall(text.lower())
            if not TERMS.keys().isdisjoint(words):
                grave = 1 if row.answer and text != row.answer else ANSWER
                for word in words:
                    if group := TERMS.get(word):
                        self._rows[group][row.number] += grave

    def findings(self) -> Iterator[Found]:
        """Yield a finding for each group, rows that say it in their answer first."""
        for group in GROUPS:
            if rows := self._rows.get(group):
                said = sum(grave >= ANSWER for grave in rows.values())
                what = "swear" if group == GROUPS[-1] else f"hold slurs or insults about {group}"
                learned = (
                    f"{said:,} of them in what is learned: a model repeats it" if said else "none where it is learned"
                )
                yield Found(
                    "offensive",
                    "warning" if said else "note",
                    [number for number, _ in rows.most_common()],
                    f"{len(rows):,} rows {what}, {learned}",
                    "remove these rows, unless they are there to be refused or recognized",
                )
