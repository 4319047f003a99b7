"""Right when the reply names the label."""

import re
import unicodedata
from collections.abc import Iterable

from whet.scorers._text import best
from whet.types import Prompt, Score

__all__ = ["label"]

_QUOTES = "\u00ab\u00bb\u2018\u2019\u201a\u201c\u201d\u201e\u300c\u300d"
_AROUND = " \t\"'`*_.,;:!?()[]{}<>\u3001\u3002" + _QUOTES  # NFKC has made ASCII of full-width signs
_JOINT = re.compile(r"(?<=[^\W_])[-_\s]+(?=[^\W_])")  # only between letters or digits, so "-1" is not "1"
_BULLET = re.compile(r"^[-*\u2022]\s+")


def normalized(text: str) -> str:
    """Return the first line that is not blank, as labels are compared.

    Case, surrounding punctuation and quotes do not count; between words an underscore, a hyphen and a space
    are the same. Signs that tell labels apart ("+", "-1", "c++") stay.
    """
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    plain = unicodedata.normalize("NFKC", line).casefold()
    kept = _BULLET.sub("", plain).strip(_AROUND)
    return _JOINT.sub(" ", kept or plain)


def named(reply: str, labels: Iterable[str]) -> str | None:
    """Return the label that the reply names, or None. What a confusion table is made of."""
    said = normalized(reply)
    return next((label for label in labels if normalized(label) == said), None)


def label(prompt: Prompt, reply: str) -> Score:
    """Return 1 if the first line of the reply is the label and nothing else, else 0.

    A label inside a longer sentence does not count: "not spam" would name "spam".
    """
    said = normalized(reply)
    right = best(prompt, lambda target: Score(float(said == normalized(target)))).value
    if right:
        return Score(1.0, f"said {said!r}")
    wanted = " or ".join(repr(normalized(target)) for target in prompt.targets[:3])
    return Score(0.0, f"said {said[:80]!r}, wanted {wanted}" if said else f"said nothing, wanted {wanted}")
