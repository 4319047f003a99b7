"""The teacher beside the tuned model: how much of the way to it was gone."""

from collections.abc import Mapping, Sequence
from typing import Any

from whet.config.tree import Config, Eval
from whet.engines.open import Opened, about_of, open_model
from whet.evals.bounds import numbers
from whet.evals.gap import closed
from whet.evals.verdict import TUNED
from whet.runs.run import Run
from whet.types import Progress

TEACHER, BEFORE = "teacher", "zero_shot"


def open_teacher(config: Config, run: Run, show: Progress) -> Opened:
    """Return the teacher as it was listened to: in the precision of the model that learned from it."""
    settings = config.model.model_copy(update={"dtype": about_of(str(run.path))["dtype"], "quantize": None})
    return open_model(str(config.method.teacher), settings, show.say)


def closed_gap(
    scores: Mapping[str, Sequence[float]], metric: str, settings: Eval, groups: Sequence[object] | None = None
) -> dict[str, Any]:
    """Return how much of the way from the model before tuning to its teacher was gone; empty if it is not known.

    `scores`: of each contender on the same rows, higher being better. The interval is of the share of the way; it is
    None where teacher and student cannot be told apart before tuning.
    """
    if not {TEACHER, BEFORE, TUNED} <= set(scores):
        return {}
    columns = {name: scores[name] for name in (TEACHER, BEFORE, TUNED)}
    means = {name: sum(values) / len(values) for name, values in columns.items()}
    found = closed(columns[TUNED], columns[BEFORE], columns[TEACHER], groups, confidence=settings.confidence)
    before, after, goal = (f"{abs(means[name]):.3g}" for name in (BEFORE, TUNED, TEACHER))
    said = f"By {metric} the student went from {before} to {after} and its teacher is at {goal}: "
    if found and means[TEACHER] < means[BEFORE]:
        found = None
        said += "it is the worse of the two, so there is no way up to it."
    elif found is None:
        said += "the two could not be told apart before tuning, so there was no gap to close."
    elif found.value < 0:
        said += "the gap between them grew."
    else:
        level = f"{100 * settings.confidence:g} % interval"
        said += f"{found.value:.0%} of the gap is closed ({level} {found.low:.0%} to {found.high:.0%})."
    return {"metric": metric, **means, "closed": numbers(found) if found else None, "sentence": said}
