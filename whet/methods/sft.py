"""Supervised fine-tuning: raise the probability of the tokens that the renderer marked."""

from collections.abc import Iterator, Sequence

from whet.methods._base import Loss, order
from whet.models.batch import Batch, collate, cut
from whet.models.policy import Outputs
from whet.types import Tokens

__all__ = ["SFT"]


class SFT:
    """Cross-entropy on answers.

    Args:
        rows: what to learn from.
        per_step: rows per optimizer step.
        tokens: tokens a micro-batch may hold; never changes the gradient.
        packs: rows are laid end to end and their common start is computed once (the model must allow it).
        first: the first epoch's order: random, given, or short_first (by what trains).
        held_out: rows to validate by.
    """

    def __init__(
        self,
        rows: Sequence[Tokens],
        per_step: int,
        tokens: int,
        seed: int,
        *,
        packs: bool = True,
        first: str = "random",
        held_out: Sequence[Tokens] = (),
    ) -> None:
        self._rows, self._per_step, self._tokens, self._seed, self._packs = (
            rows,
            per_step,
            tokens,
            seed,
            packs,
        )
        self._held_out = held_out
        self._first: Sequence[int] | None = None
        if first != "random":
            self._first = range(len(rows))
        if first == "short_first":
            self._first = sorted(range(len(rows)), key=lambda place: rows[place].trained)

    def steps(self, start: int = 0) -> Iterator[list[Batch]]:
        """Yield the micro-batches of one optimizer step at a time."""
        for places in order(len(self._rows), self._per_step, self._seed, start, self._first):
            yield self.batches([self._rows[place] for place in places])

    def batches(self, rows: Sequence[Tokens]) -> list[Batch]:
        """Return these rows as micro-batches of like length."""
        return [collate(group, share=self._packs) for group in cut(rows, self._tokens, padded=not self._packs)]

    def held(self) -> list[Batch]:
        """Return the micro-batches of the rows that validate."""
        return self.batches(self._held_out)

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the summed, weighted negative log-likelihood (nats)."""
        return Loss(-(outputs.logprobs * batch.weights.to(outputs.logprobs.device, non_blocking=True)).sum())
