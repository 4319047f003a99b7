"""What every way to tune shares: train once, look after what was known before, write the report."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from whet.config.tree import Config
from whet.data.content import content_hash
from whet.engines.local import Local
from whet.engines.open import open_model
from whet.models.load import load
from whet.models.policy import Policy
from whet.runs.looks import look
from whet.runs.run import Run, replace_whole
from whet.train.doctor import look_at
from whet.train.drift import check_drift
from whet.train.prepare import Prepared
from whet.train.stop import Stop
from whet.train.train import Trained, train
from whet.tune.card import card
from whet.tune.forgetting import Panel, forgotten, keep_to_budget
from whet.tune.page import page
from whet.tune.report import described, learned_from
from whet.types import Progress


@dataclass(frozen=True, slots=True)
class Job:
    """What the ways that ask no questions share."""

    config: Config
    run: Run
    prepared: Prepared
    general: Panel | None
    show: Progress
    stop: Stop
    begun: float
    allow_drift: bool

    def carry_out(self, measure: Callable[[Local, Local], dict[str, Any]]) -> dict[str, Any]:
        """Train, have the tuned model and its base measured, and write the report.

        The base may be the tuned model itself, whose adapter is to be switched off.
        """
        config, run, prepared, show = self.config, self.run, self.prepared, self.show
        trained = train_once(config, run, prepared, show, self.stop, self.allow_drift)
        start = time.time()
        kept = kept_abilities(config, run, prepared, self.general, show, self.stop)
        scores = prepared.method == "reward"  # such a model says nothing
        name = str(prepared.base.folder if scores else run.path)
        engine = open_model(name, config.model, show.say).engine
        base = engine if scores or config.adapter.kind != "full" else base_engine(prepared, engine)
        found = measure(engine, base)
        report = described(config, run, prepared, trained, self.begun, start)
        report["data"]["questions"] = found.pop("questions")
        count_look(report, run, prepared, show)
        report |= kept | found
        write_report(run, report)
        return report


def train_once(config: Config, run: Run, prepared: Prepared, show: Progress, stop: Stop, allow_drift: bool) -> Trained:
    """Return what training gave; a run that is resumed after its training does not train again."""
    if (run.path / "trained.json").exists() and (run.path / "model").is_dir():
        saved = run.read_json("trained.json")
        check_drift(config, run, prepared, allow_drift, learned_from(run))
        saved.pop("fingerprint", None)
        return Trained(**{**saved, "loss": tuple(saved["loss"]), "validation": tuple(map(tuple, saved["validation"]))})
    check_drift(config, run, prepared, allow_drift)
    trained = train(config, run, prepared, show, stop, allow_drift=allow_drift)
    run.write_json("trained.json", {**asdict(trained), "fingerprint": run.read_json("fingerprint.json")})
    return trained


def kept_abilities(
    config: Config, run: Run, prepared: Prepared, general: Panel | None, show: Progress, stop: Stop
) -> dict[str, Any]:
    """Return what became of general abilities; with a budget, the saved adapter keeps to it from here on."""
    if general is None:
        return {}

    def between() -> None:
        stop.check(str(run.path))

    budget: dict[str, Any] = {}
    if config.eval.forgetting is not None:
        budget = keep_to_budget(run, config, prepared, general, show, between)
    tuned = open_model(str(run.path), config.model, show.say).engine
    base = base_engine(prepared, tuned) if config.adapter.kind == "full" else tuned
    return {"forgetting": {**budget, **forgotten(config, general, tuned, base, show, between)}}


def base_engine(prepared: Prepared, tuned: Local) -> Local:
    """Return the base model as an engine of its own, for a run whose weights all trained."""
    model = load(prepared.base.folder, next(tuned.model.parameters()).dtype, tuned.device)
    return Local(model, prepared.renderer, tuned.context, packs=Policy(model).packs)


def count_look(report: dict[str, Any], run: Run, prepared: Prepared, show: Progress) -> None:
    """Remember that the test rows were looked at, and say so where that is too often."""
    model = f"{run.id} {run.read_json('run.json')['created']}"
    if remark := look(map(content_hash, prepared.splits.test), model):
        show.say(remark)
        report["data"]["notes"].append(remark)


def write_report(run: Run, report: dict[str, Any]) -> None:
    """Have the doctor look at the run, and write the report as JSON, as a page and as a model card."""
    report["doctor"] = look_at(run, report=report).as_dict()
    run.write_json("report.json", report)
    replace_whole(run.path / "report.html", page(report))
    replace_whole(run.path / "README.md", card(report))
