"""Rows laid end to end, so that no layer ever computes padding, and a shared start once for all of them.

Only attention sees that the sequence is made of rows: there, rows of like length are laid side by side. transformers
calls `attend` in the place of its own attention wherever a layout is passed to the model.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from whet.models.attention import Bucket, Tasks, Together, attention, flat, grid, suits

NAME = "whet"
PAIR = 1 / 800  # what one pair of query and key costs, in tokens' worth of time (SmolLM2-135M on two cores)
BUCKET = 8  # what one more call of attention costs, in tokens' worth of time


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
        self._rows: list[tuple[int, int, slice | None]] = []  # where each begins and ends, and its stem
        self._told: Tasks | None = None
        begins = list(accumulate(lengths, initial=self._offset))
        self._lay(lengths, _like_lengths(lengths, start) if groups is None else groups, None)
        for row, after in branches:
            self._lay(after, _like_lengths(after, start + lengths[row]), slice(begins[row], begins[row + 1]))
        self._masks: dict[tuple[int, int, int | None, torch.dtype], Tensor | None] = {}

    def _lay(self, lengths: Sequence[int], groups: Sequence[tuple[int, int]], stem: slice | None) -> None:
        for first, end in groups:
            part = lengths[first:end]
            longest, begin = part[-1], self._offset
            ends = list(accumulate(part, initial=begin))
            self._rows += [(one, other, stem) for one, other in pairwise(ends)]
            self._offset = ends[-1]
            places = None
            if part[0] != longest:
                taken = torch.arange(longest)[None] < torch.tensor(part)[:, None]
                places = taken.flatten().nonzero()[:, 0].to(self._device, non_blocking=True)
            self.buckets.append(Bucket(first, end - first, longest, begin, self._offset, places, stem))

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, window: int | None, **options: Any
    ) -> Tensor:
        """Return what every token attends to.

        Shapes: query (1, heads, N, D); key, value (1, key heads, N, D); result (1, N, heads, D).
        """
        self.windows.add(window)
        if self.inside and window is None and (own := suits(query, key, value, options)):
            scale = options["scale"] or query.shape[-1] ** -0.5
            return Together.apply(query, key, value, own, self._tasks(), scale)  # type: ignore[no-any-return, no-untyped-call]
        said = []
        if self.start and self.inside:
            mask = self._mask(0, self.start, window, query)
            begin = slice(0, self.start)
            first = attention(query[:, :, begin], key[:, :, begin], value[:, :, begin], mask, options)
            said.append(first[0].transpose(0, 1))
        for bucket in self.buckets:
            keys, values = grid(key, bucket), grid(value, bucket)
            start = self.before(layer, bucket, key, value)
            if start is not None:
                keys, values = (
                    torch.cat([shared.expand(bucket.rows, -1, -1, -1), own], 2)
                    for shared, own in zip(start, (keys, values), strict=True)
                )
            mask = self._mask(keys.shape[2] - bucket.longest, bucket.longest, window, query)
            said.append(flat(attention(grid(query, bucket), keys, values, mask, options), bucket))
        return torch.cat(said)[None]

    def _tasks(self) -> Tasks:
        if self._told is None:
            self._told = Tasks(self._rows, self.start)
        return self._told

    def before(self, layer: int, bucket: Bucket, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the keys and values of what all rows of a bucket continue. Shapes: (1, heads, before, D)."""
        if bucket.stem is None:
            return (key[:, :, : self.start], value[:, :, : self.start]) if self.start else None
        keys, values = (torch.cat([one[:, :, : self.start], one[:, :, bucket.stem]], 2) for one in (key, value))
        return keys, values

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
    if torch.is_autocast_enabled(query.device.type):
        kind = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(kind), key.to(kind), value.to(kind)
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
    """Return the last hidden state after each token.

    Shapes: ids (N,), or embeddings (N, H); places (N,); result (N, H).
    """
    ready = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=ids.device)  # a mask of this shape is taken as it is
    read = {"input_ids" if ids.ndim == 1 else "inputs_embeds": ids[None]}
    out = core(**read, position_ids=places[None], attention_mask=ready, use_cache=False, layout=layout)
    return out.last_hidden_state[0]  # type: ignore[no-any-return]
