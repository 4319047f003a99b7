"""The longest common subsequence of words: ROUGE-L."""

from whet.scorers._rouge import rouge
from whet.scorers._text import best
from whet.types import Prompt, Score

__all__ = ["rouge_l"]


def rouge_l(prompt: Prompt, reply: str) -> Score:
    """Return the ROUGE-L F-measure without stemming; equal to rouge_score's on ASCII text.

    Text in other scripts is scored too: its words are runs of letters and digits, or single kana and Han
    characters.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3, with beta = 1.
    """

    def judged(target: str) -> Score:
        found = rouge("rougeL", target, reply)
        return Score(float(found.fmeasure), f"precision {found.precision:.2f}, recall {found.recall:.2f}")

    return best(prompt, judged)
