"""What questions and answers must have to do with the passage they are made from."""

import re

from whet.data.makers import Discard

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_POINTING = re.compile(
    r"\b(?:(?:the|this|above|given|following) (?:passage|text|paragraph|document|article|section|excerpt)"
    r"|according to (?:the|this)\b|mentioned (?:above|here)|the author)",
    re.IGNORECASE,
)
_ANSWERING = re.compile(r"\W*(?:the|my) (?:answer|question|reply)\b", re.IGNORECASE)
COVERED = 0.7  # share of an answer's telling words that the passage must have
STOP = frozenset(
    ("a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "do", "does", "for", "from", "had", "has",
     "have", "he", "her", "his", "how", "i", "if", "in", "into", "is", "it", "its", "may", "more", "no", "not", "of",
     "on", "or", "our", "she", "should", "so", "such", "than", "that", "the", "their", "them", "then", "there", "these",
     "they", "this", "to", "was", "we", "were", "what", "when", "where", "which", "who", "why", "will", "with",
     "would", "yes", "you", "your")
)  # fmt: skip


def telling(text: str) -> set[str]:
    """Return the words of a text that say something."""
    return {word for word in _WORD.findall(text.lower()) if word not in STOP}


def grounded(answer: str, passage: str) -> None:
    """Make sure that an answer says what the passage says.

    Raises:
        Discard: a number that is not there, too many words that are not, or talk of "the text" or "the answer" itself.
    """
    if _POINTING.search(answer) or _ANSWERING.match(answer):
        raise Discard("the answer speaks of the passage or of itself, not of the matter")
    if strange := set(_NUMBER.findall(answer)) - set(_NUMBER.findall(passage)):
        raise Discard(f"the answer has a number that the passage has not ({len(strange)} in all)")
    words = telling(answer)
    if not words or len(words & telling(passage)) < COVERED * len(words):
        raise Discard("the answer says what the passage does not")


def standing_alone(question: str, passage: str) -> None:
    """Make sure that a question can be understood without the passage, and is about it.

    Raises:
        Discard: it speaks of "the passage", or shares no telling word with it.
    """
    if _POINTING.search(question):
        raise Discard("the question speaks of the passage, which nobody sees who is asked it")
    if not telling(question) & telling(passage):
        raise Discard("the question is not about the passage")
