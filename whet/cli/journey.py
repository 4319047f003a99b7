"""Starting and resuming runs from the command line."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from whet.cli.plan import config_of, stages_of, to_the_commit
from whet.cli.progress import Shown, measured, out, out_json
from whet.config.load import dump, load_saved
from whet.config.stages import Stage, saved_stages
from whet.config.tree import Config
from whet.engines.open import about_of
from whet.errors import Interrupted, RunError, UsageError, WhetError
from whet.runs.run import Run
from whet.runs.store import Kind, create, find
from whet.train.doctor import look_at
from whet.train.prepare import prepare
from whet.train.stop import on_signals
from whet.train.train import train
from whet.tune.decide import decide
from whet.tune.page import told_beside
from whet.tune.report import summary
from whet.tune.stages import dump_stages, forget_if_empty, tune_stages
from whet.tune.tune import tune


def start(
    kind: Kind,
    source: str,
    overrides: Sequence[str],
    folder: Path | None,
    as_json: bool,
    given: Mapping[str, str] | None = None,
) -> None:
    """Make a run and carry it out; `given` are settings that came as options."""
    several = stages_of(source, overrides, given)
    if several and kind != "tune":
        raise UsageError(f"{source}: several trainings in a row are carried out by `whet tune {source}`")
    if several:
        work: Config | list[Stage] = several
        run = create("stages", dump_stages(several), folder)
    else:
        work = to_the_commit(config_of(source, overrides, given))
        run = create(kind, dump(work), folder)
    try:
        carry_out(work, run, as_json)
    except (WhetError, KeyboardInterrupt):
        forget_if_empty(run)
        raise


def resume(name: str, as_json: bool, allow_drift: bool) -> None:
    """Continue a run where it stopped."""
    run = Run(find(name).path.resolve())
    begun_in = str(run.said("run.json", "started_in"))  # the recipe's data paths are relative to it
    try:
        os.chdir(begun_in)
    except OSError as error:
        raise RunError(
            f"{name}: the folder it was started in, {begun_in}, cannot be entered: {error.strerror}"
        ) from None
    run = Run(os.path.relpath(run.path))
    if run.status == "succeeded":
        raise UsageError(f"{name}: this run is complete; see `whet show {name}`")
    recipe = run.path / "config.yaml"
    several = run.said("run.json", "kind") == "stages"
    carry_out(saved_stages(recipe) if several else load_saved(recipe), run, as_json, allow_drift)


def carry_out(work: Config | list[Stage], run: Run, as_json: bool, allow_drift: bool = False) -> None:
    """Do what the run's kind says, keep its status true, and print the result."""
    kind = run.said("run.json", "kind")
    begun = time.monotonic()

    def worked() -> dict[str, float]:
        return {} if isinstance(work, list) else {"worked": time.monotonic() - begun}  # each stage counts its own

    with run.lock(), on_signals() as stop, Shown() as show:
        run.status = "running"
        show.say(f"run {run.path}")
        try:
            if isinstance(work, list):
                result = tune_stages(work, run, show, stop, to_the_commit, allow_drift=allow_drift)
            elif kind == "tune":
                report = tune(work, run, show, stop, allow_drift=allow_drift)
                result = summary(report)
            elif kind == "decide":
                result = decide(work, run, show, stop)
            else:
                prepared = prepare(work, show)
                trained = train(work, run, prepared, show, stop, allow_drift=allow_drift)
                result = {"run": str(run.path), "model": f"{run.path}/model", **trained.as_dict()}
                result["doctor"] = look_at(run, work).as_dict()
        except Interrupted:
            run.status = "interrupted"
            run.log("events", event="interrupted", **worked())
            raise
        except WhetError as error:
            run.log("events", event="failed", what=str(error), **worked())
            run.status = "failed"
            raise
        run.status = "succeeded"
    _tell(result, run, as_json)


def _tell(result: dict[str, Any], run: Run, as_json: bool) -> None:
    show = Shown()
    if "recommendation" in result:
        _advise(result, out if not as_json else show.say)
        if as_json:
            out_json(result)
        return
    for stage in result.get("stages", ()):
        show.say("")
        show.say(f"{stage['name']}: {(stage['verdict'] or {}).get('sentence', '')}")
    if "verdict" in result:
        _table(result)
        if result["verdict"]:
            show.say("")
            (out if not as_json else show.say)(result["verdict"]["sentence"])
        for said in told_beside(result):
            show.say(said)
        show.say(f"report: {run.path}/report.html")
    if result.get("doctor", {}).get("alarms"):
        show.say(f"the doctor: {result['doctor']['sentence']}; see `whet doctor {run.path}`")
    if (run.path / "model").is_dir() and not about_of(str(run.path)).get("scores"):
        show.say(f"talk to it: whet chat {run.path}")
    if as_json:
        out_json(result)


def _advise(result: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    """Print the evidence, and the advice last."""
    show = Shown()
    for name, metrics in result["contenders"].items():
        cells = [f"{metric} {measured(figures, 3)}" for metric, figures in metrics.items()]
        show.say(f"{name:>16}  {'   '.join(cells)}")
    for one in result["because"]:
        show.say(one)
    for one in result["unless"]:
        show.say(f"it would change: {one}")
    show.say(f"report: {result['run']}/report.html")
    show.say("")
    tell(result["sentence"])


def _table(result: dict[str, Any]) -> None:
    show = Shown()
    for name, metrics in result["contenders"].items():
        cells = [f"{metric} {measured(figures, 3)}" for metric, figures in metrics.items()]
        show.say(f"{name:>10}  {'   '.join(cells)}")
