"""Character n-grams shared by the reply and the target: chrF2."""

from sacrebleu.metrics.chrf import CHRF

from whet.scorers._text import best
from whet.types import Prompt, Score

__all__ = ["chrf"]

_MEASURE = CHRF(eps_smoothing=False)  # sentence-level chrF2: n-grams of 1 to 6 characters, beta 2


def chrf(prompt: Prompt, reply: str) -> Score:
    """Return sacrebleu's sentence chrF2 divided by 100.

    Source: Popovic 2015, "chrF: character n-gram F-score for automatic MT evaluation", with beta = 2.
    """

    def judged(target: str) -> Score:
        value = _MEASURE.sentence_score(reply, [target]).score / 100
        return Score(min(max(float(value), 0.0), 1.0))  # a perfect reply can come out as 1 + 2e-16

    return best(prompt, judged)
