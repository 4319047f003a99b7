"""What is planted in data is found, with its lines, and nothing is found where nothing is wrong."""

import json
import random
import re
from pathlib import Path

import pytest
from test_real_data import ROOT

from whet.config.tree import Data
from whet.data import findings
from whet.data.check import check
from whet.data.checks.label_error import suspects
from whet.data.findings import KINDS, gate, inspect
from whet.data.read import Stream
from whet.errors import GateError, UsageError
from whet.types import Chat, Message, Text

TOPICS = ["invoice", "parcel", "login", "refund", "voucher", "delivery", "contract", "router", "meter", "ticket"]


def row(asked, said, line, label=None):
    return Chat((Message("user", asked), Message("assistant", said)), f"f:{line}", label=label)


def clean(count=40):
    """Return rows that have nothing in common beyond what people share."""
    return [
        row(
            f"Where do I find the {TOPICS[n % 10]} number {n} of the week that began on day {n * 7 % 31}?",
            f"Open page {n * 3}, then choose the {TOPICS[(n * 7 + 3) % 10]} box on the left and enter {n * n}.",
            n + 1,
        )
        for n in range(count)
    ]


def kinds(findings):
    return {finding.kind: finding for finding in findings}


def test_nothing_is_found_where_nothing_is_wrong():
    assert inspect({"train": clean()}) == ()


@pytest.mark.parametrize(
    ("kind", "planted", "lines"),
    [
        ("exact_duplicate", [row("a b c", "d", 98), row("a  b c", "d", 99)], ("f:99", "f:98")),
        (
            "near_duplicate",
            [
                row("my very long question about the green bike lamp that I bought on Monday", "use it", 98),
                row("my very long question about the green bike lamp that I bought on Tuesday", "use it", 99),
            ],
            ("f:99", "f:98"),
        ),
        ("contradiction", [row("A b?", "yes", 97), row("a b", "yes", 98), row("a b!", "no", 99)], ("f:99",)),
        ("personal_data", [row("I am jo@example.org", "hello", 99)], ("f:99",)),
        ("secret", [row("use " + "gh" + "p_" + "a1B2c3D4e5" * 4, "ok", 99)], ("f:99",)),
        ("encoding", [row("caf\u00c3\u00a9 today", "yes", 99)], ("f:99",)),
        ("encoding", [row("don\u00e2\u20ac\u2122t", "yes", 99)], ("f:99",)),
        ("encoding", [row("lo\ufffdst", "yes", 99)], ("f:99",)),
        ("encoding", [row("a &amp; b", "yes", 99)], ("f:99",)),
        ("encoding", [row("a \x07 bell", "yes", 99)], ("f:99",)),
        ("empty", [row("where is it?", "N/A", 99)], ("f:99",)),
        ("truncated", [row("how so?", "Open the page of your account, then choose the box beside the", 99)], ("f:99",)),
        ("refusal", [row("who is he?", "As an AI language model, I cannot say that.", 99)], ("f:99",)),
        ("refusal", [row("who is he?", "I\u2019m unable to provide that information.", 99)], ("f:99",)),
        ("repetition", [row("count!", "and so on and so on. " * 30, 99)], ("f:99",)),
        ("repetition", [row("where?", "A shop by the river. " + "Aromi is an average one. " * 12, 99)], ("f:99",)),
    ],
)  # fmt: skip
def test_what_is_planted_is_found_in_its_line(kind, planted, lines):
    found = kinds(inspect({"train": [*clean(), *planted]}))
    assert set(found) - {"near_duplicate"} == {kind} - {"near_duplicate"}
    assert found[kind].lines[: len(lines)] == lines
    assert found[kind].why
    assert found[kind].remedy


def test_accents_quotes_and_markup_are_no_damage():
    rows = [row("Où est l\u2019été à côté? Ça va — «bien»… ÂME, Ñandú", "<b>Tom &amp; Jerry</b>", 99)]
    assert "encoding" not in kinds(inspect({"train": [*clean(), *rows]}))


def test_labels_make_a_contradiction_grave_and_rarity_visible():
    rows = [row(f"text {n} {TOPICS[n % 10]} {n * n}", "up", n, "up") for n in range(60)]
    rows += [row("one of a kind", "down", 98, "down"), row("One of a kind!", "up", 99, "up")]
    found = kinds(inspect({"train": rows}))
    assert found["contradiction"].severity == "warning"
    assert found["imbalance"].lines == ("f:98",)


