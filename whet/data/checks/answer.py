"""Answers that are hardly answers: placeholders, refusals, text that was cut off or goes round in circles."""

import re
import zlib
from collections.abc import Iterator

from whet.data.findings import Found, Seen
from whet.types import Chat

__all__ = ["Answers"]

_NOTHING = re.compile(
    r"(?:n/?a|none|null|nan|nil|tbd|todo|fixme|xxx+|test|asdf+|lorem ipsum.*|unknown|no answer|[-_.?*\s]+)[.!]?",
    re.IGNORECASE | re.DOTALL,
)
_REFUSAL = re.compile(
    r"\b(?:as an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|i(?:'m| am) (?:sorry|afraid),? (?:but )?(?:i|that) "
    r"(?:can(?:'t|not)|am (?:not able|unable)|do(?:n't| not) (?:have|feel))"
    r"|i (?:can(?:'t|not)|am (?:not able|unable) to|won't) (?:assist|help|provide|comply|fulfill|answer|engage)\b)",
    re.IGNORECASE,
)
_ENDED = re.compile(r"[.!?:;)\]}>\"'`*\u2019\u201d\u00bb\u2026\u3002\uff01\uff1f]\s*$")
LONG = 60  # characters from which an answer is expected to end like a sentence
USUAL = 0.95  # share of long answers that end so before those that do not are suspect
ROUND = 0.12  # of its size is what is left of text that says the same again and again
SIZE = 240  # characters from which that is measured


class Answers:
    """Finds answers that teach nothing or the wrong thing."""

    def __init__(self) -> None:
        self._nothing: list[int] = []
        self._refused: list[int] = []
        self._circling: list[tuple[float, int]] = []
        self._open: list[int] = []
        self._long = 0

    def see(self, row: Seen) -> None:
        """Look at a row."""
        if not isinstance(row.example, Chat):
            return
        answer = row.answer.strip()
        if row.example.label is None and _NOTHING.fullmatch(answer):
            self._nothing.append(row.number)
        if _REFUSAL.search(answer[:400]):
            self._refused.append(row.number)
        if len(answer) >= LONG:
            self._long += 1
            if not _ENDED.search(answer):
                self._open.append(row.number)
        if len(answer) >= SIZE:
            raw = answer.encode("utf-8", "replace")
            if (left := len(zlib.compress(raw)) / len(raw)) < ROUND:
                self._circling.append((left, row.number))

    def findings(self) -> Iterator[Found]:
        """Yield a finding for each kind."""
        if self._nothing:
            why = f"{len(self._nothing):,} answers say nothing (n/a, todo, ...): a model learns to say just that"
            yield Found("empty", "warning", self._nothing, why, "answer these rows or remove them")
        if self._open and len(self._open) <= (1 - USUAL) * self._long:
            why = f"{len(self._open):,} answers end in the middle of a sentence, as hardly any other does"
            yield Found("truncated", "warning", self._open, why, "complete these answers or remove them")
        if self._refused:
            why = f"{len(self._refused):,} answers refuse or speak of being an AI: a model learns to refuse"
            yield Found("refusal", "note", self._refused, why, "keep those that are wanted")
        if self._circling:
            why = f"{len(self._circling):,} answers say the same again and again"
            rows = [number for _, number in sorted(self._circling)]
            yield Found("repetition", "warning", rows, why, "shorten or remove them")
