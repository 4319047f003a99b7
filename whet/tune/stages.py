"""Several trainings in a row, each a whole job with its own verdict, each beginning with what the one before made."""

import html
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from whet.config.load import digest, dump, load_saved
from whet.config.stages import KEY, Stage
from whet.config.tree import Config
from whet.errors import Interrupted, WhetError
from whet.runs.run import Run, disk, replace_whole
from whet.runs.store import create
from whet.train.stop import Stop
from whet.tune.foreseen import foresee
from whet.tune.report import summary
from whet.tune.tune import tune
from whet.types import Progress

BEFORE_STEPS = frozenset(
    ("run.json", "config.yaml", "status.json", "events.jsonl", "lock", "fingerprint.json", "precision.json",
     "room.json")
)  # fmt: skip
"""What a run may have written before its first step."""

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

    All that can be told of them before training is told before the first one trains.

    Raises:
        WhetError: what is wrong with any stage, named. And whatever a stage's own job raises.
    """
    folders = {stage.name: run.path / f"{at}-{stage.name}" for at, stage in enumerate(stages, 1)}
    runs = {name: str(folder) for name, folder in folders.items()}
    if not any(_is_begun(folder) for folder in folders.values()):
        _foresee(stages, show)
    told = []
    for at, stage in enumerate(stages, 1):
        show.say(f"stage {at} of {len(stages)}: {stage.name}")
        with _named(stage, folders[stage.name], run):
            its = _begun(folders[stage.name], lambda stage=stage: exact(stage.config(runs)))  # type: ignore[misc]
            if its.status != "succeeded":
                _carry_out(stage, its, runs, show, stop, allow_drift)
            told.append({"name": stage.name, **summary(its.read_json("report.json"))})
        if not stage.scores:
            _point(run.path / "model", folders[stage.name] / "model")
    answers = (run.path / "model").is_dir()  # not where every stage made a model that scores replies
    report = {"run": str(run.path), "model": f"{run.path}/model" if answers else None, "stages": told}
    report |= {key: told[-1][key] for key in ("verdict", "contenders")}
    report["seconds"] = round(sum(one["seconds"] for one in told), 1)
    run.write_json("report.json", report)
    replace_whole(run.path / "report.html", _page(told, folders))
    return report


def forget_if_empty(run: Run) -> None:
    """Remove a run that failed before its first step: it would only be in the way of the next try.

    All of it or nothing: a run that holds anything else, a step taken above all, stays as it is.
    """
    if not run.path.is_dir() or any(path.name not in BEFORE_STEPS for path in run.path.iterdir()):
        return
    for path in list(run.path.iterdir()):
        path.unlink(missing_ok=True)
    run.path.rmdir()


def _foresee(stages: Sequence[Stage], show: Progress) -> None:
    """Make sure that every stage can be carried out, with a model that is there in the place of those to be made."""
    instead = dict[str, str]()
    for stage in stages:
        show.say(f"looking at the rows of {stage.name}")
        with _named(stage):
            config = stage.config(instead)
            if to_come := stage.says("method", "rewards", instead):  # by a model that an earlier stage is to make
                named = stage.config({}).method.rewards or ()
                there = tuple(name for name in named if not any(f"{{{one}}}" in name for one in to_come))
                method = config.method.model_copy(update={"rewards": there or ("exact",)})
                config = config.model_copy(update={"method": method})
            foresee(config, show)
            instead[stage.name] = config.model.name


@contextmanager
def _named(stage: Stage, folder: Path | None = None, run: Run | None = None) -> Iterator[None]:
    """Let what is told of a stage name it, and the run that is to be resumed be that of all stages."""
    try:
        yield
    except WhetError as error:
        text = str(error)
        if folder and run:
            text = text.replace(f"whet resume {folder}", f"whet resume {run.path}")
        error.args = ("\n".join(f"stage {stage.name}: {line}" for line in text.splitlines()),)
        raise


def _is_begun(folder: Path) -> bool:
    return (folder / "status.json").is_file()  # the last thing that is written of a new run


def _begun(folder: Path, config: Callable[[], Config]) -> Run:
    """Return the run of a stage. One that was cut short while its folder was made is made anew."""
    if _is_begun(folder):
        return Run(folder)
    if folder.is_dir():
        with disk(folder):
            for name in BEFORE_STEPS:
                (folder / f".{name}.new").unlink(missing_ok=True)
            forget_if_empty(Run(folder))
    return create("tune", dump(config()), folder)


def _recipe(stage: Stage, its: Run, runs: Mapping[str, str]) -> Config:
    """Return the recipe that a stage was begun with; if all were moved since, with earlier runs where they are now."""
    kept = load_saved(its.path / "config.yaml")
    resolved = {name: str(Path(path).resolve()) for name, path in runs.items()}
    here, absolute = stage.kept(kept, runs), stage.kept(kept, resolved)
    if kept in (here, absolute):
        return kept
    if (its.path / "fingerprint.json").is_file():
        begun = its.read_json("fingerprint.json")
        if begun.get("recipe") == digest(kept):  # that of the place is no drift; weights are looked at all the same
            its.write_json("fingerprint.json", {**begun, "recipe": digest(here)})
    replace_whole(its.path / "config.yaml", dump(here))
    its.log("events", event="moved", what=f"earlier runs are now in {Path(next(iter(runs.values()))).parent}")
    return here


def _carry_out(stage: Stage, its: Run, runs: Mapping[str, str], show: Progress, stop: Stop, allow_drift: bool) -> None:
    begun = time.monotonic()
    try:
        with its.lock():
            its.status = "running"
            try:
                tune(_recipe(stage, its, runs), its, show, stop, allow_drift=allow_drift)
            except Interrupted:
                its.status = "interrupted"
                its.log("events", event="interrupted", worked=time.monotonic() - begun)
                raise
            except WhetError as error:
                its.log("events", event="failed", what=str(error), worked=time.monotonic() - begun)
                its.status = "failed"
                raise
            its.status = "succeeded"
    except Interrupted:
        raise
    except WhetError:
        forget_if_empty(its)  # its recipe may be mended in the run of all stages
        raise


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
