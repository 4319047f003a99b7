"""What methods that learn from judged replies share: groups that stay together, and what the reference said of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from whet.config.tree import Method as Options
from whet.data.judged import Judged, pairs
from whet.methods._base import Loss, order
from whet.models.batch import Batch, collate
from whet.models.policy import Outputs
from whet.types import Tokens

Likely = Callable[[Sequence[Tokens]], list[float]]
"""Returns how likely the model as it is now finds what trains in each row, in nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded(Batch):
    """Replies in groups of one prompt each.

    Shapes: reference (B,) float32, nats of each reply under the model that training began with; better and worse (P,)
    int64, the rows of each pair; share (P,) float32, of a group that counts once; grades (B,) float32. `groups` is how
    many there are: what a step's loss is divided by. `baseline`: nats, KTO's.
    """

    reference: Tensor
    better: Tensor
    worse: Tensor
    share: Tensor
    grades: Tensor
    members: tuple[tuple[int, ...], ...]
    baseline: float = 0.0

    @property
    def count(self) -> float:
        """How many groups there are."""
        return float(len(self.members))


@dataclass(frozen=True, slots=True)
class Steps:
    """How steps are cut: groups of an optimizer step, tokens a micro-batch may hold (which never changes the gradient).

    `packs`: whether a common start is computed once (the model must allow it).
    """

    rows: int
    tokens: int
    seed: int
    packs: bool = True


class FromJudged(ABC):
    """Learns from groups of judged replies. A group is never parted.

    Args:
        groups: what to learn from.
        steps: how steps are cut.
        options: the section `method` of the recipe.
        likely: what says how likely rows are under the model as it is; of the methods here KTO alone asks.
        reference: nats of every row of every group under the model that training began with, by group, those that
            validate included.
        held_out: groups to validate by.
    """

    refers = True  # whether the loss needs a reference

    def __init__(
        self,
        groups: Sequence[Judged],
        steps: Steps,
        options: Options,
        *,
        likely: Likely | None = None,
        reference: Sequence[Sequence[float]] = (),
        held_out: Sequence[Judged] = (),
    ) -> None:
        self.groups, self.options, self._held_out = groups, options, held_out
        self._cut, self._likely = steps, likely
        self._reference = dict(zip(map(id, (*groups, *held_out)), reference, strict=bool(reference)))

    def steps(self, start: int = 0) -> Iterator[list[Batch]]:
        """Yield the micro-batches of one optimizer step at a time."""
        for places in order(len(self.groups), self._cut.rows, self._cut.seed, start):
            yield list(self.batches([self.groups[place] for place in places]))

    def held(self) -> Iterator[Batch]:
        """Yield the micro-batches of the groups that validate, so many at a time as a step has."""
        for start in range(0, len(self._held_out), self._cut.rows):
            yield from self.batches(self._held_out[start : start + self._cut.rows])

    def batches(self, groups: Sequence[Judged]) -> Iterable[Batch]:
        """Return these groups as micro-batches of like length."""
        return [self._batch(part) for part in parted(groups, self._cut.tokens)]

    def _batch(self, groups: Sequence[Judged], baseline: float = 0.0) -> Graded:
        rows = [row for group in groups for row in group.rows]
        batch = collate(rows, share=self._cut.packs)
        members, better, worse, share = [], list[int](), list[int](), list[float]()
        at = 0
        for group in groups:
            members.append(tuple(range(at, at + len(group.rows))))
            found = pairs(group.grades)
            better += [at + one for one, _ in found]
            worse += [at + other for _, other in found]
            share += [1 / max(1, len(found))] * len(found)
            at += len(group.rows)
        known = [nats for group in groups for nats in self._known(group)]
        return Graded(
            **{field.name: getattr(batch, field.name) for field in fields(Batch)},
            reference=torch.tensor(known),
            better=torch.tensor(better, dtype=torch.long),
            worse=torch.tensor(worse, dtype=torch.long),
            share=torch.tensor(share),
            grades=torch.tensor([grade for group in groups for grade in group.grades]),
            members=tuple(members),
            baseline=baseline,
        )

    def _known(self, group: Judged) -> Sequence[float]:
        """Return what the reference says of a group's rows, 0 where none is needed."""
        found = self._reference.get(id(group))
        return found[: len(group.rows)] if found else [0.0] * len(group.rows)

    @abstractmethod
    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the loss summed over groups. Pure."""


def parted(groups: Sequence[Judged], tokens: int) -> list[list[Judged]]:
    """Return groups of like length in parts of at most so many tokens, or a single longer group."""
    parts: list[list[Judged]] = []
    held = 0
    for group in sorted(groups, key=lambda group: (group.tokens, group.rows[0].ids)):
        if not parts or held + group.tokens > tokens:
            parts.append([])
            held = 0
        parts[-1].append(group)
        held += group.tokens
    return parts


def said(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the nats of each reply and its number of tokens. Shapes: (B,), (B,)."""
    trains = (batch.weights > 0).to(outputs.logprobs.device, non_blocking=True)
    return (outputs.logprobs * trains).sum(1), trains.sum(1)
