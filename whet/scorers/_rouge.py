"""ROUGE as rouge_score has it, with words of any script."""

from functools import cache
from typing import Any

from whet.scorers._text import words


class _Words:
    """The tokenizer handed to rouge_score, whose own drops every letter outside a-z."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@cache
def _measure(kind: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - takes seconds: it imports nltk

    return RougeScorer([kind], use_stemmer=False, tokenizer=_Words())


def rouge(kind: str, target: str, reply: str) -> Any:
    """Return precision, recall and F-measure of "rouge1" to "rouge9" or "rougeL", without stemming.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", sections 2 and 3, with beta = 1.
    """
    return _measure(kind).score(target, reply)[kind]