def test_leaks_between_sides_are_found_whole_by_question_and_nearly():
    train = clean()
    copy = row(train[3].messages[0].content, train[3].messages[1].content, 101)
    again = row(train[4].messages[0].content, "Somewhere else.", 102)
    train.append(row("my very long question about the green bike lamp that I bought on Monday", "Use it.", 100))
    near = row("my very long question about the green bike lamp that I bought on Tuesday", "There.", 103)
    fresh = row("Who wrote the song about the yellow boat?", "Nobody knows.", 104)
    found = [one for one in inspect({"train": train, "test": [fresh, copy, again, near]}) if one.kind == "leak"]
    assert [(one.severity, one.lines) for one in found] == [
        ("error", ("f:101",)), ("warning", ("f:102",)), ("warning", ("f:103",))
    ]  # fmt: skip


def test_raw_text_is_looked_at_too():
    rows = [Text(f"Line {n} of a long song about {TOPICS[n % 10]} {n * 17}.", f"f:{n}") for n in range(30)]
    assert set(kinds(inspect({"train": [*rows, Text("mail jo@example.org", "f:99")]}))) == {"personal_data"}


def test_no_finding_quotes_what_should_not_be_there():
    rows = [row("I am jo@example.org, password = 'q7W!x2Zp9L'", "call +1-212-555-0100", 99)]
    said = " ".join(finding.sentence() for finding in inspect({"train": [*clean(), *rows]}))
    assert not any(value in said for value in ("jo@", "q7W", "555"))


def test_a_gate_lets_pass_what_it_was_told_to():
    found = inspect({"train": [*clean(), row("I am jo@example.org", "hello", 99)]})
    gate(None)(found)
    gate("error")(found)
    gate("secret,leak")(found)
    for wanted in ("warning", "note", "personal_data", "secret, personal_data"):
        with pytest.raises(GateError, match="personal_data"):
            gate(wanted)(found)
    with pytest.raises(UsageError, match="choose from"):
        gate("grave")


def test_every_kind_that_is_found_is_known_to_the_gate():
    source = Path(findings.__file__).parent
    files = [*source.glob("checks/*.py"), source / "check.py"]
    found = {kind for file in files for kind in re.findall(r'(?:Finding|Found)\(\s*"(\w+)"', file.read_text())}
    assert sorted(found) == list(KINDS)


def test_rows_that_are_too_long_for_a_model_are_found_not_fatal(tmp_path, renderer):
    path = tmp_path / "rows.jsonl"
    lines = [{"question": f"what is {n}?", "answer": "b" * (300 if n == 2 else 3)} for n in range(4)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = check({"train": [Stream(path)]}, (renderer, Data(), 100))
    (finding,) = (one for one in report.findings if one.kind == "too_long")
    assert finding.lines == (f"{path}:3",)
    assert report.tokens["most"] < 100


def test_a_wrong_label_is_found_where_it_can_be_known():
    words = {"red": "rose cherry brick poppy", "blue": "sky sea ink cornflower", "green": "grass leaf moss frog"}
    rows, draw = [], random.Random(0)
    for n in range(240):
        label = draw.choice(list(words))
        text = f"the {draw.choice(words[label].split())} and a {draw.choice(words[label].split())} {n}"
        rows.append(row(text, label, n, label))
    for at in (7, 50, 90):
        wrong = next(label for label in words if label != rows[at].label)
        rows[at] = row(rows[at].messages[0].content, wrong, at, wrong)
    found = kinds(inspect({"train": rows}))
    assert set(found["label_error"].lines) == {"f:7", "f:50", "f:90"}


def test_without_the_library_wrong_labels_are_said_not_to_have_been_looked_for(monkeypatch):
    monkeypatch.setattr("whet.data.checks.label_error.find_spec", lambda name: None)
    said = []
    rows = [row(f"text {n} {n * n}", label, n, label) for n in range(60) for label in ("up" if n % 2 else "down",)]
    inspect({"train": rows}, said.append)
    assert "scikit-learn" in said[0]


@pytest.mark.data
@pytest.mark.skipif(not (ROOT / "banking77").is_dir(), reason="the real data sets are not beside the checkout")
def test_most_flipped_labels_are_among_the_tenth_that_is_most_suspect():
    lines = [json.loads(line) for line in (ROOT / "banking77/train.jsonl").read_text().split("\n") if line]
    labels = [line["label"] for line in lines]
    names, draw = sorted(set(labels)), random.Random(0)
    flipped = set(draw.sample(range(len(labels)), len(labels) // 20))
    for at in flipped:
        labels[at] = draw.choice([name for name in names if name != labels[at]])
    order, likely = suspects([line["text"] for line in lines], labels)
    assert len(flipped & set(order[: len(order) // 10])) >= 0.9 * len(flipped)
    named = {at for at in order if likely[at]}
    assert len(named & flipped) >= 0.6 * len(named) > 0.5 * len(flipped)
