"""A reward model: a number for every reply, the better one's above the worse one's.

Source: Bradley and Terry 1952; Ouyang et al. 2022, arXiv:2203.02155, equation 1; Touvron et al. 2023, arXiv:2307.09288,
equation 2, for the margin; Eisenstein et al. 2023, arXiv:2312.09244, section 2, for the centring.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import torch
from torch.nn import functional

from whet.data.judged import Judged
from whet.methods._base import Loss
from whet.methods._judged import FromJudged, Graded
from whet.models.batch import Batch
from whet.models.policy import Outputs
from whet.types import Tokens

__all__ = ["Reward"]

CENTRE = 0.01


class Reward(FromJudged):
    """Raises the better reply's value above the worse one's; of a tie each is taken to win half of the time.

    With `method.margin` the difference of the grades is the lead that is wanted. Values are held near 0 in the mean by
    `method.centre` times the square of each pair's sum, as a difference says nothing of where 0 is.
    """

    refers = False

    def _batch(self, groups: Sequence[Judged], baseline: float = 0.0) -> Graded:
        marked = [replace(group, rows=tuple(map(marked_row, group.rows))) for group in groups]
        batch = super()._batch(marked, baseline)
        one, other, share = list[int](), list[int](), list[float]()
        for members in batch.members:
            found = list(combinations(members, 2))
            one += [first for first, _ in found]
            other += [second for _, second in found]
            share += [1 / len(found)] * len(found)
        return replace(batch, better=torch.tensor(one), worse=torch.tensor(other), share=torch.tensor(share))

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss summed over groups."""
        assert isinstance(batch, Graded)
        assert outputs.values is not None
        values = outputs.values
        better, worse, share = (one.to(values.device) for one in (batch.better, batch.worse, batch.share))
        lead = (batch.grades[batch.better] - batch.grades[batch.worse]).to(values.device)
        gap = values[better] - values[worse]
        wins = (lead.sign() + 1) / 2  # replies come with the best first, so that no pair is the other way round
        margin = gap - lead if self.options.margin else gap
        each = -wins * functional.logsigmoid(margin) - (1 - wins) * functional.logsigmoid(-margin)
        centre = CENTRE if self.options.centre is None else self.options.centre
        each = each + centre * (values[better] + values[worse]).square()
        decided = (lead > 0).float() * share
        right = ((gap.sign() + 1) / 2 * decided).sum().detach()
        return Loss(
            (each * share).sum(),
            {
                "accuracy": torch.stack([right, decided.sum()]),
                "margin": torch.stack([(gap.detach() * decided).sum(), decided.sum()]),
                "mean": (values[better] + values[worse]).detach().mul(share / 2).sum(),
            },
        )


def marked_row(row: Tokens) -> Tokens:
    """Return a row with a mark after its last token, the only one of weight: where its value is to be read."""
    return replace(row, ids=(*row.ids, row.ids[-1]), weights=(*[0.0] * len(row.ids), 1.0))
