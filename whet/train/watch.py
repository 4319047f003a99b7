"""What the losses say, in words: divergence while it happens, overfitting when it has."""

from dataclasses import dataclass, field

from whet.errors import TrainingError

WINDOW = 8  # losses whose mean is looked at


@dataclass(slots=True)
class Divergence:
    """Raises when the training loss has left for good.

    A run has diverged when the mean of its last eight losses is both 2 nats and 1.5 times above the loss it began
    with: no healthy run gets there, because a model can always fall back on what it knew. `seen`, the first loss and
    then the last eight, is kept up to date for whoever goes on from here.
    """

    lr: float
    seen: list[float] = field(default_factory=list)

    def see(self, step: int, loss: float) -> None:
        """Take in one step's loss.

        Raises:
            TrainingError: the run has diverged; the message recommends a learning rate.
        """
        first, *last = [*(self.seen or [loss]), loss]
        last = last[-WINDOW:]
        self.seen[:] = [first, *last]
        mean = sum(last) / len(last)
        if len(last) == WINDOW and mean > first + 2.0 and mean > 1.5 * first:
            raise TrainingError(
                f"step {step}: training has diverged (loss {mean:.2f}, it began at {first:.2f}); the last good "
                f"checkpoint is kept. Try optim.lr={self.lr / 10:.1g}"
            )


def _around(losses: list[float], share: float) -> tuple[float, float]:
    """Return the mean training loss up to that share of the steps, and at the end: each of a tenth of them."""
    width = max(1, len(losses) // 10)
    at = max(1, round(len(losses) * share))
    before, now = losses[max(0, at - width) : at], losses[-width:]
    return sum(before) / len(before), sum(now) / len(now)


def verdict_on_curve(validations: list[tuple[int, float]], train_losses: list[float], stopped_early: bool) -> str:
    """Return one sentence on the curves: overfitting, still learning, or levelled off.

    `validations` are (step, loss) in order, the first before any training.
    """
    if len(validations) < 2:
        return "No validation was done, so nothing can be said about overfitting."
    best_step, best = min(validations, key=lambda pair: pair[1])
    last_step, last = validations[-1]
    first = validations[0][1]
    end = "Training stopped early. " if stopped_early else ""
    if best_step == 0:
        what = "the model learned nothing that carries over"
        return f"{end}Validation loss never fell below its start ({first:.3f}): {what}."
    if last > best + 0.01 * abs(best) and len(train_losses) >= 2:
        rose = f"validation loss rose from {best:.3f} to {last:.3f}"
        used = f"the weights of step {best_step} are used"
        before, now = _around(train_losses, best_step / last_step)
        if now < before:
            what = f"{rose} while training loss kept falling (now {now:.3f})"
            return f"{end}Overfitting after step {best_step}: {what}; {used}."
        what = f"{rose}, and training loss did not fall either ({before:.3f} to {now:.3f})"
        return f"{end}Unstable after step {best_step}: {what}; {used}. A lower optim.lr may help."
    if best_step == last_step and len(validations) > 2 and validations[-2][1] - last > 0.01 * abs(last):
        return f"{end}Validation loss was still falling at the end ({first:.3f} to {last:.3f}): more passes may help."
    return f"{end}Validation loss levelled off at {best:.3f} (it began at {first:.3f})."
