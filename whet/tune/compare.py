"""From everybody's answers to the figures of the report and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from whet.config.tree import Eval
from whet.errors import UsageError
from whet.evals.evaluate import Answer
from whet.evals.stats import (
    label_scores,
    macro_f1_interval,
    mcnemar,
    mean_interval,
    minimum_detectable_effect,
    paired_difference,
)
from whet.evals.verdict import Verdict, judge
from whet.plugins import find
from whet.scorers._choose import choose
from whet.scorers.label import named
from whet.types import Prompt, Score, Scorer

NOT_SAID = "(none of the labels)"
SHOWN = 12  # answers shown on each side of "won" and "lost"


def scorers_for(settings: Eval, targets: Sequence[str], labels: Sequence[str]) -> dict[str, Scorer]:
    """Return the scorers by name; the first one decides."""
    return {name: find("scorers", name) for name in settings.scorers or choose(targets, labels)}


def try_out(scorers: Mapping[str, Scorer], prompt: Prompt) -> None:
    """Score one right answer with the scorers that are not whet's own, before anything costs time.

    Raises:
        UsageError: one of them fails or returns no Score.
    """
    for name, scorer in scorers.items():
        if ":" not in name:
            continue
        try:
            found: object = scorer(prompt, prompt.targets[0])
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


def metrics(answers: Sequence[Answer], labels: Sequence[str], settings: Eval, seed: int) -> dict[str, dict[str, float]]:
    """Return every metric of one contender with its interval. log_loss: nats a token, lower is better."""
    columns = {name: [a.scores[name].value for a in answers] for name in answers[0].scores}
    losses = [a.reply.log_loss for a in answers]
    if all(loss is not None for loss in losses):
        columns["log_loss"] = [float(loss) for loss in losses if loss is not None]
    options: dict[str, Any] = {
        "resamples": settings.resamples,
        "confidence": settings.confidence,
        "seed": seed,
    }
    made = {name: asdict(mean_interval(column, **options)) for name, column in columns.items()}
    if labels and "label" in columns:
        said, wanted = predictions(answers, labels)
        made["macro_f1"] = asdict(macro_f1_interval(wanted, said, list(labels), **options))
    return made


def predictions(answers: Sequence[Answer], labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the label that each reply names and the one that it should have named."""
    said = [named(answer.reply.text, labels) or NOT_SAID for answer in answers]
    wanted = [named(answer.prompt.targets[0], labels) or answer.prompt.targets[0] for answer in answers]
    return said, wanted


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
    answers: Mapping[str, Sequence[Answer]], names: Sequence[str], settings: Eval, seed: int
) -> list[dict[str, Any]]:
    """Return, per metric and baseline, the paired difference of the tuned model (higher is better throughout)."""
    rows = []
    for metric in (*names, "log_loss"):
        for other in (name for name in answers if name != "tuned"):
            ours, theirs = column(answers["tuned"], metric), column(answers[other], metric)
            difference = paired_difference(
                ours, theirs, resamples=settings.resamples, confidence=settings.confidence, seed=seed
            )
            row: dict[str, Any] = {
                "metric": metric,
                "against": other,
                "difference": difference.value,
                "low": difference.low,
                "high": difference.high,
                "p_value": difference.p_value,
                "rows": difference.rows,
            }
            gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
            if len(gaps) > 1:
                row["minimum_effect"] = minimum_detectable_effect(gaps, settings.confidence)
            if set(ours) | set(theirs) <= {0.0, 1.0}:
                row["mcnemar"] = mcnemar([bool(v) for v in ours], [bool(v) for v in theirs])
            rows.append(row)
    return rows


def verdict(answers: Mapping[str, Sequence[Answer]], metric: str, settings: Eval, seed: int) -> Verdict:
    """Return whether the tuned model beats the strongest of the others on the deciding metric."""
    columns = {name: column(rows, metric) for name, rows in answers.items()}
    tuned = columns.pop("tuned")
    return judge(metric, tuned, columns, confidence=settings.confidence, resamples=settings.resamples, seed=seed)


def side_by_side(
    answers: Mapping[str, Sequence[Answer]], metric: str, baseline: str
) -> dict[str, list[dict[str, Any]]]:
    """Return the questions on which tuning won and lost most against the strongest baseline."""
    gaps = np.subtract(column(answers["tuned"], metric), column(answers[baseline], metric))
    order = np.argsort(-gaps, kind="stable")

    def told(place: int) -> dict[str, Any]:
        first = answers["tuned"][place]
        return {
            "question": "\n\n".join(f"{m.role}: {m.content}" for m in first.prompt.messages if m.role != "system"),
            "source": first.prompt.source,
            "targets": list(first.prompt.targets),
            "replies": {name: rows[place].reply.text for name, rows in answers.items()},
            "scores": {name: column(rows, metric)[place] for name, rows in answers.items()},
            "difference": float(gaps[place]),
        }

    won = [told(int(place)) for place in order[:SHOWN] if gaps[place] > 0]
    lost = [told(int(place)) for place in order[::-1][:SHOWN] if gaps[place] < 0]
    return {"won": won, "lost": lost}


def label_table(answers: Sequence[Answer], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return precision, recall and F1 of each label for one contender."""
    said, wanted = predictions(answers, labels)
    return [asdict(score) for score in label_scores(wanted, said, list(labels))]
