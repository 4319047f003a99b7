"""Distillation: to come to say next what a teacher says, after the answers of the rows or after replies of one's own.

Source: Hinton et al. 2015, arXiv:1503.02531, section 2, for the temperature; Agarwal et al. 2024, arXiv:2306.13649
(GKD), algorithm 1 and equation 1, for the divergences and the share of own replies; Gu et al. 2024, arXiv:2306.08543
(MiniLLM), for reverse KL. As in GKD, no gradient goes through the drawing of a reply.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean

import numpy as np
import torch

from whet.config.tree import Method as Options
from whet.methods._base import Loss, order
from whet.methods._judged import Steps
from whet.methods._rollout import Draw
from whet.methods.sft import SFT
from whet.models.batch import Batch, collate, cut
from whet.models.policy import Outputs
from whet.types import Prompt, Tokens

__all__ = ["Distil"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons(Batch):
    """Rows whose answers are given or were drawn.

    Shapes: given (B,) float32, 1 where the answer is the row's own and 0 where it was drawn. `whole` is what trains in
    the step over what of it is given, 0 where nothing is; `told` are figures of the whole step.
    """

    given: torch.Tensor
    whole: float = 1.0
    told: Mapping[str, float] = field(default_factory=dict)


class Distil(SFT):
    """The divergence from a teacher at each token that trains, and the answers' log-loss beside it.

    Args:
        rows: what to learn from.
        steps: how steps are cut.
        options: the section `method` of the recipe.
        asked: the question of each row whose reply may be drawn, by the row's source.
        draw: asks the model as it is.
        first: as in `SFT`.
        held_out: rows to validate by, with the answers that they have.
    """

    def __init__(
        self,
        rows: Sequence[Tokens],
        steps: Steps,
        options: Options,
        *,
        asked: Mapping[str, Prompt],
        draw: Draw,
        first: str = "random",
        held_out: Sequence[Tokens] = (),
    ) -> None:
        super().__init__(rows, steps.rows, steps.tokens, steps.seed, packs=steps.packs, first=first, held_out=held_out)
        self._options, self._asked, self._draw = options, asked, draw

    def steps(self, start: int = 0) -> Iterator[list[Batch]]:
        """Yield the micro-batches of one optimizer step at a time; replies are drawn when they are asked for."""
        each = order(len(self._rows), self._per_step, self._seed, start, self._first)
        for number, places in enumerate(each, start):
            yield self._lessons([self._rows[place] for place in places], number)

    def batches(
        self, rows: Sequence[Tokens], drawn: Collection[int] = (), told: Mapping[str, float] | None = None
    ) -> list[Batch]:
        """Return these rows as micro-batches of like length; `drawn` has the `id` of those that are the model's own."""
        every = sum(sum(row.weights) for row in rows)
        given = sum(sum(row.weights) for row in rows if id(row) not in drawn)
        found: list[Batch] = []
        for part in cut(rows, self._tokens, padded=not self._packs):
            plain = collate(part, share=self._packs)
            known = {one.name: getattr(plain, one.name) for one in fields(Batch)}
            own = torch.tensor([float(id(row) not in drawn) for row in part])
            found.append(Lessons(**known, given=own, whole=every / given if given else 0.0, told=told or {}))
        return found

    def _lessons(self, rows: Sequence[Tokens], number: int) -> list[Batch]:
        options = self._options
        coins = np.random.default_rng([self._seed, number, 1]).random(len(rows)) < options.on_policy
        mine = {at: self._asked[row.source] for at, row in enumerate(rows) if coins[at] and row.source in self._asked}
        tries = self._draw(list(mine.values()), options.temperature, self._seed + number + 1) if mine else []
        replies = dict(zip(mine, tries, strict=True))
        taken = [replies[at].row if at in replies else row for at, row in enumerate(rows)]
        told = {"drawn": len(tries) / len(rows)} if options.on_policy else {}
        if tries:
            told["reply_tokens"] = fmean(one.row.trained for one in tries)
            told["ended"] = fmean(one.ended for one in tries)
        return self.batches(taken, {id(one.row) for one in tries}, told)

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """Return the summed, weighted divergence and, of given answers, negative log-likelihood (nats)."""
        assert isinstance(batch, Lessons)
        assert outputs.divergence is not None
        weights = batch.weights.to(outputs.logprobs.device, non_blocking=True)
        given = batch.given.to(weights.device, non_blocking=True)[:, None]
        apart = (outputs.divergence * weights).sum()
        answers = -(outputs.logprobs * weights * given).sum()
        told = {name: torch.tensor(value * batch.count) for name, value in batch.told.items()}
        told |= {"divergence": apart.detach()}
        if batch.whole:
            told["log_loss"] = answers.detach() * batch.whole
        return Loss(apart + self._options.sft * answers if self._options.sft else apart, told)
