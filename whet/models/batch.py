"""Rows of tokens as tensors, cut so that a batch holds like lengths and computes a shared start once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from whet.types import Tokens

PAYS = 256  # tokens that a shared prefix must save: its own small products cost about that much (docs/log.md)


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

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return Batch(*(field.to(device) for field in (self.prefix, self.tokens, self.weights, self.lengths)))


def collate(rows: Sequence[Tokens], *, share: bool = True, fill: int = 0) -> Batch:
    """Return the rows as one batch; with `share`, their longest common start becomes its prefix.

    The prefix ends early enough that every token that trains, and the token before it, stays in the rows.
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
    first, last = min(row.ids for row in rows), max(row.ids for row in rows)  # they differ soonest
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    trains = min(next((at for at, weight in enumerate(row.weights) if weight > 0), len(row.ids)) for row in rows)
    length = min(same, trains - 1, min(len(row.ids) for row in rows) - 1)
    return length if length > 0 and length * (len(rows) - 1) >= PAYS else 0


def cut(rows: Sequence[Tokens], tokens: int, *, share: bool = True, overhead: int = 64) -> list[list[Tokens]]:
    """Return the rows of one step in groups of like length, at the least cost of padding and of starting a batch.

    A group holds at most `tokens` padded tokens, or is a single longer row. `overhead` is what starting a batch
    costs, in tokens' worth of time.
    """
    ordered = sorted(rows, key=lambda row: (len(row.ids), row.ids))
    start = shared_start(ordered) if share else 0
    widths = [len(row.ids) - start for row in ordered]
    best = [0.0] + [float("inf")] * len(ordered)  # best[j]: least cost of the first j rows
    came = [0] * (len(ordered) + 1)
    for end in range(1, len(ordered) + 1):
        for first in range(end - 1, -1, -1):
            size = start + (end - first) * widths[end - 1]
            if size > tokens and end - first > 1:
                break
            if best[first] + size + overhead < best[end]:
                best[end], came[end] = best[first] + size + overhead, first
    groups = []
    end = len(ordered)
    while end:
        groups.append(ordered[came[end] : end])
        end = came[end]
    return groups[::-1]
