"""`whet data check PATH... --json` keeps its contract, and whoever mistypes a command is told the way out."""

import json
import re
import zlib

import command
import pytest

from whet.data.findings import KINDS, SEVERITIES

PROMISED = {
    "exact_duplicate", "near_duplicate", "contradiction", "leak", "label_error", "personal_data", "secret", "encoding",
    "empty", "too_long", "trigger", "imbalance",
}  # fmt: skip
NAMED = {"rows", "shape", "splits", "tokens", "findings", "problems", "paths"}


@pytest.fixture
def here(tmp_path):
    """Return a folder with a training file, a test file that repeats a row of it, and a file that cannot be read."""
    rows = [("Where is it?", "Here."), ("Where is it?", "Here."), ("Who is jo@example.org?", "She."), ("Why?", "N/A")]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in rows))
    (tmp_path / "b.jsonl").write_text(json.dumps({"question": "Where is it?", "answer": "Here."}) + "\n")
    (tmp_path / "broken.jsonl").write_text('{"question": "q", "answer": "a"}\n{"question": ')
    (tmp_path / "empty").mkdir()
    return tmp_path


def asked(here, *arguments):
    return command.run("data", *arguments, cwd=here)


def test_the_report_is_one_object_with_what_is_promised(here, tiny):
    done = asked(here, "check", "train=a.jsonl", "test=b.jsonl", "--json", "--base", tiny)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    report = json.loads(done.stdout)
    assert set(report) >= NAMED
    assert (report["rows"], report["shape"], report["splits"]) == (5, "question_answer", {"train": 4, "test": 1})
    assert set(report["tokens"]) == {"least", "median", "most", "all", "trained"}
    assert {"exact_duplicate", "leak", "personal_data", "empty"} <= {one["kind"] for one in report["findings"]}
    for finding in report["findings"]:
        assert set(finding) == {"kind", "severity", "lines", "why", "remedy"}
        assert finding["kind"] in KINDS
        assert finding["severity"] in SEVERITIES
        assert all(re.fullmatch(r"[ab]\.jsonl:[1-4]", line) for line in finding["lines"])
        assert finding["why"]
        assert finding["remedy"]
    (leak,) = (one for one in report["findings"] if one["kind"] == "leak")
    assert leak["lines"] == ["b.jsonl:1"]
    assert set(KINDS) >= PROMISED


def test_the_report_on_what_cannot_be_read_has_the_same_names_and_no_figures(here):
    done = asked(here, "check", "a.jsonl", "broken.jsonl", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert set(report) == NAMED
    assert (report["rows"], report["shape"], report["findings"]) == (None, None, [])
    assert [(one["path"], one["line"]) for one in report["problems"]] == [("broken.jsonl", 2)]


@pytest.mark.parametrize(("wanted", "code"), [("secret", 0), ("empty", 3), ("warning", 3), ("secret,personal_data", 3)])
def test_the_gate_ends_with_three_and_the_report_is_printed_before(here, wanted, code):
    done = asked(here, "check", "a.jsonl", "--json", "--fail-on", wanted)
    assert done.returncode == code
    assert json.loads(done.stdout)["rows"] == 4


MISTAKES = {  # the command: (its exit code, what it says)
    "check nothing.jsonl": (1, "no such file; check the path"),
    "check empty": (1, "holds no file that can be read as data"),
    "check train=": (2, "write train=FILE, without a space"),
    "check tset=b.jsonl a.jsonl": (2, "'tset' is no side; write train=FILE, validation=FILE, test=FILE"),
    "check a.jsonl --fail-on grave": (2, "choose from note, warning, error"),
    "check a.jsonl --html page.txt": (2, "name a file that ends in .html"),
    "check a.jsonl --html no/page.html": (2, "name a file in a folder that exists"),
    "check a.jsonl data.shape=none": (2, "did you mean"),
    "check a.jsonl data.colums={}": (2, "no such key"),
    "check photo": (1, "it is a picture, and whet learns text"),
    "show a.jsonl --row 9": (2, "has 4 rows"),
    "split a.jsonl data.time=when": (2, "name the column that has it"),
    "split b.jsonl --out a.jsonl/x": (1, "name a folder where there is room"),
    "convert b.jsonl --to tables --out c.jsonl": (2, "choose from alpaca"),
    "convert b.jsonl --to messages --out c.xlsx": (2, "name such a file"),
    "convert b.jsonl --to messages --out no/c.jsonl": (1, "name a file in a folder that exists"),
    "card a.jsonl --out no/card.md": (1, "name a file in a folder that exists"),
    "make riddles a.jsonl --with x --out c.jsonl": (2, "did you mean"),
    "make paraphrase a.jsonl --with x --out no/c.jsonl": (2, "name a file in one that exists"),
    "make paraphrase a.jsonl --with x --out c.csv": (2, "name a file that ends in .jsonl"),
    "make paraphrase a.jsonl --with x --out c.jsonl --money 1": (2, "say what tokens cost"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_on_the_command_line_is_answered_in_a_sentence_with_the_way_out(here, mistake):
    (here / "photo").write_bytes(b"\x89PNG\r\n\x1a\n" + zlib.compress(bytes(range(256))))
    before = sorted(here.rglob("*"))
    code, says = MISTAKES[mistake]
    done = asked(here, *mistake.split())
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code
    assert sorted(here.rglob("*")) == before
