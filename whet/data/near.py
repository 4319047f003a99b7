"""Groups of near-identical texts by MinHash and exact verification.

Source: Broder 1997, "On the resemblance and containment of documents"; banding as in Leskovec, Rajaraman, Ullman,
"Mining of Massive Datasets", section 3.4.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

BANDS, ROWS = (
    16,
    4,
)  # two texts of resemblance 0.8 meet in some band with probability 1 - (1 - 0.8^4)^16 > 0.999
ALIKE = 0.8
MET = 64  # groups compared within a bucket at most: boilerplate can fill one with thousands
COMMON = 0.2  # a shingle in more than this share of all texts is boilerplate and says nothing
_PRIME = np.uint64((1 << 31) - 1)
_WORD = re.compile(r"\w+")


def shingles(text: str) -> frozenset[int]:
    """Return the hashed words and word pairs of a text, case folded and punctuation ignored."""
    words = _WORD.findall(text.lower())
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    return frozenset(zlib.crc32(piece.encode()) for piece in [*words, *pairs])


def groups(texts: Sequence[str]) -> list[int]:
    """Return, per text, the index of the first text of its group.

    Two texts are in one group if the resemblance of their words and word pairs is at least 0.8, or if a chain of
    such texts joins them. Words in more than a fifth of all texts (shared instructions) are left out first.
    """
    sets = [shingles(text) for text in texts]
    if len(texts) > 20:
        counts = Counter(piece for pieces in sets for piece in pieces)
        common = {piece for piece, count in counts.items() if count > COMMON * len(texts)}
        sets = [kept if len(kept := pieces - common) >= 3 else pieces for pieces in sets]
    leader = list(range(len(texts)))

    def find(at: int) -> int:
        while leader[at] != at:
            leader[at] = leader[leader[at]]
            at = leader[at]
        return at

    for bucket in _buckets(sets):
        met: list[int] = []  # one text of each group in this bucket
        for other in bucket:
            for first in met:
                mine, theirs = find(first), find(other)
                if mine != theirs and _resemblance(sets[first], sets[other]) >= ALIKE:
                    leader[max(mine, theirs)] = min(mine, theirs)
            if all(find(first) != find(other) for first in met) and len(met) < MET:
                met.append(other)
    return [find(at) for at in range(len(texts))]


def _resemblance(one: frozenset[int], other: frozenset[int]) -> float:
    union = len(one | other)
    return len(one & other) / union if union else 1.0


def _buckets(sets: Sequence[frozenset[int]]) -> list[list[int]]:
    """Return the lists of texts that share a band of their MinHash signature, and of exactly equal texts."""
    rng = np.random.default_rng(20)  # fixed: groups must not depend on a run's seed
    slope = rng.integers(1, int(_PRIME), BANDS * ROWS, dtype=np.uint64)
    shift = rng.integers(0, int(_PRIME), BANDS * ROWS, dtype=np.uint64)
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for at, pieces in enumerate(sets):
        values = np.fromiter(pieces, np.uint64, len(pieces)) % _PRIME
        buckets[-1, np.sort(values).tobytes()].append(at)  # the same words always meet
        if not len(values):
            continue
        signature = ((values[:, None] * slope + shift) % _PRIME).min(0).astype(np.uint32)
        for band in range(BANDS):
            buckets[band, signature[band * ROWS : (band + 1) * ROWS].tobytes()].append(at)
    return [bucket for bucket in buckets.values() if len(bucket) > 1]
