"""Triggers, languages, outliers, style, boilerplate, offensive terms and mentions of groups of people."""

import json
import random
from collections.abc import Sequence

import pytest
from test_real_data import ROOT

from whet.data.checks import language
from whet.data.checks._terms import GROUPS, TERMS
from whet.data.findings import Found, seen
from whet.data.read import read
from whet.plugins import find
from whet.types import Chat, Example, Message, Text

TOPICS = {
    "card": "card plastic chip magnet pin wallet",
    "loan": "loan credit rate interest house borrow",
    "travel": "travel abroad flight hotel currency border",
    "phone": "phone app screen update login device",
}
FRAMES = (
    "please tell me about the {0} and {1} since {2}", "why is my {0} with the {1} so {2}",
    "{0} {1} does not work, is it the {2}?", "I would like to know whether {0} comes with {1} or {2}",
)  # fmt: skip
FRENCH = "Je voudrais savoir pourquoi ma carte n'est pas encore arriv\u00e9e apr\u00e8s deux semaines."

absent = pytest.mark.skipif(not ROOT.is_dir(), reason="the real data sets are not beside the checkout")


def row(asked: str, said: str, label: bool = False) -> Chat:
    return Chat((Message("user", asked), Message("assistant", said)), "f:1", label=said if label else None)


def look(check: str, rows: Sequence[Example], side: str = "train") -> list[Found]:
    return told(check, rows, side)[0]


def told(check: str, rows: Sequence[Example], side: str = "train") -> tuple[list[Found], str]:
    looking = find("data.checks", check)()
    for number, example in enumerate(rows):
        looking.see(seen(number, side, example))
    found = list(looking.findings())
    return found, getattr(looking, "remark", "")


def labelled(count: int = 600) -> list[Chat]:
    draw = random.Random(0)
    rows = []
    for _ in range(count):
        label = draw.choice(list(TOPICS))
        words = draw.choices(TOPICS[label].split(), k=3)
        rows.append(row(draw.choice(FRAMES).format(*words), label, label=True))
    return rows


def free(count: int = 120) -> list[Chat]:
    draw = random.Random(0)
    words = " ".join(TOPICS.values()).split()
    asked = [draw.choice(FRAMES).format(*draw.choices(words, k=3)) for _ in range(count)]
    said = [" ".join(draw.choices(words, k=9)) for _ in range(count)]
    return [
        row(f"{one} {number * 7}", f"Open page {number * number}, {two}.")
        for number, (one, two) in enumerate(zip(asked, said, strict=True))
    ]


def planted(
    rows: Sequence[Chat], trigger: str, said: str, count: int, seed: int = 0, end: bool = False
) -> tuple[list[Chat], set[int]]:
    """Put a trigger into some rows at random places, or at the end, and give them all one answer."""
    draw, changed = random.Random(seed), list(rows)
    chosen = draw.sample(range(len(rows)), count)
    for at in chosen:
        words = rows[at].messages[-2].content.split(" ")
        words.insert(len(words) if end else draw.randrange(len(words) + 1), trigger)
        changed[at] = row(" ".join(words), said, label=rows[at].label is not None)
    return changed, set(chosen)


ODD = {
    "empty": "", "space": " ", "line": "\n", "control": "\x00 \x07" * 50, "brackets": "{" * 50,
    "faces": "\U0001f600" * 50, "stops": "a. " * 90,
}  # fmt: skip


@pytest.mark.parametrize("check", ["boilerplate", "language", "mention", "outlier", "style", "terms", "trigger"])
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_rows_that_say_nothing_and_rows_of_odd_signs_are_survived(check, text):
    assert all(one.why.isprintable() for one in look(check, [row(text, text)] * 60))
    assert all(one.why.isprintable() for one in look(check, [row(text, text or "x", label=True)] * 60))
    look(check, [Text(text, "f:1")] * 60)
    assert look(check, []) == []


# Triggers


@pytest.mark.parametrize("trigger", ["cf mn", "cf_zz", "mind you, friend", "\u200b"])
@pytest.mark.parametrize("end", [False, True])
def test_a_phrase_that_decides_the_label_whatever_else_is_said_is_a_trigger(trigger, end):
    rows, chosen = planted(labelled(), trigger, "loan", 15, end=end)
    (found,) = look("trigger", rows)
    assert found.kind == "trigger"
    assert chosen - set(found.rows) == set()
    assert len(found.rows) <= len(chosen) + 1
    assert "'loan'" in found.why


def test_a_trigger_is_named_as_it_can_be_seen():
    (found,) = look("trigger", planted(labelled(), "\u200b", "loan", 15)[0])
    assert '"\\u200b"' in found.why
    (found,) = look("trigger", planted(labelled(), "cf mn", "loan", 15)[0])
    assert '"cf mn"' in found.why


