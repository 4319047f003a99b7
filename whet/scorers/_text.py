"""What the scorers share: words of any script, folded whitespace and the best of several targets."""

import re
from collections.abc import Callable

from whet.types import Prompt, Score

_WORD = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"  # kana and Han are written without spaces
    "|[^\\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)


def words(text: str) -> list[str]:
    """Return the lower-cased runs of letters and digits; each kana or Han character is a word of its own.

    On ASCII text these are exactly the tokens of rouge_score without stemming.
    """
    return _WORD.findall(text.lower())


def folded(text: str) -> str:
    """Return the text stripped, with every run of whitespace as one space."""
    return " ".join(text.split())


def best(prompt: Prompt, judge: Callable[[str], Score]) -> Score:
    """Return the highest score over the prompt's targets; the first target wins a tie.

    Raises: ValueError if the prompt has no target.
    """
    if not prompt.targets:
        where = f"{prompt.source}: " if prompt.source else ""
        raise ValueError(f"{where}the prompt has no target, so a reply to it cannot be scored; add the right answer")
    return max(map(judge, prompt.targets), key=lambda score: score.value)
