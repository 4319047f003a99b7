"""Real runs that are given an ailment, and sound ones: what is told while they train, by `whet doctor`, in reports."""

import json
import sys

import pytest
from command import whet
from conftest import write_rows
from reading import Reader

from whet.cli.journey import start
from whet.config.tree import Config
from whet.runs.run import Run
from whet.train.doctor import EVERY, Watch

QUICK = ("model.dtype=float32", "adapter.r=4", "optim.rows=8")
SILENT = ("optim.lr=1e-8", "optim.steps=30", "eval.every=30")


def trained(tiny, folder, *settings, code=0, rows="rows.jsonl"):
    """Return a run, what was said, and the alarms in its events."""
    if rows == "rows.jsonl":
        write_rows(folder / rows)
    done = whet("train", folder / rows, "--out", folder / "run", f"model.name={tiny}", *QUICK, *settings, code=code)
    run = Run(folder / "run")
    return run, done.stderr, [line for line in run.read("events") if line.get("event") == "alarm"]


def asked(run, code):
    return whet("doctor", run.path, code=code).stdout


def drawn(tiny, folder, monkeypatch, reward, *settings):
    """Return a run that learns from a reward that is a module of its own, and the alarms in its events."""
    rows = ({"question": f"say {at}", "answer": f"{at}"} for at in range(60))
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "worth.py").write_text(f"from whet.types import Score\n\ndef worth(prompt, reply):\n    {reward}\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "worth", raising=False)
    how = [f"model.name={tiny}", *QUICK, *DRAWS, *settings]
    start("train", str(folder / "questions.jsonl"), how, folder / "run", as_json=False)
    run = Run(folder / "run")
    return run, [line["ailment"] for line in run.read("events") if line.get("event") == "alarm"]


DRAWS = (
    "method.name=grpo", "method.rewards=worth:worth", "method.longest=4", "method.group=4", "optim.rows=4",
    "optim.steps=16", "eval.validation_limit=8",
)  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1])
def test_a_sound_run_raises_no_alarm_and_ends_well(tiny, tmp_path, seed):
    run, said, alarms = trained(tiny, tmp_path, "optim.steps=20", "optim.lr=0.01", f"seed={seed}")
    assert (alarms, "alarm" in said) == ([], False)
    told = asked(run, 0)
    assert "succeeded, sft, no alarm (20 steps and" in told
    assert "figures: loss, grad_norm, lr" in told


def test_weights_that_hardly_move_are_told_once_while_training_and_by_the_command(tiny, tmp_path):
    run, said, alarms = trained(tiny, tmp_path, *SILENT)
    assert [one["ailment"] for one in alarms] == ["learning rate too low"]
    assert said.count("learning rate too low: validation loss is") == 1
    told = asked(run, 3)
    assert "learning rate too low (warning)" in told
    assert "change: Raise optim.lr tenfold" in told
    found = json.loads(whet("doctor", run.path, "--json", code=3).stdout)
    assert found["steps"] == 30
    assert [set(alarm) for alarm in found["alarms"]] == [{"name", "severity", "evidence", "why", "change"}]
    assert "1e-08" in found["alarms"][0]["evidence"]


def test_an_alarm_is_not_told_again_after_a_resume(tiny, tmp_path):
    run, _, alarms = trained(tiny, tmp_path, *SILENT)
    (run.path / "model").rename(tmp_path / "gone")
    run.status = "interrupted"
    again = whet("resume", run.path)
    assert "alarm at step" not in again.stderr
    assert [line for line in run.read("events") if line.get("event") == "alarm"] == alarms


def test_a_run_that_diverged_is_told_so(tiny, tmp_path):
    run, _, _ = trained(tiny, tmp_path, "optim.lr=1000", "optim.steps=40", code=1)
    told = asked(run, 3)
    assert "failed, sft, divergence" in told
    assert "change: Lower optim.lr to a tenth" in told


def test_rewards_that_do_not_differ_are_dead_groups(tiny, tmp_path, monkeypatch):
    run, alarms = drawn(tiny, tmp_path, monkeypatch, "return Score(0.5)")
    assert "dead groups" in alarms
    assert "from the start 100% of the groups have replies that are all worth the same" in asked(run, 3)


def test_rewards_that_fail_are_counted(tiny, tmp_path, monkeypatch):
    _, alarms = drawn(tiny, tmp_path, monkeypatch, "return Score(1 / (sum(map(ord, reply)) % 3))")
    assert "unscored rewards" in alarms


def test_a_few_steps_are_said_to_be_few(tiny, tmp_path):
    run, _, _ = trained(tiny, tmp_path, "optim.steps=3")
    assert "too few steps to tell: 3 of the 15 that it takes" in asked(run, 0)


def test_what_is_no_run_is_refused(tmp_path):
    assert "no run here" in whet("doctor", tmp_path, code=1).stderr


def test_the_report_has_the_alarms_and_what_to_change(tiny, tmp_path):
    rows = write_rows(tmp_path / "rows.jsonl")
    how = ("eval.resamples=400", "eval.limit=4", "eval.max_tokens=4", "eval.contenders=[zero_shot,tuned]")
    out = ("--out", tmp_path / "run", "--json")
    done = whet("tune", rows, *out, f"model.name={tiny}", *QUICK, *SILENT, *how)
    assert [one["name"] for one in json.loads(done.stdout)["doctor"]["alarms"]] == ["learning rate too low"]
    assert "the doctor: learning rate too low" in done.stderr
    page = Reader((tmp_path / "run" / "report.html").read_text()).all()
    assert "Raise optim.lr tenfold" in page
    assert "The doctor: learning rate too low (validation loss is" in (tmp_path / "run" / "README.md").read_text()


def watched(folder, losses):
    """Return a run with these losses, as the doctor watched it step by step, and what was said."""
    folder.mkdir()
    run, said = Run(folder), []
    run.log("events", event="plan", plan={"steps": len(losses)})
    run.log("evals", step=0, loss=losses[0])
    watch = Watch(run, Config(), said.append)
    for step, loss in enumerate(losses, 1):
        run.log("metrics", step=step, loss=loss)
        watch.look(step)
    return said


def test_an_ailment_is_told_while_it_can_still_be_acted_on_and_only_if_it_stays(tmp_path):
    (said,) = watched(tmp_path / "ill", [2.0] * 10 + [6.0] * 190)
    assert said.startswith("alarm at step ")
    assert int(said.split()[3].rstrip(":")) <= 10 + 5 * EVERY
    assert watched(tmp_path / "well", [2.0] * 10 + [6.0] * 6 + [1.0] * 184) == []
