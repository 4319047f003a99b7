"""Votes in both orders, win rates and agreement with people; worked by hand."""

import pytest

from whet.evals.bias.columns import Sure
from whet.evals.pairwise import Votes, agreement, questions, vote, win_rate
from whet.types import Message

SURE = Sure(resamples=400)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A", "A"),
        (" B.", "B"),
        ("Reply A is better.", "A"),
        ("A or B", None),
        ("Both are", None),
        ("", None),
        ("a", None),
    ],
)
def test_a_vote_names_one_reply_alone(text, said):
    assert vote(text) == said


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [
        (Votes("A", "B"), 1.0),
        (Votes("B", "A"), 0.0),
        (Votes("A", "A"), None),
        (Votes("B", "B"), None),
        (Votes("A", None), None),
        (Votes(same=True), 0.5),
    ],
)
def test_what_wins_in_one_order_alone_has_not_won(votes, outcome):
    assert votes.outcome == outcome


def test_each_reply_stands_first_once():
    first, second = (one.question for one in questions((Message("user", "Why?"),), "mine", "other", "kinder"))
    assert "Reply A:\nmine" in first
    assert "Reply B:\nother" in first
    assert "Reply A:\nother" in second
    assert "Reply B:\nmine" in second
    assert "user: Why?" in first
    assert "Which reply is kinder?" in first


def test_a_win_rate_counts_an_unsure_judge_as_a_tie_and_says_so():
    found = win_rate([Votes("A", "B")] * 30 + [Votes("B", "A")] * 10 + [Votes("A", "A")] * 10, None, SURE)
    assert found["value"] == pytest.approx(0.7)  # (30 + 5) of 50
    assert (found["wins"], found["losses"], found["unsure"], found["same"]) == (30, 10, 10, 0)
    assert found["low"] < 0.7 < found["high"]
    assert found["p_value"] < 0.01
    assert found["place"] == pytest.approx(0.6)  # 40 + 20 of 100


def test_a_judge_who_looks_at_the_place_alone_has_no_opinion():
    found = win_rate([Votes("A", "A")] * 40, None, SURE)
    assert found["value"] == 0.5
    assert found["unsure"] == 40
    assert found["place"] == 1.0
    assert found["p_value"] == 1.0


def test_agreement_is_of_the_pairs_that_both_decided():
    votes = [Votes("A", "B")] * 18 + [Votes("B", "A")] * 12 + [Votes("A", "A")] * 10 + [Votes("A", "B")] * 5
    people = [True] * 15 + [False] * 3 + [False] * 9 + [True] * 3 + [True] * 10 + [None] * 5
    found = agreement(votes, people, SURE)
    assert found["agreement"]["value"] == pytest.approx(24 / 30)
    assert found["decided"] == pytest.approx(30 / 40)
    assert found["ties"] == 5
    chance = 0.6 * 0.6 + 0.4 * 0.4  # each prefers ours in 18 of 30
    assert found["kappa"] == pytest.approx((0.8 - chance) / (1 - chance))


def test_nothing_is_said_of_too_few_pairs():
    found = agreement([Votes("A", "B")] * 5, [True] * 5, SURE)
    assert found["agreement"]["value"] is None
    assert "too few" in found["agreement"]["why"]
