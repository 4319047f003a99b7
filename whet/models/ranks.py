"""AdaLoRA's ranks as they train: matrices held orthogonal, and the directions that matter least dropped.

Zhang et al. 2023, arXiv:2303.10512. PEFT does the sums; what it remembers from step to step is kept as a part of the
optimizer's state, so that a run that goes on drops what it would have dropped.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

AVERAGES = ("exp_avg_ipt", "exp_avg_unc")  # what PEFT calls the smoothed importance and how unsure it is
KEPT = "kept"


def follow(model: Any, optimizer: torch.optim.Optimizer) -> None:
    """Let the ranks of a model be allotted anew after every step, where its adapter is of that kind."""
    tuner = getattr(model, "base_model", None)
    if hasattr(tuner, "rankallocator"):
        optimizer.register_step_post_hook(partial(_allot, tuner))


def _allot(tuner: Any, optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Do what PEFT does after a step. Importance is told by weights times gradients (equations 8 to 10)."""
    allocator, config, state = tuner.rankallocator, tuner.peft_config["default"], optimizer.state
    names = {name: p for name, p in tuner.model.named_parameters() if p.requires_grad and ".lora_" in name}
    for name, weight in names.items():
        if AVERAGES[0] in state[weight]:
            allocator.ipt[name] = state[weight][AVERAGES[0]]  # made anew by PEFT, but must be there
            for average in AVERAGES:
                getattr(allocator, average)[name] = state[weight][average]
    kept = {name: state[weight][KEPT] for name, weight in names.items() if KEPT in state[weight]}
    config.rank_pattern = {name: mask.bool().flatten().tolist() for name, mask in kept.items()} or None
    tuner.update_and_allocate(int(state[next(iter(names.values()))]["step"]))
    for name, weight in names.items():
        for average in AVERAGES:
            if name in (now := getattr(allocator, average)):
                state[weight][average] = now[name]
            else:
                state[weight].pop(average, None)
        if config.rank_pattern and name in config.rank_pattern:
            mask = torch.tensor(config.rank_pattern[name], dtype=weight.dtype, device=weight.device)
            state[weight][KEPT] = mask.view_as(weight)


def regulariser(model: Any) -> Tensor | None:
    """Return what AdaLoRA adds to the loss of a step, whatever its rows; None for other adapters.

    R(P, Q) of equation 4, as PEFT weighs it: the mean Frobenius distance from orthogonality times `orth_reg_weight`.
    """
    tuner = getattr(model, "base_model", None)
    if not hasattr(tuner, "rankallocator"):
        return None
    parts = []
    for name, weight in tuner.model.named_parameters():  # type: ignore[union-attr]
        if weight.requires_grad and (".lora_A." in name or ".lora_B." in name):
            square = weight @ weight.T if ".lora_A." in name else weight.T @ weight
            parts.append((square - torch.eye(len(square), device=square.device)).norm())
    share: float = model.peft_config["default"].orth_reg_weight
    return torch.stack(parts).mean() * share


def left(model: nn.Module) -> dict[str, list[bool]] | None:
    """Return which directions of each matrix are in force, as PEFT's `rank_pattern`; None where that is not a question.

    PEFT's own pattern is that of the last step, while the best weights may be those of an earlier one.
    """
    found = {
        name.partition("base_model.model.")[2]: (weight != 0).flatten().tolist()
        for name, weight in model.named_parameters()
        if ".lora_E." in name
    }
    return found if any(map(any, found.values())) else None
