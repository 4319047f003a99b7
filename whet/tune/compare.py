"""From everybody's answers to the figures of the report and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from whet.config.tree import Eval
from whet.errors import UsageError
from whet.evals.bounds import bound, numbers
from whet.evals.clusters import clusters
from whet.evals.evaluate import Answer
from whet.evals.many import holm
from whet.evals.stats import (
    label_scores,
    macro_f1_interval,
    mcnemar,
    mean_interval,
    minimum_detectable_effect,
    paired_difference,
)
from whet.evals.verdict import TUNED, Measure, Verdict, judge, varies
from whet.scorers._choose import choose
from whet.scorers._named import scorer_named
from whet.scorers.label import named
from whet.train.asking import Models
from whet.train.rewards import make_ready
from whet.types import Prompt, Score, Scorer

NOT_SAID = "(none of the labels)"
SHOWN = 12  # answers shown on each side of "won" and "lost"


def scorers_for(settings: Eval, targets: Sequence[str], labels: Sequence[str]) -> dict[str, Scorer]:
    """Return the scorers by name; the first one decides."""
    models = Models()
    return {name: scorer_named(name, models) for name in settings.scorers or choose(targets, labels)}


def try_out(scorers: Mapping[str, Scorer], prompts: Sequence[Prompt]) -> None:
    """Score one right answer with the scorers that are not whet's own, before anything costs time.

    Raises:
        UsageError: one of them fails or returns no Score; or a grader asks a model that cannot be had.
        DataError: a grader reads what rows lack.
    """
    make_ready(scorers.values(), prompts, "eval.scorers")
    prompt = prompts[0]
    for name, scorer in scorers.items():
        if ":" not in name:
            continue
        try:
            found: object = scorer(prompt, prompt.targets[0] if prompt.targets else "")
        except Exception as error:
            raise UsageError(f"eval.scorers: {name} fails on {prompt.source}: {error!r}") from None
        if not isinstance(found, Score):
            raise UsageError(f"eval.scorers: {name} returns {type(found).__name__}; it should return whet.types.Score")


def choices(settings: Eval, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the replies that everybody chooses from, if they are to choose.

    Raises:
        UsageError: there are no labels to choose from.
    """
    if settings.choose and len(labels) < 2:
        raise UsageError("eval.choose: the data has no labels to choose from; leave it out, or name their column")
    return tuple(labels) if settings.choose else ()


def metrics(
    answers: Sequence[Answer], labels: Sequence[str], settings: Eval, seed: int
) -> dict[str, dict[str, float | None]]:
    """Return every metric of one contender with its interval. log_loss: nats a token, lower is better.

    An end of an interval is None where nothing bounds it.
    """
    columns = {name: [a.scores[name].value for a in answers] for name in answers[0].scores}
    losses = [a.reply.log_loss for a in answers]
    if all(loss is not None for loss in losses):
        columns["log_loss"] = [float(loss) for loss in losses if loss is not None]
    options: dict[str, Any] = {
        "resamples": settings.resamples,
        "confidence": settings.confidence,
        "seed": seed,
    }
    groups = clusters([answer.prompt for answer in answers])
    made = {name: numbers(mean_interval(column, groups, **options)) for name, column in columns.items()}
    if labels and "label" in columns:
        made["macro_f1"] = numbers(macro_f1_interval(*predictions(answers, labels), **options))
    return made


