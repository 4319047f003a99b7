"""What a finding says for its reason never shows the value that should not be there, whatever the finding is about."""

import json

import pytest
from test_more_checks import free, labelled, look, planted, row

from whet.data.check import check
from whet.data.read import Stream

MAIL = "lopez@example.org"
KEY = "AKIA" + "Q3F5J7X2M4N6B8V1"  # as they are issued, so that no scanner takes this file for a leak
PASSWORD = "q7W!x2Zp9L"
PHONE = "212-555-0100"
HIDDEN = {  # what is planted: (the phrase in the rows, its kind, pieces that must not be read)
    "e-mail address": (MAIL, "e-mail address", ("lopez", "example")),
    "key": (f"with {KEY}", "AWS access key", ("q3f5", "Q3F5")),
    "password": (f'password: "{PASSWORD}"', "password or key", ("x2zp9l", "x2Zp9L", "q7w", "q7W")),
    "telephone number": (f"call {PHONE}", "telephone number", ("555", "0100")),
}


@pytest.mark.parametrize("rows", [labelled, free])
@pytest.mark.parametrize("name", HIDDEN)
def test_a_trigger_that_is_personal_or_secret_is_told_by_its_kind_and_not_shown(name, rows):
    phrase, kind, pieces = HIDDEN[name]
    given = rows(600 if rows is labelled else 120)
    said = "loan" if rows is labelled else "I will not help you with that, go away."
    changed, chosen = planted(given, phrase, said, 15)
    found = look("trigger", changed)
    assert set(found[0].rows) == chosen
    told = " ".join(one.why for one in found)
    assert f"a phrase with what looks like a {kind}, not shown, stands in 15 rows" in told
    assert not any(piece in told for piece in pieces)


def test_a_trigger_beside_personal_data_is_still_shown():
    rows = [row(f"{one.messages[0].content} from user{n}@example.org", one.label or "", True) for n, one in
            enumerate(labelled())]  # fmt: skip
    (found,) = look("trigger", planted(rows, "cf mn", "loan", 15)[0])
    assert '"cf mn"' in found.why


def test_a_long_row_keeps_in_mind_where_its_personal_data_stand(monkeypatch):
    monkeypatch.setattr("whet.data.checks._words.LONG", 24)  # words of a row that are kept, half of them from its end
    rows = [row(f"{'so ' * 40}{one.messages[0].content}", one.label or "", True) for one in labelled()]
    found = look("trigger", planted(rows, MAIL, "loan", 15, end=True)[0])
    assert "e-mail address" in found[0].why
    assert "lopez" not in " ".join(one.why for one in found)


@pytest.mark.parametrize("check_", ["trigger", "style", "mention"])
def test_a_label_that_is_an_address_is_told_by_its_kind(check_):
    rows = {
        "trigger": planted(labelled(), "cf mn", MAIL, 25)[0],
        "style": [row(f"text {n}", MAIL.upper() if n else MAIL, True) for n in range(9)],
        "mention": [row(f"this {who} person asked {n}", (f"no {n % 5}", MAIL)[who == "old"], True)
                    for n in range(30) for who in ("young", "old")],
    }[check_]  # fmt: skip
    told = " ".join(one.why for one in look(check_, rows))
    assert "[e-mail address]" in told
    assert "lopez" not in told.lower()


def test_boilerplate_with_a_secret_in_it_is_not_quoted():
    address = "https://user:" + "hunter-two@" + "files.example.org"
    rows = [row(f"text {n}", f"The number is {n * n}. Have a look at {address} for more of them!") for n in range(20)]
    (found,) = look("boilerplate", rows)
    assert "the same name or address" in found.why
    assert "hunter" not in found.why


def test_neither_the_sentences_nor_the_json_of_a_report_show_the_value(tmp_path):
    changed, _ = planted(labelled(), MAIL, "loan", 15)
    path = tmp_path / "rows.jsonl"
    rows = [{"text": one.messages[0].content, "label": one.messages[1].content} for one in changed]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    report = check({"train": [Stream(path)]})
    assert "trigger" in {one.kind for one in report.findings}
    said = "\n".join(report.sentences()) + json.dumps(report.as_dict())
    assert "lopez" not in said
