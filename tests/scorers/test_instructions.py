"""Constraints on the form of a reply, each on replies that keep to it and that do not, worked out by hand."""

import pytest

from whet.scorers._constraints import CONSTRAINTS
from whet.scorers.instructions import instructions
from whet.types import Message, Prompt

FOX = "the quick brown fox jumps over the lazy dog near the river bank"
CASES = {
    "keywords:existence": ({"keywords": ["mom", "Mother"]}, "My MOM is a mother.", "My mom is here."),
    "keywords:frequency": (
        {"keyword": "shoe", "relation": "at least", "frequency": 2}, "A shoe and shoes.", "One shoe."
    ),
    "keywords:forbidden_words": ({"forbidden_words": ["rock"]}, "Rocket and rocks.", "A Rock."),
    "keywords:letter_frequency": (
        {"letter": "A", "let_relation": "less than", "let_frequency": 3}, "Banter at", "Banana"
    ),
    "language:response_language": (
        {"language": "de"}, "Der Hund schläft heute lange im Garten hinter dem Haus.", f"It is said that {FOX}."
    ),
    "length_constraints:number_sentences": (
        {"relation": "less than", "num_sentences": 3}, "One. Two!", "One. Two! Three?"
    ),
    "length_constraints:number_paragraphs": ({"num_paragraphs": 2}, "One\n***\nTwo\n***", "One\n\nTwo"),
    "length_constraints:number_words": ({"relation": "at least", "num_words": 4}, "It's three words", "Three words"),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "weekend"}, "One.\n\n\"Weekend, yes.", "Weekend.\n\nTwo"
    ),
    "detectable_content:number_placeholders": ({"num_placeholders": 2}, "[name], [place]", "[name] only"),
    "detectable_content:postscript": ({"postscript_marker": "P.S."}, "Bye.\nP. S. Call me", "Bye. PS call"),
    "detectable_format:number_bullet_lists": ({"num_bullets": 2}, "* one\n- two", "* one\n* two\n* three"),
    "detectable_format:constrained_response": ({}, "Well: My answer is maybe.", "Maybe."),
    "detectable_format:number_highlighted_sections": ({"num_highlights": 2}, "*one* and **two**", "*one* and ** **"),
    "detectable_format:multiple_sections": (
        {"section_spliter": "SECTION", "num_sections": 2}, "SECTION 1\na\nSECTION 2\nb", "SECTION 1\na"
    ),
    "detectable_format:json_format": ({}, "```json\n{\"a\": 1}\n```", "{'a': 1}"),
    "detectable_format:title": ({}, "<<A title>>\ntext", "<< >>\ntext"),
    "combination:two_responses": ({}, "One\n******\nTwo", "One\n******\nOne"),
    "combination:repeat_prompt": ({"prompt_to_repeat": "Say it. "}, "say it. It.", "It."),
    "startend:end_checker": ({"end_phrase": "The end."}, 'So. "the END."', "The end. No."),
    "startend:quotation": ({}, ' "Said." ', '"Said'),
    "change_case:capital_word_frequency": (
        {"capital_relation": "at least", "capital_frequency": 2}, "GO now, STOP-SIGN ahead", "GO now, Stop"
    ),
    "change_case:english_capital": ({}, f"SEE HOW {FOX.upper()}.", f"See how {FOX}."),
    "change_case:english_lowercase": ({}, f"see how {FOX}.", f"See how {FOX}."),
    "punctuation:no_comma": ({}, "One and two.", "One, two."),
}  # fmt: skip


def prompt(names, settings):
    item = {"instruction_id_list": names, "kwargs": settings}
    return Prompt((Message("user", "?"),), source="rows.jsonl:3", item=item)


def test_every_constraint_is_tried():
    assert set(CASES) == set(CONSTRAINTS)


@pytest.mark.parametrize("name", CASES)
def test_a_constraint_tells_a_reply_that_keeps_to_it_from_one_that_does_not(name):
    settings, good, bad = CASES[name]
    asked = prompt([name], [settings])
    assert instructions(asked, good).value == 1.0
    told = instructions(asked, bad)
    assert told.value == 0.0
    assert name in told.why


def test_all_constraints_of_a_row_have_to_be_kept_and_an_empty_reply_keeps_to_none():
    asked = prompt(["punctuation:no_comma", "startend:quotation"], [{}, None])
    assert instructions(asked, '"Yes."').value == 1.0
    assert instructions(asked, "Yes.").why == "1 of 2 kept; not startend:quotation"
    assert instructions(prompt(["punctuation:no_comma"], [{}]), " ").value == 0.0


@pytest.mark.parametrize(
    ("names", "settings", "said"),
    [
        ([], [], "no constraints to keep to"),
        (["punctuation:no_colon"], [{}], "'punctuation:no_colon' is no constraint that is known"),
        (["punctuation:no_comma"], [{}, {}], "1 constraints and 2"),
        (["keywords:existence"], [{}], "keywords:existence has no 'keywords'"),
        (
            ["length_constraints:number_words"], [{"relation": "about", "num_words": 3}],
            "should be 'less than' or 'at least'",
        ),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named_with_the_way_out(names, settings, said):
    with pytest.raises(ValueError, match=r"rows\.jsonl:3") as told:
        instructions(prompt(names, settings), "x")
    assert said in str(told.value)
