"""Group relative policy optimization: of several replies to a prompt, those with more reward than the others rise.

Source: Shao et al. 2024, arXiv:2402.03300, equations 3 and 4; Yu et al. 2025, arXiv:2503.14476 (DAPO), equations 8 and
10 to 12, for the upper clip and the mean over tokens; Liu et al. 2025, arXiv:2503.20783 (Dr. GRPO), section 3.2, for
advantages without a spread and a constant length; Ahmadian et al. 2024, arXiv:2402.14740 (RLOO), for leaving one out;
DeepSeek-AI 2025, arXiv:2512.02556, for the ratio before the divergence, without which its slope is another's.
"""

import math
from collections.abc import Sequence
from statistics import fmean

import torch

from whet.methods._base import Loss
from whet.methods._rollout import Drawing, FromRewards, Rollouts, Said, clipped, extended, laid
from whet.models.batch import Batch, collate, cut
from whet.models.policy import Outputs
from whet.types import Tokens

__all__ = ["GRPO"]

SPREAD = 1e-4  # added to a group's spread, so that small differences are not blown up without end


class GRPO(FromRewards):
    """Every token of a reply is raised by how much more reward the reply had than the others to its prompt."""

    def batches(self, drawing: Drawing) -> list[Batch]:
        """Return the micro-batches of a drawing."""
        options, tries = self.options, drawing.tries
        gains, learned = self._gains(drawing), self.asked(drawing)
        counted = [at for at, reward in enumerate(drawing.rewards) if reward is not None]
        tokens = sum(tries[at].row.trained for at in counted)
        units = max(1.0, float(tokens if options.mean == "token" else len(counted)))
        rows = [tries[at].row for at in learned]
        at_row = {id(row): at for at, row in enumerate(rows)}
        figures, found = self.figures(drawing), list[Batch]()
        for part in cut(rows, self._cut.tokens, padded=not self._cut.packs):
            batch, places = collate(part, share=self._cut.packs), [at_row[id(row)] for row in part]
            gain = torch.tensor([gains[learned[place]] for place in places])
            before, begun = (laid(batch, _nats(side, places)) for side in (drawing.before, drawing.begun))
            found.append(
                extended(
                    Rollouts, batch, gains=gain[:, None].expand(batch.tokens.shape), told=figures,
                    scale=torch.tensor([self._counts(row) for row in part]), units=units * len(part) / len(rows),
                    behaviour=before, begun=begun,
                )
            )  # fmt: skip
        return found

    def asked(self, drawing: Drawing) -> Sequence[int]:
        """Return the places of the replies that are learned from: those that differ from their group."""
        gains = self._gains(drawing)
        counted = super().asked(drawing)
        return [at for at in counted if gains[at] or self._kl] or counted[:1]

    def learned(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the clipped loss, summed over tokens by what each counts."""
        assert isinstance(batch, Rollouts)
        nats, device = outputs.logprobs, outputs.logprobs.device
        each, ratio, told = clipped(nats, batch, self.options)
        if batch.begun is not None:
            trains = (batch.weights > 0).to(device).float()
            apart = (batch.begun.to(device) - nats) * trains
            away = apart.exp() - apart - 1
            each = each + self._kl * ratio * away
            told["kl"] = away.detach().sum() / trains.sum() * batch.units
        return Loss((each * batch.scale.to(device)[:, None]).sum(), told)

    def _gains(self, drawing: Drawing) -> list[float]:
        rewards, size = drawing.rewards, self._group
        parts = (rewards[at : at + size] for at in range(0, len(rewards), size))
        return [gain for part in parts for gain in advantages(part, self.options.advantage)]

    def _counts(self, row: Tokens) -> float:
        """Return what each token of a reply counts."""
        if self.options.mean == "row":
            return 1 / row.trained
        return 1.0 if self.options.mean == "token" else 1 / self.options.longest


def _nats(said: Sequence[Said], places: Sequence[int]) -> list[torch.Tensor | None]:
    return [said[place].nats if said else None for place in places]


def advantages(rewards: Sequence[float | None], kind: str) -> list[float]:
    """Return how much better each reply of a group is than the others; 0 where its reward is not known.

    group: against the mean, in units of the spread (GRPO); centred: against the mean (Dr. GRPO); left_out: against the
    mean of the others (RLOO).
    """
    known = [reward for reward in rewards if reward is not None]
    if len(known) < 2:
        return [0.0] * len(rewards)
    mean = fmean(known)
    spread = math.sqrt(sum((reward - mean) ** 2 for reward in known) / (len(known) - 1))
    factor = {"group": 1 / (spread + SPREAD), "centred": 1.0, "left_out": len(known) / (len(known) - 1)}[kind]
    return [0.0 if reward is None else (reward - mean) * factor for reward in rewards]
