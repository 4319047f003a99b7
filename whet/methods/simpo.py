"""Simple preference optimization: the reward is the mean log-probability, and no reference is needed.

Source: Meng, Xia and Chen 2024, arXiv:2405.14734, equation 6.
"""

from whet.methods._base import Loss
from whet.methods._judged import FromJudged, Graded, said
from whet.methods._margins import figures, logistic
from whet.models.batch import Batch
from whet.models.policy import Outputs

__all__ = ["SimPO"]

BETA, GAMMA = 2.0, 0.5


class SimPO(FromJudged):
    """The better reply's mean nats a token, times beta, should exceed the worse one's by gamma."""

    refers = False

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss summed over groups."""
        assert isinstance(batch, Graded)
        nats, counts = said(outputs, batch)
        beta = self.options.beta or BETA
        gamma = GAMMA if self.options.gamma is None else self.options.gamma
        reward = beta * nats / counts
        margin = reward[batch.better.to(nats.device)] - reward[batch.worse.to(nats.device)]
        each = logistic(margin - gamma, self.options.label_smoothing)
        return Loss((each * batch.share.to(nats.device)).sum(), figures(batch, reward, nats, counts))
