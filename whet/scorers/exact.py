"""Right when the reply is the target, whitespace aside."""

from whet.scorers._text import best, folded
from whet.types import Prompt, Score

__all__ = ["exact"]


def exact(prompt: Prompt, reply: str) -> Score:
    """Return 1 if the reply equals a target after stripping and folding whitespace, else 0. Case counts."""
    said = folded(reply)
    if best(prompt, lambda target: Score(float(said == folded(target)))).value:
        return Score(1.0, "the same text")
    return Score(0.0, "another text" if said else "an empty reply")
