"""Numbers as reports have them: what nothing bounds is null, for JSON knows no infinity."""

import math

from whet.evals.stats import Interval


def bound(end: float) -> float | None:
    """Return an end of an interval, None where it is infinite (as for a single row of a loss)."""
    return end if math.isfinite(end) else None


def numbers(found: Interval) -> dict[str, float | None]:
    """Return an estimate and its interval by name."""
    return {"value": found.value, "low": bound(found.low), "high": bound(found.high)}
