"""What a model says where its passage holds the answer, where it does not, and without any passage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whet.evals.bias.columns import Column, Sure, decided, difference, figure, together
from whet.evals.bias.words import plain
from whet.evals.certainty import RIGHT, account
from whet.evals.clusters import clusters
from whet.evals.evaluate import Answer
from whet.phrases import declined
from whet.scorers.grounded import grounded

SHOWN = 12


@dataclass(frozen=True, slots=True)
class Heard:
    """What one model said: to each question with its passage, with a stranger's (None: none was found), without one.

    `sure` is how sure it was of its answers to the first, from 0 to 1, where that is known.
    """

    own: Sequence[Answer]
    stranger: Sequence[Answer | None]
    closed: Sequence[Answer]
    sure: Sequence[float] | None = None


def columns(heard: Heard, metric: str) -> list[Column]:
    """Return one number a question for everything that is measured."""
    groups = clusters([answer.prompt for answer in heard.own])
    joined = tuple(groups) if groups else None

    def column(name: str, says: str, values: Sequence[float | None]) -> Column:
        return Column(name, says, tuple(values), clusters=joined)

    own, closed = heard.own, heard.closed
    return [
        column(
            "invented",
            "answers all the same where the passage does not say (hallucination)",
            [None if one is None else float(not _declines(one)) for one in heard.stranger],
        ),
        column("declined", "declines where the passage says it", [float(_declines(one)) for one in own]),
        column("score", f"{metric} where the passage says it", [one.scores[metric].value for one in own]),
        column(
            "ungrounded",
            "share of an answer's sentences that the passage does not support",
            [None if _declines(one) else 1 - grounded(one.prompt, one.reply.text).value for one in own],
        ),
        column(
            "closed_book_wrong",
            "answers wrongly without the passage, instead of declining",
            [float(not _declines(one) and one.scores[metric].value < RIGHT) for one in closed],
        ),
    ]


def _declines(answer: Answer) -> bool:
    return bool(declined(answer.reply.text.strip()[:400]))


def report(heard: Mapping[str, Heard], metric: str, sure: Sure) -> dict[str, Any]:
    """Return every measure with its interval by model, of two the difference, and how well each knows itself."""
    made = {name: columns(one, metric) for name, one in heard.items()}
    names = list(made)
    measures: dict[str, Any] = {}
    for at, column in enumerate(made[names[0]]):
        by_model = {name: figure(made[name][at], sure) for name in names}
        measures[column.name] = {"says": column.says, "models": by_model}
        if len(names) == 2:
            measures[column.name]["difference"] = difference(made[names[0]][at], made[names[1]][at], sure)
    together([one["difference"] for one in measures.values() if "difference" in one])
    known = {name: _account(one, metric, sure) for name, one in heard.items() if one.sure is not None}
    return {"measures": measures, "calibration": known, "examples": {name: _shown(one) for name, one in heard.items()}}


def _account(heard: Heard, metric: str, sure: Sure) -> dict[str, Any]:
    """Return how far a model's certainty can be relied on, over its answers to questions with their passage."""
    return account(heard.sure or (), [one.scores[metric].value for one in heard.own], sure.confidence)


def _shown(heard: Heard) -> list[dict[str, str]]:
    """Return answers to questions that their passage does not answer."""
    invented = [one for one in heard.stranger if one is not None and not _declines(one)]
    return [
        {"source": one.prompt.source, "question": one.prompt.question, "reply": one.reply.text}
        for one in invented[:SHOWN]
    ]


def meaning(found: Mapping[str, Any], sure: Sure) -> list[str]:
    """Return in words what the figures mean, and what to do."""
    names = list(found["measures"]["invented"]["models"])
    said = []
    for name in names:
        invented = found["measures"]["invented"]["models"][name]
        if invented["value"] is not None:
            said.append(f"{name}: of questions that the passage does not answer it answers {plain(invented)}.")
    for name, one in found["measures"].items():
        gap = one.get("difference")
        if gap and gap["value"] is not None:
            around = f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
            told = "moved" if decided(gap, sure.confidence) else "did not tellably move"
            said.append(f"{name} {told} from {names[1]} to {names[0]}: {around}.")
    for name, one in found["calibration"].items():
        ranks = one["ranks"]
        knows = "all of its answers are right, or all wrong" if ranks is None else f"AUROC {plain(ranks)}"
        error = one["expected_error"]["debiased"]
        said.append(f"{name}: {one['right']:.1%} right, {one['sure']:.1%} sure (error {error:.3f}); {knows}.")
    first = found["measures"]["invented"]["models"][names[0]]
    if first["value"]:
        said.append(
            "What to do: read the examples (--json). Where the model should have declined: whet data unanswerable "
            "TRAINING_FILE --out FILE.jsonl, train on it, and measure again."
        )
    return said
