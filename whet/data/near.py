"""Groups of near-identical texts by MinHash and verification.

Source: Broder 1997, "On the resemblance and containment of documents" (a long text is kept as its smallest hashes,
section 4); banding as in Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4; a byte of each hash as
in Li and Koenig 2010, "b-Bit Minwise Hashing".
"""

import re
import zlib
from array import array
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BANDS, ROWS = 16, 4  # two texts of resemblance 0.8 meet in some band with probability 1 - (1 - 0.8^4)^16 > 0.999
ALIKE = 0.8
HOPEFUL = 0.65  # resemblance by 64 bytes, three standard deviations below ALIKE, from which sets are compared
REACH = 8  # texts of a bucket that each is compared with: boilerplate can fill one with thousands
COMMON = 0.2  # a shingle in more than this share of all texts is boilerplate and says nothing
FEW = 20  # texts of which nothing is called boilerplate
KEPT = 2**25  # hashes kept at most, 4 bytes each; beyond, long texts are kept as sketches
LEAST = 64  # hashes kept of a long text at least
PAIRS = 2**13  # compared at a time
MANY = 2**20  # hashes looked through at a time
BLOCK = 2**17  # words, and hashes, at a time
_PRIME = np.uint64((1 << 31) - 1)
_WORD = re.compile(r"\w+")
_SIGN = re.compile(r"\S")  # of a text without words

Ints = NDArray[np.int64]


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
    texts joins them. Words in more than a fifth of all texts (shared instructions) are left out first.
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
        hashes, ends = _telling(np.frombuffer(self._hashes, np.uint32), ends)
        return _Forest(hashes, ends, np.frombuffer(self._cuts, np.uint32)).grown()

    def settled(self) -> list[int]:
        """Return the groups as `settled_groups` does."""
        self._sketch()
        hashes, ends = np.frombuffer(self._hashes, np.uint32), np.frombuffer(self._ends, np.uint64).astype(np.int64)
        cuts = np.frombuffer(self._cuts, np.uint32)
        leaders, begin = list[int](), 0
        while begin < len(ends):
            end = min(len(ends), max(FEW, 2 * begin))
            common = _common(hashes[: ends[begin - 1]], COMMON * begin) if begin else hashes[:0]
            part, part_ends = _without(hashes[: ends[end - 1]], ends[:end], common)
            leaders = _Forest(part, part_ends, cuts[:end], leaders).grown()
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


class _Forest:
    """Texts that point to an earlier one of their group.

    With `settled`, the leaders of the first texts, only later ones are compared with what stands before them.
    """

    def __init__(
        self, hashes: NDArray[np.uint32], ends: Ints, cuts: NDArray[np.uint32], settled: list[int] | None = None
    ) -> None:
        self._hashes, self._ends, self._cuts = hashes, ends, cuts
        self._begins = np.concatenate([[0], ends[:-1]])
        self._leader = [*(settled or []), *range(len(settled or []), len(ends))]
        self._settled = None if settled is None else len(settled)

    def grown(self) -> list[int]:
        """Return the leader of each text once all that are alike were joined."""
        whole, keys, marks = _signatures(self._hashes, self._begins, self._ends)
        _, first, which = np.unique(whole, return_index=True, return_inverse=True)
        if self._settled is None:
            self._leader = first[which].tolist()  # the same words; below, one of each is enough
        else:
            self._join_all(np.arange(self._settled, len(which)), first[which][self._settled :])
        alone = np.sort(first)
        alone = alone[self._ends[alone] > self._begins[alone]]
        for band in range(BANDS):
            near, far = keys[band, alone], keys[(band + 1) % BANDS, alone]
            # Texts that also meet in the next band lie side by side, unless what is appended must not come between.
            order = np.lexsort((far, near)) if self._settled is None else np.argsort(near, kind="stable")
            self._join(alone[order], near[order], marks)
        self._roots()
        return self._leader

    def _join(self, texts: Ints, keys: NDArray[np.uint32], marks: NDArray[np.uint8]) -> None:
        """Join those that are alike among texts with equal keys."""
        new = np.concatenate([[True], keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, bool)
        place = np.arange(len(keys)) - np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))  # in its bucket
        roots = self._roots()
        late = texts >= (self._settled or 0)
        for step in range(1, (REACH if self._settled is None else 4 * REACH) + 1):
            there = np.flatnonzero((place >= step) & late)
            if not len(there):
                return
            one, other = texts[there], texts[there - step]
            apart = roots[one] != roots[other]
            joined = self._verified(*_hopeful(one[apart], other[apart], marks))
            if joined > 1000:
                roots = self._roots()

    def _verified(self, ones: Ints, others: Ints) -> int:
        """Join the pairs whose sets are alike; return how many were."""
        joined = 0
        for begin in range(0, len(ones), PAIRS):
            one, other = ones[begin : begin + PAIRS], others[begin : begin + PAIRS]
            alike = self._resemblance(one, other) >= ALIKE
            joined += self._join_all(one[alike], other[alike])
        return joined

    def _join_all(self, ones: Ints, others: Ints) -> int:
        """Make each pair's groups one; return how many were two."""
        joined = 0
        for pair in zip(ones.tolist(), others.tolist(), strict=True):
            mine, theirs = map(self._find, pair)
            self._leader[max(mine, theirs)] = min(mine, theirs)
            joined += mine != theirs
        return joined

    def _find(self, at: int) -> int:
        leader = self._leader
        while leader[at] != at:
            leader[at] = leader[leader[at]]
            at = leader[at]
        return at

    def _roots(self) -> Ints:
        roots = np.array(self._leader)
        while not np.array_equal(further := roots[roots], roots):
            roots = further
        self._leader = roots.tolist()
        return roots

    def _resemblance(self, ones: Ints, others: Ints) -> NDArray[np.float64]:
        """Return the resemblance of pairs: what both have by what either has, as far as both are known."""
        known = np.minimum(self._cuts[ones], self._cuts[others])
        pairs, pieces = zip(*(self._pieces(texts, known) for texts in (ones, others)), strict=True)
        which = np.concatenate(pairs)
        every = np.sort(which.astype(np.uint64) << np.uint64(32) | np.concatenate(pieces))
        twice = every[1:][every[1:] == every[:-1]] >> np.uint64(32)
        both = np.bincount(twice.astype(np.int64), minlength=len(ones))
        union = np.bincount(which, minlength=len(ones)) - both
        return np.where(union > 0, both / np.maximum(union, 1), 1.0)

    def _pieces(self, texts: Ints, known: NDArray[np.uint32]) -> tuple[Ints, NDArray[np.uint32]]:
        """Return the hashes of some texts up to what is known, end to end, and the place of the text of each."""
        sizes = self._ends[texts] - self._begins[texts]
        which = np.repeat(np.arange(len(texts)), sizes)
        place = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + self._begins[texts][which]
        hashes = self._hashes[place]
        within = hashes <= known[which]
        return which[within], hashes[within]


