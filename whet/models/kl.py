"""How far a student's next token lies from a teacher's, without ever holding all positions' distributions.

Letters used in this file: N positions, n of a piece, H width, V tokens; s and t the student's and teacher's softmax.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from whet.models.heads import Head
from whet.models.logprobs import multiplied_in

CHUNK = 128  # positions at a time, whose nine or so tables of (n, V) take no more than what `chosen` holds

Logits = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Gap:
    """A divergence between two distributions over the next token, each a softmax of logits over `temperature`.

    forward is KL(t || s), reverse KL(s || t), jsd the generalised Jensen-Shannon divergence
    mix KL(t || m) + (1 - mix) KL(s || m) with m = mix t + (1 - mix) s (Agarwal et al. 2024, arXiv:2306.13649,
    equation 1). `learns`: whether the log-probability of what stands there has a gradient too.
    """

    kind: Literal["forward", "reverse", "jsd"] = "forward"
    mix: float = 0.5
    temperature: float = 1.0
    learns: bool = False

    def __call__(self, ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the divergence of each position in nats, and its slope by the student's logits.

        Shapes: ours, theirs (n, V) float32 logits of student and teacher; (n,), (n, V).
        """
        s, t = (one.div(self.temperature).log_softmax(-1) for one in (ours, theirs))
        if self.kind == "forward":
            likely = t.exp()
            return (likely * (t - s)).sum(-1), (s.exp() - likely) / self.temperature
        likely = s.exp()
        if self.kind == "reverse":
            away = s - t
            apart = (likely * away).sum(-1, keepdim=True)
            return apart[:, 0], likely * (away - apart) / self.temperature
        middle = torch.logaddexp(t + log(self.mix), s + log(1 - self.mix))
        away = (1 - self.mix) * (s - middle)
        mine = (likely * away).sum(-1, keepdim=True)
        theirs_ = self.mix * (t.exp() * (t - middle)).sum(-1)
        return mine[:, 0] + theirs_, likely * (away - mine) / self.temperature


class _Divergence(torch.autograd.Function):
    """The divergence at each position and the log-probability of what stands there, in pieces.

    Both slopes with respect to hidden[n] are known while the piece's logits are there, so with a frozen head nothing
    is computed twice. Only a head that trains has both models' logits computed again on the way back.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, taught: Tensor, teacher: Logits, targets: Tensor, gap: Gap
    ) -> tuple[Tensor, Tensor]:
        ctx.kind, ctx.teacher, ctx.gap = multiplied_in(hidden), teacher, gap
        apart, said = torch.empty(2, len(targets), dtype=torch.float32, device=hidden.device)
        keeps = ctx.needs_input_grad[0] and not ctx.needs_input_grad[1]
        slopes = [torch.empty_like(hidden) for _ in range((1 + gap.learns) * keeps)]
        low, head = hidden.to(ctx.kind), weight.to(ctx.kind)
        for part in _pieces(len(targets)):
            ours = (low[part] @ head.T).float()
            said[part], slope = _said(ours, targets[part])
            if slopes[1:]:
                slopes[1][part] = slope.to(ctx.kind) @ head
            apart[part], slope = gap(ours, teacher(taught[part]))
            if slopes:
                slopes[0][part] = slope.to(ctx.kind) @ head
        if not gap.learns:
            ctx.mark_non_differentiable(said)
        ctx.save_for_backward(*(slopes or (hidden, weight, taught, targets)))
        ctx.keeps = keeps
        return apart, said

    @staticmethod
    def backward(ctx: Any, to_apart: Tensor, to_said: Tensor) -> tuple[Tensor | None, ...]:
        nothing = (None, None, None, None)
        if ctx.keeps:
            slopes = ctx.saved_tensors
            grads = zip(slopes, (to_apart, to_said), strict=False)
            whole = sum(slope.float() * grad[:, None] for slope, grad in grads)
            return whole.to(slopes[0].dtype), None, *nothing
        hidden, weight, taught, targets = ctx.saved_tensors
        low, head = hidden.to(ctx.kind), weight.to(ctx.kind)
        to_hidden, to_weight = torch.empty_like(hidden), torch.zeros_like(weight, dtype=torch.float32)
        for part in _pieces(len(targets)):
            ours = (low[part] @ head.T).float()
            slope = ctx.gap(ours, ctx.teacher(taught[part]))[1] * to_apart[part, None]
            if ctx.gap.learns:
                slope += _said(ours, targets[part])[1] * to_said[part, None]
            to_hidden[part] = slope.to(ctx.kind) @ head
            to_weight += slope.to(ctx.kind).T @ low[part]
        return to_hidden, to_weight.to(weight.dtype), *nothing


def _pieces(count: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, count, CHUNK)]


def _said(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each target and its slope by the logits. Shapes: (n, V), (n,); (n,), (n, V)."""
    likely = logits.log_softmax(-1)
    said = likely.gather(1, targets[:, None])
    slope = likely.exp_().neg_()
    return said[:, 0], slope.scatter_add_(1, targets[:, None], torch.ones_like(said))


def divergence(
    hidden: Tensor, head: Head, taught: Tensor, teacher: Logits, targets: Tensor, gap: Gap, width: int
) -> tuple[Tensor, Tensor]:
    """Return how far apart two models are at each position, and the student's log-probability of each target.

    `teacher` makes logits of its hidden states, of which, as of the student's, the first `width` count.

    Shapes: hidden (N, H), taught (N, the teacher's H), targets (N,); results (N,) float32.
    Units: nats.
    """
    taught = taught.detach()

    @torch.no_grad()
    def theirs(states: Tensor) -> Tensor:
        return teacher(states)[:, :width]

    if head.plain:
        weight = head.linear.weight
        assert isinstance(weight, Tensor)
        found = _Divergence.apply(hidden.to(weight.dtype), weight[:width], taught, theirs, targets, gap)  # type: ignore[no-untyped-call]
        return found  # type: ignore[no-any-return]

    def piece(states: Tensor, beside: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        ours = head(states)[:, :width]
        said = ours.log_softmax(-1).gather(1, wanted[:, None])[:, 0]
        return _apart(ours, theirs(beside), gap), said if gap.learns else said.detach()

    parts = [
        checkpoint(piece, hidden[part], taught[part], targets[part], use_reentrant=False)
        for part in _pieces(len(targets))
    ]
    if not parts:
        return hidden.new_zeros(0, dtype=torch.float32), hidden.new_zeros(0, dtype=torch.float32)
    return torch.cat([one for one, _ in parts]), torch.cat([one for _, one in parts])


def _apart(ours: Tensor, theirs: Tensor, gap: Gap) -> Tensor:
    """Return the divergence of each position, with its known slope as its gradient."""
    value, slope = gap(ours.detach(), theirs)
    return value + ((ours - ours.detach()) * slope).sum(-1)
