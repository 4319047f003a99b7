"""The training loop. There is one."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from whet.errors import TrainingError
from whet.methods._base import Method
from whet.models.batch import Batch
from whet.models.policy import Outputs, Policy


@dataclass(frozen=True, slots=True)
class Record:
    """What one optimizer step did. Units: loss in nats a trained token, or a group of judged replies; tokens are real
    ones, padding excluded; flop are the floating-point operations of its matrix products. `metrics` are the method's.
    """

    step: int
    loss: float
    grad_norm: float
    lr: float
    tokens: int
    trained: float
    flop: float
    metrics: Mapping[str, float] = field(default_factory=dict)

    def row(self) -> dict[str, float]:
        """Return the figures by name."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "metrics"}
        return {**plain, **self.metrics}


@dataclass(frozen=True, slots=True)
class Pace:
    """How the steps are taken: steps done before, learning rate by step, largest norm of the gradient.

    `between` is called before each micro-batch with its place in the step.
    """

    start: int
    rate: Callable[[int], float]
    clip: float
    between: Callable[[int], None] = lambda _: None


def fit(
    policy: Policy,
    method: Method,
    steps: Iterable[list[Batch]],
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    pace: Pace,
) -> Iterator[Record]:
    """Take one optimizer step per list of micro-batches and yield what happened.

    A loss is a sum; it is divided here, once, by the count of trained tokens of the whole step. How a step is cut
    into micro-batches therefore never changes its gradient. What `pace.between` raises leaves the weights of the step
    before.

    Raises:
        TrainingError: the loss or the gradient is not finite. The weights are then still those of the step before.
    """
    policy.model.train()
    for number, batches in enumerate(steps, pace.start + 1):
        count = sum(batch.count for batch in batches)
        parts, said = [], defaultdict[str, list[Tensor]](list)
        for place, batch in enumerate(batches):
            pace.between(place)
            loss = method.loss(policy(batch), batch)
            (loss.total / count).backward()  # type: ignore[no-untyped-call]
            parts.append(loss.total.detach())
            for name, value in loss.metrics.items():
                said[name].append(value)
        if (more := policy.regulariser()) is not None:
            more.backward()  # type: ignore[no-untyped-call]
        # The only wait for the device: nothing is known of a step before all of it is under way.
        norm = float(nn.utils.clip_grad_norm_(list(parameters.values()), pace.clip))
        total = sum(map(float, parts))
        if not (math.isfinite(total) and math.isfinite(norm)):
            optimizer.zero_grad()
            raise TrainingError(_not_finite(policy, number, total, pace))
        for group in optimizer.param_groups:
            group["lr"] = pace.rate(number) * group.get("times", 1)
        optimizer.step()
        optimizer.zero_grad()
        trained = sum(float(batch.weights.sum()) for batch in batches)
        tokens = sum(int((batch.shared + batch.lengths).sum()) for batch in batches)
        flop = sum(policy.work(batch) for batch in batches)
        metrics = means(said, count)
        yield Record(number, total / count, norm, pace.rate(number), tokens, trained, flop, metrics)


def _not_finite(policy: Policy, number: int, total: float, pace: Pace) -> str:
    what = "gradient" if math.isfinite(total) else "loss"
    way = f"Lower optim.lr (it was {pace.rate(number):.2g})" + ("" if policy.exact else ", or use model.dtype=float32")
    return f"step {number}: the {what} is not finite; the last checkpoint is kept. {way}"


@torch.no_grad()
def validation_loss(
    policy: Policy, method: Method, batches: Iterable[Batch], between: Callable[[], None] = lambda: None
) -> tuple[float, dict[str, float]]:
    """Return the loss over all batches, in nats a trained token (or a group of judged replies), and metrics beside it.

    The model is left training.

    Raises:
        TrainingError: it is not finite.
    """
    policy.model.eval()
    total = count = 0.0
    said = defaultdict[str, list[Tensor]](list)
    for batch in batches:
        between()
        loss = method.loss(policy(batch) if batch.asks else Outputs(torch.empty(0)), batch)
        total += float(loss.total)
        for name, value in loss.metrics.items():
            said[name].append(value)
        count += batch.count
    policy.model.train()
    if not math.isfinite(total):
        raise TrainingError("the validation loss is not finite; lower optim.lr, or use model.dtype=float32")
    return total / count, means(said, count)


def means(said: Mapping[str, Sequence[Tensor]], count: float) -> dict[str, float]:
    """Return each metric over all micro-batches: divided by the step's count, or by its own; none where that is 0."""
    found = dict[str, float]()
    for name, values in said.items():
        if values[0].ndim == 0:
            found[name] = sum(map(float, values)) / count
        elif (own := sum(float(value[1]) for value in values)) > 0:
            found[name] = sum(float(value[0]) for value in values) / own
    return found
