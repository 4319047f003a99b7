"""Online direct preference optimization: of several replies that the model draws, the best is preferred to the worst.

Source: Guo et al. 2024, arXiv:2402.04792, section 3.1 and equation 1 (with a scorer in the place of the annotator).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import torch

from whet.data.judged import Judged
from whet.methods._base import Loss
from whet.methods._judged import Graded
from whet.methods._rollout import Drawing, FromRewards
from whet.methods.dpo import DPO
from whet.models.batch import Batch
from whet.models.policy import Outputs

__all__ = ["OnlineDPO"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn(Graded):
    """Pairs of replies that were drawn; `told` are figures of the whole step."""

    told: Mapping[str, float] = field(default_factory=dict)


class OnlineDPO(FromRewards):
    """Draws replies to a prompt, and learns by DPO that the one with most reward is better than that with least.

    A prompt whose replies are all worth the same teaches nothing.
    """

    group, refers = 2, True

    def asked(self, drawing: Drawing) -> Sequence[int]:
        """Return the places of the best and the worst reply to each prompt, where they differ."""
        found = list[int]()
        for start in range(0, len(drawing.rewards), self._group):
            worth = {
                at: reward
                for at, reward in enumerate(drawing.rewards[start : start + self._group], start)
                if reward is not None
            }
            if len(set(worth.values())) > 1:
                found += [max(worth, key=worth.__getitem__), min(worth, key=worth.__getitem__)]
        return found or [0, 1]  # two of equal worth, which raise nothing: a step needs something to compute

    def batches(self, drawing: Drawing) -> list[Batch]:
        """Return the micro-batches of a drawing."""
        places = self.asked(drawing)
        pairs = [(places[at], places[at + 1]) for at in range(0, len(places), 2)]
        known = [tuple(drawing.rewards[at] for at in pair) for pair in pairs]
        grades = [(0.0, 0.0) if None in both else both for both in known]  # a step of ties, of which one is unscored
        groups = [
            Judged(tuple(drawing.tries[at].row for at in pair), both)  # type: ignore[arg-type]
            for pair, both in zip(pairs, grades, strict=True)
        ]
        nats = [float(said.nats.sum()) for said in drawing.begun]
        begun = [nats[at : at + 2] for at in range(0, len(nats), 2)]
        learner = DPO(groups, self._cut, self.options, reference=begun)
        apart = [now.nats - then.nats for now, then in zip(drawing.before, drawing.begun, strict=True)]
        figures = self.figures(drawing) | {"kl": float(torch.cat(apart).mean())}
        return [
            Drawn(**{one.name: getattr(batch, one.name) for one in fields(batch)}, told=figures)
            for batch in learner.batches(groups)
        ]

    def learned(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return DPO's loss, summed over pairs."""
        assert isinstance(batch, Drawn)
        found = DPO((), self._cut, self.options).loss(outputs, batch)
        told = {name: torch.tensor(value * batch.count) for name, value in batch.told.items()}
        return Loss(found.total, {**found.metrics, **told})
