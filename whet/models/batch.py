"""Rows of tokens as tensors, cut so that a batch fits and computes a shared start once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from whet.types import Tokens

AGAIN = 1 / 5  # of a shared token that another row needs: its keys and values, of all that a token keeps
PAYS = 32  # tokens that a shared prefix must save, as it makes attention one call more


@dataclass(frozen=True, slots=True)
class Stem:
    """Tokens that follow the prefix in some rows of a batch, such as a pair's prompt. Shapes: tokens (S,) int64."""

    tokens: Tensor
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Right-padded rows that continue one shared prefix, some of them by way of a stem.

    Entry [b, t] of a (B, T) field is about token t of row b itself, never about the token after it; what a row shares
    with others is not among its own tokens. A row's first token has no probability and never trains.

    Shapes: prefix (P,) int64; tokens (B, T) int64; weights (B, T) float32, 0 where nothing trains; lengths (B,).
    """

    prefix: Tensor
    tokens: Tensor
    weights: Tensor
    lengths: Tensor
    stems: tuple[Stem, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether the model is asked about it at all."""
        return True

    @property
    def count(self) -> float:
        """The sum of the weights: what a step's loss is divided by."""
        return float(self.weights.sum())

    @property
    def shared(self) -> Tensor:
        """How many tokens precede each row's own. Shapes: (B,) int64."""
        before = torch.full_like(self.lengths, len(self.prefix))
        for stem in self.stems:
            before[list(stem.rows)] += len(stem.tokens)
        return before


def collate(rows: Sequence[Tokens], *, share: bool = True, fill: int = 0) -> Batch:
    """Return the rows as one batch; with `share`, what they begin with in common is held once.

    The longest common start becomes the prefix, and what several then go on with becomes a stem. Both end before the
    first token that trains.
    """
    length = shared_start(rows) if share else 0
    stems = _stems(rows, length) if share else []
    starts = [length] * len(rows)
    for end, members in stems:
        for at in members:
            starts[at] = end
    longest = max(len(row.ids) - start for row, start in zip(rows, starts, strict=True))
    tokens = torch.full((len(rows), longest), fill, dtype=torch.long)
    weights = torch.zeros(len(rows), longest)
    for at, (row, start) in enumerate(zip(rows, starts, strict=True)):
        rest = len(row.ids) - start
        tokens[at, :rest] = torch.tensor(row.ids[start:])
        weights[at, :rest] = torch.tensor(row.weights[start:])
    weights[:, 0] *= (torch.tensor(starts) > 0).float()  # nothing stands before the first token of a whole row
    return Batch(
        torch.tensor(rows[0].ids[:length], dtype=torch.long),
        tokens,
        weights,
        torch.tensor([len(row.ids) - start for row, start in zip(rows, starts, strict=True)]),
        tuple(Stem(torch.tensor(rows[members[0]].ids[length:end]), members) for end, members in stems),
    )


