"""Where a model is good and where not."""

import json

import pytest

from whet.config.load import load
from whet.errors import UsageError
from whet.evals.evaluate import Answer
from whet.tune.where import parts, where
from whet.types import Message, Prompt, Reply, Score

LABELS = ("buy", "sell")


@pytest.fixture
def prompts(tmp_path):
    file = tmp_path / "rows.jsonl"
    rows = [
        {"q": f"question {at}" + " more words" * (at % 6), "area": "north" if at % 2 else "south"} for at in range(90)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [Prompt((Message("user", row["q"]),), ("buy",), f"{file}:{at}") for at, row in enumerate(rows, 1)]


def answered(prompts, right):
    return [
        Answer(prompt, Reply("buy" if good else "sell", "stop", 1, 1, 0.1), {"label": Score(float(good))})
        for prompt, good in zip(prompts, right, strict=True)
    ]


def test_a_gap_between_the_values_of_a_column_is_told(prompts):
    by = parts(prompts, ("area",))
    assert {name: len(places) for name, places in by["area"].items()} == {"north": 45, "south": 45}
    answers = answered(prompts, [at % 2 == 1 or at % 10 == 0 for at in range(90)])
    found = where(answers, "label", (), by, load(None, ["eval.resamples=2000"]))
    area = next(one for one in found["slices"] if one["by"] == "area")
    assert [(gap["better"], gap["worse"]) for gap in area["gaps"]] == [("north", "south")]
    values = {one["name"]: one["value"] for one in area["slices"]}
    assert values == {"north": 1.0, "south": pytest.approx(0.2)}


def test_questions_are_parted_by_their_length_where_each_part_can_say_something(prompts):
    by = parts(prompts, ())
    (lengths,) = by.values()
    assert sum(map(len, lengths.values())) == 90
    assert len(lengths) == 3
    assert parts(prompts[:30], ()) == {}


def test_many_values_of_a_column_are_told_apart_up_to_a_dozen(prompts):
    by = parts(prompts, ("q",))["q"]
    assert len(by) == 12
    assert len(by["(others)"]) == 90 - 11


def test_labels_taken_for_others_are_counted_with_rows_to_look_at(prompts):
    answers = answered(prompts, [at > 3 for at in range(90)])
    found = where(answers, "label", LABELS, {}, load(None, ["eval.resamples=400"]))
    (pair,) = found["confusions"]
    assert (pair["label"], pair["said"], pair["count"], pair["of"]) == ("buy", "sell", 4, 90)
    assert pair["sources"] == [prompt.source for prompt in prompts[:3]]


def test_a_column_that_no_row_has_is_refused_by_name(prompts):
    with pytest.raises(UsageError, match=r"eval\.slices: no test row has a column 'arae'"):
        parts(prompts, ("arae",))
    with pytest.raises(UsageError, match="cannot be read again"):
        parts([Prompt((Message("user", "?"),), ("a",), "hub:one/two:3")], ("area",))
