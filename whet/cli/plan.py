"""What can be said before torch is loaded, which takes seconds: settings, files, runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from whet.cli.progress import measured, out, out_json
from whet.config.load import dump, load
from whet.config.tree import Config
from whet.data.scan import printable, refusal
from whet.data.sources import files
from whet.errors import DataError, Problem
from whet.runs.run import disk
from whet.runs.store import find


def config_of(source: str, overrides: Sequence[str], given: Mapping[str, str] | None = None) -> Config:
    """Return the config of a recipe, or of a data file with all defaults."""
    if Path(source).suffix in (".yaml", ".yml"):
        return load(source, overrides, given)
    return load(None, overrides, {"data.train": source, **(given or {})})


def show_recipe(source: str, overrides: Sequence[str]) -> None:
    """Print the resolved recipe."""
    out(dump(config_of(source, overrides)).rstrip())


def foresee(source: str, overrides: Sequence[str], given: Mapping[str, str] | None = None) -> None:
    """Look for what would be refused later: settings, and data files that are not there.

    Raises:
        UsageError, DataError: as the work itself would.
    """
    data = config_of(source, overrides, given).data
    problems: list[Problem] = []
    for named in filter(None, (data.train, data.validation, data.test, *(one.path for one in data.mix or ()))):
        try:
            problems += [Problem(printable(file), 0, why) for file in files(named, []) if (why := refusal(file))]
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)


def show(name: str, as_json: bool) -> None:
    """Tell how a run stands."""
    run = find(name)
    report = run.path / "report.json"
    told = {
        "run": str(run.path),
        **run.read_json("run.json"),
        "status": run.status,
        "events": list(run.read("events")),
    }
    if report.exists():
        told["report"] = run.read_json("report.json")
    if as_json:
        out_json(told)
        return
    out(f"{run.path}: {told['status']}")
    if "report" in told:
        found = told["report"]
        if found.get("verdict"):
            out(found["verdict"]["sentence"])
        for who, figures in found["contenders"].items():
            for metric, value in figures["metrics"].items():
                out(f"  {who:>10} {metric:>9} {measured(value, 4)}")
        out(found["training"]["curve"])
    for event in told["events"]:
        out(f"  {event.get('event')}: {event.get('what', '')}")
    with disk(run.path):
        out(f"  files: {', '.join(sorted(path.name for path in run.path.iterdir()))}")
