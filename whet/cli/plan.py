"""What can be said before torch is loaded, which takes seconds: settings, files, runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whet.cli.progress import measured, out, out_json
from whet.config.load import dump, load, named
from whet.config.places import HUB, remote
from whet.config.stages import Stage, has_stages, saved_stages, stages
from whet.config.tree import Config
from whet.data.remote.hub import pinned
from whet.data.scan import refusal
from whet.data.sources import files
from whet.errors import DataError, Problem, UsageError
from whet.runs.run import Run, disk
from whet.runs.store import find
from whet.types import SplitName

SIDES: dict[str, SplitName] = {"data.train": "train", "data.validation": "validation", "data.test": "test"}


def config_of(source: str, overrides: Sequence[str], given: Mapping[str, str] | None = None) -> Config:
    """Return the config of a recipe, or of a data file with all defaults."""
    if Path(source).suffix in (".yaml", ".yml"):
        if remote(source):
            raise UsageError(f"{source}: a recipe is a file of this machine; fetch it first")
        return load(source, overrides, given)
    return load(None, overrides, {"data.train": source, **(given or {})})


def stages_of(source: str, overrides: Sequence[str], given: Mapping[str, str] | None = None) -> list[Stage] | None:
    """Return the stages of a recipe of several trainings; None of any other recipe, or a data file."""
    path = Path(source)
    if path.suffix not in (".yaml", ".yml") or remote(source) or not has_stages(path):
        return None
    return stages(path, overrides, given)


def configs_of(source: str, overrides: Sequence[str], given: Mapping[str, str] | None = None) -> list[Config]:
    """Return the config of a recipe or a data file, or those of its stages."""
    several = stages_of(source, overrides, given)
    if several is None:
        return [config_of(source, overrides, given)]
    return [stage.config({one.name: one.name for one in several}) for stage in several]


def show_recipe(source: str, overrides: Sequence[str]) -> None:
    """Print the resolved recipe."""
    out("---\n".join(map(dump, configs_of(source, overrides))).rstrip())


def foresee(source: str, overrides: Sequence[str], given: Mapping[str, str] | None = None) -> None:
    """Look for what would be refused later: settings, and data files that are not there.

    Raises:
        UsageError, DataError: as the work itself would. RunError, FitError: no room for what is fetched.
    """
    problems: list[Problem] = []
    for key, name in (one for config in configs_of(source, overrides, given) for one in named(config)):
        try:
            found = files(name, [], SIDES.get(key, "train"))
            problems += [Problem(file.name, 0, why) for file in found if (why := refusal(file.path))]
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)


def to_the_commit(config: Config) -> Config:
    """Return the config with the commit in every name of a data set on the hub: a resumed run reads the same."""
    data = config.data
    named_here = {key: getattr(data, key) or "" for key in SIDES.values()}
    exact: dict[str, Any] = {key: pinned(name) for key, name in named_here.items() if name.startswith(HUB)}
    mixed = tuple(
        one.model_copy(update={"path": pinned(one.path)}) if one.path.startswith(HUB) else one for one in data.mix or ()
    )
    if not exact and mixed == (data.mix or ()):
        return config
    return config.model_copy(update={"data": data.model_copy(update={**exact, "mix": mixed or None})})


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
    if told.get("kind") == "stages":
        _show_stages(run, told, as_json)
        return
    if report.exists():
        run.said("report.json", "contenders")
        run.said("report.json", "training")
        told["report"] = run.read_json("report.json")
    else:
        told["training"] = _progress(run)
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
    elif told["training"]["steps"]:
        out(_in_words(told["training"]))
    _show_rest(run, told)


def _show_rest(run: Run, told: Mapping[str, Any]) -> None:
    for event in told["events"]:
        out(f"  {event.get('event')}: {event.get('what', '')}")
    with disk(run.path):
        out(f"  files: {', '.join(sorted(path.name for path in run.path.iterdir()))}")


def stages_begun(run: Run) -> dict[str, Run | None]:
    """Return the run of each stage of a run of several trainings, by name; None of one that has not begun.

    Raises:
        ConfigError: its recipe is damaged.
    """
    names = [stage.name for stage in saved_stages(run.path / "config.yaml")]
    folders = {name: run.path / f"{at}-{name}" for at, name in enumerate(names, 1)}
    return {name: Run(folder) if (folder / "status.json").is_file() else None for name, folder in folders.items()}


def _show_stages(run: Run, told: dict[str, Any], as_json: bool) -> None:
    """Tell how each stage of a run stands: its verdict, or how far it came."""
    told["stages"] = []
    for name, its in stages_begun(run).items():
        stage: dict[str, Any] = {"name": name, "status": its.status if its else "not begun"}
        if its and (its.path / "report.json").is_file():
            stage["verdict"] = its.read_json("report.json").get("verdict")
        elif its:
            stage["training"] = _progress(its)
        told["stages"].append(stage)
    if (run.path / "report.json").is_file():
        told["report"] = run.read_json("report.json")
    if as_json:
        out_json(told)
        return
    out(f"{run.path}: {told['status']}")
    for at, stage in enumerate(told["stages"], 1):
        steps = stage.get("training") or {}
        said = _in_words(steps) if steps.get("steps") else (stage.get("verdict") or {}).get("sentence", "")
        out(f"  {at}-{stage['name']}: {stage['status']}{f', {said}' if said else ''}")
    _show_rest(run, told)


def _progress(run: Run) -> dict[str, Any]:
    """Return how far the training came: its steps, the first and the last loss, and every validation."""
    losses, checked = _losses(run, "metrics"), _losses(run, "evals")
    return {
        "steps": losses[-1][0] if losses else 0,
        "loss": [losses[0][1], losses[-1][1]] if losses else [],
        "validation": [list(pair) for pair in checked],
    }


def _in_words(told: Mapping[str, Any]) -> str:
    said = f"{told['steps']:,} steps, training loss {told['loss'][0]:.4f} to {told['loss'][1]:.4f}"
    if not told["validation"]:
        return said
    step, best = min(told["validation"], key=lambda pair: pair[1])
    return f"{said}, best validation loss {best:.4f} at step {step:,}"


def _losses(run: Run, name: str) -> list[tuple[int, float]]:
    lines = [line for line in run.read(name) if isinstance(line, dict) and {"step", "loss"} <= line.keys()]
    return [(int(line["step"]), float(line["loss"])) for line in lines]
