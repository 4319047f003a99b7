"""Questions get a passage that does not answer them, and rows that teach to say so."""

import json

import command
import pytest

from whet.data.strangers import UNSAID, Strangers, asked, parts
from whet.types import Message

PLACES = [
    "The museum opens at nine and closes at six.",
    "Dogs must be kept on a lead near the lake.",
    "The ferry leaves from pier four every hour.",
    "Parking costs three euros a day behind the mill.",
]


def test_a_passage_is_all_that_stands_before_the_last_empty_line():
    before = (Message("system", "a\n\nb"), Message("user", "One.\n\nTwo.\n\nQuestion: which?"))
    assert parts(before) == ("One.\n\nTwo.", "Question: which?")
    assert asked(before, "Three.", "which?")[-1].content == "Three.\n\nwhich?"
    assert asked(before, "", "which?")[-1].content == "which?"
    assert parts((Message("user", "no passage"),)) is None
    assert parts((Message("user", "\n\nwhich?"),)) is None
    assert parts((Message("user", "a\n\nb"), Message("assistant", "c"))) is None


def test_a_stranger_never_holds_the_answer_and_never_is_the_own_passage():
    strangers = Strangers([*PLACES, "Cheap parking behind the mill is three euros."])
    for at in range(40):
        found = strangers.find(PLACES[3], f"what does parking cost? {at}", ["three euros"])
        assert found in PLACES[:3]
    every = {strangers.find(PLACES[0], f"question {at}", ["at nine"]) for at in range(60)}
    assert len(every) == 4  # not always the same one
    assert strangers.find(PLACES[0], "question 1", ["at nine"]) == strangers.find(PLACES[0], "question 1", ["at nine"])


def test_there_may_be_no_stranger():
    assert Strangers([]).find("", "q", ["a"]) is None
    assert Strangers(PLACES[:1]).find(PLACES[0], "q", ["a"]) is None
    assert Strangers(["It is blue.", "It was blue."]).find("It is blue.", "which colour?", ["blue"]) is None


@pytest.fixture
def passages(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"context": f"Room {at} is painted {colour}.", "question": f"Which colour has room {at}?", "answer": colour}
        for at, colour in enumerate(["red", "blue", "green", "white"] * 25)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_that_their_passage_does_not_answer_stand_beside_the_others(passages, tmp_path):
    out = tmp_path / "more.jsonl"
    done = command.run("data", "unanswerable", passages, "--out", out, "--share", "0.4")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    made = [row for row in rows if row.get("passage") == "stranger"]
    assert f"100 rows as they were and {len(made)} questions" in done.stdout
    assert len(rows) == 100 + len(made)
    assert 25 <= len(made) <= 55
    for row in made:
        user, said = row["messages"]
        number = user["content"].rpartition("room ")[2].rstrip("?")
        assert f"Room {number} is" not in user["content"]
        assert said["content"] == UNSAID
    again = command.run("data", "unanswerable", passages, "--out", out)
    assert again.returncode == 2
    assert "nothing is overwritten" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--share", "0"], "--share 0"),
        (["--answer", " "], "--answer"),
        (["--out", "x.csv"], "ends in .jsonl"),
    ],
)
def test_what_cannot_be_asked_for_is_told_with_the_way_out(passages, tmp_path, arguments, said):
    out = [] if "--out" in arguments else ["--out", tmp_path / "o.jsonl"]
    done = command.run("data", "unanswerable", passages, *out, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "o.jsonl").exists()


def test_rows_without_passages_are_told_and_nothing_is_left(tmp_path):
    path = tmp_path / "plain.jsonl"
    path.write_text("".join(json.dumps({"question": f"q{at}", "answer": "a"}) + "\n" for at in range(5)))
    done = command.run("data", "unanswerable", path, "--out", tmp_path / "o.jsonl")
    assert done.returncode == 1
    assert "no passage could be exchanged in 5 rows" in done.stderr
    assert not (tmp_path / "o.jsonl").exists()
