"""Groups of near-identical texts by MinHash and verification.

Source: Broder 1997, "On the resemblance and containment of documents" (a long text is kept as its smallest hashes,
section 4); banding as in Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4; a byte of each hash as
in Li and Koenig 2010, "b-Bit Minwise Hashing".
"""

import re
import zlib
from array import array
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from whet.data.forest import Forest, Ints, Sets, blocks

COMMON = 0.2  # a shingle in more than this share of all texts is boilerplate and says nothing
FEW = 20  # texts of which nothing is called boilerplate
KEPT = 2**25  # hashes kept at most, 4 bytes each; beyond, long texts are kept as sketches
LEAST = 64  # hashes kept of a long text at least
MANY = 2**20  # hashes looked through at a time
BLOCK = 2**17  # words, and hashes, at a time
_WORD = re.compile(r"\w+")
_SIGN = re.compile(r"\S")  # of a text without words


def groups(texts: Iterable[str]) -> list[int]:
    """Return, per text, the index of the first text of its group (see `Near`)."""
    near = Near()
    for text in texts:
        near.add(text)
    return near.groups()


def settled_groups(texts: Iterable[str]) -> list[int]:
    """Return the groups of texts of which each is judged by those before it alone: texts that are appended move none.

    What is boilerplate to a text is what was so in the first 20, 40, 80, ... texts before it. A text that is like two
    groups makes them one.
    """
    near = Near()
    for text in texts:
        near.add(text)
    return near.settled()


