"""Rows in another language than most, and answers in another language than their question."""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whet.data.checks._tongues import NAMES
from whet.data.findings import Found, Seen
from whet.types import Chat

__all__ = ["Languages"]

LETTERS = 40  # from which a language can be told; a sign of Chinese and the like counts for four
PART = 200  # characters that are looked at: the end of a question, where what is special to it stands, or the beginning
WORDY = 0.6  # share of letters among the signs of a text; less is code, numbers or addresses
SURE = 0.95
EVERY = 1000  # texts of which every one is judged; then those that are written in the usual words are not any more
USUAL = 100  # words
WRITTEN = 0.4  # share of usual words, three at least, from which a text is in the language of most texts
MAIN = (
    0.8  # share of texts in one language from which there are usual words, and of rows that agree with their question
)
MOST = 30_000  # texts judged at most
_LINK = re.compile(r"\S+://\S+|\S+@\S+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_TRANSLATE = re.compile(r"translat|traduc|traduz|tradui|\u00fcbersetz", re.IGNORECASE)


class Languages:
    """Finds rows in other languages than most rows; needs py3langid.

    Short texts, names and code are left out. Beyond the first texts, one that is written in the usual words of most
    others is not judged, so that a row in a closely related language may be missed.
    """

    remark = ""

    def __init__(self) -> None:
        self.languages: dict[str, int] = {}  # rows by the language of their answer, else of their question
        self._there = find_spec("py3langid") is not None
        self._numbers, self._asked, self._said = array("Q"), array("b"), array("b")
        self._codes: list[str] = []
        self._wanted = bytearray()  # whether a row asks for another language
        self._texts, self._judged, self._passed = 0, 0, 0
        self._words: dict[str, Counter[str]] = defaultdict(Counter)
        self._main, self._usual = -1, frozenset[str]()

    def see(self, row: Seen) -> None:
        """Look at a row."""
        labelled = isinstance(row.example, Chat) and row.example.label is not None
        answer = "" if labelled else row.answer
        asked = self._language(row.question[-PART:] if row.answer else row.question[:PART])
        said = self._language(answer[:PART])
        if asked < 0 and said < 0:
            return
        self._numbers.append(row.number)
        self._asked.append(asked)
        self._said.append(said)
        self._wanted.append(min(asked, said) >= 0 and asked != said and self._asks(row.question, asked, said))

    def findings(self) -> Iterator[Found]:
        """Yield at most one finding for rows in other languages and one for answers in another than the question."""
        if not self._there:
            if self._texts:
                self.remark = "languages were not looked for; that needs py3langid (pip install 'whet-llm[eval]')"
            return
        if self._passed:
            self.remark = f"the language of {self._passed:,} of {self._texts:,} texts was not looked for"
        if not self._numbers:
            return
        number = np.frombuffer(self._numbers, np.uint64)
        asked, said = (np.frombuffer(one, np.int8) for one in (self._asked, self._said))
        both = np.minimum(asked, said) >= 0
        differ = both & (asked != said)
        written = Counter(np.where(said >= 0, said, asked).tolist())
        self.languages = {self._name(code): count for code, count in written.items()}
        yield from self._others(number[~differ], np.maximum(asked, said)[~differ])
        odd = number[differ & ~np.frombuffer(self._wanted, np.bool_)]
        if len(odd) and differ.sum() <= (1 - MAIN) * both.sum():
            yield Found(
                "language",
                "note",
                odd.tolist(),
                f"{len(odd):,} answers are in another language than their question, unlike nearly all others",
                "keep those where the question asks for it",
            )

    def _others(self, number: NDArray[np.uint64], code: NDArray[np.int8]) -> Iterator[Found]:
        counts = Counter(code.tolist())
        if len(counts) < 2:
            return
        (main, _), *rest = counts.most_common()
        rare = np.flatnonzero(code != main)
        rare = rare[np.argsort([counts[one] for one in code[rare].tolist()], kind="stable")]
        named = ", ".join(f"{count:,} in {self._name(one)}" for one, count in rest[:5])
        yield Found(
            "language",
            "note",
            number[rare].tolist(),
            f"of {len(number):,} rows whose language is clear, {counts[main]:,} are in {self._name(main)}, {named}"
            + (f" and {sum(count for _, count in rest[5:]):,} in others" if len(rest) > 5 else ""),
            "keep them if they are wanted, and then judge each language by itself",
        )

    def _asks(self, question: str, *codes: int) -> bool:
        """Say whether a question asks for another language."""
        return bool(_TRANSLATE.search(question)) or any(NAMES[self._codes[code]] in question for code in codes)

    def _name(self, code: int) -> str:
        return NAMES[self._codes[code]]

    def _language(self, text: str) -> int:
        """Return the number of a text's language, -1 if it cannot be told."""
        if len(text) < LETTERS // 4:
            return -1
        text = _LINK.sub(" ", text) if "://" in text or "@" in text else text
        letters = sum(map(str.isalpha, text))
        ample = letters if text.isascii() else sum((1, 4)[sign > "\u2e80"] for sign in text if sign.isalpha())
        if ample < LETTERS or letters < WORDY * (len(text) - text.count(" ")):
            return -1
        self._texts += 1
        if not self._there:
            return -1
        words = set(_WORD.findall(text.lower()))
        if len(words & self._usual) >= max(3, WRITTEN * len(words)):
            return self._main
        if self._judged >= MOST:
            self._passed += 1
            return -1
        return self._identified(text, words)

    def _identified(self, text: str, words: set[str]) -> int:
        self._judged += 1
        code, sure = _identifier().classify(text)
        if sure < SURE or code not in NAMES:  # what is not named there is rare, and mostly names or numbers
            return -1
        if code not in self._codes:
            self._codes.append(code)
        if self._judged < EVERY:
            self._words[code].update(words)
        elif self._words:
            self._settle()
        return self._codes.index(code)

    def _settle(self) -> None:
        """Learn the usual words, if most texts are in one language."""
        texts = {code: max(words.values(), default=0) for code, words in self._words.items()}
        main = max(texts, key=lambda code: texts[code])
        if texts[main] >= MAIN * sum(texts.values()):
            self._main = self._codes.index(main)
            self._usual = frozenset(word for word, _ in self._words[main].most_common(USUAL))
        self._words.clear()


@cache
def _identifier() -> Any:
    module = import_module("py3langid.langid")
    return module.LanguageIdentifier.from_model_file(module.MODEL_FILE, norm_probs=True)
