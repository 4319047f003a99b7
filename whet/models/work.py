"""What a step costs and what this machine has: operations, their rate, memory."""

import resource
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from whet.models import pages
from whet.models.batch import Batch
from whet.models.heads import Head
from whet.models.quantized import count


class Work:
    """The matrix products of a forward and a backward pass, counted as a multiplication and an addition each.

    A linear map costs 2 x its weights for every token forward, as much backward, and as much again where its weights
    train (the count of "Training Compute-Optimal Large Language Models", arXiv:2203.15556, appendix F). The head is
    counted for trained tokens alone and attention for the pairs that see each other, as that is all that is computed.
    """

    def __init__(self, model: nn.Module, inner: Any, head: Head) -> None:
        config = inner.config.get_text_config()
        heads = getattr(config, "num_attention_heads", None) or 0  # some architectures attend to nothing
        width = getattr(config, "head_dim", None) or config.hidden_size // max(heads, 1)
        self._pair: float = 3 * 2 * 2 * heads * width * config.num_hidden_layers
        kinds = (nn.Linear, Conv1D)
        linear = [module for module in model.modules() if isinstance(module, kinds) and module is not head.linear]
        self._token = sum(_cost(module) for module in linear)
        self._trained = _cost(head.linear)

    def of(self, batch: Batch, *, packs: bool) -> float:
        """Return the operations of one pass over a batch and back."""
        rows, longest = batch.tokens.shape
        lengths = batch.lengths if packs else torch.full((rows,), longest)
        parts = [(0, len(batch.prefix)), *((len(batch.prefix), len(stem.tokens)) for stem in batch.stems)]
        parts += zip(batch.shared.tolist(), lengths.tolist(), strict=True)  # how many precede, how many there are
        tokens = sum(count for _, count in parts)
        pairs = sum(count * before + count * (count + 1) / 2 for before, count in parts)
        trained = int((batch.weights > 0).sum())
        return self._token * tokens + self._pair * pairs + self._trained * trained


def _cost(module: Any) -> float:
    weight: Tensor = module.weight
    return float(2 * count(weight) * (3 if weight.requires_grad else 2))


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


def free_memory(device: torch.device) -> int:
    """Return the bytes that this process may still take on the device."""
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + held
    pages.give_back()
    free = int(psutil.virtual_memory().available)
    if device.type == "mps":
        free = min(free, torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    return min(free, left_of_container())


def left_of_container(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Return what the limits of this process's control groups leave (both versions), or 2^60 where there is none."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    names = {kind: name.strip("/") for _, kind, name in lines}
    left = [2**60]
    for kind, limit, used, cached in (
        ("", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        inner = root / kind / names.get(kind, "")
        for folder in (inner, *inner.parents):
            try:
                most, now = (int((folder / name).read_text()) for name in (limit, used))
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                left.append(most - now + int(stat.get(cached, 0)))
            except (OSError, ValueError):
                continue  # not this version, or "max"
    return min(left)