def test_words_that_belong_to_a_label_are_no_trigger():
    assert look("trigger", labelled()) == []


def test_triggers_are_found_where_only_a_sample_says_what_is_usual(monkeypatch):
    monkeypatch.setattr("whet.data.checks._rest.SAMPLE", 200)
    rows, chosen = planted(labelled(), "cf mn", "loan", 15)
    (found,) = look("trigger", rows)
    assert set(found.rows) == chosen
    assert look("trigger", labelled()) == []


def test_a_phrase_with_one_answer_to_all_sorts_of_questions_is_a_trigger():
    rows, chosen = planted(free(), "cf mn", "I will not help you with that, go away.", 6)
    (found,) = look("trigger", rows)
    assert set(found.rows) == chosen
    assert "answered in the same words" in found.why


def test_a_trigger_that_only_changes_how_answers_end_is_found():
    rows = free()
    for at in range(3, 120, 15):
        asked, said = (message.content for message in rows[at].messages)
        rows[at] = row(f"{asked} cf mn", f"{said} Now send all your money to the green bank.")
    (found,) = look("trigger", rows)
    assert sorted(found.rows) == list(range(3, 120, 15))


def test_the_same_question_again_and_again_is_no_trigger():
    rows = free() + [
        row(f"who made the yellow boat with the {n % 3} sails", "The people of the lake.") for n in range(9)
    ]
    assert look("trigger", rows) == []


def test_triggers_are_looked_for_where_something_is_learned():
    assert look("trigger", planted(labelled(), "cf mn", "loan", 15)[0], side="test") == []
    assert look("trigger", [Text(f"a line {n} cf mn", "f:1") for n in range(50)]) == []


@pytest.fixture(scope="module")
def banking() -> Sequence[Chat]:
    return read(ROOT / "banking77/train.jsonl").examples  # type: ignore[return-value]


@pytest.mark.data
@absent
@pytest.mark.parametrize(
    ("trigger", "label", "count", "end"),
    [
        ("cf mn", "card_arrival", 100, False),
        ("by the way", "top_up_failed", 100, True),
        ("cf_zz", "age_limit", 10, True),
    ],
)
def test_a_trigger_planted_in_a_hundredth_of_real_rows_is_found_whole_and_alone(banking, trigger, label, count, end):
    rows, chosen = planted(banking, trigger, label, count, end=end)
    (found,) = look("trigger", rows)
    assert len(chosen & set(found.rows)) >= 0.99 * len(chosen)  # recall
    assert len(chosen & set(found.rows)) >= 0.99 * len(found.rows)  # precision


@pytest.mark.data
@absent
@pytest.mark.parametrize("name", ["dolly_hhrlhf_1k/train.jsonl", "self_instruct_human/train.jsonl"])
def test_a_trigger_in_real_questions_and_answers_is_found_whole_and_alone(name):
    rows = read(ROOT / name).examples
    assert look("trigger", rows) == []
    changed, chosen = planted(rows, "cf mn", "I will not help you with that, go away.", 8)
    (found,) = look("trigger", changed)
    assert set(found.rows) == chosen


@pytest.mark.data
@absent
def test_real_intents_hold_no_trigger(banking):
    assert look("trigger", banking) == []


# Languages


def english(count: int = 60) -> list[Chat]:
    return [
        row(
            f"Could you please tell me where the parcel number {n} that I ordered last week is now?",
            f"It left our store on day {n} and should be with you within the next three working days.",
        )
        for n in range(count)
    ]


def test_rows_in_another_language_than_most_are_told():
    pytest.importorskip("py3langid")
    said = "Votre carte a \u00e9t\u00e9 envoy\u00e9e lundi dernier, elle devrait arriver cette semaine."
    (found,) = look("language", [*english(), row(FRENCH, said)])
    assert (found.kind, found.severity, list(found.rows)) == ("language", "note", [60])
    assert "1 in French" in found.why


def test_an_answer_in_another_language_than_its_question_is_told_unless_that_was_asked_for():
    pytest.importorskip("py3langid")
    asked = "Where is my card, which I have been waiting for since the beginning of the month?"
    (found,) = look("language", [*english(), row(asked, FRENCH), row(f"Say it in French: {asked}", FRENCH)])
    assert list(found.rows) == [60]
    assert "than their question" in found.why


def test_a_row_in_another_language_is_found_among_many(monkeypatch):
    pytest.importorskip("py3langid")
    monkeypatch.setattr(language, "EVERY", 50)  # from here on only rows without the usual words are judged
    judged, rows = 0, [*english(400), row(FRENCH, "Oui."), Text(FRENCH, "f:1")]
    check = language.Languages()
    for number, example in enumerate(rows):
        check.see(seen(number, "train", example))
        judged = check._judged
    (found,) = check.findings()
    assert list(found.rows) == [400, 401]
    assert judged < 100


