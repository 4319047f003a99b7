"""The same question, answered differently."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from whet.data.findings import Finding, Seen
from whet.types import Chat

__all__ = ["Contradictions"]

_SPACE = re.compile(r"\W+")


class Contradictions:
    """Finds questions of one side that have several answers; capitals, spaces and punctuation make no difference."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        self._labelled = False

    def see(self, row: Seen) -> None:
        """Look at a row."""
        if isinstance(row.example, Chat):
            self._labelled |= row.example.label is not None
            self._answers[row.side, _folded(row.question)].append((_folded(row.answer), row.source))

    def findings(self) -> Iterator[Finding]:
        """Yield at most one finding: a warning for labels, a note where several answers may all be right."""
        found = [rows for rows in self._answers.values() if len({answer for answer, _ in rows}) > 1]
        if not found:
            return
        lines = []
        for rows in found:
            counts = Counter(answer for answer, _ in rows)
            lines += [(counts[answer] / len(rows), source) for answer, source in rows]
        lines.sort(key=lambda line: line[0])  # the rarest answer to a question is the most suspect
        yield Finding(
            "contradiction",
            "warning" if self._labelled else "note",
            tuple(source for _, source in lines),
            f"{len(found):,} questions have several different answers"
            + ("; a model can learn one of them" if self._labelled else ", which is well where all of them are right"),
            "decide which is right" if self._labelled else "remove those that are wrong",
        )


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold() or text.strip()
