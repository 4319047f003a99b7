"""The report on a data file, and prompts read from one."""

import json

import pytest

from whet.config.tree import Data
from whet.data.check import check
from whet.data.preflight import CLASSIFY
from whet.data.prompts import read_prompts
from whet.data.read import Stream
from whet.errors import DataError


def test_duplicates_and_contradictions_are_counted(tmp_path):
    rows = [("q one", "a"), ("q one", "a"), ("q one", "b"), ("something else entirely", "c")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in rows))
    report = check({"train": [Stream(path)]})
    assert (report.rows, report.splits) == (4, {"train": 4})
    found = {finding.kind: finding.lines for finding in report.findings}
    assert found["exact_duplicate"] == (f"{path}:2", f"{path}:1")
    assert found["contradiction"][0] == f"{path}:3"
    said = "\n".join(report.sentences())
    assert "4 rows" in said
    assert "1 questions have several different answers" in said


def test_what_rendering_had_to_do_is_told(tmp_path, renderer):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "a", "answer": "b"}\n' + json.dumps({"question": "a" * 300, "answer": "b"}) + "\n")
    report = check({"train": [Stream(path)]}, (renderer, Data(overlong="drop"), 100))
    assert "1 rows were dropped because they are longer than data.max_tokens" in report.sentences()


def test_labels_are_counted(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\nfine,good\nbad,poor\ngreat,good\n")
    assert check({"train": [Stream(path)]}).labels == {"good": 2, "poor": 1}


def test_tokens_are_counted_with_the_instruction_that_training_puts_first(tmp_path, renderer):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\nfine,good\nbad,poor\n")
    plain, told = (check({"train": [Stream(path)]}, (renderer, Data(instruction=said), 500)) for said in ("", None))
    # A byte is a token: system, a line end, the instruction and its two special tokens and line end a row.
    more = len("system\n") + len(CLASSIFY) + len("\n") + 2
    assert told.tokens["all"] - plain.tokens["all"] == 2 * more


def test_prompts_are_rows_or_lines(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    assert [prompt.question for prompt in read_prompts(tmp_path / "a.txt")] == ["one", "two"]
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "left out"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + '\n{"prompt": "p"}\n')
    assert [prompt.question for prompt in read_prompts(tmp_path / "a.jsonl")] == ["q", "p"]


@pytest.mark.parametrize(
    "text", ["", "{}\n", '{"prompt": null}\n', '{"messages": []}\n', "{\n", '{"prompt": "\\ud800"}\n']
)
def test_prompts_that_cannot_be_answered_are_named(tmp_path, text):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"a\.jsonl"):
        read_prompts(tmp_path / "a.jsonl")
    with pytest.raises(DataError):
        read_prompts(tmp_path / "missing.jsonl")
