"""Attention among rows that lie end to end: laid side by side for it, forth and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from whet.models.kernels import WIDEST, Kernels, kernels


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


Piece = tuple[Bucket, tuple[slice, ...], Tensor | None]
"""Rows, the other parts of the flat sequence that they see, and what is added to the scores (None: causal)."""


def together(
    query: Tensor, key: Tensor, value: Tensor, pieces: Sequence[Piece], options: dict[str, Any]
) -> Tensor | None:
    """Return what every token attends to, with our own way back; None where torch's is wanted.

    Shapes: query (1, heads, N, D); key, value (1, key heads, N, D); result (1, N, heads, D).
    """
    own = kernels(query, key, value) if torch.is_grad_enabled() and query.requires_grad else None
    if own is None or not own.tiles or options["dropout_p"] or query.shape[-1] % 32 or query.shape[-1] > WIDEST:
        return None
    return _Together.apply(query, key, value, own, pieces, options["scale"])  # type: ignore[no-any-return, no-untyped-call]


class _Together(torch.autograd.Function):
    """Causal attention of all rows, their shared start and their stems, with a way back that torch has not.

    Torch's own repeats a start for every row and takes four to twenty times as long back as forth for rows of 50 to
    1,500 tokens in bfloat16. The slopes by what a query sees of a start, of a stem and of its own row add up: each is a
    call of its own here, so that a start is read once (FlashAttention, arXiv:2205.14135, algorithm 4).
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, own: Kernels, pieces: Sequence[Piece], scale: float | None
    ) -> Tensor:
        said, sums = [], []
        for bucket, sees, mask in pieces:
            keys, values = (
                torch.cat([*(one[:, :, part].expand(bucket.rows, -1, -1, -1) for part in sees), grid(one, bucket)], 2)
                for one in (key, value)
            )
            out, total = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                grid(query, bucket),
                *_for_all_heads(keys, values, query),
                0.0,
                mask is None,
                attn_mask=mask,
                scale=scale,
            )
            said.append(flat(out, bucket))
            sums.append(flat(total[..., None], bucket))
        result = torch.cat(said)
        ctx.save_for_backward(query, key, value, result, torch.cat(sums))
        ctx.own, ctx.pieces, ctx.scale = own, pieces, scale or query.shape[-1] ** -0.5
        return result[None]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, sums = ctx.saved_tensors
        out, sums, grad = (one.transpose(0, 1)[None] for one in (out, sums, grad[0]))
        slopes = [torch.empty(one.shape[2], one.shape[1], one.shape[3]) for one in (query, key, value)]
        for bucket, _, _ in ctx.pieces:  # each token is in one of them
            asked = [grid(one, bucket) for one in (query, key, value, grad, out, sums)]
            for slope, found in zip(slopes, ctx.own.attend_back(*asked, 0, ctx.scale), strict=True):
                slope[bucket.begin : bucket.end] = flat(found, bucket)
        for seen, (begin, end) in _seen_by(ctx.pieces).items():
            asking, other = slice(begin, end), slice(*seen)
            asked = [one[:, :, part] for one, part in zip((query, key, value), (asking, other, other), strict=True)]
            asked += [one[:, :, asking] for one in (grad, out, sums)]
            found = ctx.own.attend_back(*asked, other.stop - other.start, ctx.scale)
            for slope, part, more in zip(slopes, (asking, other, other), found, strict=True):
                slope[part] += more[0].transpose(0, 1)
        by_query, by_key, by_value = (one.to(query.dtype).transpose(0, 1)[None] for one in slopes)
        return by_query, by_key, by_value, None, None, None


def _for_all_heads(keys: Tensor, values: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Return keys and values for every head of the query: the kernel itself knows no groups."""
    times = query.shape[1] // keys.shape[1]
    return keys.repeat_interleave(times, 1), values.repeat_interleave(times, 1)


def _seen_by(pieces: Sequence[Piece]) -> dict[tuple[int, int], tuple[int, int]]:
    """Return which stretch of the flat sequence sees each part that is seen from without: such stretches are whole."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for bucket, sees, _ in pieces:
        for part in sees:
            begin, _ = found.get((part.start, part.stop), (bucket.begin, 0))
            found[part.start, part.stop] = begin, bucket.end
    return found
