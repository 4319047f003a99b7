"""Virtual tokens that stand before every row: learned embeddings, or learned keys and values of every layer.

Prompt tuning (arXiv:2104.08691) and prefix tuning (arXiv:2101.00190), with PEFT's parameters. To a row they are a start
that all rows share, so they are computed where that is.

Letters: P virtual tokens.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from whet.models.packed import Layout
from whet.models.paged import Pairs


class Virtual:
    """The virtual tokens of a PEFT model.

    Attributes:
        count: how many stand before every row.
        kind: whether they have embeddings (prompt), or keys and values alone (prefix).
    """

    def __init__(self, model: Any) -> None:
        config = model.peft_config["default"]
        self.kind: Literal["prompt", "prefix"] = "prefix" if config.peft_type.value == "PREFIX_TUNING" else "prompt"
        self.count = int(config.num_virtual_tokens)
        self._heads, self._layers = config.num_attention_heads, config.num_layers
        self._weight: Tensor = model.prompt_encoder["default"].embedding.weight
        self._embed: nn.Module = model.get_base_model().get_input_embeddings()

    def embeddings(self, ids: Tensor) -> Tensor:
        """Return what the model is to read: the virtual tokens, then the tokens. Shapes: ids (N,); result (P + N, H).

        Of a prefix, tokens hold the places whose keys and values are then put in.
        """
        own: Tensor = self._embed(ids)
        ahead = self._weight.to(own.dtype) if self.kind == "prompt" else own.new_zeros(self.count, own.shape[1])
        return torch.cat([ahead, own])

    def pairs(self, like: Tensor) -> Pairs:
        """Return the keys and values of a prefix, in the precision of `like`; nothing of a prompt.

        Shapes: (1, heads, P, D) each.
        """
        if self.kind == "prompt":
            return {}
        split = self._weight.to(like.dtype).view(self.count, self._layers, 2, self._heads, -1).permute(1, 2, 3, 0, 4)
        return {layer: (split[layer, 0][None], split[layer, 1][None]) for layer in range(self._layers)}


def virtual(model: Any) -> Virtual | None:
    """Return the virtual tokens of a model, if it has some that are in force."""
    there = hasattr(model, "prompt_encoder") and hasattr(model, "peft_config")
    return Virtual(model) if there and not model._adapters_disabled else None


def ahead(model: Any) -> int:
    """Return how many virtual tokens stand before every row, in force or not."""
    return Virtual(model).count if hasattr(model, "prompt_encoder") else 0


class Led(Layout):
    """A layout whose flat sequence begins with virtual tokens, which all rows continue."""

    def __init__(
        self,
        tokens: Virtual,
        lengths: Sequence[int],
        start: int,
        device: torch.device,
        *,
        branches: Sequence[tuple[int, Sequence[int]]] = (),
    ) -> None:
        super().__init__(lengths, tokens.count + start, device, branches=branches)
        self._tokens = tokens
        self._pairs: Pairs | None = None

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, window: int | None, **options: Any
    ) -> Tensor:
        """See Layout.attend."""
        if self._pairs is None:
            self._pairs = self._tokens.pairs(key)
        if first := self._pairs.get(layer):
            behind = slice(self._tokens.count, None)
            key, value = torch.cat([first[0], key[:, :, behind]], 2), torch.cat([first[1], value[:, :, behind]], 2)
        return super().attend(layer, query, key, value, window, **options)
