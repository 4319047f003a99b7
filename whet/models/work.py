"""How many floating-point operations a step's matrix products are, and how many this machine can make in a second."""

import resource
import sys
import time
from typing import Any

import torch
from torch import Tensor, nn

from whet.models.batch import Batch
from whet.models.heads import Head


class Work:
    """The matrix products of a forward and a backward pass, counted as a multiplication and an addition each.

    A linear map costs 2 x its weights for every token forward, as much backward, and as much again where its weights
    train (the count of "Training Compute-Optimal Large Language Models", arXiv:2203.15556, appendix F). The head is
    counted for trained tokens alone and attention for the pairs that see each other, as that is all that is computed.
    """

    def __init__(self, model: nn.Module, inner: Any, head: Head) -> None:
        config = inner.config.get_text_config()
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self._pair: float = 3 * 2 * 2 * config.num_attention_heads * width * config.num_hidden_layers
        linear = [module for module in model.modules() if isinstance(module, nn.Linear) and module is not head.linear]
        self._token = sum(_cost(module) for module in linear)
        self._trained = _cost(head.linear)

    def of(self, batch: Batch, *, packs: bool) -> float:
        """Return the operations of one pass over a batch and back."""
        rows, longest = batch.tokens.shape
        start = len(batch.prefix)
        lengths = batch.lengths if packs else torch.full((rows,), longest)
        tokens = start + float(lengths.sum())
        pairs = start * (start + 1) / 2 + float((lengths * start + lengths * (lengths + 1) / 2).sum())
        trained = int((batch.weights > 0).sum())
        return self._token * tokens + self._pair * pairs + self._trained * trained


def _cost(module: Any) -> float:
    weight: Tensor = module.weight
    return float(2 * weight.numel() * (3 if weight.requires_grad else 2))


def matrix_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Return how many operations a second this machine's matrix products reach, in FLOP/s: the best of a few."""
    size = 8192 if device.type == "cuda" else 1024
    left, right = torch.ones(2, size, size, dtype=dtype, device=device)

    def seconds() -> float:
        start = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # waits for the device
        return time.perf_counter() - start

    return 2 * size**3 / min(seconds() for _ in range(8))


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that this process held so far; on a GPU, the most that its tensors held."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
