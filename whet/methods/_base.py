"""What a method is: where its batches come from, and what it wants of the model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from torch import Tensor

from whet.models.batch import Batch
from whet.models.policy import Outputs


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss summed over the batch, never averaged: `fit` divides once per step, and the metrics beside it alike.

    Shapes: total (), each metric (), or (2,): a sum, and what is to divide it instead of the step's count.
    """

    total: Tensor
    metrics: Mapping[str, Tensor] = field(default_factory=dict)


class Method(Protocol):
    """Turns examples into batches and outputs into a loss."""

    def steps(self, start: int) -> Iterator[list[Batch]]:
        """Yield the micro-batches of one optimizer step at a time, from step `start` (0 is the first)."""

    def held(self) -> Iterable[Batch]:
        """Yield the micro-batches of what is held out to validate by."""

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the summed loss. Pure: no model, no randomness, no I/O."""


def order(count: int, rows: int, seed: int, start: int = 0, first: Sequence[int] | None = None) -> Iterator[list[int]]:
    """Yield the row numbers of each optimizer step, forever, from step `start`.

    Every epoch is a new permutation that depends on nothing but the seed and the epoch's number, so a resumed run
    meets the same rows as one that never stopped; that of the first epoch may be given (a curriculum). The last step of
    an epoch may be shorter.
    """
    per_epoch = steps_per_epoch(count, rows)
    epoch, skip = divmod(start, per_epoch)
    while True:
        shuffled = np.random.default_rng([seed, epoch]).permutation(count).tolist()
        if epoch == 0 and first is not None:
            shuffled = list(first)
        for step in range(skip, per_epoch):
            yield shuffled[step * rows : (step + 1) * rows]
        epoch, skip = epoch + 1, 0


def steps_per_epoch(count: int, rows: int) -> int:
    """Return how many optimizer steps one pass over the data takes."""
    return -(-count // rows)
