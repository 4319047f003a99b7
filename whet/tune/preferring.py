"""Judged replies: does the tuned model rank held-out ones as people did, and more often than before tuning?"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from whet.config.tree import Config, Eval
from whet.data.judged import Judged, pairs, render_judged
from whet.data.preflight import reply_length
from whet.data.split import draw
from whet.engines.local import Local
from whet.errors import UsageError
from whet.evals.bounds import numbers
from whet.evals.certainty import account
from whet.evals.clusters import clusters
from whet.evals.evaluate import Answer, ask, score
from whet.evals.stats import mean_interval
from whet.evals.verdict import Measure, judge
from whet.methods._rollout import rank_correlation
from whet.models.adapt import switched_off
from whet.models.policy import Policy
from whet.train.learn import likelihood
from whet.train.prepare import Prepared
from whet.types import Feedback, Preference, Progress, Prompt, Sampling

METRIC = "agreement"
REWARD = {"simpo": "mean", "orpo": "mean", "cpo": "whole"}  # of the others it is what was gained since training began
DEAF = (
    "seeds", "swaps", "slices", "endpoints", "scorers", "choose", "contenders", "documents", "embedder", "shots",
    "passages", "prompts",
)  # fmt: skip
"""Settings of `eval` that speak of questions and their right answers."""
ABOUT = {
    "chance": "a coin",
    "length": "the longer reply, or the shorter, whichever people preferred in training",
    "start": "the model before tuning, by the likelihood of a reply's mean token",
    "start_whole": "the model before tuning, by the likelihood of the whole reply",
}


def held_out(config: Config, prepared: Prepared) -> tuple[Judged, ...]:
    """Return the judged replies of the test rows, at most `eval.limit` rows, drawn by content.

    Raises:
        DataError: none of them can be judged on.
    """
    rows = [row for row in prepared.splits.test if isinstance(row, Preference | Feedback)]
    how = {"single": any(isinstance(row, Feedback) for row in rows)}
    drawn = draw(rows, config.eval.limit)
    kept = [row for row in drawn if isinstance(row, Preference | Feedback)]
    return render_judged(kept, prepared.renderer, config.data, prepared.longest, **how).groups


def heed(config: Config, method: str) -> None:
    """Make sure that nothing was asked for that has no say where replies are ranked.

    Raises:
        UsageError: every such setting is named.
    """
    plain = Eval()
    deaf = [f"eval.{name}" for name in DEAF if getattr(config.eval, name) != getattr(plain, name)]
    if method == "reward":
        deaf += [f"eval.{name}" for name in ("panel", "forgetting", "judge") if getattr(config.eval, name)]
    if deaf:
        raise UsageError(
            "\n".join(f"{name}: has no say where judged replies are learned from; leave it out" for name in deaf)
        )


def answered(
    config: Config, prepared: Prepared, tuned: Local, base: Local, show: Progress, folder: Path
) -> dict[str, list[Answer]]:
    """Return what the tuned model and the one that training began with reply to the test rows' prompts."""
    rows = [row for row in prepared.splits.test if isinstance(row, Preference | Feedback)]
    drawn = [row for row in draw(rows, config.eval.limit) if isinstance(row, Preference | Feedback)]
    every = [Prompt(row.messages, (), row.source, row.tools, groups=row.groups) for row in drawn]
    longest = config.eval.max_tokens or reply_length([row for group in prepared.judged or () for row in group.rows])
    asked = prepared.fitting(every, longest)
    if left := len(every) - len(asked):
        show.say(f"{left:,} of {len(every):,} prompts leave no room for a reply and are not asked")
    sampling, found = Sampling(config.eval.temperature, max_tokens=longest, seed=config.seed), dict[str, list[Answer]]()
    for name, engine in (("tuned", tuned), ("start", base)):
        show.begin(f"asking {name}", len(asked))
        with switched_off(engine.model) if name == "start" else nullcontext():
            replies = ask(engine, asked, sampling, show, folder / f"{name}.jsonl", name, log_loss=False)
        found[name] = score(asked, replies, {})
    return found


def scored(config: Config, prepared: Prepared) -> tuple[Judged, ...]:
    """Return the same replies as a reward model sees them, those without a better one left out."""
    rows = [row for row in prepared.splits.test if isinstance(row, Preference)]
    drawn = [row for row in draw(rows, config.eval.limit) if isinstance(row, Preference)]
    every = render_judged(drawn, prepared.renderer, config.data, prepared.longest, scored=True).groups
    return tuple(group for group in every if pairs(group.grades))


