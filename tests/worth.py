"""Rewards for tests, from a function of a prompt and a reply."""

from whet.train.rewards import Part, Rewards
from whet.types import Score


def rewarding(score):
    return Rewards([Part("given", 1.0, lambda prompt, text: Score(score(prompt, text)))])
