"""Ailments of learning from replies that are drawn while training, and from what they are worth."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from whet.train.ailments._base import (
    ENOUGH,
    MARGIN,
    SURE,
    Alarm,
    Figures,
    above,
    below,
    late,
    rise,
    span,
    thirds,
)

FIRST = 2
"""Steps whose figures are those of before training: a large step may change everything within three."""
DEAD, DEAD_SURE = 0.75, 0.6
"""Share of groups that teach nothing: at three of four a step costs four times what it teaches. Yu et al. 2025,
arXiv:2503.14476 (DAPO), section 3.2, draw again for such groups."""
SOLVED = 0.95
"""Mean reward, of 1, from which replies that are all alike are all right."""
MISSING, MISSING_SURE = 0.2, 0.1
"""Share of replies without a reward."""
ENDS = 0.2
"""Share of replies that end by themselves, below which most are judged on an unfinished text."""
LONGER, SHORTER = 1.5, 0.5
"""How much longer or shorter replies become."""
FOLLOWS = 0.5
"""Rank correlation of reward and length (bench/doctor.py: 0.6 and more where length is paid for, 0.2 at most elsewhere)
from which length is what the reward pays for (Singhal et al. 2023,
arXiv:2310.03716, found most of the gain of reward models to be length)."""
GROWS = 1.25
"""How much longer replies become where the reward follows length."""
GAIN = 0.1
"""Reward gained in training and not on held-out prompts: a tenth of what scorers give."""
LEFT, CERTAIN = 0.1, 0.3
"""Share of its first entropy that a policy keeps, and nats a token, below which it says one thing. Cui et al. 2025,
arXiv:2505.22617: reward is bought with entropy, and none is to be had once it is spent."""
AWAY = 2.0
"""Nats a token between the policy and the model that training began with: a token drawn is seven times likelier than it
was. Gao et al. 2022, arXiv:2210.10760, see the true reward fall long before."""
CLIPPED, CLIPPED_SURE = 0.25, 0.2
"""Share of clipped tokens; 0.1 to 0.2 is usual (Huang et al. 2022, "The 37 implementation details of PPO")."""
BLIND, WORST = -0.25, -2.0
"""Share of the returns' variance that values explain: their mean explains 0, and of few replies a little less
(-0.15 in sound runs of bench/doctor.py). It is cut at -2, as a single step may say -50."""
TINY, HUGE = 1e-3, 100.0
"""Spread of a step's rewards, and size: scorers give 0 to 1."""


def _before(values: Sequence[float]) -> float:
    """Return the mean of a figure's first steps."""
    return fmean(values[:FIRST]) if values else 0.0


def _went(values: Sequence[float], sign: int) -> bool:
    """Say whether a figure went up (1) or down (-1): by its thirds, or at once, past all noise of its last third."""
    _, after = thirds([sign * value for value in values])
    if not after:
        return False
    at_once = fmean(after) - max(sign * value for value in values[:FIRST]) > MARGIN * stdev(after)
    return sign * rise(values) >= SURE or at_once


def _risen(figures: Figures) -> bool:
    rewards = figures.of("reward")
    return _went(rewards, 1) and fmean(late(figures, "reward")) - _before(rewards) > 0.01 * max(map(abs, rewards))


def _solved(figures: Figures) -> bool:
    """Say whether the replies are about as good as they can be, of scorers that give 0 to 1."""
    rewards = figures.of("reward")
    return bool(rewards) and max(rewards) <= 1 and fmean(late(figures, "reward") or [0.0]) >= SOLVED


def dead_groups(figures: Figures) -> Alarm | None:
    """All replies to a prompt are worth the same, so that nothing is learned of them."""
    begun, ended = thirds(figures.of("dead_groups"))
    dead = [part for part in (begun, ended) if above(part, DEAD_SURE) and fmean(part) >= DEAD]
    if not dead or (_solved(figures) and _before(figures.of("reward")) < SOLVED):
        return None
    when = "from the start" if begun in dead else f"over {span(figures)}"
    told = f"{when} {fmean(dead[0]):.0%} of the groups have replies that are all worth the same"
    if rewards := figures.of("reward"):
        told += f" (mean reward {fmean(rewards):.3f})"
    return Alarm(
        "dead groups", "grave" if above(figures.of("dead_groups"), 0.95) else "warning", told,
        "Replies are learned from by how they differ: such groups cost their drawing and teach nothing.",
        "Raise method.group or method.temperature, take easier or harder prompts, or a reward that has degrees.",
    )  # fmt: skip


def unscored(figures: Figures) -> Alarm | None:
    """Rewards are missing."""
    missing = figures.of("unscored")
    if len(missing) < ENOUGH or not above(missing, MISSING_SURE) or fmean(missing) < MISSING:
        return None
    return Alarm(
        "unscored rewards", "warning", f"over {figures.last} steps {fmean(missing):.0%} of the replies have no reward",
        "What the reward fails on is not learned from, so the model is not told that it went wrong there.",
        "Make method.rewards give a number for every reply, 0 where it cannot be judged.",
    )  # fmt: skip


