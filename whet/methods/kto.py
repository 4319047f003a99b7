"""Kahneman-Tversky optimization: single replies that somebody liked or not, no pairs needed.

Source: Ethayarajh et al. 2024, arXiv:2402.01306, equations 7 and 8.
"""

from collections.abc import Iterator, Sequence
from statistics import fmean

import torch

from whet.data.judged import Judged
from whet.methods._base import Loss
from whet.methods._judged import FromJudged, Graded, parted, said
from whet.models.batch import Batch
from whet.models.policy import Outputs

__all__ = ["KTO"]

BETA = 0.1


class KTO(FromJudged):
    """A reply is good or bad against how far the model has moved at all.

    That is the mean gain of mismatched replies, of a step's rows each with another one's, never below 0. It is
    measured with the weights that the step begins with; nothing is learned through it.
    """

    def batches(self, groups: Sequence[Judged]) -> Iterator[Batch]:
        """Yield these groups as micro-batches of like length, once it is known how far the model has moved."""
        baseline = self._moved(groups)
        for part in parted(groups, self._cut.tokens):
            yield self._batch(part, baseline)

    def _moved(self, groups: Sequence[Judged]) -> float:
        """Return the mean gain of mismatched replies, at least 0. Units: nats."""
        rows = [group.other for group in groups if group.other is not None]
        if len(rows) < 2 or self._likely is None:
            return 0.0
        before = [self._reference[id(group)][-1] for group in groups if group.other is not None]
        return max(0.0, fmean(now - then for now, then in zip(self._likely(rows), before, strict=True)))

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss summed over replies."""
        assert isinstance(batch, Graded)
        nats, _ = said(outputs, batch)
        gained = nats - batch.reference.to(nats.device, non_blocking=True)
        good = batch.grades.to(nats.device) > 0.5
        beta = self.options.beta or BETA
        signed = torch.where(good, gained - batch.baseline, batch.baseline - gained)
        weight = torch.where(good, self.options.good, self.options.bad)
        total = (weight * (1 - torch.sigmoid(beta * signed))).sum()
        return Loss(total, _figures(batch, gained.detach().cpu()))


def _figures(batch: Graded, gained: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return sums over replies: `accuracy`, those on the right side of the baseline; the gains of good and bad ones,
    each over as many as there are.
    """
    good = batch.grades > 0.5
    right = torch.where(good, gained > batch.baseline, gained < batch.baseline)
    return {
        "accuracy": right.float().sum(),
        "better": torch.stack([gained[good].sum(), good.sum()]),
        "worse": torch.stack([gained[~good].sum(), (~good).sum()]),
        "moved": torch.tensor(batch.baseline * len(gained)),
    }
