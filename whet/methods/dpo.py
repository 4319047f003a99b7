"""Direct preference optimization and its relatives: raise the better reply's likelihood against the reference's.

Source: Rafailov et al. 2023, arXiv:2305.18290, equation 7; the variants name their own in `_margins`.
"""

from torch import Tensor

from whet.methods._base import Loss
from whet.methods._judged import FromJudged, Graded, said
from whet.methods._margins import chosen_loss, figures, hinge, logistic, robust, squared
from whet.models.batch import Batch
from whet.models.policy import Outputs

__all__ = ["DPO"]

BETA = 0.1


class DPO(FromJudged):
    """The reward of a reply is beta times the nats that it gained since training began.

    `method.loss` says what becomes of the margin between two rewards; with `length_normalised` (and always for ipo, as
    its authors do) a reply's nats count per token; `method.sft` adds the log-loss of the best reply (Pang et al. 2024,
    arXiv:2404.19733, equation 1).
    """

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss summed over groups."""
        assert isinstance(batch, Graded)
        nats, counts = said(outputs, batch)
        device = nats.device
        gained = nats - batch.reference.to(device, non_blocking=True)
        beta, by_token = self.options.beta or BETA, self.options.length_normalised or self.options.loss == "ipo"
        reward = beta * (gained / counts if by_token else gained)
        margin = reward[batch.better.to(device)] - reward[batch.worse.to(device)]
        total = (self._each(margin, beta) * batch.share.to(device)).sum()
        if self.options.sft:
            total = total + self.options.sft * chosen_loss(batch, nats, counts)
        return Loss(total, figures(batch, reward, nats, counts))

    def _each(self, margin: Tensor, beta: float) -> Tensor:
        smoothing = self.options.label_smoothing
        match self.options.loss:
            case "ipo":
                return squared(margin / beta, beta)
            case "hinge":
                return hinge(margin)
            case "robust":
                return robust(margin, smoothing)
            case _:
                return logistic(margin, smoothing)