def _stems(rows: Sequence[Tokens], begin: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return where each stem ends and the rows that continue it, chosen so that the most tokens are saved."""
    order = sorted(range(len(rows)), key=lambda at: rows[at].ids)  # rows of one stem are now neighbours
    limits = [min(_untrained(rows[at]), len(rows[at].ids) - 1) for at in order]
    alike = [0] + [_same(rows[a].ids, rows[b].ids) for a, b in pairwise(order)]  # with the neighbour before
    best, came = [0], [(0, 0)]  # of the first j rows: what is saved at most, where the last stem begins and ends
    for last in range(len(order)):
        best.append(best[last])
        came.append((last, 0))
        end = limits[last]
        for first in range(last - 1, -1, -1):
            end = min(end, alike[first + 1], limits[first])
            if end <= begin:
                break
            saved = (end - begin) * (last - first)
            if saved >= PAYS and best[first] + saved > best[-1]:
                best[-1], came[-1] = best[first] + saved, (first, end)
    found = []
    at = len(order)
    while at:
        first, end = came[at]
        if end:
            found.append((end, tuple(sorted(order[first:at]))))
        at = first
    return found[::-1]


def _untrained(row: Tokens) -> int:
    return next((at for at, weight in enumerate(row.weights) if weight > 0), len(row.ids))


def _same(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many first tokens two rows share."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


@dataclass(frozen=True, slots=True)
class Flat:
    """A batch end to end: its prefix, stems and rows without one by length, then the rows of each stem by length.

    Shapes: ids, places (N,) int64, the tokens and how many precede each in its row; before (B, T) int64, which of the N
    stands before each token. `lengths` are those of the stems and rows that continue the prefix, and `branches` name
    the place of each stem among them with the lengths of its rows.
    """

    ids: Tensor
    places: Tensor
    before: Tensor
    lengths: list[int]
    branches: list[tuple[int, list[int]]]


def flatten(batch: Batch) -> Flat:
    """Return the tokens that a pass computes, each once."""
    start, lengths = len(batch.prefix), batch.lengths.tolist()
    held = {row for stem in batch.stems for row in stem.rows}
    firsts: list[tuple[int, int, Stem | None]] = [(lengths[row], row, None) for row in range(len(lengths))]
    firsts = [one for one in firsts if one[1] not in held]
    firsts += [(len(stem.tokens), -1, stem) for stem in batch.stems]
    firsts.sort(key=lambda one: one[:2])
    size = start + sum(length for length, _, _ in firsts) + sum(lengths[row] for row in held)
    ids, places = batch.prefix.new_empty(size), torch.arange(size)
    ids[:start] = batch.prefix
    begins = torch.empty_like(batch.lengths)
    last = torch.full_like(batch.lengths, start - 1)  # what stands before a row's own tokens
    offset, branches, ends = start, [], []
    for place, (length, row, stem) in enumerate(firsts):
        if stem is None:
            begins[row] = offset
        else:
            ids[offset : offset + length] = stem.tokens
            places[offset : offset + length] = torch.arange(start, start + length)
            branches.append((place, sorted(stem.rows, key=lambda row: lengths[row])))
            ends.append(offset + length - 1)
        offset += length
    for (_, rows), end in zip(branches, ends, strict=True):
        for row in rows:
            begins[row], last[row] = offset, end
            offset += lengths[row]
    steps = torch.arange(batch.tokens.shape[1])
    real = steps < batch.lengths[:, None]
    where = begins[:, None] + steps
    ids[where[real]] = batch.tokens[real]
    places[where[real]] = (batch.shared[:, None] + steps)[real]
    before = torch.cat([last[:, None], where[:, :-1]], 1)
    after = [(place, [lengths[row] for row in rows]) for place, rows in branches]
    return Flat(ids, places, before, [length for length, _, _ in firsts], after)


def shared_start(rows: Sequence[Tokens]) -> int:
    """Return how many first tokens all rows share and none of them trains on; 0 where it would not pay."""
    if len(rows) < 2:
        return 0
    length = min(common_start([row.ids for row in rows]), *map(_untrained, rows))
    return length if pays(length, len(rows)) else 0


def common_start(rows: Sequence[list[int]] | Sequence[tuple[int, ...]]) -> int:
    """Return how many first tokens all rows share, leaving at least one token of each."""
    ordered = sorted(map(tuple, rows))
    return min(_same(ordered[0], ordered[-1]), min(map(len, rows)) - 1)  # the two that differ soonest


def pays(length: int, rows: int) -> bool:
    """Say whether computing a start of `length` tokens once is worth an attention of its own."""
    return length > 0 and length * (rows - 1) >= PAYS


def cut(rows: Sequence[Tokens], tokens: int, *, padded: bool = False) -> list[list[Tokens]]:
    """Return the rows of one step in groups of like length of at most `tokens` tokens, or a single longer row.

    Of a start that the rows of a group share, only its first time counts whole: unless they are padded, it is computed
    once. The others count `AGAIN`, for what attention keeps of it with each row.
    """
    groups: list[list[Tokens]] = []
    held, shared = 0, 0
    for row in sorted(rows, key=lambda row: (len(row.ids), row.ids)):
        if groups:
            size = len(groups[-1])
            shared = min(shared, _same(groups[-1][0].ids, row.ids), _untrained(row))
            held += len(row.ids)
            once = 0 if padded or not pays(shared, size + 1) else round(shared * size * (1 - AGAIN))
            taken = len(row.ids) * (size + 1) if padded else held - once
        if not groups or taken > tokens:
            groups.append([])
            held, shared = len(row.ids), min(_untrained(row), len(row.ids) - 1)
        groups[-1].append(row)
    return groups
