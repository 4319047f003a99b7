"""Keys and values that grow in place while a model speaks, instead of being copied for every token."""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 64  # tokens of space made at a time


class _GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer that keeps spare room behind its keys and values; for inference only, as it writes in place."""

    _room: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append and return all keys and values. Shapes: (B, heads, T, width)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        have = self.get_seq_length()
        need = have + key_states.shape[-2]
        if self._room is None or not self._fits(have, need):
            self._room = (
                _spacious(self.keys, key_states, have, need),
                _spacious(self.values, value_states, have, need),
            )
        for space, new in zip(self._room, (key_states, value_states), strict=True):
            space[:, :, have:need] = new
        self.keys, self.values = (space[:, :, :need] for space in self._room)
        return self.keys, self.values

    def _fits(self, have: int, need: int) -> bool:
        """Say whether what we hold is still the front of the room (rows may have left) and the room is long enough."""
        assert self._room is not None
        assert self.keys is not None
        same = self.keys.untyped_storage().data_ptr() == self._room[0].untyped_storage().data_ptr()
        return have > 0 and same and need <= self._room[0].shape[-2]


def _spacious(old: Tensor | None, new: Tensor, have: int, need: int) -> Tensor:
    rows, heads, _, width = new.shape
    space = torch.empty(rows, heads, need + ROOM, width, dtype=new.dtype, device=new.device)
    if have and old is not None:
        space[:, :, :have] = old
    return space


class GrowingCache(DynamicCache):
    """transformers' cache with layers that grow in place."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_class_to_replicate = _GrowingLayer
