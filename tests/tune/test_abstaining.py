"""`whet hallucination` as a person runs it, on a tiny model."""

import json

import pytest
from command import whet

QUICK = ["model.dtype=float32", "eval.resamples=400", "eval.max_tokens=8"]


@pytest.fixture
def passages(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"context": f"Room {at} is {colour}.", "question": f"Which colour has room {at}?", "answer": f"{colour} {at}"}
        for at, colour in enumerate(["red", "blue", "green"] * 10)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_two_models_are_asked_with_their_passage_with_another_and_without(tiny, passages):
    done = whet("hallucination", tiny, tiny, "--data", passages, "--json", *QUICK)
    assert len(done.stdout.splitlines()) == 1
    found = json.loads(done.stdout)
    assert (found["rows"], found["strangers"], found["metric"]) == (30, 30, "f1")
    first, second = found["models"]
    invented = found["measures"]["invented"]
    assert invented["models"][first] == invented["models"][second]  # the same model answers alike
    assert invented["difference"]["value"] == 0.0
    assert found["calibration"][first]["rows"] == 30
    assert 0 < found["calibration"][first]["sure"] < 1
    assert found["examples"][first][0]["question"].count("\n\n") == 1


def test_the_table_says_what_was_measured(tiny, passages):
    said = whet("hallucination", tiny, "--data", passages, *QUICK).stdout
    assert "30 questions, 30 of them with the passage of another too" in said
    for name in ("invented", "declined", "score", "ungrounded", "closed_book_wrong"):
        assert name in said


def test_rows_without_a_passage_and_too_many_models_are_told(tiny, tmp_path):
    path = tmp_path / "plain.jsonl"
    path.write_text("".join(json.dumps({"question": f"q{at}", "answer": "a"}) + "\n" for at in range(5)))
    assert "data.columns.context" in whet("hallucination", tiny, "--data", path, *QUICK, code=1).stderr
    assert "name one model, or two" in whet("hallucination", tiny, tiny, tiny, "--data", path, code=2).stderr
    assert "eval.temperature" in whet("hallucination", tiny, "--data", path, "eval.temperature=1", code=2).stderr
