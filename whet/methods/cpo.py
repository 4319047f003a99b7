"""Contrastive preference optimization: a preference with no reference, and the best reply learned by heart beside it.

Source: Xu et al. 2024, arXiv:2401.08417, equation 5.
"""

from whet.methods._base import Loss
from whet.methods._judged import FromJudged, Graded, said
from whet.methods._margins import chosen_loss, figures, logistic
from whet.models.batch import Batch
from whet.models.policy import Outputs

__all__ = ["CPO"]

BETA = 0.1


class CPO(FromJudged):
    """The reward of a reply is beta times its nats; the best reply's log-loss a token is added."""

    refers = False

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss summed over groups."""
        assert isinstance(batch, Graded)
        nats, counts = said(outputs, batch)
        reward = (self.options.beta or BETA) * nats
        margin = reward[batch.better.to(nats.device)] - reward[batch.worse.to(nats.device)]
        each = logistic(margin, self.options.label_smoothing)
        learned = 1.0 if self.options.sft is None else self.options.sft
        total = (each * batch.share.to(nats.device)).sum() + learned * chosen_loss(batch, nats, counts)
        return Loss(total, figures(batch, reward, nats, counts))