class Near:
    """Texts, shown one at a time and kept as hashes: all of them, or of long texts only so many as there is room for.

    Two texts are in one group if the resemblance of their words and word pairs is at least 0.8, or if a chain of such
    texts joins them. Words in more than a fifth of all texts (shared instructions) are left out first; where they are
    counted, 0.65 must be left without them.
    """

    def __init__(self) -> None:
        self._most = 2**16  # hashes of a text; with 128 of them resemblance is known to about 0.035
        self._words, self._word_ends = array("I"), array("Q")  # of texts that are not sketched yet
        self._hashes, self._ends = array("I"), array("Q")
        self._cuts = array("I")  # the largest hash of a text that was cut, beyond which nothing is known of it

    def add(self, text: str) -> None:
        """Take in a text."""
        words = _WORD.findall(text.lower()) or _SIGN.findall(text)
        self._words.extend([_hashed(word) for word in words])
        self._word_ends.append(len(self._words))
        if len(self._words) > BLOCK:
            self._sketch()

    @staticmethod
    def joined(*parts: "Near") -> list[int]:
        """Return the groups of the texts of several, one after another."""
        one = Near()
        for part in parts:
            part._sketch()
            one._most = min(one._most, part._most)
            begin = len(one._hashes)
            one._hashes.extend(part._hashes)
            one._ends.extend(begin + end for end in part._ends)
            one._cuts.extend(part._cuts)
        return one.groups()

    def groups(self) -> list[int]:
        """Return, per text, the index of the first text of its group."""
        self._sketch()
        if not self._ends:
            return []
        ends = np.frombuffer(self._ends, np.uint64).astype(np.int64)
        hashes, cuts = (np.frombuffer(one, np.uint32) for one in (self._hashes, self._cuts))
        return Forest(Sets(*_telling(hashes, ends), cuts), Sets(hashes, ends, cuts)).grown()

    def settled(self) -> list[int]:
        """Return the groups as `settled_groups` does."""
        self._sketch()
        hashes, ends = np.frombuffer(self._hashes, np.uint32), np.frombuffer(self._ends, np.uint64).astype(np.int64)
        cuts = np.frombuffer(self._cuts, np.uint32)
        leaders, begin = list[int](), 0
        while begin < len(ends):
            end = min(len(ends), max(FEW, 2 * begin))
            common = _common(hashes[: ends[begin - 1]], COMMON * begin) if begin else hashes[:0]
            every = Sets(hashes[: ends[end - 1]], ends[:end], cuts[:end])
            telling = Sets(*_without(every.hashes, every.ends, common), every.cuts)
            leaders = Forest(telling, every, leaders).grown()
            begin = end
        return leaders

    def _sketch(self) -> None:
        """Turn words into sets of hashes of words and of pairs of words, each in rising order."""
        if not self._word_ends:
            return
        words = np.frombuffer(self._words, np.uint32).astype(np.uint64)
        ends = np.frombuffer(self._word_ends, np.uint64).astype(np.int64)
        text = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0)).astype(np.uint64)
        mixed = words[:-1] * np.uint64(0x9E3779B1) + words[1:] * np.uint64(0x85EBCA77) + np.uint64(1)
        pairs = ((mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xC2B2AE3D27D4EB4F)) >> np.uint64(32)
        within = text[:-1] == text[1:]
        every = np.concatenate([text << np.uint64(32) | words, (text[:-1] << np.uint64(32) | pairs)[within]])
        every.sort()
        every = every[np.concatenate([[True], every[1:] != every[:-1]])] if len(every) else every
        sizes = np.bincount((every >> np.uint64(32)).astype(np.int64), minlength=len(ends))
        hashes = (every & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        cuts = np.full(len(ends), 2**32 - 1, np.uint32)
        hashes, sizes, cuts = _cut(hashes, sizes, cuts, self._most)
        self._ends.extend((np.cumsum(sizes) + len(self._hashes)).tolist())
        self._hashes.frombytes(hashes.tobytes())
        self._cuts.frombytes(cuts.tobytes())
        self._words, self._word_ends = array("I"), array("Q")
        if len(self._hashes) > KEPT and self._most > LEAST:
            self._shrink()

    def _shrink(self) -> None:
        """Keep half as many hashes of every text that has more."""
        hashes, cuts = np.frombuffer(self._hashes, np.uint32), np.frombuffer(self._cuts, np.uint32)
        ends = np.frombuffer(self._ends, np.uint64).astype(np.int64)
        sizes = ends - np.concatenate([[0], ends[:-1]])
        while hashes.size > KEPT * 3 // 4 and self._most > LEAST:
            self._most //= 2
            hashes, sizes, cuts = _cut(hashes, sizes, cuts, self._most)
        self._hashes, self._cuts = array("I", hashes.tobytes()), array("I", cuts.tobytes())
        self._ends = array("Q", np.cumsum(sizes).astype(np.uint64).tobytes())


def _cut(
    hashes: NDArray[np.uint32], sizes: Ints, cuts: NDArray[np.uint32], most: int
) -> tuple[NDArray[np.uint32], Ints, NDArray[np.uint32]]:
    """Return the texts with at most so many hashes each, the smallest; `cuts` says where their knowledge ends."""
    cut = sizes > most
    if not cut.any():
        return hashes, sizes, cuts
    begins = np.cumsum(sizes) - sizes
    cuts = cuts.copy()
    cuts[cut] = hashes[begins[cut] + most - 1]
    rank = np.arange(len(hashes)) - np.repeat(begins, sizes)
    return hashes[rank < most], np.minimum(sizes, most), cuts


@lru_cache(2**17)
def _hashed(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def _telling(hashes: NDArray[np.uint32], ends: Ints) -> tuple[NDArray[np.uint32], Ints]:
    """Return the hashes without boilerplate, but for texts of which too little would be left."""
    return (hashes, ends) if len(ends) <= FEW else _without(hashes, ends, _common(hashes, COMMON * len(ends)))


def _without(hashes: NDArray[np.uint32], ends: Ints, common: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], Ints]:
    """Return the hashes without those that are common, but for texts of which too little would be left."""
    if not len(common):
        return hashes, ends
    left, left_ends, filled = np.empty_like(hashes), np.empty_like(ends), 0
    for at, last in blocks(ends, MANY):
        begin = int(ends[at - 1]) if at else 0
        part, sizes = hashes[begin : int(ends[last - 1])], np.diff(ends[at:last], prepend=begin)
        keep, own = ~np.isin(part, common), np.repeat(np.arange(last - at), sizes)
        counts = np.bincount(own[keep], minlength=last - at)
        keep |= (counts < 3)[own]
        counts = np.where(counts < 3, sizes, counts)
        left[filled : filled + int(counts.sum())] = part[keep]
        left_ends[at:last] = filled + np.cumsum(counts)
        filled += int(counts.sum())
    return left[:filled], left_ends


def _common(hashes: NDArray[np.uint32], most: float) -> NDArray[np.uint32]:
    """Return the hashes that more texts than that have; first by their last bits, which takes little memory."""
    coarse = np.zeros(2**16, np.int64)
    pieces = [hashes[begin : begin + MANY] for begin in range(0, len(hashes), MANY)]
    for piece in pieces:
        coarse += np.bincount(piece & 0xFFFF, minlength=2**16)
    likely = [piece[(coarse > most)[piece & 0xFFFF]] for piece in pieces]
    values, counts = np.unique(np.concatenate(likely), return_counts=True) if likely else (hashes, np.zeros(0, int))
    common: NDArray[np.uint32] = values[counts > most]
    return common
