"""The longest common subsequence of words: ROUGE-L."""

from functools import cache
from typing import Any

from whet.scorers._text import best, words
from whet.types import Prompt, Score

__all__ = ["rouge_l"]


class _Words:
    """The tokenizer handed to rouge_score, whose own drops every letter outside a-z."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@cache
def _measure() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - takes seconds: it imports nltk

    return RougeScorer(["rougeL"], use_stemmer=False, tokenizer=_Words())


def rouge_l(prompt: Prompt, reply: str) -> Score:
    """Return the ROUGE-L F-measure without stemming; equal to rouge_score's on ASCII text.

    Text in other scripts is scored too: its words are runs of letters and digits, or single kana and Han
    characters.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3, with beta = 1.
    """

    def judged(target: str) -> Score:
        found = _measure().score(target, reply)["rougeL"]
        return Score(float(found.fmeasure), f"precision {found.precision:.2f}, recall {found.recall:.2f}")

    return best(prompt, judged)
