"""Rows written in another shape say the same, or are not written."""

import csv
import json
from dataclasses import replace

import pytest
from test_real_data import ROOT

from whet.config.tree import Data
from whet.data.convert import convert
from whet.data.read import read
from whet.data.writers import messages
from whet.errors import DataError, UsageError
from whet.plugins import names
from whet.types import Chat, Feedback, Message, Preference, Prompt, Text

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"x": 1}'}}
BARE = {"type": "function", "function": {"name": "look", "arguments": {"x": 1}}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}
S, Q, A, B = (Message(role, text) for role, text in
              (("system", "be kind"), ("user", "q"), ("assistant", "a\nb “c”"), ("assistant", "b")))  # fmt: skip
ASKED = Chat((Q, A))
ROWS = {  # the shape: rows that it can hold
    "messages": [ASKED, Chat((S, Q, replace(A, weight=0.0), replace(Q, name="Ann"), B)),
                 Chat((Q, Message("assistant", "", tool_calls=(CALL,)), Message("tool", "7", tool_call_id="c1"), B),
                      tools=(TOOL,)),
                 Chat((Q, Message("assistant", "let me see", tool_calls=(CALL,)), Message("tool", "7"), B))],
    "prompt_completion": [ASKED, Chat((S, Q, A)), Chat((Q, replace(A, weight=0.0), Q, B), tools=(TOOL,))],
    "alpaca": [ASKED, Chat((S, Q, A))],
    "question_answer": [ASKED, Chat((Q, B))],
    "text_label": [Chat((Q, B), label="b"), Chat((replace(Q, content="r"), B), label="b")],
    "text": [Text("one\n\ntwo"), Text("three")],
    "sharegpt": [ASKED, Chat((S, Q, A, Q, replace(B, weight=0.0), Q, A)),
                 Chat((Q, Message("assistant", "", tool_calls=(BARE,)), Message("tool", "7"), B), tools=(TOOL,))],
    "preference": [Preference((Q,), ((A,), (B,)), (1.0, 0.0)),
                   Preference((S, Q), ((A,), (B,)), (4.0, 2.5), tools=(TOOL,))],
    "openai_preference": [Preference((S, Q, A, Q), ((A,), (B,)), (1.0, 0.0), tools=(TOOL,))],
    "ranking": [Preference((Q,), ((A,), (B,), (replace(A, content="c"),)), (3.0, 1.0, 1.0))],
    "feedback": [Feedback((Q,), (A,), 1.0), Feedback((S, Q), (B,), 0.0)],
    "graded": [Prompt((Q,), ("4",), item={"reference_answer": "4", "level": [1, {"x": None}]}, grader={"type": "m"}),
               Prompt((S, Q), ("5",), item={"reference_answer": "5", "level": []})],
}  # fmt: skip


def plain(examples):
    return [replace(one, source="") for one in examples]


