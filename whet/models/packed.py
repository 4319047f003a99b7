"""Rows laid end to end, so that no layer ever computes padding, and a shared start once for all of them.

Only attention sees that the sequence is made of rows: there, rows of like length are laid side by side. transformers
calls `attend` in the place of its own attention wherever a layout is passed to the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "whet"
PAIR = 1 / 800  # what one pair of query and key costs, in tokens' worth of time (SmolLM2-135M on two cores)
BUCKET = 8  # what one more call of attention costs, in tokens' worth of time


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


class Layout:
    """Rows, shortest first, that each continue a shared start of `start` tokens.

    Args:
        lengths: of the rows, ascending within a group.
        start: tokens of the shared start.
        inside: whether the start stands at the front of the flat sequence (otherwise a subclass remembers it).
        groups: first and end of the rows that are laid side by side; found by least cost where not given.
        branches: rows of which others continue, each with the lengths of those, ascending; they stand behind all rows.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        start: int,
        device: torch.device,
        *,
        inside: bool = True,
        groups: Sequence[tuple[int, int]] | None = None,
        branches: Sequence[tuple[int, Sequence[int]]] = (),
    ) -> None:
        self.start, self.inside, self._device = start, inside, device
        self.windows: set[int | None] = set()  # how far the layers that came by said that they see
        self._offset = start if inside else 0
        self.buckets: list[Bucket] = []
        begins = list(accumulate(lengths, initial=self._offset))
        self._lay(lengths, _like_lengths(lengths, start) if groups is None else groups, None)
        for row, after in branches:
            self._lay(after, _like_lengths(after, start + lengths[row]), slice(begins[row], begins[row + 1]))
        self._masks: dict[tuple[int, int, int | None, torch.dtype], Tensor | None] = {}

    def _lay(self, lengths: Sequence[int], groups: Sequence[tuple[int, int]], stem: slice | None) -> None:
        for first, end in groups:
            part = lengths[first:end]
            longest, begin = part[-1], self._offset
            self._offset += sum(part)
            places = None
            if part[0] != longest:
                grid = torch.arange(longest)[None] < torch.tensor(part)[:, None]
                places = grid.flatten().nonzero()[:, 0].to(self._device, non_blocking=True)
            self.buckets.append(Bucket(first, end - first, longest, begin, self._offset, places, stem))

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, window: int | None, **options: Any
    ) -> Tensor:
        """Return what every token attends to.

        Shapes: query (1, heads, N, D); key, value (1, key heads, N, D); result (1, N, heads, D).
        """
        self.windows.add(window)
        said = []
        if self.start and self.inside:
            mask = self._mask(0, self.start, window, query)
            begin = slice(0, self.start)
            first = _attention(query[:, :, begin], key[:, :, begin], value[:, :, begin], mask, options)
            said.append(first[0].transpose(0, 1))
        for bucket in self.buckets:
            keys, values = _grid(key, bucket), _grid(value, bucket)
            self.keep(layer, bucket, keys, values)
            start = self.before(layer, bucket, key, value)
            if start is not None:
                keys, values = (
                    torch.cat([shared.expand(bucket.rows, -1, -1, -1), own], 2)
                    for shared, own in zip(start, (keys, values), strict=True)
                )
            mask = self._mask(keys.shape[2] - bucket.longest, bucket.longest, window, query)
            out = _attention(_grid(query, bucket), keys, values, mask, options).transpose(1, 2)
            said.append(_flat(out.flatten(0, 1), bucket))
        return torch.cat(said)[None]

    def before(self, layer: int, bucket: Bucket, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the keys and values of what all rows of a bucket continue. Shapes: (1, heads, before, D)."""
        if bucket.stem is None:
            return (key[:, :, : self.start], value[:, :, : self.start]) if self.start else None
        keys, values = (torch.cat([one[:, :, : self.start], one[:, :, bucket.stem]], 2) for one in (key, value))
        return keys, values

    def keep(self, layer: int, bucket: Bucket, keys: Tensor, values: Tensor) -> None:
        """See the keys and values of some rows go by. Shapes: (rows, heads, longest, D)."""

    def _mask(self, before: int, width: int, window: int | None, query: Tensor) -> Tensor | None:
        """Return what is added to the scores: 0 where seen, else minus infinity. Shapes: (width, before + width).

        None for plainly causal. What stands behind a short row on the grid is never seen by it, as it comes after. In
        the precision of the scores, so that all layers keep the same one for the way back.
        """
        if window is not None and before + width <= window:
            window = None
        place = (before, width, window, query.dtype)
        if place not in self._masks:
            if not before and window is None:
                self._masks[place] = None
            else:
                now = torch.arange(before, before + width, device=query.device)[:, None]
                then = torch.arange(before + width, device=query.device)[None]
                seen = (then <= now) & (now - then < (window or before + width + 1))
                none = torch.zeros_like(seen, dtype=query.dtype)
                self._masks[place] = none.masked_fill(~seen, float("-inf"))
        return self._masks[place]


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, options: dict[str, Any]) -> Tensor:
    times = query.shape[1] // key.shape[1]
    grouped = times > 1 and (query.device.type == "cpu" or mask is None)
    if times > 1 and not grouped:  # with a mask, the quick kernels of accelerators know no groups
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
    causal = mask is None
    return scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=causal, enable_gqa=grouped, **options
    )


def _like_lengths(lengths: Sequence[int], start: int) -> list[tuple[int, int]]:
    """Return the rows as (first, end) groups at the least cost of padded attention and of starting a group."""
    best = [0.0] + [float("inf")] * len(lengths)  # best[j]: least cost of the first j rows
    came = [0] * (len(lengths) + 1)
    for end in range(1, len(lengths) + 1):
        longest = lengths[end - 1]
        for first in range(end - 1, -1, -1):
            alone = (end - first) * longest * (start + longest) * PAIR + BUCKET
            if alone > best[end]:
                break
            if best[first] + alone < best[end]:
                best[end], came[end] = best[first] + alone, first
    groups = []
    end = len(lengths)
    while end:
        groups.append((came[end], end))
        end = came[end]
    return groups[::-1]


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


def _grid(tokens: Tensor, bucket: Bucket) -> Tensor:
    """Shapes: tokens (1, heads, N, D); result (rows, heads, longest, D)."""
    rows: Tensor = tokens[0, :, bucket.begin : bucket.end].transpose(0, 1)
    if bucket.places is not None:
        rows = _Spread.apply(rows, bucket.places, bucket.rows * bucket.longest)  # type: ignore[no-untyped-call]
    return rows.reshape(bucket.rows, bucket.longest, *rows.shape[1:]).transpose(1, 2)


def _flat(grid: Tensor, bucket: Bucket) -> Tensor:
    return grid if bucket.places is None else _Gather.apply(grid, bucket.places)  # type: ignore[no-untyped-call]


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    layout: Layout | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """Attend as `layout` says; without one, as transformers' own `sdpa` does.

    Raises:
        NotImplementedError: the layer wants more of its attention than we know.
    """
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **rest)
    if any(rest.get(name) is not None for name in ("softcap", "s_aux", "position_bias")):
        raise NotImplementedError("attention with a soft cap, sinks or a bias")
    layer, window = int(module.layer_idx), rest.get("sliding_window")  # type: ignore[arg-type]
    options = {"scale": rest.get("scaling"), "dropout_p": rest.get("dropout", 0.0)}
    return layout.attend(layer, query, key, value, window, **options), None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)


def enable(inner: Any) -> bool:
    """Make a causal model call `attend`, if it attends as `sdpa` does; `disable` undoes it."""
    if getattr(inner.config, "_attn_implementation", None) not in ("sdpa", NAME):
        return False
    if getattr(inner.config.get_text_config(), "attention_chunk_size", None):
        return False  # told to the mask alone, which we make ourselves
    inner.config._attn_implementation = NAME
    return True


def disable(inner: Any) -> None:
    """Let the model attend as transformers chose."""
    inner.config._attn_implementation = "sdpa"


def sees_as_configured(inner: Any, layout: Layout) -> bool:
    """Say whether a model whose configuration limits how far it sees has told that to a layout that went through it."""
    window = getattr(inner.config.get_text_config(), "sliding_window", None)
    return window is None or window in layout.windows


def states(core: nn.Module, ids: Tensor, places: Tensor, layout: Layout) -> Tensor:
    """Return the last hidden state after each token. Shapes: ids (N,), places (N,); result (N, H)."""
    ready = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=ids.device)  # a mask of this shape is taken as it is
    out = core(input_ids=ids[None], position_ids=places[None], attention_mask=ready, use_cache=False, layout=layout)
    return out.last_hidden_state[0]  # type: ignore[no-any-return]
