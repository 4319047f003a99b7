"""What a run remembers from step to step, and how it is found again in its checkpoints."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from whet.errors import RunError
from whet.models.checkpoint import (
    folder_of,
    newest,
    read,
    restore_optimizer,
    restore_random,
    set_aside,
    steps,
)
from whet.runs.run import Run

Say = Callable[[str], None]


@dataclass(slots=True)
class Journey:
    """What a run has to remember from step to step; it goes into every checkpoint."""

    step: int = 0
    best: float = math.inf
    best_step: int = 0
    worse: int = 0  # validations since the best one
    due: bool = False  # a validation of this step was begun and not finished
    seconds: float = 0.0
    tokens: int = 0
    trained: int = 0
    flop: float = 0.0
    seen: list[float] = field(default_factory=list)  # the first loss and the last ones, to tell divergence by


def resume(run: Run, parameters: dict[str, Any], optimizer: torch.optim.Optimizer, say: Say) -> Journey:
    """Put weights, optimizer and generators into the state of the newest sound checkpoint, if there is one."""
    checkpoint = newest(run.path, say)
    if checkpoint is None:
        for name in ("metrics", "evals"):
            (run.path / f"{name}.jsonl").unlink(missing_ok=True)
        return Journey()
    load_weights(parameters, checkpoint.weights)
    restore_optimizer(optimizer, parameters, checkpoint.optimizer)
    restore_random(checkpoint.random, next(iter(parameters.values())).device)
    best = checkpoint.state["best"]
    journey = Journey(**{**checkpoint.state, "step": checkpoint.step, "best": math.inf if best is None else best})
    for name in ("metrics", "evals"):
        run.forget_after(name, journey.step - (name == "evals" and journey.due))
    if journey.step:
        say(f"continuing from the checkpoint of step {journey.step}")
    best_weights(run, journey, say)
    return journey


def load_weights(parameters: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Put saved weights into the model.

    Raises:
        RunError: they are those of another model.
    """
    if set(parameters) != set(weights):
        raise RunError("the checkpoint's weights are not those of this model; was the adapter's recipe changed?")
    with torch.no_grad():
        for name, value in weights.items():
            parameters[name].copy_(value)


def best_weights(run: Run, journey: Journey, say: Say) -> dict[str, Tensor] | None:
    """Return the best checkpoint's weights, verified; None: the best are those of the step that the journey is at.

    Where the best checkpoint is damaged or gone, the best that is left takes its place in the journey, and it is said.
    """
    while math.isfinite(journey.best) and journey.best_step != journey.step:
        folder = folder_of(run.path, journey.best_step)
        try:
            return read(folder).weights
        except RunError as error:
            if folder.exists():
                set_aside(folder)
            _next_best(run, journey)
            found = f" (validation loss {journey.best:.4f})" if math.isfinite(journey.best) else ""
            say(
                f"{error}; these were the best weights. The best that are left are those of step "
                f"{journey.best_step}{found}"
            )
    return None


def _next_best(run: Run, journey: Journey) -> None:
    """Choose the lowest validation loss that has weights; with none, the newest weights, whose loss is not known."""
    there = {*steps(run.path), journey.step}
    known = {entry["step"]: entry["loss"] for entry in run.read("evals") if entry["step"] <= journey.step}
    journey.best, journey.best_step = min(
        ((loss, step) for step, loss in known.items() if step in there), default=(math.inf, journey.step)
    )
    journey.worse = sum(step > journey.best_step for step in known)
