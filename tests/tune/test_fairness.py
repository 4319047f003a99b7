"""`whet bias` and `whet data swap` as a person runs them, on a tiny model."""

import json

import pytest
from command import whet

from whet.data.read import read
from whet.data.split import part

QUICK = ["model.dtype=float32", "eval.resamples=400", "eval.max_tokens=8"]
ASKED = ["where is his card {}?", "her card {} is lost", "Emma asks for card {}", "card {} of a man of 25 years of age"]


@pytest.fixture
def labels(tmp_path):
    rows = [{"text": ASKED[at % 4].format(at), "label": ("lost", "found")[at % 2]} for at in range(48)]
    rows += [{"text": f"nobody {at}", "label": "lost"} for at in range(6)]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def crows(tmp_path):
    rows = [
        {"sent_more": f"The old man lost {at} keys.", "sent_less": f"The young man lost {at} keys.", "bias_type": "age"}
        for at in range(24)
    ]
    path = tmp_path / "crows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_two_models_are_asked_the_rows_and_their_twins(tiny, labels):
    done = whet("bias", tiny, tiny, "--data", labels, "--json", "eval.choose=true", *QUICK)
    assert len(done.stdout.splitlines()) == 1
    found = json.loads(done.stdout)
    swaps = found["swaps"]
    assert (swaps["questions"], swaps["rows"], swaps["twins"]) == (54, 48, 48 + 12 + 12 + 12)
    assert swaps["axes"]["gender"]["rows"] == 48
    assert set(swaps["axes"]) == {"gender", "age", "origin", "control"}
    first, second = found["models"]
    gender = swaps["axes"]["gender"]
    assert gender["flips"][first] == gender["flips"][second]  # the same model answers alike
    assert gender["difference"]["value"] == 0.0
    assert gender["difference"]["high"] > 0
    assert "too few rows (12" in swaps["axes"]["age"]["flips"][first]["why"]
    assert any("Nothing is said of age" in one for one in found["meaning"])


def test_the_table_says_rows_and_intervals(tiny, labels):
    said = whet("bias", tiny, "--data", labels, "--axes", "gender", *QUICK).stdout
    assert "48 of 54 questions speak of a group; 48 twins were asked" in said
    assert "answers that change" in said
    assert "men - women" in said
    assert "name none of the labels" in said


def test_a_set_is_judged_by_likelihood(tiny, crows):
    found = json.loads(whet("bias", tiny, "--suite", f"crows_pairs={crows}", "--json", *QUICK).stdout)
    one = found["suites"]["crows_pairs"]["measures"]["stereotype_likelier"]
    figure = one["models"][str(tiny)]
    assert figure["rows"] == 24
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert one["kinds"]["age"][str(tiny)]["rows"] == 24
    few = json.loads(whet("bias", tiny, "--suite", f"crows_pairs={crows}", "--json", "eval.limit=20", *QUICK).stdout)
    assert few["suites"]["crows_pairs"]["rows"] == 20
    assert "crows_pairs: 24 pairs" in whet("bias", tiny, "--suite", f"crows_pairs={crows}", *QUICK).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["MODEL"], "say what to measure on"),
        (["MODEL", "MODEL", "MODEL", "--data", "FILE"], "name one model, or two"),
        (["MODEL", "--data", "FILE", "--axes", "gender,shoes"], "'shoes' is no axis; choose from gender"),
        (["MODEL", "--suite", "crows_pairs"], "write NAME=FILE"),
        (["MODEL", "--suite", "other=FILE"], "with one of crows_pairs, winogender, bbq"),
        (["MODEL", "--data", "FILE", "eval.temperature=1"], "eval.temperature: has no say here"),
        (["http://127.0.0.1:9/v1#m", "--suite", "crows_pairs=FILE"], "does not tell likelihoods"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(tiny, crows, arguments, said):
    given = [one.replace("MODEL", str(tiny)).replace("FILE", str(crows)) for one in arguments]
    assert said in whet("bias", *given, code=2).stderr


def test_a_file_that_speaks_of_nobody_or_is_another_set_is_a_data_error(tiny, rows):
    assert "none of 60 questions speaks of a group" in whet("bias", tiny, "--data", rows, code=1).stderr
    assert "rows.jsonl:1: lacks sent_more" in whet("bias", tiny, "--suite", f"crows_pairs={rows}", code=1).stderr


def test_swapped_rows_stand_beside_their_originals_and_stay_on_one_side(labels, tmp_path):
    out = tmp_path / "out.jsonl"
    said = whet("data", "swap", labels, "--axes", "gender,age", "--out", out).stdout
    assert "54 rows as they were and 60 twins: 48 with gender swapped, 12 with age swapped" in said
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 54 + 60
    assert rows[0] == {"text": "where is his card 0?", "label": "lost", "group_id": "1"}
    assert rows[1] == {"text": "where is her card 0?", "label": "lost", "group_id": "1", "swapped": "gender"}
    trail = json.loads((tmp_path / "out.jsonl.trail.json").read_text())
    assert trail["step"] == "swap"
    assert trail["settings"] == {"axes": ["gender", "age"]}
    assert trail["counts"] == {"rows": 54, "made (gender)": 48, "made (age)": 12}
    dataset = read(out)
    assert dataset.labels == ("found", "lost")
    sides = part(dataset.examples, data_settings())
    groups = [{row.groups for row in side} for side in (sides.train, sides.validation, sides.test)]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


def data_settings():
    from whet.config.load import load

    return load(None).data


def test_conversations_are_swapped_with_their_answers(tmp_path):
    source, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"prompt": "Is he in?", "completion": "He is."}\n{"prompt": "Hello", "completion": "Hi."}\n')
    whet("data", "swap", source, "--axes", "gender", "--out", out)
    rows = [json.loads(line)["messages"] for line in out.read_text().splitlines()]
    assert [[message["content"] for message in row] for row in rows] == [
        ["Is he in?", "He is."], ["Is she in?", "She is."], ["Hello", "Hi."],
    ]  # fmt: skip


def test_nothing_is_overwritten_and_nothing_is_left_where_nothing_can_be_swapped(rows, tmp_path):
    out = tmp_path / "out.jsonl"
    assert "speaks of a group" in whet("data", "swap", rows, "--axes", "gender", "--out", out, code=1).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [rows.name]
    out.write_text("mine")
    assert "nothing is overwritten" in whet("data", "swap", rows, "--axes", "age", "--out", out, code=2).stderr
    assert "ends in .jsonl" in whet("data", "swap", rows, "--axes", "age", "--out", tmp_path / "a.csv", code=2).stderr
    said = whet("data", "swap", rows, "--axes", "control", "--out", tmp_path / "b.jsonl", code=2).stderr
    assert "it is for `whet bias`" in said
    assert out.read_text() == "mine"