def measured(
    config: Config,
    prepared: Prepared,
    groups: Sequence[Judged],
    tuned: Local,
    base: Local,
    show: Progress,
    between: Callable[[], None],
    values: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return what the report says of how replies are ranked, before and after. `base` may be the tuned model's own.

    `values` are a reward model's, of every reply.
    """
    rows = [row for group in groups for row in group.rows]
    show.begin("reading judged replies", len(rows) if values else 2 * len(rows))
    after = [] if values else likelihood(Policy(tuned.model), rows, between, show.advance)
    with switched_off(base.model):
        before = likelihood(Policy(base.model), rows, between, show.advance)
    counts = [row.trained for row in rows]
    longer = 1.0 if _longer(prepared.judged or ()) else -1.0
    way = REWARD.get(prepared.method, "gained")
    by_token = prepared.method == "dpo" and (config.method.length_normalised or config.method.loss == "ipo")
    thinks: dict[str, list[float]] = {
        "chance": [0.0] * len(rows),
        "length": [longer * count for count in counts],
        "start": [nats / count for nats, count in zip(before, counts, strict=True)],
        "start_whole": before,
        "tuned": list(values or ())
        or [
            _reward(way, now, then, count, by_token=by_token)
            for now, then, count in zip(after, before, counts, strict=True)
        ],
    }
    agree = _by_group if any(len(group.rows) > 1 for group in groups) else _thumbs
    scores = {name: agree(groups, said) for name, said in thinks.items()}
    together = clusters([Prompt((), groups=group.groups) for group in groups])
    if values:
        return {**_report(scores, {}, config, together), **_of_rewards(groups, values, counts, config)}
    gained = [now - then for now, then in zip(after, before, strict=True)]
    return _report(scores, _moved(groups, gained), config, together)


def _of_rewards(
    groups: Sequence[Judged], values: Sequence[float], counts: Sequence[int], config: Config
) -> dict[str, Any]:
    """Return how far a reward model's own certainty can be relied on, and whether it likes length.

    The chance that the better reply wins is the logistic of the difference, which is what it was trained to be.
    """
    rest, gaps = iter(values), list[float]()
    for group in groups:
        said = [next(rest) for _ in group.rows]
        gaps += [said[one] - said[other] for one, other in pairs(group.grades)]
    sure = [1 / (1 + math.exp(-min(abs(gap), 60.0))) for gap in gaps]
    likes = rank_correlation(values, counts)
    return {
        "certainty": account(sure, [float(gap > 0) for gap in gaps], config.eval.confidence),
        "length_correlation": likes,
        "moved_sentence": f"Rank correlation of a reply's reward with its length: {likes:+.2f}.",
    }


def _longer(groups: Sequence[Judged]) -> bool:
    """Say whether people preferred the longer replies in training: within a prompt, or the good to the bad ones."""
    if any(len(group.rows) > 1 for group in groups):
        return fmean(_ahead(group.grades, [len(row.ids) for row in group.rows]) for group in groups) >= 0.5
    sides = [[group.rows[0].trained for group in groups if (group.grades[0] > 0.5) == good] for good in (True, False)]
    return not all(sides) or fmean(sides[0]) >= fmean(sides[1])


def _reward(way: str, now: float, then: float, count: int, *, by_token: bool) -> float:
    if way == "gained":
        return (now - then) / (count if by_token else 1)
    return now / count if way == "mean" else now


def _by_group(groups: Sequence[Judged], said: Sequence[float]) -> list[float]:
    """Return, for each group, the share of its pairs that are ranked as people did; a tie is half right."""
    rest = iter(said)
    return [_ahead(group.grades, [next(rest) for _ in group.rows]) for group in groups]


def _ahead(grades: Sequence[float], said: Sequence[float]) -> float:
    found = [0.5 if said[one] == said[other] else float(said[one] > said[other]) for one, other in pairs(grades)]
    return fmean(found) if found else 0.5


def _thumbs(groups: Sequence[Judged], said: Sequence[float]) -> list[float]:
    """Return whether each reply is called what people called it; as many are called good as they did, the highest.

    Of equals at the border each is right by chance.
    """
    good = [group.grades[0] > 0.5 for group in groups]
    many = sum(good)
    ranked = sorted(said, reverse=True)
    border = ranked[many - 1] if many else float("inf")
    above, equal = sum(one > border for one in said), sum(one == border for one in said)
    chance = (many - above) / equal if equal else 0.0
    called = [1.0 if one > border else chance if one == border else 0.0 for one in said]
    return [share if is_good else 1 - share for share, is_good in zip(called, good, strict=True)]


def _moved(groups: Sequence[Judged], gained: Sequence[float]) -> dict[str, float]:
    """Return how many nats the best replies of held-out groups gained, or those that were liked, and the others."""
    rest = iter(gained)
    better, worse = list[float](), list[float]()
    for group in groups:
        best = max(group.grades) if len(group.grades) > 1 else 1.0
        for grade in group.grades:
            (better if grade == best else worse).append(next(rest))
    return {name: fmean(side) for name, side in (("better", better), ("worse", worse)) if side}


def _report(
    scores: Mapping[str, Sequence[float]], moved: Mapping[str, float], config: Config, together: Sequence[int] | None
) -> dict[str, Any]:
    options: Any = {"resamples": config.eval.resamples, "confidence": config.eval.confidence, "seed": config.seed}
    others = {name: said for name, said in scores.items() if name != "tuned"}
    figures = {name: {METRIC: numbers(mean_interval(said, together, **options))} for name, said in scores.items()}
    return {
        "contenders": {
            name: {"metrics": found, "remarks": [ABOUT[name]] if name in ABOUT else []}
            for name, found in figures.items()
        },
        "decides": METRIC,
        "scores": {name: list(said) for name, said in scores.items()},
        "verdict": asdict(judge(Measure(METRIC, unit="prompt"), scores["tuned"], others, groups=together, **options)),
        "moved": dict(moved),
        "moved_sentence": _sentence(moved),
        "questions": len(scores["tuned"]),
    }


def _sentence(moved: Mapping[str, float]) -> str:
    """Return in words what became of the replies themselves."""
    if set(moved) != {"better", "worse"}:
        return ""
    said = f"Of held-out replies the better gained {moved['better']:+.2f} nats, the worse {moved['worse']:+.2f}"
    if moved["better"] < 0 and moved["worse"] < 0:
        return (
            f"{said}: both became less likely (displacement), so something else became likelier. Read some replies; "
            "method.sft=0.2 holds the better ones up, and so does a lower optim.lr or a higher method.beta."
        )
    return f"{said}."
