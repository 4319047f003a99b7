"""Rows that are judged on and trained on."""

from collections import defaultdict
from collections.abc import Iterator

from whet.data.findings import Finding, Seen
from whet.data.near import groups
from whet.data.split import content_hash

__all__ = ["Leaks"]

ORDER = ("test", "validation", "train")  # a row that stands in two sides is reported where it does more harm


class Leaks:
    """Finds rows of a test or validation side that training has seen: whole, by their question, or nearly."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[str, str, str]]] = defaultdict(list)  # side -> source, content, question

    def see(self, row: Seen) -> None:
        """Look at a row."""
        self._rows[row.side].append((row.source, content_hash(row.example), row.question))

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each kind of leak between two sides."""
        sides = [side for side in ORDER if side in self._rows]
        for place, judged in enumerate(sides):
            for trained in sides[place + 1 :]:
                yield from self._between(judged, trained)

    def _between(self, judged: str, trained: str) -> Iterator[Finding]:
        known = {content for _, content, _ in self._rows[trained]}
        asked = {question for _, _, question in self._rows[trained]}
        whole, same, rest = list[tuple[str, str]](), list[tuple[str, str]](), list[tuple[str, str]]()
        for source, content, question in self._rows[judged]:
            (whole if content in known else same if question in asked else rest).append((source, question))
        texts = [*asked, *(question for _, question in rest)]
        leaders = groups(texts)
        learned = set(leaders[: len(asked)])
        near = [line for line, leader in zip(rest, leaders[len(asked) :], strict=True) if leader in learned]
        for rows, what, severity in (
            (whole, f"also stand in {trained}, question and answer", "error"),
            (same, f"ask what is also asked in {trained}, answered otherwise", "warning"),
            (near, f"ask nearly what is asked in {trained}", "warning"),
        ):
            if rows:
                yield Finding(
                    "leak",
                    severity,  # type: ignore[arg-type]
                    tuple(source for source, _ in rows),
                    f"{len(rows):,} rows of {judged} {what}: what is remembered would count as understood",
                    f"remove them from {judged} or from {trained}",
                )
