"""Proximal policy optimization: every token is raised by how much better things went than was expected before it.

Source: Schulman et al. 2017, arXiv:1707.06347, equations 7 and 9; Schulman et al. 2016, arXiv:1506.02438, equation 16,
for the advantages; Ziegler et al. 2019, arXiv:1909.08593, equation 2 and section 2.2, for the reward's divergence and
its weight; Huang et al. 2024, arXiv:2403.17031, for what else counts: advantages in units of their spread over the
step, and values that are clipped too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from whet.methods._base import Loss
from whet.methods._rollout import Drawing, FromRewards, Rollouts, Said, Try, clipped, extended, laid
from whet.models.batch import Batch, collate, cut
from whet.models.policy import Outputs
from whet.types import Prompt

__all__ = ["PPO"]

LAMBDA = 0.95
VALUE = 0.1  # weight of the values' loss
NEAR = 0.2  # how far a value may move on the same replies
TINY = 1e-8  # added to a variance
STEADY, MOST = 0.1, 0.2  # of the weight's control: its gain, and the largest error that is acted on


@dataclass(frozen=True, slots=True, kw_only=True)
class Valued(Rollouts):
    """Rollouts with what was expected before each token and what came of it.

    Shapes: expected, returns (B, T) float32.
    """

    expected: Tensor
    returns: Tensor


class PPO(FromRewards):
    """Learns a value beside the policy; what a token has is its reward to come against its value.

    The reward of a reply stands at its last token; each token pays `method.kl` for every nat by which it has become
    likelier than when training began. With `method.kl_target` (nats a reply) that weight follows the divergence.
    """

    group, updates, kl, refers = 1, 4, 0.05, True

    def weigh(self, last: Drawing | None) -> float:
        """Return the weight of the divergence: raised where the last replies were too far away, lowered where not."""
        target = self.options.kl_target
        if last is None or target is None:
            return self._kl
        apart = fmean(float((now.nats - then.nats).sum()) for now, then in zip(last.before, last.begun, strict=True))
        return last.weight * (1 + STEADY * min(MOST, max(-MOST, apart / target - 1)))

    def batches(self, drawing: Drawing) -> list[Batch]:
        """Return the micro-batches of a drawing."""
        places = self.asked(drawing)
        rows = [drawing.tries[at].row for at in places]
        gains, returns = self._gains(drawing, places)
        figures = self.figures(drawing) | _told(drawing, returns)
        if self.options.kl_target is not None:
            figures["kl_weight"] = drawing.weight
        at_row, found = {id(row): at for at, row in enumerate(rows)}, list[Batch]()
        for part in cut(rows, self._cut.tokens, padded=not self._cut.packs):
            batch, at = collate(part, share=self._cut.packs), [at_row[id(row)] for row in part]
            sides = {
                "gains": [gains[place] for place in at], "returns": [returns[place] for place in at],
                "behaviour": [drawing.before[place].nats for place in at],
                "expected": [_values(drawing.before[place]) for place in at],
            }  # fmt: skip
            units = float(sum(row.trained for row in part))
            more: dict[str, object] = {name: laid(batch, side) for name, side in sides.items()}
            found.append(extended(Valued, batch, scale=torch.ones(len(part)), units=units, told=figures, **more))
        return found

    def learned(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the clipped loss and that of the values, summed over tokens."""
        assert isinstance(batch, Valued)
        assert outputs.values is not None
        device = outputs.logprobs.device
        each, _, told = clipped(outputs.logprobs, batch, self.options)
        trains = (batch.weights > 0).to(device).float()
        expected, returns = batch.expected.to(device), batch.returns.to(device)
        held = expected + (outputs.values - expected).clamp(-NEAR, NEAR)
        off = torch.maximum((outputs.values - returns).square(), (held - returns).square()) * trains / 2
        told["value_loss"] = off.detach().sum() / trains.sum() * batch.units
        weight = VALUE if self.options.value_weight is None else self.options.value_weight
        return Loss((each + weight * off).sum(), told)

    def _gains(self, drawing: Drawing, places: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
        """Return how much better each token did than expected, in units of the step's spread, and what came of it."""
        raw, returns = list[Tensor](), list[Tensor]()
        for now, then, at in zip(drawing.before, drawing.begun, places, strict=True):
            rewards = -drawing.weight * (now.nats - then.nats)
            rewards[-1] += drawing.rewards[at] or 0.0
            raw.append(estimated(rewards, _values(now), LAMBDA if self.options.decay is None else self.options.decay))
            returns.append(raw[-1] + _values(now))
        every = torch.cat(raw)
        scale = (every.var(correction=0) + TINY).rsqrt()
        return [(one - every.mean()) * scale for one in raw], returns

    def _worth(self, prompts: Sequence[Prompt], tries: Sequence[Try]) -> list[float | None]:
        """Return the reward of each reply; of one that was cut off `method.unended`, if there is one."""
        cut_off = self.options.unended
        if cut_off is None:
            return super()._worth(prompts, tries)
        scored = [at for at, one in enumerate(tries) if one.ended]
        found = dict(
            zip(scored, super()._worth([prompts[at] for at in scored], [tries[at] for at in scored]), strict=True)
        )
        return [found.get(at, cut_off) for at in range(len(tries))]


def estimated(rewards: Tensor, values: Tensor, decay: float) -> Tensor:
    """Return the generalised advantage of each token; rewards to come count whole (gamma is 1).

    Shapes: (N,), (N,); (N,).
    """
    surprise = rewards - values
    surprise[:-1] += values[1:]
    found, later = torch.zeros_like(rewards), 0.0
    for at in range(len(rewards) - 1, -1, -1):
        later = float(surprise[at]) + decay * later
        found[at] = later
    return found


def _values(said: Said) -> Tensor:
    assert said.values is not None
    return said.values


def _told(drawing: Drawing, returns: Sequence[Tensor]) -> dict[str, float]:
    """Return the divergence from the start, nats a token, and how much of the returns' variance the values explain."""
    apart = torch.cat([now.nats - then.nats for now, then in zip(drawing.before, drawing.begun, strict=True)])
    came, expected = torch.cat(list(returns)), torch.cat([_values(now) for now in drawing.before])
    varies = float(came.var(correction=0))
    explained = 1 - float((came - expected).var(correction=0)) / varies if varies > TINY else 0.0
    return {"kl": float(apart.mean()), "explained": explained}
