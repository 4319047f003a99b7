"""Ailments of learning from judged replies: preferences, thumbs and reward models."""

from collections.abc import Sequence
from statistics import fmean

from whet.train.ailments._base import SURE, Alarm, Figures, above, below, late, rise, span
from whet.train.ailments.learning import ANY, PATIENT, rate_too_low

FALL = 1.0
"""Nats that a reply has to lose: it is then e times less likely than it was."""
HELD_FALL = 2.0
"""The same of held-out replies alone, of which there are few."""
SETTLED = 0.05
"""Loss of a pair that is settled: a margin of 3, with the better reply twenty times as likely to win."""
SOON, SHARE, STAY = 4, 0.04, 5
"""Steps within which no sound run settles its pairs, a share of all steps or four, and for how many it stays so. The
tiny model of the tests, whose pairs a byte tells apart, takes six steps and more."""
FAR, BETA = 100.0, 0.1
"""Nats that replies have moved by at the default of method.beta, at which the loss is flat from 30 on (Rafailov et al.
2023, equation 7), so that nothing in the pairs asks for more; with a lower one it is flat further out."""
MOVED = 50.0
"""Nats that replies to other prompts gained (KTO): learning is to leave them alone."""
COIN = 0.6
"""Share of pairs ranked rightly below which none was learned."""
CENTER = 5.0
"""A reward model's mean score off 0: a reply with a score of 0 would lose against every other for sure."""
WIDE = 20.0
"""Scores between a better and a worse reply: the logistic is flat from there on."""


def displacement(figures: Figures) -> Alarm | None:
    """The better replies become less likely together with the worse ones."""
    better, worse = late(figures, "better"), late(figures, "worse")
    held = figures.held("better"), figures.held("worse")
    told, change = "", ""
    if figures.gains and below(better, -FALL) and below(worse, -FALL):
        told = f"over {span(figures)} the better replies lost {-fmean(better):.1f} nats since training began"
        told += f" and the worse ones {-fmean(worse):.1f}"
    elif len(held[0]) > 1 and len(held[1]) > 1:
        lost = [side[0] - side[-1] for side in held]
        if min(lost) > HELD_FALL:
            told = f"held-out better replies lost {lost[0]:.1f} nats since training began, worse ones {lost[1]:.1f}"
    if not told:
        return None
    change = {
        "kto": "Lower optim.lr, or raise method.good and method.beta.",
        "simpo": "Lower optim.lr or method.gamma, or take method.name=cpo, which learns the better reply too.",
        "orpo": "Lower optim.lr or method.beta.",
        "cpo": "Lower optim.lr, or raise method.sft.",
    }.get(figures.method, "Lower optim.lr, raise method.beta, or hold the better replies up with method.sft=0.2 (dpo).")
    return Alarm(
        "displacement", "grave", told,
        "Both log-probabilities fall, so something that nobody asked for became likelier; read some replies.", change,
    )  # fmt: skip


def saturation(figures: Figures) -> Alarm | None:
    """All pairs are settled within a few steps."""
    losses, right = figures.of("loss"), figures.of("accuracy")
    plain = (figures.gains and figures.config.method.loss == "sigmoid" and figures.of("margin")) or figures.of("mean")
    soon = max(SOON, int(SHARE * max(figures.planned, figures.last)))
    if not plain or figures.drawn or len(losses) < PATIENT // 2 or len(right) < len(losses):
        return None
    first = next((at for at, loss in enumerate(losses) if loss < SETTLED), len(losses))
    after = range(first, min(first + STAY, len(losses)))
    if first >= min(soon, len(losses)) or any(losses[at] >= SETTLED or right[at] < 0.99 for at in after):
        return None
    return Alarm(
        "saturation", "warning",
        f"every pair is ranked rightly from step {first + 1} on (loss {fmean(losses[at] for at in after):.4f})",
        "Either something gives the better reply away (its source, its form, a leak), or the steps are too large.",
        "Compare better and worse replies with `whet data show`; lower optim.lr, or raise method.label_smoothing.",
    )  # fmt: skip