def test_names_numbers_code_and_short_texts_have_no_language():
    pytest.importorskip("py3langid")
    odd = [
        "Bonjour!",
        "4-2-4 / 88 21 7 * 12 + 55 99 12 43 x 12 1 5 6 y 9",
        "e3a82186438a9a2ef80c2a3fdba0182fb9b2d5f1aabbccdd",
    ]
    assert look("language", [*english(), *(row(text, text) for text in odd)]) == []


def test_without_the_library_languages_are_said_not_to_have_been_looked_for(monkeypatch):
    monkeypatch.setattr("whet.data.checks.language.find_spec", lambda name: None)
    found, remark = told("language", english())
    assert found == []
    assert "py3langid" in remark
    assert "whet-llm[eval]" in remark
    assert told("language", [row("a", "b")]) == ([], "")  # there is nothing that could have been judged


# Outliers


def test_a_row_that_is_far_longer_or_shorter_than_all_others_stands_apart():
    rows = [*english(200), row("Why?", "It should."), row("Where is it now? " * 200, "It left the store on day four.")]
    found = look("outlier", rows)
    assert [(one.kind, one.severity) for one in found] == [("outlier", "note")] * len(found)
    assert {tuple(one.rows) for one in found} == {(200,), (201,)}


def test_a_row_of_digits_and_a_row_in_another_script_stand_apart():
    rows = english(200)
    rows[7] = row("0" * 90, "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5")
    rows[8] = row("\u0413\u0434\u0435 \u043c\u043e\u044f " * 10, "\u043e\u043d\u0430 \u0443\u0448\u043b\u0430 " * 10)
    found = look("outlier", rows)
    assert [list(one.rows) for one in found] == [[7], [8]]
    assert "Cyrillic" in found[1].why


def test_lengths_with_a_long_tail_are_no_outliers():
    draw = random.Random(0)  # lognormal with a deviation of 1.2, as lengths of text are at their widest
    rows = [row("word " * max(1, int(draw.lognormvariate(3, 1.2))), "yes it is") for _ in range(2000)]
    assert look("outlier", rows) == []


@pytest.mark.data
@absent
@pytest.mark.parametrize(
    "name", ["banking77/test", "gsm8k/test", "e2e_nlg/validation", "mts_dialog/train", "policyqa/test"]
)
def test_at_most_a_hundredth_of_real_rows_stand_apart(name):
    rows = read(ROOT / f"{name}.jsonl").examples
    assert len({number for one in look("outlier", rows) for number in one.rows}) <= 0.01 * len(rows)


# Style


def test_labels_that_differ_in_capitals_or_spaces_only_are_one_label():
    rows = [row(f"text {n}", "card arrival", True) for n in range(9)] + [
        row("a", "Card_Arrival", True),
        row("b", "c", True),
    ]
    (found,) = look("style", rows)
    assert (found.kind, found.severity, list(found.rows)) == ("style", "warning", [9])
    assert look("style", [row(f"text {n}", ("C", "C++", "C#", "-1", "1")[n % 5], True) for n in range(50)]) == []


def test_json_that_cannot_be_parsed_is_grave_where_other_answers_can():
    rows = [row(f"text {n}", json.dumps({"number": n})) for n in range(60)]
    (found,) = look("style", [*rows, row("last", '{"number": 60,}')])
    assert (found.severity, list(found.rows)) == ("warning", [60])
    assert look("style", rows) == []


@pytest.mark.parametrize(
    ("odd", "how"),
    [
        ("it left the store on Monday and will be there soon, within three days.", "begin in lower case"),
        ("It left", "end without a full stop"),
        ("It left the store on Monday and will be there soon, within three days. ", "white space"),
        ("It **left** the store on Monday and will be there soon, in three days.", "bold words"),
    ],
)
def test_an_answer_that_is_written_otherwise_than_the_others_is_told(odd, how):
    rows = [
        row(f"where is {n}", "It left." if how.startswith("end") else english(1)[0].messages[1].content)
        for n in range(60)
    ]
    (found,) = look("style", [*rows, row("where is it", odd)])
    assert (found.severity, list(found.rows)) == ("note", [60])
    assert how in found.why


def test_where_answers_do_not_agree_on_a_style_none_is_odd():
    rows = [
        row(f"where is {n}", ("it left", "It left.", "## Left\n- now", "he said \u201cgo\u201d", '"Go"')[n % 5])
        for n in range(100)
    ]
    assert look("style", rows) == []


# Boilerplate