def file_of(rows, tmp_path, shape):
    """Return a file with these rows in a shape, made without the code under test where that can be."""
    path = tmp_path / f"first_{shape}.jsonl"
    if isinstance(rows[0], Chat) and shape != "text_label":
        made = [messages.messages(row) for row in rows]
    else:
        made = [__import__(f"whet.data.writers.{shape}", fromlist=[shape]).__dict__[shape](row) for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


def test_every_shape_that_is_written_is_tried_here():
    assert set(ROWS) == set(names("data.writers")) <= set(names("data.shapes"))


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv"])
@pytest.mark.parametrize("shape", ROWS)
def test_what_is_written_reads_back_as_it_was(tmp_path, shape, ending):
    path, out = file_of(ROWS[shape], tmp_path, shape), tmp_path / f"out.{ending}"
    if shape == "graded" and ending in ("csv", "tsv"):  # a table cannot tell a number from its text
        with pytest.raises(DataError, match="does not say all"):
            convert(path, shape, out)
        return
    assert "they say the same" in convert(path, shape, out)[-1]
    back = plain(read(out, Data(shape=shape)).examples)
    assert back == [
        replace(row, label=None) if shape != "text_label" and isinstance(row, Chat) else row for row in ROWS[shape]
    ]


@pytest.mark.parametrize("shape", ROWS)
def test_what_is_written_is_recognised_again(tmp_path, shape):
    path, out = file_of(ROWS[shape], tmp_path, shape), tmp_path / "out.jsonl"
    convert(path, shape, out)
    assert read(out).shape == shape


@pytest.mark.parametrize(
    ("row", "to", "words"),
    [
        (Chat((S, Q, A)), "question_answer", "no place for a system message"),
        (Chat((Q, A, Q, B)), "alpaca", "has 4 turns"),
        (Chat((Q, A, Q, B)), "prompt_completion", "an earlier answer of this row does too"),
        (ROWS["messages"][2], "sharegpt", "no place for identifiers of calls"),
        (ASKED, "preference", "holds preferences"),
        (ASKED, "text_label", "not one of a fixed set"),
        (Text("x"), "messages", "raw text"),
        (Preference((Q,), ((A,), (B,)), (4.0, 2.0)), "openai_preference", "no place for grades"),
        (ROWS["ranking"][0], "preference", "ties or more"),
    ],
)
def test_a_row_for_which_a_shape_has_no_place_is_named_and_nothing_is_written(tmp_path, row, to, words):
    shape = next(name for name, rows in ROWS.items() if isinstance(rows[0], type(row)))
    shape = "ranking" if isinstance(row, Preference) else shape
    with pytest.raises(DataError, match=words) as caught:
        convert(file_of([row], tmp_path, shape), to, tmp_path / "out.jsonl")
    assert ".jsonl:1: " in str(caught.value)
    assert not (tmp_path / "out.jsonl").exists()


def test_preferences_become_conversations_with_the_best_reply(tmp_path):
    notes = convert(file_of(ROWS["preference"], tmp_path, "preference"), "messages", tmp_path / "out.jsonl")
    assert [row.messages for row in read(tmp_path / "out.jsonl").examples] == [(Q, A), (S, Q, A)]
    assert any("what lost is left out" in note for note in notes)
    convert(file_of(ROWS["feedback"], tmp_path, "feedback"), "messages", tmp_path / "good.jsonl")
    assert [row.messages for row in read(tmp_path / "good.jsonl").examples] == [(Q, A)]


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"question": "=HYPERLINK(1)", "answer": "+1"}) + "\n")
    notes = convert(path, "question_answer", tmp_path / "out.csv")
    assert plain(read(tmp_path / "out.csv").examples) == plain(read(path).examples)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.reader(file))[1] == ["'=HYPERLINK(1)", "'+1"]
    assert any(note.startswith("2 cells") for note in notes)


def test_splits_are_kept(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"question": f"q{n}", "answer": "a", "split": side} for n, side in enumerate(("train", "test"))]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    convert(path, "messages", tmp_path / "out.jsonl")
    assert [row.split for row in read(tmp_path / "out.jsonl").examples] == ["train", "test"]


def test_nothing_is_overwritten_and_names_are_checked(tmp_path):
    path = file_of([ASKED], tmp_path, "messages")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        convert(path, "alpaca", path)
    with pytest.raises(UsageError, match="choose from"):
        convert(path, "fields", tmp_path / "out.jsonl")
    with pytest.raises(UsageError, match="name such a file"):
        convert(path, "alpaca", tmp_path / "out.parquet")


REAL = {
    "banking77/test.jsonl": "text_label",
    "gsm8k/test.jsonl": "question_answer",
    "oasst_en_100/chat_test.jsonl": "messages",
    "dolly_hhrlhf_1k/test.jsonl": "prompt_completion",
    "self_instruct_human/test.jsonl": "alpaca",
    "toolcall_300/test.jsonl": "sharegpt",
    "e2e_nlg/test.jsonl": "fields",
    "hh_rlhf_harmless/validation.jsonl": "preference",
    "tinyshakespeare/validation.txt": "text",
    "policyqa/validation.jsonl": "question_answer",
    "oasst_en_100/pairs_test.jsonl": "preference",
}
THROUGH = {
    "text_label": ("messages", "sharegpt", "prompt_completion", "alpaca"),
    "question_answer": ("messages", "sharegpt", "prompt_completion", "alpaca"),
    "messages": ("sharegpt",),
    "prompt_completion": ("messages", "sharegpt", "alpaca"),
    "alpaca": ("messages", "sharegpt", "prompt_completion"),
    "sharegpt": ("messages",),
    "fields": ("messages", "sharegpt", "prompt_completion", "alpaca"),
    "preference": ("openai_preference", "ranking"),
    "text": ("text",),
}


@pytest.mark.data
@pytest.mark.skipif(not ROOT.is_dir(), reason="the real data sets are not beside the checkout")
@pytest.mark.parametrize("name", REAL)
def test_real_rows_come_back_through_every_shape_that_holds_them(tmp_path, name):
    first = read(ROOT / name)
    assert first.shape == REAL[name]
    path = ROOT / name
    for number, shape in enumerate(THROUGH[first.shape]):
        out = tmp_path / f"{number}.jsonl"
        convert(path, shape, out)
        path = out
    back = plain(read(path).examples)
    assert back == [replace(row, label=None) if isinstance(row, Chat) else row for row in plain(first.examples)]
