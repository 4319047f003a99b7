"""Ailments of learning from rows: it diverges, learns by heart, jumps, or does not learn."""

from statistics import fmean, median

from whet.train.ailments._base import SURE, Alarm, Figures, above, rise, span, thirds

WORSE, FLOOR = 1.1, 0.1
"""A loss has left for good a tenth and 0.1 nats above where it began: a model can always fall back on what it knew."""
BY_HEART = 1.5
"""Early stopping bears with three validations after the best one and then takes its weights, and a rise until then is
no ailment: of 48 sound runs (docs/doctor.md) it was 1.27 times the best at most."""
APART, FORGOT = 0.25, 0.15
"""Pairs ranked rightly in training ahead of held-out ones, and held-out ones below their best: with 64 held-out pairs
the standard error of either is 0.06."""
SPIKE, AROUND, SPIKES, OFTEN = 10.0, 8, 3, 0.02
"""A gradient is a spike at ten times the median of the eight steps before it and of the eight after, if it is so large
that it is clipped; of 48 sound runs (docs/doctor.md) none had any. Three of them, and one of fifty steps, are many."""
PATIENT = 30
"""Steps after which a loss that did not fall is said not to fall."""
ANY = 0.01
"""Share of the first loss that counts as learning anything."""
STILL = 0.002
"""Share of the first validation loss that it moves by at most where the weights hardly move."""
UNMOVED = 0.05
"""Nats that a whole held-out reply gained or lost, below which the weights hardly moved."""
KNOWN = 0.05
"""Nats below which there is nothing left to learn."""


def divergence(figures: Figures) -> Alarm | None:
    """Training loss has left for good, or is not finite."""
    told = ""
    if "diverged" in figures.failed or "not finite" in figures.failed:
        told = figures.failed.rstrip(".")
    losses = figures.of("loss")
    if not told and losses and not figures.drawn:
        began = max([fmean(losses[:2]), *figures.held("loss")[:1]])
        ended = thirds(losses)[1]
        if above(ended, WORSE * began + FLOOR):
            told = f"training loss began at {began:.3f} and is {fmean(ended):.3f} over {span(figures)}"
    if not told:
        return None
    return Alarm(
        "divergence", "grave", told,
        "The weights were thrown out of what they knew; what they learn from there is not what the rows say.",
        "Lower optim.lr to a tenth, or lengthen optim.warmup.",
    )  # fmt: skip


def overfitting(figures: Figures) -> Alarm | None:
    """Rows are learned by heart: validation got much worse while training went on to fall."""
    held, losses = figures.held("loss"), figures.of("loss")
    if figures.drawn or len(held) < 3 or rise(losses) > -SURE:
        return None
    best = min(range(len(held)), key=held.__getitem__)
    told = ""
    if held[-1] > max(BY_HEART * held[best], held[best] + FLOOR) or held[-1] > max(WORSE * held[0], held[0] + FLOOR):
        step = figures.validations[best].get("step", best)
        told = f"validation loss was best at step {step} ({held[best]:.3f}) and is {held[-1]:.3f} at the end"
    right, known = figures.held("accuracy"), thirds(figures.of("accuracy"))[1]
    if not told and len(right) > 2 and above(known, right[-1] + APART) and right[-1] < max(right) - FORGOT:
        told = f"of pairs trained on {fmean(known):.0%} are ranked rightly, of held-out ones {right[-1]:.0%}"
        told += f" (at best {max(right):.0%})"
    if not told:
        return None
    before, after = map(fmean, thirds(losses))
    return Alarm(
        "overfitting", "warning", f"{told}, while training loss fell from {before:.3f} to {after:.3f}",
        "The rows are learned by heart; the weights of the best validation are used, and later steps were wasted.",
        "Fewer optim.epochs, more rows, a lower optim.lr, or a smaller adapter.r.",
    )  # fmt: skip


def gradient_spikes(figures: Figures) -> Alarm | None:
    """Single gradients many times those around them, again and again."""
    norms = figures.of("grad_norm")
    steps = figures.of("step")
    if len(norms) < PATIENT or len(steps) != len(norms) or figures.drawn:
        return None
    found = [
        (steps[at], norms[at])
        for at in range(AROUND, len(norms) - AROUND)
        if norms[at] > SPIKE * max(median(norms[at - AROUND : at]), median(norms[at + 1 : at + 1 + AROUND]))
        and norms[at] > figures.config.optim.clip
    ]
    if len(found) < max(SPIKES, OFTEN * len(norms)):
        return None
    worst = max(found, key=lambda one: one[1])
    return Alarm(
        "gradient spikes", "warning",
        f"{len(found)} of {len(norms)} steps have a gradient of more than {SPIKE:g} times that of the steps around "
        f"them; the largest is {worst[1]:.3g} at step {worst[0]:.0f} (median {median(norms):.3g})",
        "Single rows pull the weights their own way: damaged or very long ones, or targets that cannot be told.",
        "Look for such rows with `whet data check`; a larger optim.rows or a smaller optim.clip softens them.",
    )  # fmt: skip


def _flat(figures: Figures) -> bool:
    """Say whether training loss did not fall, though there was time."""
    losses = figures.of("loss")
    if len(losses) < PATIENT or figures.drawn or not figures.halfway or fmean(losses) < KNOWN:
        return False
    before, after = map(fmean, thirds(losses))
    return (rise(losses) > -SURE or before - after < ANY * before) and not divergence(figures)


def _still(figures: Figures) -> bool:
    """Say whether the validations show that the weights hardly moved."""
    held = figures.held("loss")
    if figures.gains:  # a loss of pairs stays at log 2 wherever they go, as long as they go together
        gained = [*figures.held("better"), *figures.held("worse")]
        return len(held) > 1 and max(map(abs, gained), default=0.0) < UNMOVED
    return len(held) > 1 and max(abs(one - held[0]) for one in held) < STILL * abs(held[0])


def rate_too_low(figures: Figures) -> Alarm | None:
    """Nothing moves."""
    if not (_flat(figures) and _still(figures)):
        return None
    held, rates = figures.held("loss"), figures.of("lr")
    rate = f", with a learning rate of {max(rates):.2g}" if rates else ""
    return Alarm(
        "learning rate too low", "warning",
        f"validation loss is {held[-1]:.4f} after {figures.last} steps and was {held[0]:.4f} before the first{rate}",
        "The weights hardly moved, so the model is the one that training began with.",
        "Raise optim.lr tenfold, or leave it out: the default follows the model's width.",
    )  # fmt: skip


def nothing_learned(figures: Figures) -> Alarm | None:
    """The loss of answers does not fall, though the weights move."""
    held, losses = figures.held("loss"), figures.of("loss")
    if figures.of("accuracy") or not _flat(figures) or _still(figures):
        return None
    if held[1:] and min(held[1:]) < (1 - ANY) * held[0]:
        return None
    before, after = map(fmean, thirds(losses))
    beside = f"; validation loss was {held[0]:.3f} and {min(held[1:]):.3f} at best" if held[1:] else ""
    return Alarm(
        "nothing learned", "warning",
        f"training loss is {before:.3f} in the first third and {after:.3f} in the last{beside}",
        "The answers do not follow from the questions as the model sees them, or the steps are too large to settle.",
        "Read rows with `whet data show`; try optim.lr at a third and at three times what it was.",
    )  # fmt: skip
