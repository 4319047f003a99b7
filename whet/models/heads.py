"""From hidden states to logits, with what some architectures do to them afterwards."""

from typing import Any

import torch
from torch import Tensor, nn


class Head:
    """The language head of a causal model: its linear map, then the scaling or capping that its config names.

    `plain` says that the logits are the linear map alone, so that gradients can be taken in closed form. All of it is
    divided by `temperature`.
    """

    def __init__(self, model: nn.Module) -> None:
        inner: Any = model
        self.temperature = 1.0
        self.linear: nn.Module = inner.get_output_embeddings()
        config = inner.config
        self._cap: float | None = getattr(config, "final_logit_softcapping", None)
        scale = getattr(config, "logit_scale", None) or 1.0  # Cohere multiplies
        self._scale = float(scale) / float(getattr(config, "logits_scaling", None) or 1.0)  # Granite divides
        self.plain = (
            type(self.linear) is nn.Linear and self.linear.bias is None and self._cap is None and self._scale == 1.0
        )

    def __call__(self, hidden: Tensor) -> Tensor:
        """Return float32 logits. Shapes: hidden (..., H); result (..., V)."""
        logits: Tensor = self.linear(hidden).float() * self._scale
        if self._cap is not None:
            logits = torch.tanh(logits / self._cap) * self._cap
        return logits if self.temperature == 1 else logits / self.temperature
