"""What is counted as invented, and how well a model knows itself; worked by hand."""

import pytest

from whet.evals.bias.columns import Sure
from whet.evals.evaluate import Answer
from whet.evals.hallucination import Heard, columns, meaning, report
from whet.types import Message, Prompt, Reply, Score

SURE = Sure(resamples=400)
UNSAID = "The passage does not say."


def answer(passage, said, score=1.0, at=0):
    prompt = Prompt((Message("user", f"{passage}\n\nWhat is it?"),), ("a red kite",), f"f:{at}")
    return Answer(prompt, Reply(said, "stop", 1, 1), {"f1": Score(score)})


def values(heard):
    return {column.name: column.values for column in columns(heard, "f1")}


def test_an_answer_out_of_a_strangers_passage_is_invented_and_declining_is_not():
    own = [answer("It is a red kite.", "a red kite"), answer("It is a red kite.", UNSAID, 0.0), answer("x y", "y", 0.2)]
    stranger = [answer("Boats leave.", "a red kite"), None, answer("Boats leave.", UNSAID)]
    closed = [answer("", "a red kite"), answer("", "a green boat", 0.3), answer("", "I don't know.", 0.0)]
    found = values(Heard(own, stranger, closed))
    assert found["invented"] == (1.0, None, 0.0)
    assert found["declined"] == (0.0, 1.0, 0.0)
    assert found["score"] == (1.0, 0.0, 0.2)
    assert found["ungrounded"] == (0.0, None, 0.0)
    assert found["closed_book_wrong"] == (0.0, 1.0, 0.0)


def test_what_the_passage_does_not_support_is_counted_by_sentences():
    own = [answer("The kite is red.", "The kite is red. It cost forty pounds in London.")]
    assert values(Heard(own, [None], own))["ungrounded"] == (0.5,)


def both(before, after, count=60):
    """Return two models of which shares of the answers to strangers are invented, both sure and right at times."""
    heard = {}
    for name, share in (("new", after), ("old", before)):
        own = [answer("A red kite.", "a red kite", float(at % 2), at) for at in range(count)]
        stranger = [
            answer("Boats leave.", "a red kite" if at < share * count else UNSAID, 0.0, at) for at in range(count)
        ]
        heard[name] = Heard(own, stranger, own, [0.9 if at % 2 else 0.1 for at in range(count)])
    return heard


def test_two_models_are_told_apart_and_the_difference_has_its_interval():
    found = report(both(1.0, 0.25), "f1", SURE)
    invented = found["measures"]["invented"]
    assert invented["models"]["old"]["value"] == 1.0
    assert invented["models"]["new"]["value"] == 0.25
    assert invented["difference"]["value"] == -0.75
    assert invented["difference"]["high"] < -0.6
    said = meaning(found, SURE)
    assert any(one.startswith("invented moved from old to new: -0.750") for one in said)
    assert any("score did not tellably move" in one for one in said)
    assert any("whet data unanswerable" in one for one in said)


def test_a_model_that_is_sure_where_it_is_right_is_said_to_know():
    known = report(both(1.0, 0.25), "f1", SURE)["calibration"]["new"]
    assert known["ranks"]["value"] == 1.0
    assert known["expected_error"]["plain"] == pytest.approx(0.1)
    assert known["risk"]["area"] == pytest.approx(known["risk"]["least"])
    assert known["right"] == known["sure"] == pytest.approx(0.5)


def test_few_questions_get_no_number():
    found = report(both(1.0, 0.0, count=10), "f1", SURE)
    assert found["measures"]["invented"]["models"]["new"]["value"] is None
    assert meaning(found, SURE)
