"""`whet doctor`: what a run suffers from, whatever became of it."""

from typing import Any

from whet.cli.plan import stages_begun
from whet.cli.progress import out, out_json
from whet.errors import GateError
from whet.runs.run import Run
from whet.runs.store import find
from whet.train.doctor import Finding, look_at


def doctor(name: str, as_json: bool) -> None:
    """Tell what was looked at in a run, and each alarm with its evidence, why it matters and what to change.

    Of a run of several trainings, each of those that have begun is looked at.

    Raises:
        GateError: there are alarms.
    """
    run = find(name)
    several = run.said("run.json", "kind") == "stages"
    runs = {stage: its for stage, its in stages_begun(run).items() if its} if several else {"": run}
    found = {stage: (its, look_at(its)) for stage, its in runs.items()}
    if as_json:
        each = [{**_named(stage), **_as_dict(its, finding)} for stage, (its, finding) in found.items()]
        out_json({"run": str(run.path), "status": run.status, "stages": each} if several else each[0])
    else:
        if several:
            out(f"{run.path}: {run.status}, {len(found)} stages looked at")
        for its, finding in found.values():
            _tell(its, finding)
    if alarms := [f"{its.path}: {_names(finding)}" for its, finding in found.values() if finding.alarms]:
        raise GateError("\n".join(alarms))


def _named(stage: str) -> dict[str, str]:
    return {"name": stage} if stage else {}


def _as_dict(run: Run, found: Finding) -> dict[str, Any]:
    return {"run": str(run.path), "status": run.status, **found.as_dict()}


def _names(found: Finding) -> str:
    return ", ".join(alarm.name for alarm in found.alarms)


def _tell(run: Run, found: Finding) -> None:
    out(f"{run.path}: {run.status}, {found.method}, {found.sentence}")
    if found.figures:
        out(f"  figures: {', '.join(found.figures)}")
    for alarm in found.alarms:
        out(f"{alarm.name} ({alarm.severity})")
        out(f"  evidence: {alarm.evidence}")
        out(f"  why: {alarm.why}")
        out(f"  change: {alarm.change}")