def _hopeful(ones: Ints, others: Ints, marks: NDArray[np.uint8]) -> tuple[Ints, Ints]:
    """Return the pairs that may be alike by a byte of each of their smallest hashes."""
    kept = np.zeros(len(ones), bool)
    for begin in range(0, len(ones), BLOCK):
        part = slice(begin, begin + BLOCK)
        kept[part] = (marks[ones[part]] == marks[others[part]]).mean(1) >= HOPEFUL
    return ones[kept], others[kept]


def _telling(hashes: NDArray[np.uint32], ends: Ints) -> tuple[NDArray[np.uint32], Ints]:
    """Return the hashes without boilerplate, but for texts of which too little would be left."""
    return (hashes, ends) if len(ends) <= FEW else _without(hashes, ends, _common(hashes, COMMON * len(ends)))


def _without(hashes: NDArray[np.uint32], ends: Ints, common: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], Ints]:
    """Return the hashes without those that are common, but for texts of which too little would be left."""
    if not len(common):
        return hashes, ends
    left, left_ends, filled = np.empty_like(hashes), np.empty_like(ends), 0
    for at, last in _blocks(ends, MANY):
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


def _blocks(ends: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last + 1) of texts that lie together and have about so many hashes in all."""
    at = 0
    while at < len(ends):
        begin = int(ends[at - 1]) if at else 0
        last = max(at + 1, int(np.searchsorted(ends, begin + most, "right")))
        yield at, last
        at = last


def _signatures(
    hashes: NDArray[np.uint32], begins: Ints, ends: Ints
) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint8]]:
    """Return per text a number of all its hashes, one for each band of its MinHash, and a byte of each smallest hash.

    Shapes: (N,), (BANDS, N), (N, BANDS * ROWS).
    """
    rng = np.random.default_rng(20)  # fixed: groups must not depend on a run's seed
    slope = rng.integers(1, int(_PRIME), BANDS * ROWS, dtype=np.uint64)
    shift = rng.integers(0, int(_PRIME), BANDS * ROWS, dtype=np.uint64)
    mix = rng.integers(1, 2**63, ROWS, dtype=np.uint64) | np.uint64(1)
    texts = len(ends)
    whole, bands = np.zeros(texts, np.uint64), np.zeros((BANDS, texts), np.uint32)
    marks = np.zeros((texts, BANDS * ROWS), np.uint8)
    for at, last in _blocks(ends, BLOCK // 4):
        values = hashes[begins[at] : ends[last - 1]].astype(np.uint64) % _PRIME
        full = np.flatnonzero(ends[at:last] > begins[at:last])  # reduceat knows no empty piece
        starts = (begins[at:last] - begins[at])[full]
        if len(full):
            smallest = np.minimum.reduceat((values * slope[:, None] + shift[:, None]) % _PRIME, starts, axis=1)
            mixed = (smallest.reshape(BANDS, ROWS, -1) * mix[:, None]).sum(1)
            bands[:, at + full] = mixed >> np.uint64(32)  # texts that meet by chance are told apart later
            marks[at + full] = (smallest >> np.uint64(11)).T.astype(np.uint8)
            spread = values * np.uint64(0x9E3779B97F4A7C15)
            whole[at + full] = np.add.reduceat((spread ^ (spread >> np.uint64(32))) * mix[0], starts)
    return whole, bands, marks
