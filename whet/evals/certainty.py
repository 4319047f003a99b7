"""How far a model's certainty of its own answers can be relied on: one account of all that is measured of it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from whet.evals.bounds import numbers
from whet.evals.calibration import calibration_error, reliability
from whet.evals.selective import auroc, risk_coverage, selective_accuracy

RIGHT = 0.5  # a score of at least so much counts as right


def account(certain: Sequence[float], scores: Sequence[float], confidence: float = 0.95) -> dict[str, Any]:
    """Return calibration, ranking and what answering only where the model is sure would give.

    Shapes: certain (n,) from 0 to 1; scores (n,), right from `RIGHT` on.
    Raises: ValueError as in `reliability`.
    """
    right = [float(score >= RIGHT) for score in scores]
    told, risk = auroc(certain, right, confidence), risk_coverage(certain, right)
    return {
        "rows": len(right),
        "right": sum(right) / len(right),
        "sure": sum(certain) / len(certain),
        "expected_error": asdict(calibration_error(certain, right)),
        "ranks": numbers(told) if told else None,
        "risk": {"area": risk.area, "least": risk.least},
        "answered": [{**asdict(one), "accuracy": numbers(one.accuracy)} for one in selective_accuracy(certain, right)],
        "bins": [{**asdict(one), "accuracy": numbers(one.accuracy)} for one in reliability(certain, right, bins=10)],
    }
