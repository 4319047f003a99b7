"""Joins texts that are alike, given as sets of hashes: MinHash bands name the candidates, the sets decide."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BANDS, ROWS = 16, 4  # two texts of resemblance 0.8 meet in some band with probability 1 - (1 - 0.8^4)^16 > 0.999
ALIKE = 0.8
TELLING = 0.65  # of what is left without boilerplate, where the whole texts are alike: little is left, one word is much
HOPEFUL = 0.65  # resemblance by 64 bytes, three standard deviations below ALIKE, from which sets are compared
DOUBTFUL = 0.12  # two of them at TELLING: by so much the bytes may say too little
REACH = 8  # texts of a bucket that each is compared with: boilerplate can fill one with thousands
PAIRS = 2**13  # compared at a time
BLOCK = 2**17  # pairs, and hashes, at a time
_PRIME = np.uint64((1 << 31) - 1)

Ints = NDArray[np.int64]


class Sets:
    """Texts as sets of hashes, end to end, and the largest hash up to which each is known."""

    def __init__(self, hashes: NDArray[np.uint32], ends: Ints, cuts: NDArray[np.uint32]) -> None:
        self.hashes, self.ends, self.cuts = hashes, ends, cuts
        self.begins = np.concatenate([[0], ends[:-1]])

    def resemblance(self, ones: Ints, others: Ints) -> NDArray[np.float64]:
        """Return the resemblance of pairs: what both have by what either has, as far as both are known."""
        known = np.minimum(self.cuts[ones], self.cuts[others])
        pairs, pieces = zip(*(self._pieces(texts, known) for texts in (ones, others)), strict=True)
        which = np.concatenate(pairs)
        every = np.sort(which.astype(np.uint64) << np.uint64(32) | np.concatenate(pieces))
        twice = every[1:][every[1:] == every[:-1]] >> np.uint64(32)
        both = np.bincount(twice.astype(np.int64), minlength=len(ones))
        union = np.bincount(which, minlength=len(ones)) - both
        return np.where(union > 0, both / np.maximum(union, 1), 1.0)

    def _pieces(self, texts: Ints, known: NDArray[np.uint32]) -> tuple[Ints, NDArray[np.uint32]]:
        """Return the hashes of some texts up to what is known, end to end, and the place of the text of each."""
        sizes = self.ends[texts] - self.begins[texts]
        which = np.repeat(np.arange(len(texts)), sizes)
        place = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + self.begins[texts][which]
        hashes = self.hashes[place]
        within = hashes <= known[which]
        return which[within], hashes[within]


class Forest:
    """Texts that point to an earlier one of their group.

    `telling` are the texts without boilerplate, `every` with it. With `settled`, the leaders of the first texts, only
    later ones are compared with what stands before them.
    """

    def __init__(self, telling: Sets, every: Sets, settled: list[int] | None = None) -> None:
        self._telling, self._every = telling, every
        self._leader = [*(settled or []), *range(len(settled or []), len(telling.ends))]
        self._settled = None if settled is None else len(settled)

    def grown(self) -> list[int]:
        """Return the leader of each text once all that are alike were joined."""
        whole, keys, marks = _signatures(self._telling.hashes, self._telling.begins, self._telling.ends)
        _, first, which = np.unique(whole, return_index=True, return_inverse=True)
        if self._settled is None:
            self._leader = first[which].tolist()  # the same words; below, one of each is enough
        else:
            self._join_all(np.arange(self._settled, len(which)), first[which][self._settled :])
        alone = np.sort(first)
        alone = alone[self._telling.ends[alone] > self._telling.begins[alone]]
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
            joined = self._verified(*self._hopeful(one[apart], other[apart], marks))
            if joined > 1000:
                roots = self._roots()

    def _hopeful(self, ones: Ints, others: Ints, marks: NDArray[np.uint8]) -> tuple[Ints, Ints]:
        """Return the pairs that may be alike by a byte of each of their smallest hashes, and by their sizes."""
        kept = np.zeros(len(ones), bool)
        for begin in range(0, len(ones), BLOCK):
            part = slice(begin, begin + BLOCK)
            kept[part] = self._promising(ones[part], others[part], (marks[ones[part]] == marks[others[part]]).mean(1))
        return ones[kept], others[kept]

    def _promising(self, ones: Ints, others: Ints, seen: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which pairs may be alike whose telling parts resemble each other about so much, as far as was seen."""
        hopeful = seen >= HOPEFUL
        if self._every.hashes is self._telling.hashes:
            return hopeful
        some = np.flatnonzero(~hopeful & (seen >= TELLING - DOUBTFUL))
        telling, whole = (
            np.stack([sets.ends[texts[some]] - sets.begins[texts[some]] for texts in (ones, others)])
            for sets in (self._telling, self._every)
        )
        most, sizes, common = seen[some] + DOUBTFUL, telling.sum(0), whole - telling
        both = most / (1 + most) * sizes  # at most, of what tells; all that is common may be common to both
        hopeful[some] = both + common.min(0) >= ALIKE * (sizes - both + common.max(0))
        return hopeful

    def _verified(self, ones: Ints, others: Ints) -> int:
        """Join the pairs whose sets are alike; return how many were."""
        joined = 0
        for begin in range(0, len(ones), PAIRS):
            one, other = ones[begin : begin + PAIRS], others[begin : begin + PAIRS]
            telling = self._telling.resemblance(one, other)
            alike = telling >= ALIKE
            some = np.flatnonzero(~alike & (telling >= TELLING))
            if len(some) and self._every.hashes is not self._telling.hashes:
                alike[some] = self._every.resemblance(one[some], other[some]) >= ALIKE
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
    for at, last in blocks(ends, BLOCK // 4):
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


def blocks(ends: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last + 1) of texts that lie together and have about so many hashes in all."""
    at = 0
    while at < len(ends):
        begin = int(ends[at - 1]) if at else 0
        last = max(at + 1, int(np.searchsorted(ends, begin + most, "right")))
        yield at, last
        at = last
