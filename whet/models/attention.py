"""Attention among rows that lie end to end: laid side by side for it, forth and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from whet.models.kernels import TILE, WIDEST, Kernels, kernels


@dataclass(frozen=True, slots=True)
class Bucket:
    """Rows of like length, `begin` to `end` of the flat sequence, laid on a (rows, longest) grid.

    `places` says where on the flattened grid each token goes; None where the grid has no hole. `stem` is where in the
    flat sequence stands what the rows continue after the start that all share.
    """

    first: int
    rows: int
    longest: int
    begin: int
    end: int
    places: Tensor | None
    stem: slice | None = None


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, options: dict[str, Any]) -> Tensor:
    """Return what each query attends to. Shapes: query (B, heads, T, D), key, value (B, key heads, S, D)."""
    times = query.shape[1] // key.shape[1]
    grouped = times > 1 and (query.device.type == "cpu" or mask is None)
    if times > 1 and not grouped:  # with a mask, the quick kernels of accelerators know no groups
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
    causal = mask is None
    return scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=causal, enable_gqa=grouped, **options
    )


class _Spread(torch.autograd.Function):
    """Tokens to their places on a grid of zeros; backward takes them off it."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor, size: int) -> Tensor:
        ctx.places = places
        return _spread(rows, places, size)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad[ctx.places], None, None


class _Gather(torch.autograd.Function):
    """Tokens off a grid; backward spreads them, which is quicker than the sum that plain indexing needs."""

    @staticmethod
    def forward(ctx: Any, grid: Tensor, places: Tensor) -> Tensor:
        ctx.places, ctx.size = places, len(grid)
        return grid[places]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _spread(grad, ctx.places, ctx.size), None


def _spread(rows: Tensor, places: Tensor, size: int) -> Tensor:
    grid = rows.new_zeros(size, *rows.shape[1:])
    grid[places] = rows
    return grid


def grid(tokens: Tensor, bucket: Bucket) -> Tensor:
    """Shapes: tokens (1, heads, N, D); result (rows, heads, longest, D)."""
    rows: Tensor = tokens[0, :, bucket.begin : bucket.end].transpose(0, 1)
    if bucket.places is not None:
        rows = _Spread.apply(rows, bucket.places, bucket.rows * bucket.longest)  # type: ignore[no-untyped-call]
    return rows.reshape(bucket.rows, bucket.longest, *rows.shape[1:]).transpose(1, 2)


def flat(laid: Tensor, bucket: Bucket) -> Tensor:
    """Shapes: laid (rows, heads, longest, D); result (N, heads, D)."""
    laid = laid.transpose(1, 2).flatten(0, 1)
    return laid if bucket.places is None else _Gather.apply(laid, bucket.places)  # type: ignore[no-untyped-call]


class Together(torch.autograd.Function):
    """Causal attention of all rows, their shared start and their stems, in one call forth and one back.

    Torch's own takes four to twenty times as long back as forth for rows of 50 to 1,500 tokens in bfloat16. Here, the
    slopes by what a query sees of a start, of a stem and of its own row add up, and a start is read once
    (FlashAttention, arXiv:2205.14135, algorithms 1 and 4).
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, own: Kernels, tasks: "Tasks", scale: float
    ) -> Tensor:
        """Shapes: query (1, heads, N, D); key, value (1, key heads, N, D); result (1, N, heads, D)."""
        query, key, value = (one if one.stride(3) == 1 else one.contiguous() for one in (query, key, value))
        out, sums = own.attend(query, key, value, tasks.forth, scale)
        ctx.save_for_backward(query, key, value, out, sums)
        ctx.own, ctx.tasks, ctx.scale = own, tasks, scale
        return out[None]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the slopes."""
        kind = grad.dtype
        grad = (grad if grad.stride(3) == 1 else grad.contiguous()).transpose(1, 2)
        slopes = ctx.own.attend_back((*ctx.saved_tensors, grad), ctx.tasks.back, ctx.tasks.ends, ctx.scale)
        by_query, by_key, by_value = (one.to(kind).transpose(0, 1)[None] for one in slopes)
        return by_query, by_key, by_value, None, None, None


class Tasks:
    """What the kernels are told of rows in a flat sequence.

    Args:
        rows: where each begins and ends, and where the stem lies that it continues.
        start: tokens of the start that all see; it is a row itself.
    """

    def __init__(self, rows: Sequence[tuple[int, int, slice | None]], start: int) -> None:
        forth, own, stems = [], [], dict[tuple[int, int], tuple[int, int]]()
        for begin, end, stem in [(0, start, None), *rows] if start else rows:
            first, second = (0, start if begin else 0), (stem.start, stem.stop) if stem else (0, 0)
            before = first[1] + second[1] - second[0]
            forth.append((begin, end - begin, before, *first, *second, begin, end))
            own.append((begin, end - begin, 0, begin, end, 0, 0, 0, 0))
            if stem:
                stems[second] = stems.get(second, (begin, 0))[0], end  # the rows of a stem stand together
        whole = rows[-1][1] if rows else start
        turns = [sorted(own, key=lambda task: -task[1])]  # the longest first, so that no thread waits for it
        if 0 < start < whole:
            turns.append([(start, whole - start, start, 0, start, 0, 0, 0, 0)])
        if stems:
            turns.append([(b, e - b, e2 - b2, b2, e2, 0, 0, 0, 0) for (b2, e2), (b, e) in stems.items()])
        self.forth = torch.tensor(sorted(forth, key=lambda task: -task[1]))
        self.back = torch.tensor([task for turn in turns for task in turn])
        self.ends = torch.tensor([len(turn) for turn in turns]).cumsum(0)


def suits(query: Tensor, key: Tensor, value: Tensor, options: dict[str, Any]) -> Kernels | None:
    """Return the kernels if they know such attention."""
    own = kernels(query, key, value)
    known = own is not None and own.tiles and not options["dropout_p"]
    return own if known and query.shape[-1] % 32 == 0 and query.shape[-1] <= WIDEST else None


def suits_once(query: Tensor, key: Tensor, value: Tensor) -> Kernels | None:
    """Return the kernels if they know such attention of one query per row."""
    own = kernels(query, key, value, kinds=(torch.bfloat16, torch.float32))
    if own is None or query.dtype == torch.float32:
        return own
    heads, width = query.shape[1], query.shape[-1]
    fits = own.tiles and width % 32 == 0 and width <= WIDEST and heads <= TILE * key.shape[1]
    return own if fits else None
