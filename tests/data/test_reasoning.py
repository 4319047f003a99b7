"""Reasoning that stands beside an answer is never lost, and never taken for a part of the question."""

import json

import pytest

from whet.config.tree import Data
from whet.data.convert import convert
from whet.data.read import read
from whet.errors import DataError

WHOLE = "<think>\nTwo and two.\n</think>\n\n4"
Q = {"role": "user", "content": "2+2?"}


def rows_of(tmp_path, *rows, **data):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read(path, Data(**data))


def answer(**more):
    return {"role": "assistant", "content": "4", **more}


BESIDE = {
    "DeepSeek": answer(reasoning_content="Two and two."),
    "OpenRouter": answer(reasoning=" Two and two. "),
    "gpt-oss": answer(thinking="Two and two."),
    "two names for one": answer(reasoning="Two and two.", reasoning_content="Two and two."),
    "Anthropic": answer(content=[{"type": "thinking", "thinking": "Two and two."}, {"type": "text", "text": "4"}]),
}


@pytest.mark.parametrize("kind", BESIDE)
def test_reasoning_beside_an_answer_is_put_before_it_and_that_is_said(tmp_path, kind):
    dataset = rows_of(tmp_path, {"messages": [Q, BESIDE[kind]]})
    assert [message.content for message in dataset.examples[0].messages] == ["2+2?", WHOLE]
    assert dataset.notes == (
        "read as messages: messages -> a conversation",
        "the reasoning beside 1 answers was put before them as <think>...</think>; data.reasoning=drop leaves it out",
    )


@pytest.mark.parametrize("kind", BESIDE)
def test_reasoning_is_left_out_where_a_person_says_so(tmp_path, kind):
    dataset = rows_of(tmp_path, {"messages": [Q, BESIDE[kind]]}, reasoning="drop")
    assert [message.content for message in dataset.examples[0].messages] == ["2+2?", "4"]
    assert dataset.notes[1] == "the reasoning beside 1 answers was left out (data.reasoning=drop)"


COLUMNS = {
    "fields": {"Question": "2+2?", "Complex_CoT": "Two and two.", "Response": "4"},
    "question_answer": {"question": "2+2?", "answer": "4", "thought": "Two and two."},
    "prompt_completion": {"prompt": "2+2?", "response": "4", "reasoning": "Two and two."},
    "alpaca": {"instruction": "2+2?", "output": "4", "thinking": "Two and two."},
}


@pytest.mark.parametrize("shape", COLUMNS)
def test_reasoning_in_a_column_of_its_own_goes_before_the_answer(tmp_path, shape):
    rows = [COLUMNS[shape], {name: f"{value} " for name, value in COLUMNS[shape].items()}]
    dataset = rows_of(tmp_path, *rows)
    *_, asked, said = dataset.examples[0].messages
    assert (dataset.shape, asked.content, said.content) == (shape, "2+2?", WHOLE)
    assert "-> the reasoning before it" in dataset.notes[0]
    assert "not used" not in dataset.notes[0]
    assert rows_of(tmp_path, *rows, reasoning="drop").examples[0].messages[-1].content == "4"


def test_a_person_may_name_the_column(tmp_path):
    row = {"question": "2+2?", "answer": "4", "scratch": "Two and two."}
    dataset = rows_of(tmp_path, row, columns={"reasoning": "scratch"})
    assert dataset.examples[0].messages[-1].content == WHOLE
    assert rows_of(tmp_path, row).examples[0].messages[-1].content == "4"


def test_a_label_has_no_reasoning(tmp_path):
    dataset = rows_of(tmp_path, {"text": "t", "label": "a", "reasoning": "because"})
    assert dataset.examples[0].messages[-1].content == "a"
    assert dataset.notes[0].endswith("columns not used: reasoning")


def test_why_a_reply_was_preferred_is_not_what_the_reply_thought(tmp_path):
    dataset = rows_of(tmp_path, {"prompt": "q", "chosen": "a", "rejected": "b", "reasoning": "a is short"})
    assert [reply[0].content for reply in dataset.examples[0].replies] == ["a", "b"]


def test_replies_that_are_messages_keep_their_own_reasoning(tmp_path):
    row = {"prompt": [Q], "chosen": [answer(reasoning="Two and two.")], "rejected": [answer(content="5")]}
    (example,) = rows_of(tmp_path, row).examples
    assert [reply[0].content for reply in example.replies] == [WHOLE, "5"]


def test_reasoning_is_not_added_to_an_answer_that_has_it(tmp_path):
    dataset = rows_of(tmp_path, {"messages": [Q, answer(content="<think>x</think>4", reasoning="x")]})
    assert dataset.examples[0].messages[-1].content == "<think>x</think>4"
    assert "1 answers begin with <think> already" in dataset.notes[1]


def test_reasoning_before_a_tool_call_is_kept(tmp_path):
    call = {"type": "function", "function": {"name": "add", "arguments": "{}"}}
    turns = [Q, answer(content=None, reasoning_content="I add.", tool_calls=[call]), {"role": "tool", "content": "4"}]
    (chat,) = rows_of(tmp_path, {"messages": [*turns, answer()]}).examples
    assert (chat.messages[1].content, len(chat.messages[1].tool_calls)) == ("<think>\nI add.\n</think>\n\n", 1)


def test_reasoning_alone_is_no_answer(tmp_path):
    with pytest.raises(DataError, match="an empty reply"):
        rows_of(tmp_path, {"messages": [Q, answer(content="", reasoning="Two and two.")]})


@pytest.mark.parametrize(
    ("more", "words"),
    [({"reasoning": {"effort": "high"}}, "reasoning is an object"), ({"reasoning": "a", "thinking": "b"}, "different")],
)
def test_reasoning_that_cannot_be_read_is_an_error_on_its_line(tmp_path, more, words):
    with pytest.raises(DataError, match=rf"rows.jsonl:2: message 2: .*{words}"):
        rows_of(tmp_path, {"messages": [Q, answer()]}, {"messages": [Q, answer(**more)]})


def test_sharegpt_turns_may_have_reasoning(tmp_path):
    turns = [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4", "reasoning": "Two and two."}]
    assert rows_of(tmp_path, {"conversations": turns}).examples[0].messages[-1].content == WHOLE


def test_what_was_read_with_reasoning_is_written_with_it(tmp_path):
    rows_of(tmp_path, {"messages": [Q, answer(reasoning="Two and two.")]})
    convert(tmp_path / "rows.jsonl", "sharegpt", tmp_path / "out.jsonl")
    assert read(tmp_path / "out.jsonl").examples[0].messages[-1].content == WHOLE
