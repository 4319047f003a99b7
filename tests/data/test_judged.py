"""Rows that judge replies, or wait for one, are read as what they are."""

import json

import pytest
from test_real_data import ROOT

from whet.config.tree import Data
from whet.data.read import read
from whet.errors import DataError
from whet.types import Feedback, Message, Preference, Prompt


def said(role, text):
    return {"role": role, "content": text}


def rows_of(tmp_path, *rows, **data):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read(path, Data(**data))


Q, A, B = Message("user", "q"), Message("assistant", "a"), Message("assistant", "b")
PAIR = Preference((Q,), ((A,), (B,)), (1.0, 0.0))
PAIRS = {
    "text": ("preference", {"prompt": "q", "chosen": "a", "rejected": "b"}),
    "messages behind a prompt": (
        "preference",
        {"prompt": [said("user", "q")], "chosen": [said("assistant", "a")], "rejected": [said("assistant", "b")]},
    ),
    "whole conversations": (
        "preference",
        {
            "chosen": [said("user", "q"), said("assistant", "a")],
            "rejected": [said("user", "q"), said("assistant", "b")],
        },
    ),
    "whole conversations behind a prompt": (
        "preference",
        {"prompt": "q", "chosen": [said("user", "q"), said("assistant", "a")], "rejected": [said("assistant", "b")]},
    ),
    "transcripts": (
        "preference",
        {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"},
    ),
    "OpenAI": (
        "openai_preference",
        {
            "input": {"messages": [said("user", "q")], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [said("assistant", "a")],
            "non_preferred_output": [said("assistant", "b")],
        },
    ),
    "numbers": ("comparison", {"instruction": "q", "response1": "b", "response2": "a", "preferred": 2}),
    "letters": ("comparison", {"prompt": "q", "output_a": "a", "output_b": "b", "winner": "model_a"}),
    "from nought": ("comparison", {"prompt": "q", "response_0": "b", "response_1": "a", "better_response_id": 1}),
    "in order": ("ranking", {"prompt": "q", "ranked": ["a", "b"]}),
}  # fmt: skip


@pytest.mark.parametrize("kind", PAIRS)
def test_a_better_and_a_worse_reply_are_read_however_they_are_written(tmp_path, kind):
    shape, row = PAIRS[kind]
    dataset = rows_of(tmp_path, row)
    (example,) = dataset.examples
    assert dataset.shape == shape
    assert (example.messages, example.replies) == (PAIR.messages, PAIR.replies)
    assert example.grades[0] > example.grades[1]


def test_graded_replies_are_put_in_order_with_their_ties(tmp_path):
    row = {"prompt": "q", "completions": ["b", "a", "c"], "scores": [1, 4, 1]}
    within = {
        "instruction": "q",
        "completions": [{"response": "b", "overall_score": 1}, {"response": "a", "overall_score": 4}],
    }
    (one,) = rows_of(tmp_path, row).examples
    (two,) = rows_of(tmp_path, within).examples
    assert [reply[0].content for reply in one.replies] == ["a", "b", "c"]
    assert one.grades == (4.0, 1.0, 1.0)
    assert (two.replies, two.grades) == (((A,), (B,)), (4.0, 1.0))


def test_a_reply_may_look_like_json_or_be_empty_where_it_lost(tmp_path):
    (row,) = rows_of(tmp_path, {"prompt": "q", "chosen": "[1] is first", "rejected": ""}).examples
    assert [reply[0].content for reply in row.replies] == ["[1] is first", ""]


def test_a_tie_is_kept_as_one(tmp_path):
    rows = rows_of(tmp_path, {"instruction": "q", "response1": "a", "response2": "b", "preferred": 0}).examples
    assert rows[0].grades == (1.0, 1.0)


@pytest.mark.parametrize(
    ("good", "bad"), [(True, False), ("up", "down"), (1, -1), ("thumbs_up", "thumbs_down"), ("good", "bad"), (1, 0)]
)
def test_thumbs_are_read_however_they_are_written(tmp_path, good, bad):
    rows = [{"prompt": "q", "completion": "a", "label": good}, {"prompt": "q", "completion": "b", "label": bad}]
    dataset = rows_of(tmp_path, *rows)
    assert dataset.shape == "feedback"
    assert [one.value for one in dataset.examples] == [1.0, 0.0]
    assert isinstance(dataset.examples[0], Feedback)


def test_ratings_run_from_the_least_to_the_most_that_is_there(tmp_path):
    rows = [{"prompt": "q", "response": "a", "rating": grade} for grade in (1, 5, 4)]
    dataset = rows_of(tmp_path, *rows)
    assert [one.value for one in dataset.examples] == [0.0, 1.0, 0.75]
    assert "from 1 (bad) to 5 (good)" in dataset.notes[0]


def test_prompts_for_a_grader_keep_what_it_needs(tmp_path):
    grader = {
        "type": "string_check",
        "name": "g",
        "operation": "eq",
        "input": "{{sample.output_text}}",
        "reference": "4",
    }
    row = {"messages": [said("user", "2+2?")], "reference_answer": "4", "level": 3, "grader": grader}
    dataset = rows_of(tmp_path, row)
    (example,) = dataset.examples
    assert dataset.shape == "graded"
    assert isinstance(example, Prompt)
    assert (example.targets, dict(example.item), example.grader) == (
        ("4",),
        {"reference_answer": "4", "level": 3},
        grader,
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "q", "chosen": "a", "rejected": "a"}, "say the same"),
        ({"prompt": "q", "chosen": " ", "rejected": "b"}, "the best reply is empty"),
        ({"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": 1, "score_rejected": 2}, "is lower than"),
        ({"chosen": "\n\nHuman: q", "rejected": "\n\nHuman: q\n\nAssistant: b"}, "ends without a reply"),
        ({"instruction": "q", "response1": "a", "response2": "b", "preferred": "3"}, "write 1, 2 or tie"),
        ({"prompt": "q", "completions": ["a", "b"], "scores": [1]}, "2 replies and 1 grades"),
        ({"prompt": "q", "ranked": ["a"]}, "two or more"),
        ({"input": {"messages": []}, "preferred_output": [], "non_preferred_output": []}, "empty list"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(tmp_path, row, words):
    with pytest.raises(DataError, match=words):
        rows_of(tmp_path, row)


def test_the_chosen_replies_alone_are_read_where_the_settings_say_so(tmp_path):
    row = {"prompt": "q", "chosen": "a", "rejected": "b"}
    dataset = rows_of(tmp_path, row, columns={"prompt": "prompt", "completion": "chosen"})
    assert dataset.examples[0].messages == (Q, A)


@pytest.mark.data
@pytest.mark.skipif(not ROOT.is_dir(), reason="the real data sets are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("hh_rlhf_harmless/validation", "preference", 200),
        ("oasst_en_100/pairs_test", "preference", 42),
    ],
)
def test_real_preferences_are_read(name, shape, count):
    dataset = read(ROOT / f"{name}.jsonl")
    assert (dataset.shape, len(dataset.examples)) == (shape, count)
    assert all(row.messages[-1].role == "user" and row.replies[0] != row.replies[1] for row in dataset.examples)


@pytest.mark.data
@pytest.mark.skipif(not ROOT.is_dir(), reason="the real data sets are not beside the checkout")
def test_faults_of_real_preferences_are_named_line_by_line():
    path = ROOT / "pandalm_preferences/train.jsonl"
    with pytest.raises(DataError) as strict:
        read(path)
    with pytest.raises(DataError) as coerced:  # some of its replies are true instead of "true"
        read(path, Data(coerce=True))
    assert "true or false here and text on line 1" in str(strict.value)
    assert {problem.what.partition(";")[0] for problem in coerced.value.problems} == {"the best reply is empty"}
