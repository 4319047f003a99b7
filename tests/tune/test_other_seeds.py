"""The same training with other seeds, on a tiny model."""

import json

import command
import pytest

from whet.evals.seeds import seed_difference

QUICK = [
    "model.dtype=float32", "eval.resamples=400", "eval.max_tokens=8", "optim.epochs=1", "adapter.r=4",
    "eval.contenders=[zero_shot,tuned]",
]  # fmt: skip


def test_luck_is_counted_over_trainings_that_answer_the_same_questions(tiny, rows, tmp_path):
    folder = tmp_path / "run"
    done = command.run("tune", rows, "--out", folder, f"model.name={tiny}", "--seeds", "3", "--json", *QUICK)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["seeds"]
    assert found["runs"] == len(found["means"]) == 3
    folders = (folder, folder / "seeds" / "1", folder / "seeds" / "2")
    reports = [json.loads((one / "report.json").read_text()) for one in folders]
    assert all(one["sources"] == reports[0]["sources"] for one in reports)
    assert "seed: 1" in (folders[1] / "config.yaml").read_text()
    tuned = [one["scores"]["tuned"] for one in reports]
    again = seed_difference(tuned, reports[0]["scores"]["zero_shot"], resamples=400)
    assert (found["value"], found["low"], found["high"]) == pytest.approx((again.value, again.low, again.high))
    assert found["sentence"].startswith("Against zero_shot, other seeds counted: ")
    assert found["sentence"] in (folder / "report.html").read_text()
    assert found["sentence"] in done.stderr


def test_a_number_of_seeds_that_is_none_is_told(tiny, rows, tmp_path):
    done = command.run("tune", rows, "--out", tmp_path / "run", "--seeds", "0", *QUICK)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
