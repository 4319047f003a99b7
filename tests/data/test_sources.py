"""A folder, a pattern and what is piped in are read like the files that they stand for."""

import json
import os
import subprocess
import sys

import pytest

from whet.data.read import read
from whet.errors import DataError

ROW = '{{"question": "q{0}", "answer": "a{0}"}}\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "b.jsonl").write_text(ROW.format(1))
    (tmp_path / "deep/er/a.csv").write_text("question,answer\nq2,a2\n")
    (tmp_path / "deep/c.jsonl.gz").write_bytes(__import__("gzip").compress(ROW.format(3).encode()))
    (tmp_path / "picture.png").write_bytes(b"?")
    (tmp_path / ".hidden.jsonl").write_text("{")
    (tmp_path / "link").symlink_to("/", target_is_directory=True)
    return tmp_path


def answers(dataset):
    return [row.messages[-1].content for row in dataset.examples]


def test_a_folder_stands_for_all_data_below_it(folder):
    dataset = read(folder)
    assert answers(dataset) == ["a1", "a3", "a2"]
    assert [row.source.rpartition("/")[2] for row in dataset.examples] == ["b.jsonl:1", "c.jsonl.gz:1", "a.csv:2"]
    assert len(dataset.digests) == 3
    assert "files that are no data were left out (1 .png)" in dataset.notes[-1]


def test_a_pattern_stands_for_what_it_matches_and_a_name_with_its_signs_for_itself(folder):
    assert answers(read(f"{folder}/*.jsonl")) == ["a1"]
    assert answers(read(f"{folder}/**/*.csv")) == ["a2"]
    (folder / "[x].jsonl").write_text(ROW.format(4))
    assert answers(read(folder / "[x].jsonl")) == ["a4"]


def test_the_problems_of_all_files_are_told_at_once(folder):
    (folder / "b.jsonl").write_text("{")
    (folder / "deep/er/a.csv").write_text("question,answer\nq,\n")
    with pytest.raises(DataError) as caught:
        read(folder)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("named", ["empty", "*.jsonl"])
def test_a_name_that_stands_for_nothing_is_refused(tmp_path, named):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"the endings are \.jsonl"):
        read(tmp_path / named)


def test_rows_may_be_piped_in():
    done = subprocess.run(
        [sys.executable, "-m", "whet", "data", "check", "-", "--json"],
        input=ROW.format(1) * 2,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    report = json.loads(done.stdout)
    assert report["paths"] == ["stdin"]
    assert {tuple(one["lines"]) for one in report["findings"]} == {("stdin:2", "stdin:1")}


def test_documents_are_read_as_raw_text(tmp_path):
    (tmp_path / "guide.md").write_text("# Guide\n\nFirst do this.\n\n## Refunds\n\nThen do that.\n")
    dataset = read(tmp_path / "guide.md")
    assert [(row.text, row.source) for row in dataset.examples] == [
        ("First do this.", f"{tmp_path}/guide.md:3"), ("Then do that.", f"{tmp_path}/guide.md:7")
    ]  # fmt: skip
