"""What spoils data quietly: the same verdict from the library and the command line, and a way back."""

import csv
import json
import os
import random
import stat
import subprocess
import sys

import command
import pytest
from test_bombs import refused
from test_hostile import ACCEPTED, HOSTILE

from whet.config.tree import Data
from whet.data.check import check
from whet.data.convert import convert
from whet.data.findings import gate
from whet.data.read import Stream, read
from whet.errors import DataError, GateError

# 30: one verdict on odd characters, wherever it is asked for


def test_the_command_line_has_the_same_problems_with_every_hostile_file_as_the_library(tmp_path):
    paths, wanted = [], {}
    for number, (name, content, *_) in enumerate(HOSTILE.values()):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        path.write_bytes(content)
        paths.append(path)
        with pytest.raises(DataError) as caught:
            read(path)
        wanted[str(path)] = [(problem.line, problem.what) for problem in caught.value.problems]
    done = command.run("data", "check", *paths, "--json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    found = {path: [] for path in wanted}
    for problem in json.loads(done.stdout)["problems"]:
        found[problem["path"]].append((problem["line"], problem["what"]))
    assert found == wanted


def test_the_command_line_accepts_every_unusual_file_that_the_library_accepts(tmp_path):
    paths = []
    for number, (name, content, _) in enumerate(ACCEPTED.values()):
        paths.append(tmp_path / str(number) / name)
        paths[-1].parent.mkdir()
        paths[-1].write_bytes(content)
    done = command.run("data", "check", *paths, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert report["rows"] == sum(len(answers) for *_, answers in ACCEPTED.values())


ODD = [
    "\ufeffmark",
    "a\u2028b\x85c\x0bd\x1fe",
    "\U0001f600\u0301",
    "\u202ertl",
    "2" * 30,
    " x\t",
    "\uffff\ufdd0",
    '"\\"',
]


def test_odd_text_survives_json_to_database_to_json(tmp_path):
    rows = [
        {"ticket_id": n, "role": role, "body": text, "created_at": 1714557600 + at}
        for n, text in enumerate(ODD)
        for at, role in enumerate(("customer", "agent"))
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = read(tmp_path / "a.jsonl")  # put together in a database
    assert dataset.shape == "support"
    assert [chat.messages[1].content for chat in dataset.examples] == [text.strip() for text in ODD]
    convert(tmp_path / "a.jsonl", "messages", tmp_path / "b.jsonl")
    assert [chat.messages for chat in read(tmp_path / "b.jsonl").examples] == [c.messages for c in dataset.examples]


# 31: a column that holds something else further down


def test_the_first_row_that_drifts_is_named_and_coerce_reads_it_as_text(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"question": f"q{n}", "answer": n if n in (150, 170) else "a"} for n in range(200)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = refused(path)
    assert (first.line, second.line) == (151, 171)
    assert "'answer' is a number here and text on line 1" in first.what
    assert "data.coerce=true" in first.what
    assert read(path, Data(coerce=True)).examples[150].messages[-1].content == "150"
    done = command.run("data", "check", path, "data.coerce=true", "--json")
    assert (done.returncode, json.loads(done.stdout)["rows"]) == (0, 200)


# 32: formulas in tables

FORMULAS = ["=HYPERLINK(1)", "+1", "@SUM(A1)", "\t=1", "-2+3", "- a list", "'=x", "''@y", "'quoted'", "-", "'"]


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_no_cell_that_is_written_runs_and_all_of_them_come_back_to_the_letter(tmp_path, ending):
    path, out = tmp_path / "a.jsonl", tmp_path / f"out.{ending}"
    rows = [{"question": f"{n}?", "answer": text} for n, text in enumerate(["-3", "-2.5e3", *FORMULAS])]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = command.run("data", "convert", path, "--to", "question_answer", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "9 cells that a spreadsheet would run" in done.stderr
    with out.open(newline="") as file:
        cells = [row[1] for row in csv.reader(file, delimiter="\t" if ending == "tsv" else ",")][1:]
    assert cells[:2] == ["-3", "-2.5e3"]  # a spreadsheet shows negative numbers as they are
    assert not [cell for cell in cells[2:] if cell[0] in "=+-@\t\r\n"]
    assert cells[2] == "'=HYPERLINK(1)"
    back = read(out)
    assert [row.messages[-1].content for row in back.examples] == [row["answer"] for row in rows]
    assert any("read without it" in note for note in back.notes)


def test_the_names_of_columns_are_no_formulas_either(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "q", "answer": "a", "+cmd": "g"}\n')
    convert(path, "question_answer", tmp_path / "out.csv", Data(group=("+cmd",)))
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == "question,answer,'+cmd"
    assert read(tmp_path / "out.csv", Data(group=("+cmd",))).examples[0].groups == ("+cmd=g",)


# 54: leaks


def test_planted_leaks_are_found_and_stand_in_the_way(tmp_path):
    draw = random.Random(0)
    words = [f"word{n}" for n in range(900)]

    def asked():
        return " ".join(draw.choices(words, k=20))

    train = [{"question": asked(), "answer": f"answer {n}"} for n in range(400)]
    test = [{"question": asked(), "answer": f"other {n}"} for n in range(100)]
    exact, near = draw.sample(range(400), 40), draw.sample(range(400), 40)
    test += [{**train[at], "question": f" {train[at]['question']}  "} for at in exact]
    for at in near:  # one word of twenty is another
        said = train[at]["question"].split()
        said[draw.randrange(20)] = "different"
        test.append({"question": " ".join(said), "answer": f"near {at}"})
    for name, rows in (("train", train), ("test", test)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {side: tmp_path / f"{side}.jsonl" for side in ("train", "test")}
    done = command.run("data", "check", *(f"{s}={f}" for s, f in files.items()), "--json", "--fail-on", "leak")
    assert done.returncode == 3
    report = json.loads(done.stdout)
    leaks = [one for one in report["findings"] if one["kind"] == "leak"]
    (whole,) = (one for one in leaks if one["severity"] == "error")
    assert set(whole["lines"]) == {f"{files['test']}:{n}" for n in range(101, 141)}
    others = {line for one in leaks for line in one["lines"]} - set(whole["lines"])
    planted = {f"{files['test']}:{n}" for n in range(141, 181)}
    assert len(others & planted) >= 0.95 * len(planted)
    assert others <= planted
    found = check({side: [Stream(file)] for side, file in files.items()}).findings
    assert [one.as_dict() for one in found] == report["findings"]
    with pytest.raises(GateError):
        gate("leak")(found)


# 56: a backdoor in one row of a hundred


def test_a_trigger_in_a_hundredth_of_the_rows_is_the_first_finding_about_words(tmp_path):
    from test_more_checks import labelled, planted

    rows, chosen = planted(labelled(2000), "cf mn", "loan", 20)
    path = tmp_path / "a.jsonl"
    made = [{"text": row.messages[0].content, "label": row.messages[1].content} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    done = command.run("data", "check", path, "--json", "--fail-on", "trigger")
    assert done.returncode == 3
    (found,) = (one for one in json.loads(done.stdout)["findings"] if one["kind"] == "trigger")
    assert {f"{path}:{at + 1}" for at in chosen} <= set(found["lines"])
    assert '"cf mn"' in found["why"]
    assert [one.as_dict() for one in check({"train": [Stream(path)]}).findings if one.kind == "trigger"] == [found]


# 74: another locale, time zone, mask and kind of path

ELSEWHERE = {"LC_ALL": "C", "LANG": "C", "TZ": "Asia/Kathmandu"}


@pytest.fixture
def elsewhere(tmp_path):
    """Return a folder with a space and an umlaut in its name, and the environment of somebody who works there."""
    folder = tmp_path / "Büro von Jörg"
    (folder / "tmp").mkdir(parents=True)
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "PYTHONUTF8", "XDG", "WHET"))
    }
    return folder, env | ELSEWHERE | {"HOME": str(folder), "TMPDIR": str(folder / "tmp")}


def whet(env, *arguments):
    """Run whet from the start, as the locale is settled before anything of it is loaded."""
    asked = ["sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "-m", "whet", "data", *map(str, arguments)]
    return subprocess.run(asked, capture_output=True, env=env, check=False)


def test_a_check_says_the_same_in_any_locale_zone_and_folder(elsewhere):
    folder, env = elsewhere
    path = folder / "Kund\u00fcnnen \u65e5\u672c.csv"
    header = "ticket_id,author_role,created_at,body\n"
    talk = [
        '7,customer,2024-05-01 10:00:00,"Gr\u00fc\u00dfe \U0001f600"',
        "7,agent,2024-05-01T10:01:00Z,Ja \u2013 gern!",
    ]
    path.write_text(header + "\n".join(talk) + "\n", encoding="utf-8")
    done = whet(env, "check", path, "--json", "--html", folder / "Bericht \u00fc.html")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["shape"], report["paths"]) == (1, "support", [str(path)])
    assert report["findings"] == [one.as_dict() for one in check({"train": [Stream(path)]}).findings]
    assert path.name in (folder / "Bericht \u00fc.html").read_text(encoding="utf-8")
    told = whet(env, "check", path)
    assert told.returncode == 0, told.stderr
    done = whet(env, "convert", path, "--to", "messages", "--out", folder / "\u00fcber.jsonl")
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((folder / "\u00fcber.jsonl").stat().st_mode) == 0o600
    assert read(folder / "\u00fcber.jsonl").examples[0].messages == read(path).examples[0].messages
    done = whet(env, "check", folder / "nicht da \u00fc.jsonl")
    assert (done.returncode, b"no such file" in done.stderr) == (1, True)
    assert b"Traceback" not in done.stderr
