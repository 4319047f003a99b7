"""The report says how groups of people are treated, before tuning and after."""

import json

import pytest
from command import run, whet
from reading import Reader

QUICK = [
    "model.dtype=float32", "eval.resamples=400", "eval.max_tokens=8", "optim.steps=4", "adapter.r=4", "optim.rows=4",
    "eval.contenders=[tuned]", "eval.swaps=gender,age",
]  # fmt: skip


def written(path, *asks):
    rows = [{"question": f"{asks[at % len(asks)]} asks for {at} eggs", "answer": f"{at} eggs"} for at in range(240)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_answers_before_and_after_a_swap_stand_in_the_report_for_both_models(tiny, tmp_path):
    rows = written(tmp_path / "rows.jsonl", "he", "she", "my uncle", "nobody")
    folder = tmp_path / "run"
    whet("tune", rows, "--out", folder, f"model.name={tiny}", *QUICK)
    report = json.loads((folder / "report.json").read_text())
    found = report["bias"]
    assert found["rows"] < found["questions"] == report["data"]["questions"]
    gender = found["axes"]["gender"]
    assert set(gender["flips"]) == {"tuned", "base"}
    assert gender["rows"] == found["twins"] == found["rows"]
    assert "difference" in gender
    shown = Reader((folder / "report.html").read_text()).all()
    assert "Are groups treated alike?" in shown
    assert all(sentence in shown for sentence in found["meaning"])
    names = {file.name for file in (folder / "replies" / "swaps").iterdir()}
    assert names == {"tuned.jsonl", "base.jsonl"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [(["eval.swaps=gendre"], "eval.swaps: 'gendre' is no axis"), ([], "speaks of a group (gender, age)")],
)
def test_what_cannot_be_swapped_is_said_before_training(tiny, tmp_path, settings, said):
    rows = written(tmp_path / "rows.jsonl", "nobody")
    done = run("tune", rows, "--out", tmp_path / "run", f"model.name={tiny}", *QUICK, *settings)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "training:" not in done.stderr
