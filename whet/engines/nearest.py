"""The texts nearest to a question, by the words that they share."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import bm25s

from whet.scorers._text import words

logging.getLogger("bm25s").setLevel(logging.ERROR)


class Finder(Protocol):
    """An index of texts."""

    def find(self, questions: Sequence[str], count: int) -> list[list[int]]:
        """Return, per question, the places of so many texts (fewer if there are fewer), the nearest first."""


Index = Callable[[Sequence[str]], Finder]
"""Makes an index of texts."""


class Nearest:
    """Looks texts up by BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework").

    Raises:
        ValueError: there are no texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        if not texts:
            raise ValueError("there are no texts to look up")
        self._count = len(texts)
        self._index = bm25s.BM25()
        self._index.index(_words(texts), show_progress=False)

    def find(self, questions: Sequence[str], count: int) -> list[list[int]]:
        """Return, per question, the places of so many texts (fewer if there are fewer), the nearest first."""
        if not questions:
            return []
        found, _ = self._index.retrieve(_words(questions), k=min(count, self._count), show_progress=False)
        return [[int(place) for place in places] for places in found]


def _words(texts: Sequence[str]) -> list[list[str]]:
    # A text without a word would break the index; the empty word matches nothing.
    return [words(text) or [""] for text in texts]