def endless(figures: Figures) -> Alarm | None:
    """Replies are cut off instead of ending."""
    if not below(late(figures, "ended"), ENDS):
        return None
    share, tokens = fmean(late(figures, "ended")), late(figures, "reply_tokens")
    long = f", after {fmean(tokens):.0f} tokens" if tokens else ""
    return Alarm(
        "endless replies", "warning", f"over {span(figures)} {share:.0%} of the replies end by themselves{long}",
        "The others are cut off, and judged on a text that is not finished.",
        "Raise method.longest, tune on answers first (method.name=sft), or let the reward ask for an end.",
    )  # fmt: skip


def _follows(figures: Figures) -> float:
    """Return how reward follows length within a step, at first or in the end; 0 where that is not known.

    Once all replies are as long as they may be there is nothing left to follow.
    """
    within = figures.of("length_correlation")
    width = max(ENOUGH // 3, len(within) // 3)
    parts = [within[:width], within[-width:]] if len(within) >= ENOUGH // 3 else [[0.0]]
    return max(map(fmean, parts), key=abs)


def length_drift(figures: Figures) -> Alarm | None:
    """Replies become much longer or shorter, and not for the sake of the task."""
    if not figures.of("reward"):  # drawn to be told by a teacher what to say next, at whatever length
        return None
    tokens = figures.of("reply_tokens")
    before, after = _before(tokens), fmean(late(figures, "reply_tokens") or [0.0])
    grew = _went(tokens, 1) and after > LONGER * before
    shrank = _went(tokens, -1) and after < SHORTER * before
    follows, risen = _follows(figures), _risen(figures)
    paid = follows >= FOLLOWS if grew else follows <= -FOLLOWS
    if not before or not (grew or shrank) or (risen and not (grew and paid)):
        return None
    why = f"the reward follows length (rank correlation {follows:+.2f})" if paid else "the reward did not rise"
    return Alarm(
        "length drift", "warning",
        f"replies had {before:.0f} tokens at first and have {after:.0f} over {span(figures)}, and {why}",
        "Length is what is learned instead of the task; long replies also cost time and hide what is wrong.",
        "Bound length in method.rewards, lower method.longest, take method.mean=constant, or raise method.kl.",
    )  # fmt: skip


def reward_hacking(figures: Figures) -> Alarm | None:
    """The reward rises, and what should rise with it does not."""
    if not _risen(figures):
        return None
    before, after = _before(figures.of("reward")), fmean(late(figures, "reward"))
    told = _against(figures, after)
    tokens = figures.of("reply_tokens")
    lengths = _before(tokens), fmean(late(figures, "reply_tokens") or [0.0])
    if not told and _went(tokens, 1) and lengths[1] > GROWS * lengths[0] and _follows(figures) >= FOLLOWS:
        told = f"it follows length (rank correlation {_follows(figures):+.2f}), from {lengths[0]:.0f} tokens to "
        told += f"{lengths[1]:.0f}"
    if not told:
        return None
    return Alarm(
        "reward hacking", "grave", f"reward rose from {before:.3f} to {after:.3f}, and {told}",
        "The model learned what the reward pays for, not what it was meant to measure.",
        "Read the best-paid replies; add a second scorer to method.rewards, raise method.kl, or stop earlier.",
    )  # fmt: skip


def _against(figures: Figures, after: float) -> str:
    """Return what was measured beside the reward and disagrees with it."""
    held = figures.held("reward")
    if len(held) > 2 and fmean(held[1:]) <= held[0] >= held[-1] and after > held[-1] + GAIN:
        return f"on held-out prompts it was {held[0]:.3f} before training and is {held[-1]:.3f}"
    for row in figures.report.get("comparisons") or ():
        high = row.get("high")
        decides = row.get("metric") == figures.report.get("decides")
        if decides and row.get("against") == "zero_shot" and high is not None and high < 0:
            return f"{row['metric']} of held-out answers fell by {-row['difference']:.3f}"
    against = (figures.report.get("judged") or {}).get("against") or {}
    for name in ("zero_shot", "start"):
        high = (against.get(name) or {}).get("high")
        if high is not None and high < 0.5:
            return f"the judge prefers {name} (it prefers the tuned model in {against[name]['value']:.0%} of pairs)"
    return ""


def entropy_collapse(figures: Figures) -> Alarm | None:
    """The policy says one thing, before it is the right one."""
    begun, ended = thirds(figures.of("entropy"))
    if not begun or _solved(figures):
        return None
    first = fmean(begun[: max(1, len(begun) // 3)])
    if not below(ended, LEFT * first) or fmean(ended) > CERTAIN:
        return None
    worth = f" with a mean reward of {fmean(late(figures, 'reward')):.3f}" if late(figures, "reward") else ""
    return Alarm(
        "entropy collapse", "grave",
        f"the policy's entropy was {first:.2f} nats a token and is {fmean(ended):.3f} over {span(figures)}{worth}",
        "Every draw is the same reply, so nothing better can be found any more.",
        "Lower optim.lr, raise method.clip_high (0.28) or method.kl, and begin again: entropy does not come back.",
    )  # fmt: skip


def policy_away(figures: Figures) -> Alarm | None:
    """The policy left the model that training began with."""
    apart = late(figures, "kl")
    if not above(apart, AWAY):
        return None
    return Alarm(
        "KL runaway", "grave",
        f"over {span(figures)} the policy is {fmean(apart):.2f} nats a token from the model that training began with",
        "So far away a reward no longer means what it was made for, and language falls apart.",
        "Raise method.kl, lower optim.lr, or stop earlier.",
    )  # fmt: skip


def _lasting(figures: Figures, name: str, most: float, surely: float) -> tuple[str, float] | None:
    """Return when a figure has a mean of more than `most`, for sure of more than `surely`, and that mean.

    Of replies that are learned from several times it swings, so that all steps count as well as the last third.
    """
    every, ended = figures.of(name), late(figures, name)
    for part, when in ((ended, f"over {span(figures)}"), (every, f"over {figures.last} steps")):
        if ended and above(part, surely) and fmean(part) >= most:
            return when, fmean(part)
    return None


def stale(figures: Figures) -> Alarm | None:
    """Replies are learned from with weights far from those that drew them."""
    edge = math.log(1 + figures.config.method.clip)
    found = _lasting(figures, "stale", edge, edge)
    if not found:
        return None
    return Alarm(
        "stale samples", "warning",
        f"{found[0]} tokens are {found[1]:.2f} nats off what they were drawn with; the clip begins at {edge:.2f}",
        "Replies of other weights are learned from, most of them clipped: the steps cost and teach little.",
        "Fewer method.updates (1 is never stale), or a lower optim.lr.",
    )  # fmt: skip


def clipping(figures: Figures) -> Alarm | None:
    """Most of what would be learned is clipped away."""
    found = _lasting(figures, "clipped", CLIPPED, CLIPPED_SURE)
    if not found:
        return None
    return Alarm(
        "clipping", "warning", f"{found[0]} {found[1]:.0%} of the tokens are clipped",
        "A clipped token has no gradient: the policy jumps past the clip instead of moving within it.",
        "Lower optim.lr or method.updates; method.clip_high=0.28 leaves more room upwards.",
    )  # fmt: skip


def reward_scale(figures: Figures) -> Alarm | None:
    """Rewards differ by next to nothing, or by far more than the loss is made for."""
    settings = figures.config.method
    by_spread = settings.advantage == "group" and figures.method == "grpo"
    counts = figures.method == "ppo" or (figures.method == "grpo" and not by_spread) or len(settings.rewards) > 1
    spread, sizes = late(figures, "reward_spread"), [abs(one) for one in late(figures, "reward")]
    dead, told = late(figures, "dead_groups"), ""
    large = max((fmean(part) for part in (spread, sizes) if part), default=0.0)
    if large > HUGE and counts:
        told, why = f"over {span(figures)} rewards are of size {large:,.0f}", "The steps' size is the reward's"
        why += ", or it drowns every other one." if len(settings.rewards) > 1 else ", whatever optim.lr says."
    elif spread and by_spread and 0 < fmean(spread) < TINY and below(spread, TINY) and below(dead, DEAD):
        told = f"over {span(figures)} the rewards of a step lie {fmean(spread):.1g} apart"
        why = "Advantages are in units of the spread, so that next to nothing is blown up into a full step."
    if not told:
        return None
    change = "Bring the reward to between 0 and 1"
    change += " (a function of your own may call it), or set method.advantage=group." if large > HUGE else (
        ", or set method.advantage=centred, which keeps small differences small."
    )  # fmt: skip
    return Alarm("reward scale", "warning", told, why, change)


def blind_values(figures: Figures) -> Alarm | None:
    """What replies are expected to be worth says less than their mean would (PPO)."""
    every = [max(WORST, share) for share in figures.of("explained")]
    ended = thirds(every)[1]
    found = [part for part in (ended, every) if below(part, BLIND)]
    if len(every) < 2 * ENOUGH or not found:
        return None
    when = f"over {span(figures)}" if found[0] is ended else f"over {figures.last} steps"
    return Alarm(
        "blind values", "warning",
        f"{when} values explain {fmean(found[0]):.2f} of the returns' variance",
        "A guess that is worse than the mean adds noise to every advantage instead of taking some away.",
        "Lower optim.lr, bring the reward to between 0 and 1, or take method.name=grpo, which needs no values.",
    )  # fmt: skip
