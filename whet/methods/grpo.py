"""Group relative policy optimization: of several replies to a prompt, those with more reward than the others rise.

Source: Shao et al. 2024, arXiv:2402.03300, equations 3 and 4; Yu et al. 2025, arXiv:2503.14476 (DAPO), equations 8 and
10 to 12, for the upper clip and the mean over tokens; Liu et al. 2025, arXiv:2503.20783 (Dr. GRPO), section 3.2, for
advantages without a spread and a constant length; Ahmadian et al. 2024, arXiv:2402.14740 (RLOO), for leaving one out.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean

import torch
from torch import Tensor

from whet.config.tree import Method as Options
from whet.errors import TrainingError
from whet.methods._base import Loss, order
from whet.methods._judged import Steps
from whet.models.batch import Batch, collate, cut
from whet.models.policy import Outputs
from whet.types import Prompt, Tokens

__all__ = ["GRPO"]

SPREAD = 1e-4  # added to a group's spread, so that small differences are not blown up without end


@dataclass(frozen=True, slots=True)
class Try:
    """A reply that was drawn: its row, whose reply trains, its text, and whether it ended by itself."""

    row: Tokens
    text: str
    ended: bool


Draw = Callable[[Sequence[Prompt], float, int], list[Try]]
"""Returns a reply to each prompt, drawn from the model as it is, at a temperature and with a seed."""
Score = Callable[[Sequence[Prompt], Sequence[str]], tuple[list[float | None], list[str]]]
"""Returns the reward of each reply, None where that cannot be told and it is not learned from, and every reason why."""
Likely = Callable[[Sequence[Tokens]], list[Tensor]]
"""Returns the nats of the tokens that train in each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts(Batch):
    """Replies that were drawn, with what they were worth.

    Shapes: advantages and scale (B,) float32, what a row's tokens are raised by and what each of them counts; behaviour
    and reference (B, T) float32 nats, of the model that drew them and of the one that training began with, None where
    they are not needed. `units` is what a step's loss is divided by; `told` are figures of the whole step. With
    `rewards` (B,) the rows are not learned from: their mean reward is the figure.
    """

    advantages: Tensor
    scale: Tensor
    units: float
    behaviour: Tensor | None = None
    reference: Tensor | None = None
    rewards: Tensor | None = None
    told: Mapping[str, float] = field(default_factory=dict)

    @property
    def count(self) -> float:
        """What a step's loss is divided by."""
        return self.units


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a row before it is learned from."""

    gain: float
    counts: float
    before: Tensor | None
    begun: Tensor | None


class GRPO:
    """Draws `method.group` replies to each prompt of a step, scores them and learns from how they differ.

    Args:
        prompts: what is asked.
        steps: how steps are cut: prompts of a step, tokens of a micro-batch.
        options: the section `method` of the recipe.
        draw: asks the model as it is.
        score: what a reply is worth.
        now: nats under the model as it is, asked where replies are learned from more than once.
        reference: nats under the model that training began with, asked where `method.kl` is above 0.
        held_out: prompts to validate by, answered greedily; the validation loss is the mean reward, its sign turned.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        steps: Steps,
        options: Options,
        *,
        draw: Draw,
        score: Score,
        now: Likely,
        reference: Likely,
        held_out: Sequence[Prompt] = (),
    ) -> None:
        self._prompts, self._cut, self._options, self._held_out = prompts, steps, options, held_out
        self._draw, self._score, self._now, self._refer = draw, score, now, reference

    def steps(self, start: int = 0) -> Iterator[list[Batch]]:
        """Yield the micro-batches of one optimizer step at a time; replies are drawn when they are asked for."""
        again = self._options.updates
        asked = order(len(self._prompts), self._cut.rows, self._cut.seed, start // again)
        for at, places in enumerate(asked, start // again):
            drawn = self._rollouts([self._prompts[place] for place in places], at)
            yield from [drawn] * (again - (start % again if at == start // again else 0))

    def held(self) -> Iterator[Batch]:
        """Yield the greedy replies to the prompts that validate, with their rewards."""
        tries = self._draw(self._held_out, 0.0, 0)
        for one, reward in zip(tries, self._worth(self._held_out, tries), strict=True):
            if reward is not None:
                batch = collate([one.row], share=False)
                nothing = torch.zeros(1)
                yield _rollouts(batch, advantages=nothing, scale=nothing, units=1.0, rewards=torch.tensor([reward]))

    def _rollouts(self, prompts: Sequence[Prompt], number: int) -> list[Batch]:
        options, group = self._options, self._options.group
        asked = [prompt for prompt in prompts for _ in range(group)]
        tries = self._draw(asked, options.temperature, self._cut.seed + number + 1)
        rewards = self._worth(asked, tries)
        parts = [rewards[at : at + group] for at in range(0, len(rewards), group)]
        gains = [gain for part in parts for gain in advantages(part, options.advantage)]
        counted = [at for at, reward in enumerate(rewards) if reward is not None]
        learned = [at for at in counted if gains[at] or options.kl] or counted[:1] or [0]
        tokens = sum(tries[at].row.trained for at in counted)
        units = max(1.0, float(tokens if options.mean == "token" else len(counted)))
        rows = [tries[at].row for at in learned]
        nats = self._now(rows) if options.updates > 1 else [None] * len(rows)
        begun = self._refer(rows) if options.kl else [None] * len(rows)
        known = {
            id(row): _Known(gains[at], self._counts(row), before, first)
            for row, at, before, first in zip(rows, learned, nats, begun, strict=True)
        }
        told = _told([tries[at] for at in counted], parts)
        found: list[Batch] = []
        for part in cut(rows, self._cut.tokens, padded=not self._cut.packs):
            of = [known[id(row)] for row in part]
            batch = collate(part, share=self._cut.packs)
            figures: dict[str, object] = {
                "advantages": torch.tensor([one.gain for one in of]), "scale": torch.tensor([one.counts for one in of]),
                "behaviour": _spread(batch, [one.before for one in of]), "told": told,
                "reference": _spread(batch, [one.begun for one in of]), "units": units * len(part) / len(rows),
            }  # fmt: skip
            found.append(_rollouts(batch, **figures))
        return found

    def _worth(self, prompts: Sequence[Prompt], tries: Sequence[Try]) -> list[float | None]:
        """Return the reward of each reply, None where that cannot be told.

        Raises:
            TrainingError: none of them could be scored.
        """
        rewards, why = self._score(prompts, [one.text for one in tries])
        if rewards and not any(reward is not None for reward in rewards):
            reasons = "; ".join(why[:3])
            raise TrainingError(f"method.rewards: none of {len(rewards):,} replies could be scored: {reasons}")
        return rewards

    def _counts(self, row: Tokens) -> float:
        """Return what each token of a reply counts."""
        if self._options.mean == "row":
            return 1 / row.trained
        return 1.0 if self._options.mean == "token" else 1 / self._options.longest

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the clipped loss, summed over tokens by what each counts."""
        assert isinstance(batch, Rollouts)
        if batch.rewards is not None:
            total = -batch.rewards.sum().to(outputs.logprobs.device)
            return Loss(total, {"reward": batch.rewards.sum()})
        nats, device = outputs.logprobs, outputs.logprobs.device
        trains = (batch.weights > 0).to(device).float()
        before = nats.detach() if batch.behaviour is None else batch.behaviour.to(device)
        ratio = (nats - before).exp()
        gain = batch.advantages.to(device)[:, None]
        low, high = 1 - self._options.clip, 1 + (self._options.clip_high or self._options.clip)
        each = -torch.minimum(ratio * gain, ratio.clamp(low, high) * gain)
        clipped = ((ratio < low) & (gain < 0)) | ((ratio > high) & (gain > 0))
        told = {name: torch.tensor(value * batch.units) for name, value in batch.told.items()}
        if batch.reference is not None:
            apart = batch.reference.to(device) - nats
            away = apart.exp() - apart - 1
            each = each + self._options.kl * away
            told["kl"] = (away.detach() * trains).sum() / trains.sum() * batch.units
        told["clipped"] = (clipped * trains).sum().detach() / trains.sum() * batch.units
        return Loss((each * trains * batch.scale.to(device)[:, None]).sum(), told)


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


def _told(tries: Sequence[Try], parts: Sequence[Sequence[float | None]]) -> dict[str, float]:
    """Return figures of a step: mean reward, share of groups that teach nothing, tokens and ends of the replies."""
    known = [reward for part in parts for reward in part if reward is not None]
    every = sum(map(len, parts))
    same = sum(len({reward for reward in part if reward is not None}) < 2 for part in parts)
    return {
        "reward": fmean(known) if known else 0.0,
        "dead_groups": same / len(parts),
        "unscored": 1 - len(known) / every,
        "reply_tokens": fmean(one.row.trained for one in tries) if tries else 0.0,
        "ended": fmean(one.ended for one in tries) if tries else 0.0,
    }


def _rollouts(batch: Batch, **more: object) -> Rollouts:
    return Rollouts(**{one.name: getattr(batch, one.name) for one in fields(Batch)}, **more)  # type: ignore[arg-type]


def _spread(batch: Batch, rows: Sequence[Tensor | None]) -> Tensor | None:
    """Return nats of the tokens that train, each at its token's place. Shapes: (B, T)."""
    if any(row is None for row in rows):
        return None
    spread = torch.zeros(batch.tokens.shape)
    for at, row in enumerate(rows):
        spread[at][batch.weights[at] > 0] = row  # type: ignore[assignment]
    return spread
