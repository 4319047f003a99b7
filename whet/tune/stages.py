"""Several trainings in a row, each a whole job with its own verdict, each beginning with what the one before made."""

import html
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from whet.config.load import dump, load_saved
from whet.config.stages import KEY, Stage
from whet.config.tree import Config
from whet.errors import Interrupted, UsageError, WhetError
from whet.runs.run import Run, disk, replace_whole
from whet.runs.store import create
from whet.train.prepare import prepare
from whet.train.stop import Stop
from whet.tune.report import summary
from whet.tune.tune import tune
from whet.types import Progress

Exact = Callable[[Config], Config]
"""Returns a recipe with everything that is fetched named by its commit."""


def dump_stages(stages: Sequence[Stage]) -> str:
    """Return the stages as YAML, enough to go on with them."""
    listed = [{"name": stage.name, **stage.tree} for stage in stages]
    return yaml.safe_dump({KEY: listed}, sort_keys=False, allow_unicode=True)


def tune_stages(
    stages: Sequence[Stage], run: Run, show: Progress, stop: Stop, exact: Exact, *, allow_drift: bool = False
) -> dict[str, Any]:
    """Carry out every stage, or what is left of them, in a folder of its own, and return what came of them.

    The rows of all of them are looked at before the first one trains.

    Raises:
        DataError, UsageError: what is wrong with any stage, named. And whatever a stage's own job raises.
    """
    begun = time.monotonic()
    folders = {stage.name: run.path / f"{at}-{stage.name}" for at, stage in enumerate(stages, 1)}
    runs = {name: str(folder) for name, folder in folders.items()}
    if not any((folder / "run.json").is_file() for folder in folders.values()):
        _foresee(stages, show)
    told = []
    for at, stage in enumerate(stages, 1):
        show.say(f"stage {at} of {len(stages)}: {stage.name}")
        its = _begun(folders[stage.name], lambda stage=stage: exact(stage.config(runs)))  # type: ignore[misc]
        if its.status != "succeeded":
            _carry_out(its, show, stop, allow_drift)
        told.append({"name": stage.name, **summary(its.read_json("report.json"))})
        if not stage.scores:
            _point(run.path / "model", folders[stage.name] / "model")
    report = {"run": str(run.path), "model": f"{run.path}/model", "stages": told, "verdict": told[-1]["verdict"]}
    report |= {"contenders": told[-1]["contenders"], "seconds": round(time.monotonic() - begun, 1)}
    run.write_json("report.json", report)
    replace_whole(run.path / "report.html", _page(told, folders))
    return report


def _foresee(stages: Sequence[Stage], show: Progress) -> None:
    """Make sure that every stage can read its rows, with the first one's model in the place of those yet to be made."""
    first = stages[0].config({})
    instead = {stage.name: first.model.name for stage in stages}
    for stage in stages:
        show.say(f"looking at the rows of {stage.name}")
        config = stage.config(instead)
        if stage.config({}).method.rewards != config.method.rewards:  # by a model that an earlier stage is to make
            config = config.model_copy(update={"method": config.method.model_copy(update={"rewards": ("exact",)})})
        try:
            prepare(config, show)
        except UsageError as error:
            raise UsageError(f"stage {stage.name}: {error}") from None


def _begun(folder: Path, config: Callable[[], Config]) -> Run:
    if (folder / "run.json").is_file():
        return Run(folder)
    return create("tune", dump(config()), folder)


def _carry_out(its: Run, show: Progress, stop: Stop, allow_drift: bool) -> None:
    with its.lock():
        its.status = "running"
        try:
            tune(load_saved(its.path / "config.yaml"), its, show, stop, allow_drift=allow_drift)
        except Interrupted:
            its.status = "interrupted"
            raise
        except WhetError:
            its.status = "failed"
            raise
        its.status = "succeeded"


def _point(link: Path, target: Path) -> None:
    """Let RUN/model be the model of the last stage that made one."""
    with disk(link):
        with suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(target.relative_to(link.parent))


def _page(told: Sequence[Mapping[str, Any]], folders: Mapping[str, Path]) -> str:
    """Return one plain page with the verdict of every stage, each with its own report."""
    rows = "".join(
        f"<h2>{at}. {html.escape(one['name'])}</h2><p>{html.escape((one['verdict'] or {}).get('sentence', ''))}</p>"
        f'<p><a href="{html.escape(folders[one["name"]].name)}/report.html">its report</a></p>'
        for at, one in enumerate(told, 1)
    )
    style = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>whet: stages</title><style>{style}</style>'
    return f"{head}<h1>What came of {len(told)} trainings</h1>{rows}</html>\n"
