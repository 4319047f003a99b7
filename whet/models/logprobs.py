"""Log-probabilities of chosen tokens without ever holding (B, T, V) logits."""

from typing import Any

import torch
from torch import Tensor, nn

from whet.models.heads import Head

CHUNK = 512  # rows of logits held at a time: 512 x 49,152 float32 is 96 MiB


class _ChosenLogprobs(torch.autograd.Function):
    """log softmax(hidden W')[n, target n], in chunks.

    The gradient with respect to hidden[n] is W[target] - softmax W, whatever loss is built on the result; it is
    computed while the chunk's logits are there, so that with a frozen head nothing is computed twice. Only a head
    that trains has its logits computed again on the way back.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        result = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            logits = (hidden[part] @ weight.T).float()
            norm = logits.logsumexp(-1, keepdim=True)
            result[part] = (logits.gather(1, targets[part, None]) - norm)[:, 0]
            if slope is not None:
                likely = logits.sub_(norm).exp_().to(weight.dtype)
                slope[part] = weight[targets[part]] - likely @ weight
        ctx.save_for_backward(hidden, weight, targets, slope)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        hidden, weight, targets, slope = ctx.saved_tensors
        to_hidden = (slope.float() * grad[:, None]).to(hidden.dtype) if slope is not None else None
        to_weight = None
        if ctx.needs_input_grad[1]:
            to_weight = torch.zeros_like(weight, dtype=torch.float32)
            for start in range(0, len(targets), CHUNK):
                part = slice(start, start + CHUNK)
                off = -(hidden[part] @ weight.T).float().softmax(-1)
                off[torch.arange(len(off), device=off.device), targets[part]] += 1.0
                off *= grad[part, None]
                to_weight += (off.to(hidden.dtype).T @ hidden[part]).float()
            to_weight = to_weight.to(weight.dtype)
        return to_hidden, to_weight, None


def chosen(hidden: Tensor, head: Head, targets: Tensor) -> Tensor:
    """Return the log-probability that `head` gives each target.

    Shapes: hidden (N, H), targets (N,); result (N,) float32.
    Units: nats.
    """
    if head.plain:
        weight = head.linear.weight
        assert isinstance(weight, Tensor)
        return _ChosenLogprobs.apply(hidden.to(weight.dtype), weight, targets)  # type: ignore[no-any-return,no-untyped-call]
    pieces = zip(torch.split(hidden, CHUNK), torch.split(targets, CHUNK), strict=True)
    parts = [-nn.functional.cross_entropy(head(states), wanted, reduction="none") for states, wanted in pieces]
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)