def far_from_start(figures: Figures) -> Alarm | None:
    """Replies moved farther from the model that training began with than any preference asks for."""
    told, wider = "", max(1.0, BETA / (figures.config.method.beta or BETA))
    if figures.gains:
        sides: dict[str, Sequence[float]] = {name: late(figures, name) for name in ("better", "worse")}
        gone = [name for name, side in sides.items() if below(side, -FAR * wider)]
        if gone:
            told = f"over {span(figures)} the {gone[-1]} replies lost {-fmean(sides[gone[-1]]):,.0f} nats since "
            told += "training began"
        elif above(late(figures, "moved"), MOVED * wider):
            told = f"over {span(figures)} replies to other prompts gained {fmean(late(figures, 'moved')):,.0f} nats"
    if not told:
        return None
    return Alarm(
        "KL runaway", "grave", told,
        "The model leaves what it could do before, and replies fall apart.",
        "Raise method.beta (0.1 is the default), lower optim.lr, or train for fewer optim.epochs.",
    )  # fmt: skip


def no_preference(figures: Figures) -> Alarm | None:
    """Pairs are ranked as a coin would, to the end."""
    right, losses = figures.of("accuracy"), figures.of("loss")
    if len(right) < PATIENT or not figures.halfway or figures.drawn or rate_too_low(figures):
        return None
    held = figures.held("accuracy")
    flat = rise(right) < SURE and (rise(losses) > -SURE or fmean(losses[:5]) - fmean(losses[-5:]) < ANY)
    if not (flat and below(right, COIN)) or (held and held[-1] >= COIN):
        return None
    beside = f", of held-out ones {held[-1]:.0%}" if held else ""
    return Alarm(
        "no preference learned", "warning",
        f"{fmean(right):.0%} of the pairs are ranked rightly over all steps{beside}",
        "A coin ranks half of them rightly: better and worse replies are not told apart.",
        "Look whether the columns are the right way round (`whet data show`); raise optim.lr or optim.epochs.",
    )  # fmt: skip


def all_alike(figures: Figures) -> Alarm | None:
    """Good and bad replies are both called good (KTO)."""
    moved, better, worse = (figures.of(name) for name in ("moved", "better", "worse"))
    if not moved or not len(moved) == len(better) == len(worse):
        return None
    over = [one - base for one, base in zip(worse, moved, strict=True)]
    width = len(over) // 3
    if len(over) < PATIENT // 2 or not above(over[-width:], FALL) or not above(better[-width:], fmean(moved[-width:])):
        return None
    return Alarm(
        "all called good", "warning",
        f"over {span(figures)} bad replies gained {fmean(worse[-width:]):.1f} nats, more than replies to other prompts "
        f"({fmean(moved[-width:]):.1f}), and good ones {fmean(better[-width:]):.1f}",
        "What is learned is how replies look, not which of them are good.",
        "Raise method.bad (by good over bad rows, or more), or lower optim.lr.",
    )  # fmt: skip


def drifting_scores(figures: Figures) -> Alarm | None:
    """A reward model's scores leave 0, or lie very far apart."""
    if not figures.of("mean"):
        return None
    means, margins, told = late(figures, "mean"), late(figures, "margin"), ""
    if above(means, CENTER) or below(means, -CENTER):
        told = f"over {span(figures)} the mean score is {fmean(means):+.1f}"
    elif above(margins, WIDE):
        told = f"over {span(figures)} better replies score {fmean(margins):.1f} above worse ones"
    if not told:
        return None
    return Alarm(
        "reward scale", "warning", told,
        "Only differences of scores are learned; such a scale swamps what the reward is added to or clipped by.",
        "Raise method.centre (0.01 is the default), lower optim.lr, or train for fewer optim.epochs.",
    )  # fmt: skip
