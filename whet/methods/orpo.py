"""Odds ratio preference optimization: the best reply is learned, and its odds raised above the worse one's.

Source: Hong, Lee and Thorne 2024, arXiv:2403.07691, equations 3 to 7.
"""

import torch
from torch import Tensor
from torch.nn import functional

from whet.methods._base import Loss
from whet.methods._judged import FromJudged, Graded, said
from whet.methods._margins import chosen_loss, figures
from whet.models.batch import Batch
from whet.models.policy import Outputs

__all__ = ["ORPO"]

BETA = 0.1  # lambda in the paper


class ORPO(FromJudged):
    """The likelihood of a reply is that of its mean token; beta weighs the odds against the best reply's log-loss."""

    refers = False

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss summed over groups."""
        assert isinstance(batch, Graded)
        nats, counts = said(outputs, batch)
        odds = _log_odds(nats / counts)
        margin = odds[batch.better.to(nats.device)] - odds[batch.worse.to(nats.device)]
        each = -functional.logsigmoid(margin) * batch.share.to(nats.device)
        total = (self.options.beta or BETA) * each.sum() + chosen_loss(batch, nats, counts)
        return Loss(total, figures(batch, odds, nats, counts))


def _log_odds(nats: Tensor) -> Tensor:
    """Return log(p / (1 - p)) of a log-probability below 0, exact where p is near 0 and near 1."""
    nats = nats.clamp(max=-1e-7)
    return nats - torch.where(nats > -0.693, torch.log(-torch.expm1(nats)), torch.log1p(-nats.exp()))
