"""Several trainings in a row that were begun, stopped, failed, moved or looked at."""

import json
import shutil

import pytest
import yaml
from conftest import Quiet, write_rows

from whet.cli.doctor import doctor
from whet.cli.journey import resume, start
from whet.cli.plan import show
from whet.cli.talk import export
from whet.config.stages import saved_stages, stages
from whet.engines.open import open_model
from whet.errors import ConfigError, DataError, GateError, Interrupted, ModelError, UsageError
from whet.runs.run import Run
from whet.runs.store import create
from whet.train.stop import Stop
from whet.tune.stages import dump_stages, tune_stages

SHARED = {
    "adapter": {"r": 2}, "optim": {"steps": 1, "rows": 2},
    "eval": {"limit": 4, "validation_limit": 2, "max_tokens": 4, "resamples": 200},
}  # fmt: skip
FIRST = {"name": "first", "data": {"train": "rows.jsonl"}, "eval": {"contenders": ["zero_shot", "tuned"]}}
JUDGE = {"name": "judge", "data": {"train": "pairs.jsonl"}, "method": {"name": "reward"}}
SECOND = {**FIRST, "name": "second"}


def recipe(folder, tiny, *listed):
    write_rows(folder / "rows.jsonl", 30)
    rows = [{"prompt": f"say {at}", "chosen": f"yes {at}!", "rejected": f"no {at}"} for at in range(24)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = folder / "pipeline.yaml"
    shared = {"model": {"name": str(tiny), "dtype": "float32"}, **SHARED}
    file.write_text(yaml.safe_dump({**shared, "stages": list(listed)}))
    return file


def carry_out(run, stop=None, progress=None):
    return tune_stages(
        saved_stages(run.path / "config.yaml"), run, progress or Quiet(), stop or Stop(), lambda one: one
    )


def begin(folder, tiny, *listed):
    return create("stages", dump_stages(stages(recipe(folder, tiny, *listed))), folder / "run")


class Asking(Quiet):
    """Progress that asks for a stop once it is told of a stage's training."""

    def __init__(self, stop, stage):
        super().__init__()
        self.stop, self.stage = stop, stage

    def say(self, text):
        super().say(text)
        if text.endswith(f": {self.stage}"):
            self.stop.ask()


@pytest.fixture(scope="module")
def done(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("done")
    run = begin(folder, tiny, FIRST, JUDGE)
    carry_out(run)
    run.status = "succeeded"
    return run


def test_show_tells_how_each_stage_stands(done, tiny, tmp_path, capsys):
    show(str(done.path), as_json=False)
    said = capsys.readouterr().out
    assert f"{done.path}: succeeded" in said
    for name in ("1-first", "2-judge"):
        sentence = done.read_json(f"{name}/report.json")["verdict"]["sentence"]
        assert f"  {name}: succeeded, {sentence}" in said
    show(str(done.path), as_json=True)
    told = json.loads(capsys.readouterr().out)["stages"]
    assert [(one["name"], one["status"], bool(one["verdict"])) for one in told] == [
        ("first", "succeeded", True), ("judge", "succeeded", True)
    ]  # fmt: skip
    show(str(begin(tmp_path, tiny, FIRST).path), as_json=False)
    assert "1-first: not begun" in capsys.readouterr().out


def test_the_doctor_looks_at_every_stage(done, tmp_path, capsys):
    doctor(str(done.path), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["method"], one["steps"]) for one in told["stages"]] == [
        ("first", "sft", 1),
        ("judge", "reward", 1),
    ]
    ill = shutil.copytree(done.path, tmp_path / "ill", symlinks=True)
    Run(ill / "2-judge").log("events", event="failed", what="the loss is not finite: diverged")
    for step in range(2, 200):
        Run(ill / "2-judge").log("metrics", step=step, loss=float(step), grad_norm=1.0, lr=1e-3)
    with pytest.raises(GateError, match="2-judge"):
        doctor(str(ill), as_json=False)
    assert "1-first: succeeded, sft" in capsys.readouterr().out


def test_the_card_of_an_exported_model_is_of_the_stage_that_made_it(done, tmp_path):
    export(str(done.path), tmp_path / "plain")
    export(str(done.path / "1-first"), tmp_path / "same/plain")
    assert (tmp_path / "plain/README.md").read_text() == (tmp_path / "same/plain/README.md").read_text()


def test_seconds_of_all_stages_are_the_sum_of_each(done):
    report = done.read_json("report.json")
    assert report["seconds"] == round(sum(one["seconds"] for one in report["stages"]), 1)


def test_what_a_stopped_stage_worked_is_counted_there(tiny, tmp_path):
    run, stop = begin(tmp_path, tiny, FIRST, SECOND), Stop()
    with pytest.raises(Interrupted, match=r"stage second: .*whet resume \S*run$"):
        carry_out(run, stop, Asking(stop, "second"))
    second = Run(run.path / "2-second")
    assert second.status == "interrupted"
    (event,) = (one for one in second.read("events") if one["event"] == "interrupted")
    second.log("events", event="interrupted", worked=1000.0)
    assert event["worked"] > 0
    told = carry_out(run)
    assert told["seconds"] == pytest.approx(sum(one["seconds"] for one in told["stages"]), abs=0.1)
    assert told["seconds"] > 1000


def test_a_pipeline_that_was_moved_goes_on_and_opens(tiny, tmp_path, monkeypatch):
    ppo = {
        **FIRST, "name": "policy", "model": {"name": "{first}"},
        "method": {"name": "grpo", "rewards": "run:{judge}", "longest": 4, "group": 2},
    }  # fmt: skip
    run, stop = begin(tmp_path, tiny, FIRST, JUDGE, ppo), Stop()
    with pytest.raises(Interrupted):
        carry_out(run, stop, Asking(stop, "policy"))
    fingerprint = run.path / "3-policy/fingerprint.json"
    assert fingerprint.is_file()
    moved = Run(run.path.rename(tmp_path / "moved"))
    monkeypatch.chdir(tmp_path)
    resume("moved", as_json=False, allow_drift=False)
    config = yaml.safe_load((moved.path / "3-policy/config.yaml").read_text())
    assert config["model"]["name"].endswith("moved/1-first")
    assert config["method"]["rewards"][0].endswith("moved/2-judge")
    (tmp_path / "deeper").mkdir()
    (moved.path).rename(tmp_path / "deeper/run")
    assert open_model(str(tmp_path / "deeper/run")).about["base_beside"] == "../../1-first"


@pytest.mark.parametrize(
    ("second", "error", "said"),
    [
        ({"data": {"train": "rows.jsonl", "shares": [0.1, 0.0]}}, DataError, "no row to judge on"),
        ({"eval": {"scorers": ["exakt"]}}, UsageError, "exakt"),
        ({"eval": {"panel": ["nowhere"]}}, DataError, "nowhere"),
        ({"eval": {"judge": "nobody"}}, ModelError, "'nobody' is no directory here"),
        ({"eval": {"endpoints": ["nobody"]}}, UsageError, "eval.endpoints: 'nobody' is no server"),
        ({**JUDGE, "name": "second", "eval": {"shots": 5}}, UsageError, "eval.shots: has no say"),
    ],
)
def test_what_would_stop_a_later_stage_is_told_before_the_first(tiny, tmp_path, second, error, said):
    run = begin(tmp_path, tiny, FIRST, {**SECOND, **second})
    with pytest.raises(error) as told:
        carry_out(run)
    assert str(told.value).startswith("stage second: ")
    assert said in str(told.value)
    assert not (run.path / "1-first").exists()


def test_a_stage_that_failed_before_its_first_step_may_be_mended(tiny, tmp_path):
    run = begin(tmp_path, tiny, FIRST, {**SECOND, "adapter": {"modules": ["nonsense"]}})
    with pytest.raises((UsageError, ModelError), match="stage second: "):
        carry_out(run)
    assert not (run.path / "2-second").exists()
    file = run.path / "config.yaml"
    file.write_text(file.read_text().replace("nonsense", "q_proj"))
    assert carry_out(run)["stages"][1]["verdict"]


def test_a_stage_that_was_cut_short_while_its_folder_was_made_is_made_anew(tiny, tmp_path):
    run = begin(tmp_path, tiny, FIRST)
    (run.path / "1-first").mkdir()
    (run.path / "1-first/run.json").write_text('{"kind": "tune"}')
    (run.path / "1-first/.config.yaml.new").write_text("model:")
    assert carry_out(run)["verdict"]


def test_nobody_talks_to_stages_that_only_score(tiny, tmp_path, capsys):
    start("tune", str(recipe(tmp_path, tiny, JUDGE)), [], tmp_path / "run", as_json=True)
    told = capsys.readouterr()
    assert "talk to it" not in told.err
    assert json.loads(told.out)["model"] is None


def test_a_damaged_recipe_of_stages_is_told(tiny, tmp_path):
    run = begin(tmp_path, tiny, FIRST)
    (run.path / "config.yaml").write_text("stages: [")
    for command in (lambda: resume(str(run.path), False, False), lambda: show(str(run.path), False)):
        with pytest.raises(ConfigError, match="not valid YAML"):
            command()
