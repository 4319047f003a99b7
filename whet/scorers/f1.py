"""Words shared by the reply and the target: SQuAD's F1."""

import re
import string
from collections import Counter

from whet.scorers._text import best
from whet.types import Prompt, Score

__all__ = ["f1"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def tokens(text: str) -> list[str]:
    """Return the words of the text, lower-cased, without ASCII punctuation and English articles."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def f1(prompt: Prompt, reply: str) -> Score:
    """Return the harmonic mean of the share of reply words in the target and of target words in the reply.

    When either side has no words left, the score is 1 if both have none, else 0.

    Source: Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1, as in the SQuAD 2.0 evaluation script.
    """
    said = Counter(tokens(reply))

    def overlap(target: str) -> Score:
        wanted = Counter(tokens(target))
        if not said or not wanted:
            return Score(float(said == wanted), "no words to compare")
        shared = (said & wanted).total()
        value = 2 * shared / (said.total() + wanted.total())
        return Score(value, f"{shared} words shared; {said.total()} said, {wanted.total()} wanted")

    return best(prompt, overlap)
