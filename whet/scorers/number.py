"""Right when the last number in the reply equals the last number in the target."""

import re
from decimal import Decimal

from whet.scorers._text import best, folded
from whet.types import Prompt, Score

__all__ = ["number"]

_NUMBER = re.compile(
    r"(?:(?<![\w.)])[-+])?"  # a sign, unless it is the dash of "3-4" or of "(a)-1"
    r"(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?:[eE][-+]?[0-9]{1,3}(?![0-9A-Za-z]))?"
)
_MARK = "####"
_PLAIN = str.maketrans({"\u2212": "-", "$": None, "\u20ac": None, "\u00a3": None})  # so that "-$5" is -5


def last(text: str) -> Decimal | None:
    """Return the last number in the text, or None; after "####" the first number counts, as in GSM8K.

    Commas between groups of three digits are ignored: "1,200" is 1200.
    """
    plain = text.translate(_PLAIN)
    _, mark, answer = plain.rpartition(_MARK)
    marked = _NUMBER.findall(answer) if mark else []
    found = marked[:1] or _NUMBER.findall(plain)
    return Decimal(found[-1].replace(",", "")) if found else None


def number(prompt: Prompt, reply: str) -> Score:
    """Return 1 if the last number of the reply equals that of a target exactly ("42.0" is 42), else 0.

    A target without any number is compared as text.

    Source: Cobbe et al. 2021, arXiv:2110.14168, for the "#### 42" form of the answer.
    """
    said = last(reply)

    def judged(target: str) -> Score:
        wanted = last(target)
        if wanted is None:
            return Score(float(folded(reply) == folded(target)), "the target has no number; compared as text")
        if said is None:
            return Score(0.0, f"no number in the reply, wanted {wanted}")
        return Score(float(said == wanted), f"said {said}, wanted {wanted}")

    return best(prompt, judged)
