"""Log-probabilities of chosen tokens without ever holding (B, T, V) logits."""

from typing import Any

import torch
from torch import Tensor, nn

from whet.models.heads import Head
from whet.models.kernels import kernels

CHUNK = 512  # rows of logits held at a time: 512 x 49,152 float32 is 96 MiB


class _ChosenLogprobs(torch.autograd.Function):
    """log softmax(hidden W')[n, target n], in chunks.

    The gradient with respect to hidden[n] is W[target] - softmax W, whatever loss is built on the result; it is
    computed while the chunk's logits are there, so that with a frozen head nothing is computed twice. Only a head
    that trains has its logits computed again on the way back.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        ctx.kind = multiplied_in(hidden)
        low, head = hidden.to(ctx.kind), weight.to(ctx.kind)
        result = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            result[part], likely = _chosen(low[part] @ head.T, targets[part], keep=slope is not None)
            if slope is not None:
                slope[part] = weight[targets[part]] - likely @ head
        ctx.save_for_backward(hidden, weight, targets, slope)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        hidden, weight, targets, slope = ctx.saved_tensors
        to_hidden = (slope.float() * grad[:, None]).to(hidden.dtype) if slope is not None else None
        if not ctx.needs_input_grad[1]:
            return to_hidden, None, None
        low, head = hidden.to(ctx.kind), weight.to(ctx.kind)
        scaled = hidden.float() * grad[:, None]
        to_weight = torch.zeros_like(weight, dtype=torch.float32)
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            _, likely = _chosen(low[part] @ head.T, targets[part], keep=True)
            to_weight -= likely.T @ scaled[part].to(ctx.kind)
        to_weight.index_add_(0, targets, scaled)
        return to_hidden, to_weight.to(weight.dtype), None


def multiplied_in(hidden: Tensor) -> torch.dtype:
    """Return the precision of products with this tensor, here and on their way back."""
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype


def _chosen(logits: Tensor, targets: Tensor, *, keep: bool) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each target in float32 and, with `keep`, the probabilities of all tokens.

    Shapes: logits (N, V), written over; targets (N,); (N,), (N, V).
    """
    if own := kernels(logits):
        return own.choose(logits, targets, keep=keep), logits
    wide = logits.float()
    norm = wide.logsumexp(-1, keepdim=True)
    said = (wide.gather(1, targets[:, None]) - norm)[:, 0]
    return said, wide.sub_(norm).exp_().to(logits.dtype) if keep else wide


def chosen(hidden: Tensor, head: Head, targets: Tensor) -> Tensor:
    """Return the log-probability that `head` gives each target.

    Shapes: hidden (N, H), targets (N,); result (N,) float32.
    Units: nats.
    """
    if head.plain:
        weight = head.linear.weight
        assert isinstance(weight, Tensor)
        if head.temperature != 1:
            hidden = hidden / head.temperature
        return _ChosenLogprobs.apply(hidden.to(weight.dtype), weight, targets)  # type: ignore[no-any-return,no-untyped-call]
    pieces = zip(torch.split(hidden, CHUNK), torch.split(targets, CHUNK), strict=True)
    parts = [-nn.functional.cross_entropy(head(states), wanted, reduction="none") for states, wanted in pieces]
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)
