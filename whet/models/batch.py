"""Rows of tokens as tensors, cut so that a batch fits and computes a shared start once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from whet.types import Tokens

PAYS = 32  # tokens that a shared prefix must save, as it makes attention one call more


@dataclass(frozen=True, slots=True)
class Batch:
    """Right-padded rows that continue one shared prefix.

    Entry [b, t] of a (B, T) field is about token t of row b itself, never about the token after it. A row's first
    token has no probability and never trains.

    Shapes: prefix (P,) int64; tokens (B, T) int64; weights (B, T) float32, 0 where nothing trains; lengths (B,).
    """

    prefix: Tensor
    tokens: Tensor
    weights: Tensor
    lengths: Tensor

    @property
    def count(self) -> float:
        """The sum of the weights: what a step's loss is divided by."""
        return float(self.weights.sum())


def collate(rows: Sequence[Tokens], *, share: bool = True, fill: int = 0) -> Batch:
    """Return the rows as one batch; with `share`, their longest common start becomes its prefix.

    The prefix ends before the first token that trains.
    """
    length = shared_start(rows) if share else 0
    longest = max(len(row.ids) for row in rows) - length
    tokens = torch.full((len(rows), longest), fill, dtype=torch.long)
    weights = torch.zeros(len(rows), longest)
    for at, row in enumerate(rows):
        rest = len(row.ids) - length
        tokens[at, :rest] = torch.tensor(row.ids[length:])
        weights[at, :rest] = torch.tensor(row.weights[length:])
    weights[:, 0] *= float(length > 0)  # without a prefix the first token has nothing before it
    lengths = torch.tensor([len(row.ids) - length for row in rows])
    return Batch(torch.tensor(rows[0].ids[:length], dtype=torch.long), tokens, weights, lengths)


def shared_start(rows: Sequence[Tokens]) -> int:
    """Return how many first tokens all rows share and none of them trains on; 0 where it would not pay."""
    if len(rows) < 2:
        return 0
    trains = min(next((at for at, weight in enumerate(row.weights) if weight > 0), len(row.ids)) for row in rows)
    length = min(common_start([row.ids for row in rows]), trains)
    return length if pays(length, len(rows)) else 0


def common_start(rows: Sequence[list[int]] | Sequence[tuple[int, ...]]) -> int:
    """Return how many first tokens all rows share, leaving at least one token of each."""
    ordered = sorted(map(tuple, rows))
    first, last = ordered[0], ordered[-1]  # they differ soonest
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return min(same, min(map(len, rows)) - 1)


def pays(length: int, rows: int) -> bool:
    """Say whether computing a start of `length` tokens once is worth an attention of its own."""
    return length > 0 and length * (rows - 1) >= PAYS


def cut(rows: Sequence[Tokens], tokens: int, *, padded: bool = False) -> list[list[Tokens]]:
    """Return the rows of one step in groups of like length of at most `tokens` tokens, or a single longer row."""
    groups: list[list[Tokens]] = []
    held = 0
    for row in sorted(rows, key=lambda row: (len(row.ids), row.ids)):
        held = len(row.ids) * (len(groups[-1]) + 1) if padded and groups else held + len(row.ids)
        if not groups or held > tokens:
            groups.append([])
            held = len(row.ids)
        groups[-1].append(row)
    return groups
