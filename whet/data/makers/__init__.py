"""How rows are made from rows, one file per kind.

A kind is a module here whose one export has the module's name: a generator function `kind(example, bench)`. It yields
what it wants to be asked of a model (`Ask`), is sent the reply as text, and returns the rows it made, each a JSON
object of some shape, or raises Discard with the reason why nothing came of it. It does no I/O: who asks, how many at
once, at what cost and what is kept of a run that was stopped is `whet.data.making`'s.

Its docstring's first line is shown by `whet data make --help`; `NEEDS` says what it is made from.
"""

import random
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from whet.data.shapes import Unusable
from whet.types import Chat, Example, Message, Text

Row = dict[str, Any]
_LABEL = re.compile(r"^\W*(?:question|answer|q|a|instruction|task|request|reply|rewritten[^:\n]{0,40})\s*[:.]\s*", re.I)
_PREFACE = re.compile(
    r"^\W*(?:(?:the|a|one|my) (?:possible )?question (?:would|could|might|is|to ask)\b[^:\n]{0,30}"
    r"|(?:a|one) person (?:could|might|would) ask|what if (?:the|a) person asks)\s*[:,]\s*[\"'\u201c]?",
    re.I,
)  # what small models say before the question
_QUOTED = re.compile(r'^(["\'`\u201c])(.*)(["\'`\u201d])$', re.DOTALL)


class Discard(Unusable):
    """Nothing came of a row; the message says why."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing asked of a model: of the maker, freely, or of the judge, who is always asked greedily."""

    messages: tuple[Message, ...]
    longest: int = 256  # tokens of the reply
    who: Literal["maker", "judge"] = "maker"


@dataclass(frozen=True, slots=True)
class Bench:
    """What a kind works with: its own chance (from the row and the seed alone), and the other rows of the source."""

    draw: random.Random
    others: Sequence[Example]


Making = Generator[Ask, str, list[Row]]
Kind = Callable[[Example, Bench], Making]


def ask(text: str, longest: int = 256, who: Literal["maker", "judge"] = "maker") -> Ask:
    """Return an Ask of one message."""
    return Ask((Message("user", text),), longest, who)


def passage_of(example: Example) -> str:
    """Return the text that questions are asked about."""
    if isinstance(example, Text):
        return example.text.strip()
    raise Discard("is no passage; name a document or a file of raw text")


def exchange_of(example: Example) -> tuple[tuple[Message, ...], str]:
    """Return the messages before a conversation's last answer, and that answer."""
    if isinstance(example, Chat):
        return example.messages[:-1], example.messages[-1].content
    raise Discard("is no question with an answer")


def said(reply: str) -> str:
    """Return what a reply says, without a label or quotation marks around it.

    Raises:
        Discard: it says nothing.
    """
    text = _LABEL.sub("", reply.strip()).strip()
    if found := _QUOTED.match(text):
        text = found[2].strip()
    if not text:
        raise Discard("the reply was empty")
    return text


def question_in(reply: str) -> str:
    """Return the first question in a reply.

    Raises:
        Discard: there is none.
    """
    for line in said(reply).splitlines():
        text, mark, _ = said(line).partition("?") if line.strip() else ("", "", "")
        text = _PREFACE.sub("", text).lstrip("-*\u2022 ")
        if mark and len(text.split()) >= 3:
            return f"{text.strip()}?"
    raise Discard("the reply was no question")
