"""Questions whose passage does not answer them, made by giving each the passage of another row."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from whet.types import Message

UNSAID = "The passage does not say."
"""The answer to a question that its passage does not answer."""

COMMON = 0.1  # of the passages: a word in more of them tells nothing of what a passage is about
HELD = 0.5  # of the telling words of an answer: a passage with so many may well hold it
TRIED = 200  # passages at most
_WORD = re.compile(r"\w+")


class Parts(NamedTuple):
    """What the last message before an answer is made of."""

    passage: str
    question: str


def parts(before: Sequence[Message]) -> Parts | None:
    """Return passage and question, the passage being all that stands before the last empty line; None without one.

    So questions about a context are written by every shape of rows that has one.
    """
    if not before or before[-1].role != "user":
        return None
    passage, gap, question = before[-1].content.rpartition("\n\n")
    return Parts(passage, question) if gap and passage.strip() and question.strip() else None


def asked(before: Sequence[Message], passage: str, question: str) -> tuple[Message, ...]:
    """Return the messages with another passage, or without one if it is empty."""
    said = f"{passage}\n\n{question}" if passage else question
    return (*before[:-1], replace(before[-1], content=said))


class Strangers:
    """Passages, of which one is given to questions that it does not answer."""

    def __init__(self, passages: Iterable[str]) -> None:
        self._passages = sorted(set(passages))
        self._words = [frozenset(_words(passage)) for passage in self._passages]
        counts = Counter(word for words in self._words for word in words)
        self._common = {word for word, count in counts.items() if count > max(1, COMMON * len(self._passages))}

    def find(self, own: str, question: str, answers: Sequence[str]) -> str | None:
        """Return a passage that does not hold any of the answers, or None if there is no such.

        Which one depends on the question and its own passage alone. A passage is left out if it has half of an
        answer's telling words, those that at most a tenth of the passages have, or the whole answer as it stands. It is
        judged by words, so that a passage that answers in others is not seen.
        """
        if not self._passages:
            return None
        said = [(" ".join(words), frozenset(words) - self._common) for words in map(_words, answers)]
        digest = hashlib.sha256(f"{own}\n{question}".encode("utf-8", "replace")).digest()
        first = int.from_bytes(digest[:8], "big")
        for turn in range(min(TRIED, len(self._passages))):
            at = (first + turn) % len(self._passages)
            if self._passages[at] != own and not any(self._holds(at, *one) for one in said):
                return self._passages[at]
        return None

    def _holds(self, at: int, answer: str, telling: frozenset[str]) -> bool:
        if telling and len(telling & self._words[at]) >= HELD * len(telling):
            return True
        return bool(answer) and f" {answer} " in f" {' '.join(_words(self._passages[at]))} "


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