def predictions(answers: Sequence[Answer], labels: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the label that each reply should have named, the one that it names, and all labels.

    These are the known ones and, after them, those that only the questions have: they count like any other.
    """
    known = list(labels)
    wanted = [_label(answer.prompt.targets[0], known) for answer in answers]
    said = [named(answer.reply.text, known) for answer in answers]
    return wanted, [NOT_SAID if label is None else label for label in said], known


def _label(target: str, known: list[str]) -> str:
    """Return the label that a target names; one that is not known yet is from now on."""
    label = named(target, known)
    if label is None:
        known.append(target)
        return target
    return label


def unseen(prompts: Sequence[Prompt], learned: Sequence[str]) -> list[str]:
    """Return, in a sentence, how many questions can only be answered with a label that was not learned."""
    strange = [prompt for prompt in prompts if all(named(target, learned) is None for target in prompt.targets)]
    if not strange:
        return []
    words = list(dict.fromkeys(prompt.targets[0] for prompt in strange))
    shown = ", ".join(f"{word[:40]!r}" for word in words[:5]) + (" ..." if len(words) > 5 else "")
    first = f"; first at {strange[0].source}" if strange[0].source else ""
    return [
        f"{len(strange):,} of {len(prompts):,} questions have a label that was not learned ({shown}{first}): they are "
        "counted, but a model that answers as it learned cannot get them right"
    ]


def figures(
    answers: Sequence[Answer], labels: Sequence[str], settings: Eval, seed: int, remarks: Sequence[str]
) -> dict[str, Any]:
    """Return what the report says of one contender."""
    seconds = [answer.reply.seconds for answer in answers]
    return {
        "metrics": metrics(answers, labels, settings, seed),
        "seconds_per_answer": {"median": float(np.median(seconds)), "p95": float(np.quantile(seconds, 0.95))},
        "prompt_tokens": float(np.mean([answer.reply.prompt_tokens for answer in answers])),
        "completion_tokens": float(np.mean([answer.reply.completion_tokens for answer in answers])),
        "ended": float(np.mean([answer.reply.finish == "stop" for answer in answers])),
        "remarks": list(remarks),
    }


def column(answers: Sequence[Answer], metric: str) -> list[float]:
    """Return one number per row, higher being better (so log_loss with its sign turned)."""
    if metric == "log_loss":
        return [-float(answer.reply.log_loss or 0.0) for answer in answers]
    return [answer.scores[metric].value for answer in answers]


def comparisons(
    answers: Mapping[str, Sequence[Answer]], names: Sequence[str], settings: Eval, seed: int, ours: str = TUNED
) -> list[dict[str, Any]]:
    """Return, per metric and other contender, the paired difference of one of them (higher is better throughout).

    `p_holm` is the p-value once all the others of its metric are considered too.
    """
    rows: list[dict[str, Any]] = []
    groups = clusters([answer.prompt for answer in answers[ours]])
    for metric in (*names, *_measured(answers)):
        family = len(rows)
        for other in (name for name in answers if name != ours):
            mine, theirs = column(answers[ours], metric), column(answers[other], metric)
            difference = paired_difference(
                mine, theirs, groups, resamples=settings.resamples, confidence=settings.confidence, seed=seed
            )
            row: dict[str, Any] = {
                "metric": metric,
                "against": other,
                "difference": difference.value,
                "low": bound(difference.low),
                "high": bound(difference.high),
                "p_value": difference.p_value,
                "rows": difference.rows,
            }
            gaps = [a - b for a, b in zip(mine, theirs, strict=True)]
            if varies(gaps) and len(set(groups or gaps)) > 1:
                row["minimum_effect"] = minimum_detectable_effect(gaps, settings.confidence, groups=groups)
            if set(mine) | set(theirs) <= {0.0, 1.0} and groups is None:
                row["mcnemar"] = mcnemar([bool(v) for v in mine], [bool(v) for v in theirs])
            rows.append(row)
        adjusted = holm([row["p_value"] for row in rows[family:]])
        for row, p_value in zip(rows[family:], adjusted, strict=True):
            row["p_holm"] = p_value
    return rows


def _measured(answers: Mapping[str, Sequence[Answer]]) -> tuple[str, ...]:
    """Return what everybody can be measured by besides the scorers: a server does not tell a log-loss."""
    told = all(answer.reply.log_loss is not None for rows in answers.values() for answer in rows)
    return ("log_loss",) if told else ()


def verdict(
    answers: Mapping[str, Sequence[Answer]], metric: str, settings: Eval, seed: int, ours: str = TUNED
) -> Verdict:
    """Return whether one contender beats the strongest of the others on the deciding metric."""
    columns = {name: column(rows, metric) for name, rows in answers.items()}
    groups = clusters([answer.prompt for answer in answers[ours]])
    telling = () if any(map(any, columns.values())) else _telling(answers, metric, settings, seed, ours)
    lower = metric == "log_loss"
    columns = {name: [-one for one in rows] for name, rows in columns.items()} if lower else columns
    mine, measure = columns.pop(ours), Measure(metric, lower, telling=telling, ours=ours)
    return judge(
        measure, mine, columns, groups=groups, confidence=settings.confidence, resamples=settings.resamples, seed=seed
    )


def _telling(
    answers: Mapping[str, Sequence[Answer]], metric: str, settings: Eval, seed: int, ours: str
) -> tuple[str, ...]:
    """Return the other metrics that tell one contender from the strongest of the others."""
    options: Any = {"resamples": settings.resamples, "confidence": settings.confidence, "seed": seed}
    groups = clusters([answer.prompt for answer in answers[ours]])
    found = []
    for name in (*answers[ours][0].scores, *_measured(answers)):
        columns = {who: column(rows, name) for who, rows in answers.items()}
        mine = columns.pop(ours)
        difference = paired_difference(mine, max(columns.values(), key=sum), groups, **options)
        if name != metric and not difference.low <= 0 <= difference.high:
            found.append(name)
    return tuple(found)


def side_by_side(
    answers: Mapping[str, Sequence[Answer]],
    metric: str,
    baseline: str,
    ours: str = TUNED,
    evidence: Mapping[str, Sequence[Sequence[str]]] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Return the questions on which one contender won and lost most against the strongest of the others."""
    gaps = np.subtract(column(answers[ours], metric), column(answers[baseline], metric))
    order = np.argsort(-gaps, kind="stable")

    def told(place: int) -> dict[str, Any]:
        first = answers[ours][place]
        return {
            "question": "\n\n".join(f"{m.role}: {m.content}" for m in first.prompt.messages if m.role != "system"),
            "source": first.prompt.source,
            "targets": list(first.prompt.targets),
            "replies": {name: rows[place].reply.text for name, rows in answers.items()},
            "scores": {name: column(rows, metric)[place] for name, rows in answers.items()},
            "difference": float(gaps[place]),
            "evidence": {name: list(shown[place]) for name, shown in (evidence or {}).items() if shown},
        }

    won = [told(int(place)) for place in order[:SHOWN] if gaps[place] > 0]
    lost = [told(int(place)) for place in order[::-1][:SHOWN] if gaps[place] < 0]
    return {"won": won, "lost": lost}


def label_table(answers: Sequence[Answer], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return precision, recall and F1 of each label for one contender."""
    return [asdict(score) for score in label_scores(*predictions(answers, labels))]
