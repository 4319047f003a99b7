"""The numbers of a run that follow from its rows and its model, worked out once and told before the first step."""

import math
from dataclasses import asdict, dataclass

from whet.config.tree import Config
from whet.methods._base import steps_per_epoch
from whet.plugins import find
from whet.train.kinds import ONLINE
from whet.train.optim import default_epochs, default_lr, default_rows


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done. Units: steps are optimizer steps."""

    lr: float
    epochs: float
    rows: int
    steps: int
    warmup: int
    validate_every: int

    def sentence(self, count: int) -> str:
        """Return the plan in words."""
        return (
            f"{self.steps:,} steps of {self.rows} rows ({self.epochs:g} passes over {count:,} rows), "
            f"learning rate {self.lr:g}, {self.warmup} steps of warm-up, validation every {self.validate_every}"
        )

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)


def make(config: Config, count: int, hidden: int, method: str = "sft") -> Plan:
    """Return the plan for `count` rows (or groups of judged replies) and a model of width `hidden`.

    What the recipe sets is kept.
    """
    optim = config.optim
    rows = min(optim.rows or default_rows(count), count)
    again = (config.method.updates or find("methods", method).updates) if method in ONLINE else 1
    per_epoch = steps_per_epoch(count, rows) * again
    epochs = optim.epochs or (1.0 if method in ONLINE else default_epochs(count))
    steps = optim.steps or max(1, math.ceil(epochs * per_epoch))
    every = config.eval.every or max(1, min(steps, math.ceil(per_epoch / 2)))
    return Plan(
        lr=optim.lr or default_lr(config.adapter, hidden, method),
        epochs=round(steps / per_epoch, 2) if optim.steps else epochs,
        rows=rows,
        steps=steps,
        warmup=min(steps - 1, math.ceil(optim.warmup * steps)),
        validate_every=every,
    )