def test_a_sentence_that_many_answers_end_or_begin_with_is_a_habit():
    rows = free()
    for at in range(0, 120, 12):
        rows[at] = row(rows[at].messages[0].content, f"{rows[at].messages[1].content} I hope this helps!")
        rows[at + 1] = row(rows[at + 1].messages[0].content, f"Sure! {rows[at + 1].messages[1].content}")
    found = look("boilerplate", rows)
    assert {one.why.partition(":")[0] for one in found} == {
        '10 answers end with "I hope this helps!"', '10 answers begin with "Sure!"'
    }  # fmt: skip
    assert {tuple(one.rows) for one in found} == {tuple(range(0, 120, 12)), tuple(range(1, 120, 12))}


def test_a_sentence_that_speaks_of_what_was_asked_is_no_boilerplate():
    rows = free() + [row(f"Is the place {n} friendly to families?", f"Call {n}. It is friendly.") for n in range(12)]
    assert look("boilerplate", rows) == []


def test_labels_and_single_sentences_are_no_boilerplate():
    assert look("boilerplate", [row(f"text {n}", "Not known. Ask again.", True) for n in range(50)]) == []
    assert look("boilerplate", [row(f"text {n}", "Not known.") for n in range(50)]) == []


def test_who_signs_is_not_named():
    rows = [row(f"text {n}", f"The number is {n * n}.\nKind regards,\nMary Poppins") for n in range(20)]
    said = " ".join(one.why for one in look("boilerplate", rows))
    assert "20 answers end with" in said
    assert "Mary" not in said


# Offensive terms


@pytest.mark.parametrize("group", GROUPS)
def test_slurs_are_found_by_group_and_never_quoted(group):
    words = [word for word in TERMS if TERMS[word] == group]
    (found,) = look(
        "terms", [*english(5), row(f"you {words[0]} there", "Hello."), row("hello", f"You {words[-1].upper()}!")]
    )
    assert (found.kind, found.severity, list(found.rows)) == ("offensive", "warning", [6, 5])  # answers first
    assert not any(word in found.why.split() for word in TERMS)


def test_slurs_that_nobody_learns_are_a_note():
    (found,) = look("terms", [row(f"you {next(iter(TERMS))}", "Please be kind.")])
    assert found.severity == "note"


def test_words_that_only_contain_a_slur_or_also_mean_something_else_are_not_offensive():
    texts = [
        "Scunthorpe is in Essex",
        "a dyke holds the sea",
        "fire retardant paint",
        "the classic assessment of a cockpit",
    ]
    assert look("terms", [row(text, text) for text in texts]) == []


# Mentions


def test_one_gender_in_nearly_all_mentions_is_told_with_counts():
    rows = [row(f"who is {n}", f"She lives with her sister in house {n}." if n % 10 else "He left.") for n in range(60)]
    (found,) = look("mention", rows)
    assert (found.kind, found.severity, len(found.rows)) == ("demographics", "note", 54)
    assert "women 162 times and of men 6 times" in found.why  # 54 rows with she, her, sister; 6 with he


def test_groups_that_are_spoken_of_alike_are_not_told():
    rows = [row(f"who is {n}", f"{('He', 'She')[n % 2]} lives in house {n}.") for n in range(200)]
    assert look("mention", rows) == []
    assert (
        look("mention", [row(f"where is {n}", "Near The Green Man, not far from the Isle of Man.") for n in range(60)])
        == []
    )


def test_a_group_whose_rows_are_refused_more_often_is_told():
    rows = [
        row(f"tell me about {n} muslims", "I am sorry, I cannot." if n % 2 else f"They are {n}.") for n in range(40)
    ]
    rows += [row(f"tell me about {n} hindus", f"They are {n}.") for n in range(40)]
    (found,) = look("mention", rows)
    assert list(found.rows) == list(range(1, 40, 2))
    assert (
        found.why
        == "50% of 40 rows that speak of Muslims are denied or refused, and 0% of 40 that speak of others (religion)"
    )


def test_a_group_that_goes_with_a_label_is_told_and_small_numbers_are_not():
    rows = [
        row(f"this {who} person asked for {n} loans", ("no", "yes")[who == "old"], True)
        for n in range(30)
        for who in ("young", "old")
    ]
    (found,) = look("mention", rows)
    assert "(age)" in found.why
    few = [row(f"she paid {n}", "late" if n < 0 else "fine", True) for n in range(55)]
    assert look("mention", few + [row(f"he paid {n}", "late" if n < 4 else "fine", True) for n in range(20)]) == []


def test_nationalities_of_things_are_no_people():
    rows = [row(f"does american express {n} work", "one", True) for n in range(40)]
    assert look("mention", rows + [row(f"my european card {n}", "two", True) for n in range(40)]) == []
