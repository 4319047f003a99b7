"""Rankings of several replies: the best of those that are left is to be chosen each time.

Source: Rafailov et al. 2023, arXiv:2305.18290, equation 20 (Plackett-Luce); Luce 1959, "Individual Choice Behavior".
"""

import torch

from whet.methods._base import Loss
from whet.methods._judged import FromJudged, Graded, said
from whet.methods._margins import figures
from whet.models.batch import Batch
from whet.models.policy import Outputs

__all__ = ["Ranking"]

BETA = 0.1


class Ranking(FromJudged):
    """The reward of a reply is beta times the nats that it gained, as in DPO, of which this is the whole ranking.

    Of replies with the same grade each is chosen from those that are worse and itself, so that a tie takes no side
    (Breslow 1974, "Covariance analysis of censored survival data").
    """

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss summed over groups."""
        assert isinstance(batch, Graded)
        nats, counts = said(outputs, batch)
        reward = (self.options.beta or BETA) * (nats - batch.reference.to(nats.device, non_blocking=True))
        grades, total = batch.grades.tolist(), reward.new_zeros(())
        for group in batch.members:
            for at in group:
                rivals = [at, *(other for other in group if grades[other] < grades[at])]
                if len(rivals) > 1:
                    total = total - reward[at] + torch.logsumexp(reward[rivals], 0)
        return Loss(total, figures(batch, reward, nats, counts))
