"""A policy beside a teacher, which says how far apart they are where tokens train."""

from contextlib import nullcontext

import torch

from whet.errors import ModelError
from whet.models.batch import Batch
from whet.models.kl import Gap, divergence
from whet.models.offload import kept_on_host
from whet.models.policy import Outputs, Policy
from whet.models.virtual import ahead


class Taught(Policy):
    """A policy that is asked together with a frozen teacher; until it has one, it is a policy like any other."""

    _teacher: Policy | None = None

    def listen(self, teacher: Policy, gap: Gap) -> None:
        """Have every batch read by the teacher too. Their vocabularies are taken to begin with the same tokens."""
        teacher.model.eval().requires_grad_(False)
        self._teacher, self._gap = teacher, gap
        self._width = min(int(self.config.vocab_size), int(teacher.config.vocab_size))
        if ahead(self.model) and not teacher.packs:
            raise ModelError("adapter.kind: virtual tokens cannot be taught by this teacher; use adapter.kind=lora")
        self.packs = self.packs and teacher.packs  # both read the same batch
        self.beside = _passing(teacher)

    def __call__(self, batch: Batch) -> Outputs:
        """Return the log-probabilities of the tokens that train, and how far apart both models are before each."""
        if self._teacher is None:
            return super().__call__(batch)
        rows, places = (batch.weights > 0).nonzero(as_tuple=True)
        targets = self._there(batch.tokens[rows, places])
        with torch.no_grad():
            taught = self._teacher.states(batch)
        with self._precision(), kept_on_host(self.model) if self.offload else nullcontext():
            found = divergence(
                self.states(batch), self._head, taught, self._teacher.logits, targets, self._gap, self._width
            )
        apart, said = (self._laid(batch, one) for one in found)
        return Outputs(said, divergence=apart)

    def work(self, batch: Batch) -> float:
        """Return the operations of a pass and back; the teacher's is a pass alone, half of both where all is frozen."""
        return super().work(batch) + (self._teacher.work(batch) / 2 if self._teacher else 0.0)


def _passing(model: Policy) -> float:
    """Return the bytes that a token takes at most in a pass that keeps nothing: those of one layer, and what leaves."""
    config = model.config
    wide = int(getattr(config, "intermediate_size", None) or 4 * config.hidden_size)
    size = next(model.model.parameters()).element_size()
    return float(size * (8 * int(config.hidden_size) + 3 * wide))
