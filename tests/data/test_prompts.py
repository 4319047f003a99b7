"""Prompts are read as training reads its rows, whatever the file's format."""

import gzip
import json

import pytest

from whet.config.tree import Data
from whet.data.form import Form, form_of
from whet.data.prompts import read_prompts
from whet.errors import DataError


def questions(path, *options):
    return [prompt.question for prompt in read_prompts(path, *options)]


def kept(train, **settings):
    form = form_of(Data(train=str(train), **settings))
    return Form.of(json.loads(json.dumps(form.as_dict())))  # by way of whet.json


def test_a_table_of_questions_is_rows_and_not_lines(tmp_path):
    (tmp_path / "q.csv").write_text("question\nWho?\nWhere?\n")
    assert questions(tmp_path / "q.csv") == ["Who?", "Where?"]
    (tmp_path / "q.csv").write_text("question,answer\nWho?,Ann\nWhere?,\n")
    assert questions(tmp_path / "q.csv") == ["Who?", "Where?"]


def test_packed_files_and_endings_in_capitals_are_rows_too(tmp_path):
    row = b'{"prompt": "Who?"}\n'
    (tmp_path / "p.jsonl.gz").write_bytes(gzip.compress(row))
    (tmp_path / "P.JSONL").write_bytes(row)
    (tmp_path / "p.TXT.gz").write_bytes(gzip.compress(b"Who?\n"))
    for name in ("p.jsonl.gz", "P.JSONL", "p.TXT.gz"):
        assert questions(tmp_path / name) == ["Who?"]


@pytest.mark.parametrize("name", ["prompts", "prompts.log", "prompts.md", "prompts.xlsx", "prompts.gz"])
def test_an_ending_that_says_nothing_of_rows_or_lines_is_refused(tmp_path, name):
    (tmp_path / name).write_text("Who?\n")
    with pytest.raises(DataError, match=r"name it \.jsonl"):
        read_prompts(tmp_path / name)


def test_one_prompt_is_asked_as_the_columns_of_training_were(tmp_path):
    (tmp_path / "train.csv").write_text("topic,input,output\ncars,blue,b\ntoys,red,r\n")
    (tmp_path / "p.jsonl").write_text('{"topic": "cars", "input": "red", "mood": "sad"}\n')
    form = kept(tmp_path / "train.csv")
    assert form.shape == "fields"
    assert questions(tmp_path / "p.jsonl", form) == ["topic: cars\ninput:\nred"]
    assert questions(tmp_path / "train.csv", form) == ["topic: cars\ninput:\nblue", "topic: toys\ninput:\nred"]


def test_columns_that_were_named_for_training_hold_for_prompts(tmp_path):
    (tmp_path / "train.csv").write_text("frage,antwort\na,b\nc,d\n")
    form = kept(tmp_path / "train.csv", columns={"prompt": "frage", "completion": "antwort"})
    (tmp_path / "p.csv").write_text("frage,id\nwer?,1\n")
    assert questions(tmp_path / "p.csv", form) == ["wer?"]
    with pytest.raises(DataError, match="no prompt"):
        read_prompts(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("row", "asked"),
    [
        ({"mr": "name[X]", "ref": "X."}, "name[X]"),
        ({"mr": "name[X]"}, "name[X]"),
        ({"utterance": "hi"}, "hi"),
        ({"utterance": "hi", "intent": "greet"}, "hi"),
        ({"text": "hi"}, "hi"),
        ({"instruction": "Add.", "input": "1 2"}, "Add.\n\n1 2"),
        ({"question": "Who?", "context": "Ann."}, "Ann.\n\nQuestion: Who?"),
        ({"conversations": [{"from": "human", "value": "hi"}]}, "hi"),
        ({"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]}, "hi"),
    ],
)
def test_rows_are_asked_as_training_would_ask_them_and_need_no_answer(tmp_path, row, asked):
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    assert questions(tmp_path / "p.jsonl") == [asked]


def test_prompts_keep_the_order_of_the_file_and_their_lines(tmp_path):
    rows = [{"prompt": "a"}, {"messages": [{"role": "user", "content": "b"}]}, {"prompt": "c"}]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = read_prompts(tmp_path / "p.jsonl")
    assert [(one.question, one.source.rpartition(":")[2]) for one in read] == [("a", "1"), ("b", "2"), ("c", "3")]
