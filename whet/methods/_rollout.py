"""What methods share that draw their own replies: asking, scoring, and learning from the same replies several times."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean, pstdev
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from whet.config.tree import Method as Options
from whet.errors import TrainingError
from whet.methods._base import Loss, order
from whet.methods._judged import Steps
from whet.models.batch import Batch, collate
from whet.models.policy import Outputs
from whet.types import Prompt, Tokens

B = TypeVar("B", bound=Batch)


@dataclass(frozen=True, slots=True)
class Try:
    """A reply that was drawn: its row, whose reply trains, its text, and whether it ended by itself."""

    row: Tokens
    text: str
    ended: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says of a row's tokens that train. Shapes: nats (N,); values (N,), of one that gives values."""

    nats: Tensor
    values: Tensor | None = None


Draw = Callable[[Sequence[Prompt], float, int], list[Try]]
"""Returns a reply to each prompt, drawn from the model as it is, at a temperature and with a seed."""
Worths = Callable[[Sequence[Prompt], Sequence[str]], tuple[list[float | None], list[str]]]
"""Returns the reward of each reply, None where that cannot be told, and every reason why."""
Say = Callable[[Sequence[Tokens]], list[Said]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a method that draws its own replies asks of the world.

    draw: a reply to each prompt from the model as it is, at a temperature and with a seed. score: what replies are
    worth; what cannot be told is not learned from. now: the model as it is; begun: the one that training began with.
    keep and kept: write a drawing down under its number and read it again (None if it is not there), so that a run goes
    on with the very replies that it had drawn.
    """

    draw: Draw
    score: Worths
    now: Say
    begun: Say
    keep: Callable[[int, Mapping[str, Any]], None] = lambda *_: None
    kept: Callable[[int], Mapping[str, Any] | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Drawing:
    """The replies to the prompts of a step, `group` to each in turn, and what is known of them before learning.

    A reward is None where it could not be told. `before` and `begun` are of the model that drew and of the one that
    training began with, empty where they are not needed. `weight` is that of the divergence between the two.
    """

    tries: Sequence[Try]
    rewards: Sequence[float | None]
    before: Sequence[Said] = ()
    begun: Sequence[Said] = ()
    weight: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON writes it."""
        return {
            "tries": [[one.row.ids, one.row.weights, one.row.source, one.text, one.ended] for one in self.tries],
            "rewards": list(self.rewards),
            "before": list(map(_plain, self.before)),
            "begun": list(map(_plain, self.begun)),
            "weight": self.weight,
        }

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Drawing":
        """Return what `as_dict` wrote, to the bit."""
        tries = [
            Try(Tokens(tuple(ids), tuple(weights), source), text, ended)
            for ids, weights, source, text, ended in told["tries"]
        ]
        before, begun = ([_said(*one) for one in told[name]] for name in ("before", "begun"))
        return cls(tries, told["rewards"], before, begun, told["weight"])


def _plain(said: Said) -> list[list[float] | None]:
    return [said.nats.tolist(), None if said.values is None else said.values.tolist()]


def _said(nats: list[float], values: list[float] | None) -> Said:
    return Said(torch.tensor(nats), None if values is None else torch.tensor(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth(Batch):
    """Replies that are not learned from: their rewards are the figure. Shapes: rewards (B,) float32."""

    rewards: Tensor

    @property
    def asks(self) -> bool:
        """Their rewards are known."""
        return False

    @property
    def count(self) -> float:
        """How many replies there are."""
        return float(len(self.rewards))


class FromRewards(ABC):
    """Draws replies to the prompts of a step, scores them and learns from them `method.updates` times.

    Args:
        prompts: what is asked.
        steps: how steps are cut: prompts of a step, tokens of a micro-batch.
        options: the section `method` of the recipe.
        tools: the model as it is, the scorers, and what keeps the replies.
        held_out: prompts to validate by, answered greedily; the validation loss is the mean reward, its sign turned.
    """

    group: ClassVar[int] = 8  # replies to a prompt, where the recipe leaves it open
    updates: ClassVar[int] = 1
    kl: ClassVar[float] = 0.0
    refers = False  # whether the model that training began with is asked whatever the weight of the divergence

    def __init__(
        self, prompts: Sequence[Prompt], steps: Steps, options: Options, tools: Tools, held_out: Sequence[Prompt] = ()
    ) -> None:
        self._prompts, self._cut, self.options, self._held_out = prompts, steps, options, held_out
        self._tools = tools
        self._group = options.group or self.group
        self._again = options.updates or self.updates
        self._kl = self.kl if options.kl is None else options.kl
        self._keeps = self._again > 1 or options.kl_target is not None
        self._last: Drawing | None = None

    def steps(self, start: int = 0) -> Iterator[list[Batch]]:
        """Yield the micro-batches of one optimizer step at a time; replies are drawn when they are asked for."""
        first, done = divmod(start, self._again)
        for number, places in enumerate(order(len(self._prompts), self._cut.rows, self._cut.seed, first), first):
            over = done if number == first else 0
            drawing = (self._kept(number) if over else None) or self._drawn(
                [self._prompts[at] for at in places], number
            )
            self._last = drawing
            yield from [self.batches(drawing)] * (self._again - over)

    def held(self) -> Iterator[Batch]:
        """Yield the greedy replies to the prompts that validate, with their rewards."""
        tries = self._tools.draw(self._held_out, 0.0, 0)
        for one, reward in zip(tries, self._worth(self._held_out, tries), strict=True):
            if reward is not None:
                yield extended(Worth, collate([one.row], share=False), rewards=torch.tensor([reward]))

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss of replies that are learned from, or the rewards of those that are not, their sign turned."""
        if isinstance(batch, Worth):
            total = batch.rewards.sum()
            return Loss(-total, {"reward": total})
        return self.learned(outputs, batch)

    @abstractmethod
    def batches(self, drawing: Drawing) -> list[Batch]:
        """Return the micro-batches of a drawing."""

    @abstractmethod
    def learned(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss summed over replies or their tokens. Pure."""

    def asked(self, drawing: Drawing) -> Sequence[int]:
        """Return the places of the replies of which both models are asked: those that are learned from."""
        return [at for at, reward in enumerate(drawing.rewards) if reward is not None] or [0]

    def figures(self, drawing: Drawing) -> dict[str, float]:
        """Return what a step's replies were like."""
        parts = [drawing.rewards[at : at + self._group] for at in range(0, len(drawing.rewards), self._group)]
        return told(drawing.tries, parts)

    def weigh(self, last: Drawing | None) -> float:
        """Return the weight of the divergence for the next drawing. Pure."""
        return self._kl

    def _kept(self, number: int) -> Drawing | None:
        """Return the replies of this number that were drawn before the run was stopped."""
        found = self._tools.kept(number) if self._keeps else None
        return Drawing.read(found) if found else None

    def _drawn(self, prompts: Sequence[Prompt], number: int) -> Drawing:
        """Return new replies, with all that is to be known of them before learning."""
        last = self._last or (self._kept(number - 1) if number else None)
        asked = [prompt for prompt in prompts for _ in range(self._group)]
        tries = self._tools.draw(asked, self.options.temperature, self._cut.seed + number + 1)
        bare = Drawing(tries, self._worth(asked, tries), weight=self.weigh(last))
        rows = [tries[at].row for at in self.asked(bare)]
        before = self._tools.now(rows) if self._again > 1 or self.refers else []
        begun = self._tools.begun(rows) if self._kl or self.refers else []
        drawing = Drawing(bare.tries, bare.rewards, before, begun, bare.weight)
        if self._keeps:
            self._tools.keep(number, drawing.as_dict())
        return drawing

    def _worth(self, prompts: Sequence[Prompt], tries: Sequence[Try]) -> list[float | None]:
        """Return the reward of each reply, None where that cannot be told.

        Raises:
            TrainingError: none of them could be scored.
        """
        rewards, why = self._tools.score(prompts, [one.text for one in tries])
        if rewards and not any(reward is not None for reward in rewards):
            reasons = "; ".join(why[:3])
            raise TrainingError(f"method.rewards: none of {len(rewards):,} replies could be scored: {reasons}")
        return rewards


def told(tries: Sequence[Try], parts: Sequence[Sequence[float | None]]) -> dict[str, float]:
    """Return figures of a step: rewards, groups and replies that teach nothing, tokens and ends of the replies."""
    rewards = [reward for part in parts for reward in part]
    known = [(reward, one) for reward, one in zip(rewards, tries, strict=True) if reward is not None]
    worth, lengths = [reward for reward, _ in known], [float(one.row.trained) for _, one in known]
    found = {
        "reward": fmean(worth) if known else 0.0,
        "reward_spread": pstdev(worth) if known else 0.0,
        "unscored": 1 - len(known) / len(rewards),
        "reply_tokens": fmean(lengths) if known else 0.0,
        "ended": fmean(one.ended for _, one in known) if known else 0.0,
    }
    if max(map(len, parts)) > 1:
        same = sum(len({reward for reward in part if reward is not None}) < 2 for part in parts)
        found["dead_groups"] = same / len(parts)
    if len(set(worth)) > 1 and len(set(lengths)) > 1:
        found["length_correlation"] = rank_correlation(worth, lengths)
    return found


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's rank correlation, 0 where one of the two does not vary."""
    if len(set(one)) < 2 or len(set(other)) < 2:
        return 0.0
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value, equals sharing their mean."""
    _, place, times = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    return [float(one) for one in (np.cumsum(times) - (times - 1) / 2)[place]]


def extended(kind: type[B], batch: Batch, **more: object) -> B:
    """Return a batch as one of another kind, with what that holds besides."""
    return kind(**{one.name: getattr(batch, one.name) for one in fields(Batch)}, **more)  # type: ignore[arg-type]


def laid(batch: Batch, rows: Sequence[Tensor | None]) -> Tensor | None:
    """Return numbers of the tokens that train, each at its token's place; None if a row has none. Shapes: (B, T)."""
    if any(row is None for row in rows):
        return None
    spread = torch.zeros(batch.tokens.shape)
    for at, row in enumerate(rows):
        spread[at][batch.weights[at] > 0] = row  # type: ignore[assignment]
    return spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts(Batch):
    """Replies that were drawn, with what their tokens are raised by.

    Shapes: gains, behaviour, begun (B, T) float32: by how much a token is raised, and its nats under the model that
    drew it and under the one that training began with, None where they are not needed; scale (B,) float32, what each
    token of a row counts. `units` is what a step's loss is divided by; `told` are figures of the whole step.
    """

    gains: Tensor
    scale: Tensor
    units: float
    behaviour: Tensor | None = None
    begun: Tensor | None = None
    told: Mapping[str, float] = field(default_factory=dict)

    @property
    def count(self) -> float:
        """What a step's loss is divided by."""
        return self.units


def clipped(nats: Tensor, batch: Rollouts, options: Options) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Return the clipped loss of each token, how much likelier it is than when it was drawn, and figures.

    Source: Schulman et al. 2017, arXiv:1707.06347, equation 7.

    Shapes: nats (B, T), of the tokens that train; (B, T), (B, T).
    """
    device = nats.device
    trains = (batch.weights > 0).to(device).float()
    before = nats.detach() if batch.behaviour is None else batch.behaviour.to(device)
    ratio, gain = (nats - before).exp(), batch.gains.to(device)
    low, high = 1 - options.clip, 1 + (options.clip_high or options.clip)
    each = -torch.minimum(ratio * gain, ratio.clamp(low, high) * gain)
    cut_off = ((ratio < low) & (gain < 0)) | ((ratio > high) & (gain > 0))
    figures = {"clipped": cut_off.float(), "entropy": -nats.detach()}
    if batch.behaviour is not None:
        figures["stale"] = (nats.detach() - before).abs()
    means = {name: (value * trains).sum() / trains.sum() * batch.units for name, value in figures.items()}
    return each * trains, ratio, {name: torch.tensor(value * batch.units) for name, value in batch.told.items()} | means
