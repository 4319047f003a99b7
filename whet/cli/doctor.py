"""`whet doctor`: what a run suffers from, whatever became of it."""

from whet.cli.progress import out, out_json
from whet.errors import GateError
from whet.runs.store import find
from whet.train.doctor import look_at


def doctor(name: str, as_json: bool) -> None:
    """Tell what was looked at in a run, and each alarm with its evidence, why it matters and what to change.

    Raises:
        GateError: there are alarms.
    """
    run = find(name)
    found = look_at(run)
    if as_json:
        out_json({"run": str(run.path), "status": run.status, **found.as_dict()})
    else:
        out(f"{run.path}: {run.status}, {found.method}, {found.sentence}")
        if found.figures:
            out(f"  figures: {', '.join(found.figures)}")
        for alarm in found.alarms:
            out(f"{alarm.name} ({alarm.severity})")
            out(f"  evidence: {alarm.evidence}")
            out(f"  why: {alarm.why}")
            out(f"  change: {alarm.change}")
    if found.alarms:
        raise GateError(f"{run.path}: {', '.join(alarm.name for alarm in found.alarms)}")
