"""Optimizer, schedules as pure functions of the step, and the rules behind settings left open (docs/defaults.md)."""

import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import nn

from whet.config.tree import Adapter, Kind, Optim
from whet.errors import UsageError

OF_ANSWERS = {"sft": 1.0, "distil": 1.0, "reward": 0.3}
GENTLE = 0.1
"""Shares of the rate of learning answers: what a method takes, and what others do, which learn from what replies are
worth (docs/defaults.md)."""
TIMES: dict[Kind, float] = {
    "lora": 1, "dora": 1, "adalora": 2, "vera": 10, "oft": 1, "ia3": 10, "prompt": 30, "prefix": 10, "full": 0.1,
}  # fmt: skip
"""What each kind's best rate is of LoRA's (docs/defaults.md)."""


def default_lr(adapter: Adapter, hidden: int, method: str = "sft") -> float:
    """Return the peak learning rate for a model of this width.

    LoRA's best rate falls with the square root of the width or a little faster and lies about ten times above
    full fine-tuning's. Source: Schulman et al. 2025, "LoRA Without Regret"; the constant was measured here on
    models of width 576 (docs/defaults.md).
    """
    lora = 5e-4 * math.sqrt(2048 / hidden)
    times = TIMES[adapter.kind] / math.sqrt(adapter.lora_plus or 1)  # so that the mean of A's and B's stays
    return float(f"{lora * times * OF_ANSWERS.get(method, GENTLE):.2g}")


def default_epochs(rows: int) -> float:
    """Return the passes over the data: few rows are seen more often, and early stopping guards against too often."""
    for most, epochs in ((100, 6), (300, 4), (1000, 3), (10_000, 2)):
        if rows <= most:
            return float(epochs)
    return 1.0


def default_rows(rows: int) -> int:
    """Return the rows per optimizer step: enough steps to get somewhere, enough rows to know the way."""
    return 8 if rows <= 1000 else 24 if rows <= 10_000 else 48


def rate(step: int, total: int, peak: float, warmup: int, schedule: Literal["cosine", "linear", "constant"]) -> float:
    """Return the learning rate of step 1, 2, ... `total`."""
    if step <= warmup:
        return peak * step / max(1, warmup)
    done = (step - warmup) / max(1, total - warmup + 1)
    if schedule == "constant":
        return peak
    return peak * (1 - done if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done)))


def build_optimizer(
    parameters: Mapping[str, nn.Parameter], optim: Optim, lr: float, lora_plus: float | None = None
) -> torch.optim.Optimizer:
    """Return AdamW over the parameters that train; matrices decay, biases and norms do not.

    `lora_plus` is how many times faster LoRA's B learns. A group's rate is that of the step times its `times`.

    Source: LoRA+ (Hayou et al. 2024, arXiv:2402.12354, section 4).

    Raises:
        UsageError: moments that need what is not here.
    """
    training = {name: p for name, p in parameters.items() if p.requires_grad}
    quick = {name: p for name, p in training.items() if lora_plus and ".lora_B." in name}
    groups: list[dict[str, Any]] = [
        {"params": [p for p in part.values() if (p.ndim >= 2) == decays], "weight_decay": decay, "times": times}
        for part, times in (({n: p for n, p in training.items() if n not in quick}, 1.0), (quick, lora_plus or 1.0))
        for decays, decay in ((True, optim.weight_decay), (False, 0.0))
    ]
    groups = [{**group, "lr": lr * group["times"]} for group in groups if group["params"]]
    betas = (optim.beta1, optim.beta2)
    if optim.moments is None:
        return torch.optim.AdamW(groups, lr=lr, betas=betas)
    if find_spec("bitsandbytes") is None:
        raise UsageError("optim.moments: needs bitsandbytes; install it with pip install 'whet-llm[quant]'")
    device = next(iter(parameters.values())).device.type
    if device not in ("cuda", "cpu") or (optim.moments == "paged" and device == "cpu"):
        raise UsageError("optim.moments: paged needs an NVIDIA GPU, 8bit an NVIDIA GPU or a CPU; leave it out")
    import bitsandbytes  # a second to load, and in an extra

    kinds = {"8bit": bitsandbytes.optim.AdamW8bit, "paged": bitsandbytes.optim.PagedAdamW8bit}
    return kinds[optim.moments](groups, lr=lr, betas=betas)  # type: ignore[no-any-return]


def moment_bytes(optim: Optim) -> float:
    """Return the bytes that AdamW keeps for each weight that trains."""
    return 8.0 if optim.moments is None else 2.0 + 2 * 4 / 256  # a scale for each block of 256
