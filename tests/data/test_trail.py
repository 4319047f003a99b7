"""What a file was made from is known, and known no longer once the file was changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_place import labelled, rows, written

from whet.config.tree import Data
from whet.data import parted
from whet.data.card import card
from whet.data.check import check
from whet.data.convert import convert
from whet.data.fix import Wanted, plan
from whet.data.fix import write as write_fixed
from whet.data.parted import parting
from whet.data.read import Stream, read
from whet.data.sources import File, files
from whet.data.trail import digest, follow, sentences, trail_of
from whet.errors import UsageError

WHET = [sys.executable, "-m", "whet", "data"]


def lines_of(path):
    return path.read_text().splitlines()


def made(tmp_path):
    """Return a file that was converted, parted and repaired."""
    source = written(tmp_path, [{**row, "answer": f" {row['answer']}"} for row in rows(200)])
    convert(source, "messages", tmp_path / "chats.jsonl")
    parted.write(parting(str(tmp_path / "chats.jsonl"), Data()), tmp_path / "sides")
    done = plan(tmp_path / "sides" / "train.jsonl", Data(), Wanted(trim=True))
    write_fixed(done, tmp_path / "train.jsonl")
    return source, tmp_path / "train.jsonl"


def test_a_trail_leads_back_to_the_first_file(tmp_path):
    source, last = made(tmp_path)
    trail, why = follow(last)
    assert trail
    assert not why
    steps = [trail["step"]]
    while trail["sources"][0]["trail"]:
        trail = trail["sources"][0]["trail"]
        steps.append(trail["step"])
    assert steps == ["fix", "split: train", "convert"]
    assert trail["sources"][0]["sha256"] == digest(source)
    assert str(tmp_path) not in trail_of(last).read_text()
    assert len(list(sentences(follow(last)[0]))) == 4


def test_a_file_that_was_changed_afterwards_says_so_when_it_is_read(tmp_path):
    _, last = made(tmp_path)
    assert not any("changed" in note for note in read(last).notes)
    last.write_text("".join(last.read_text().splitlines(keepends=True)[1:]))
    assert follow(last)[0] is None
    assert any("was changed after it was made" in note for note in read(last).notes)
    report = subprocess.run([*WHET, "check", last], capture_output=True, text=True, timeout=120, check=True)
    assert "was changed after it was made" in report.stdout


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 99}',
        "{",
        "\x00",
        '{"format": 1, "sources": 3}',
        '{"format": 1, "sources": [], "sha256": "x"}',
    ],
)
def test_a_damaged_trail_is_told_and_stops_nothing(tmp_path, text):
    path = written(tmp_path, rows(5))
    trail_of(path).write_text(text)
    (told,) = read(path).notes[1:]
    assert "not known" in told


def test_trails_and_records_in_a_folder_are_no_data(tmp_path):
    made(tmp_path)
    names = {file.path.name for file in files(tmp_path, [])}
    assert names == {"rows.jsonl", "chats.jsonl", "train.jsonl", "validation.jsonl", "test.jsonl"}


def test_parted_files_hold_every_row_as_it_stood(tmp_path):
    source = written(tmp_path, [{**row, "extra": [1, {"x": None}]} for row in rows(120)])
    parted.write(parting(str(source), Data()), tmp_path / "out")
    lines = [line for side in ("train", "validation", "test") for line in lines_of(tmp_path / "out" / f"{side}.jsonl")]
    assert sorted(map(json.loads, lines), key=str) == sorted(map(json.loads, lines_of(source)), key=str)
    with pytest.raises(UsageError, match="nothing is overwritten"):
        parted.write(parting(str(source), Data()), tmp_path / "out")


def test_folds_are_written_one_by_one_and_tuned_on_as_they_are(tmp_path):
    source = written(tmp_path, labelled(120))
    parted.write(parting(str(source), Data(folds=3, stratify=True)), tmp_path / "out")
    tested = [line for fold in range(3) for line in lines_of(tmp_path / "out" / f"fold-{fold}" / "test.jsonl")]
    assert sorted(tested) == sorted(lines_of(source))


def test_a_card_tells_of_files_trail_findings_and_quotes_no_row(tmp_path):
    _, last = made(tmp_path)
    rows_there = last.read_text().splitlines()
    with last.with_name("more.jsonl").open("w") as file:
        file.write("\n".join([*rows_there, rows_there[0].replace("cod", "mail ann.lee@post.example now")]) + "\n")
    report = check({"train": [Stream(last)], "test": [Stream(last.with_name("more.jsonl"))]})
    text = card(report, list(map(File.of, (last, last.with_name("more.jsonl")))), "fish | <b>", "cc0-1.0")
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "cc0-1.0"
    assert front["size_categories"] == ["n<1K"]
    assert digest(last) in text
    assert "split: train" in text
    assert "personal_data" in text
    assert "ann.lee" not in text
    assert "cod cod" not in text
    assert "<b>" not in text


def test_rows_of_json_that_share_a_line_are_parted_each_by_itself(tmp_path):
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(rows(60)))
    split = parting(str(file), Data(shares=(0.2, 0.2)))
    parted.write(split, tmp_path / "out")
    sides = {file.stem: lines_of(file) for file in (tmp_path / "out").glob("*.jsonl")}
    assert all(5 <= len(lines) < 55 for lines in sides.values())
    assert sorted(line for lines in sides.values() for line in lines) == sorted(map(json.dumps, rows(60)))
    assert f"{len(sides['test'])} rows to test" in split.sentences()[-1]


def test_the_commands_plan_write_and_describe(tmp_path):
    source = written(tmp_path, rows(80))

    def run(*arguments):
        return subprocess.run([*WHET, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)

    told = run("split", source, "data.shares=[0.2, 0.2]")
    assert told.returncode == 0
    assert "rows to validation" in told.stdout
    assert "add --out FOLDER" in told.stderr
    assert run("split", source, "--out", tmp_path / "s").returncode == 0
    again = run("split", source, "--out", tmp_path / "s")
    assert again.returncode == 2
    assert "nothing is overwritten" in again.stderr
    written_card = run("card", f"train={tmp_path / 's/train.jsonl'}", "--out", tmp_path / "README.md")
    assert written_card.returncode == 0
    assert Path(tmp_path / "README.md").read_text().startswith("---\n")
