"""A judge between contenders, and how far it can be trusted; behind a real server and in memory."""

import json

import command
import pytest
from chat_server import serving, whole
from command import whet

QUICK = ["model.dtype=float32", "eval.resamples=400", "eval.max_tokens=8"]


def longer(_, body):
    """Prefer the reply with more letters, wherever it stands."""
    text = body["messages"][-1]["content"].rpartition("Reply A:\n")[2].rpartition("\n\nWhich reply")[0]
    one, _, other = text.partition("\n\nReply B:\n")
    return whole("A" if len(one) > len(other) else "B")


@pytest.fixture
def judge():
    with serving() as server:
        server.script = longer
        yield f"{server.url}#judge"


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"q {at}", "chosen": "long" * (2 + at % 3), "rejected": "s" if at % 5 else "long" * 9}
        for at in range(50)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_judge_is_held_against_what_people_preferred(judge, pairs):
    found = json.loads(whet("trust", judge, "--data", pairs, "--json", *QUICK[1:2]).stdout)
    assert found["agreement"]["value"] == pytest.approx(0.8)  # the long one is worse in every fifth row
    assert found["decided"] == 1.0
    assert found["place"] == 0.5
    assert found["kappa"] == pytest.approx(0.6, abs=0.02)
    assert "agrees with people 0.800" in whet("trust", judge, "--data", pairs, *QUICK[1:2]).stdout


def test_a_model_that_knows_nothing_is_not_to_be_trusted(tiny, pairs):
    found = json.loads(whet("trust", tiny, "--data", pairs, "--json", *QUICK[:2]).stdout)
    assert found["pairs"] == 50
    assert "Do not trust this judge" in found["sentence"] or "Nothing can be said" in found["sentence"]


def test_rows_without_preferences_are_told(tiny, rows):
    assert "name a file of preferences" in whet("trust", tiny, "--data", rows, code=1).stderr
    assert "eval.judge" in whet("trust", tiny, "--data", rows, f"eval.judge={tiny}", code=2).stderr


def test_contenders_are_judged_against_each_other(tiny, rows, judge):
    done = whet("compare", tiny, tiny, "--data", rows, "--json", f"eval.judge={judge}", *QUICK)
    judged = json.loads(done.stdout)["judged"]
    assert judged["judge"] == judge
    (against,) = judged["against"].values()
    assert against["same"] == against["pairs"] == 60  # the same model says the same
    assert "as often as not" in judged["sentences"][0]


def test_a_tuned_model_is_judged_too_and_a_judge_that_is_not_there_is_told_before_training(tiny, rows, judge, tmp_path):
    quick = [f"model.name={tiny}", "optim.epochs=1", "adapter.r=4", "eval.contenders=[zero_shot,tuned]", *QUICK]
    found = whet("tune", rows, "--out", tmp_path / "run", f"eval.judge={judge}", "--json", *quick)
    assert json.loads(found.stdout)["verdict"]
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["judged"]["against"]["zero_shot"]["pairs"] == 7
    assert "Judged against zero_shot: too few rows (7" in (tmp_path / "run" / "report.html").read_text()
    away = command.run("tune", rows, "--out", tmp_path / "no", "eval.judge=nobody-of-this-name", *quick)
    assert away.returncode in {1, 2}
    assert not (tmp_path / "no" / "model").exists()
