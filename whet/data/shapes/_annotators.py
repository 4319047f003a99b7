"""What annotators said of items, as examples: labels, texts, ratings, choices between two, rankings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from whet.config.tree import Data
from whet.data.shapes import Unusable
from whet.data.shapes._pairs import number_of, preference, reply_of
from whet.data.shapes._turns import messages_of, needed, unpacked
from whet.data.shapes.comparison import SIDES
from whet.data.shapes.feedback import REPLIES
from whet.types import Chat, Example, Feedback, Message

Kind = Literal["label", "labels", "text", "rating", "side", "order"]
Item = Mapping[str, Any]

ASKED = (
    "prompt", "question", "instruction", "query", "text", "input", "review", "sentence", "utterance", "chat",
    "messages", "document", "article", "passage", "ticket", "email", "comment", "message", "body",
)  # fmt: skip
LABELS = {
    "label", "labels", "sentiment", "intent", "category", "class", "topic", "choice", "choices", "classification",
    "tag", "quality", "toxicity", "language", "emotion",
}  # fmt: skip
PLAIN = {"label": "one of the labels", "labels": "labels", "text": "the answer", "rating": "a rating of the reply",
         "side": "which reply is better", "order": "the order of the replies"}  # fmt: skip
SHORT = 60  # characters of a label
SHOWN = 10  # items that a remark names


class Fields:
    """Which of an item's fields is asked, and which hold replies to it."""

    def __init__(self, items: Sequence[Item], data: Data, *hints: str) -> None:
        names = dict.fromkeys(name for item in items for name, value in item.items() if isinstance(value, str | list))
        texts = [name for name in names if any(_said(item.get(name)) for item in items)]
        named = {name.strip().casefold(): name for name in reversed(texts)}
        self.names = tuple(names)
        pairs = ((named.get(one), named.get(two)) for one, two, *_ in SIDES)
        self.pair = next(((one, two) for one, two in pairs if one and two), None)
        replies = {*(self.pair or ())}
        self.reply = data.columns.get("completion") or next((named[name] for name in REPLIES if name in named), None)
        rest = [name for name in texts if name not in replies]
        known = [named[name] for name in ASKED if name in named and named[name] in rest]
        told = [name for name in hints if name in rest]
        single = [name for name in rest if name != self.reply]
        asked = [*known, *told, *(single if len(single) == 1 else ())]
        self.asked = data.columns.get("prompt") or data.columns.get("text") or next(iter(asked), None)

    def replies(self, kind: Kind) -> tuple[str, ...]:
        """Return the fields that a verdict of this kind is about, besides what is asked."""
        if kind == "side":
            return self.pair or ()
        return (self.reply,) if kind == "rating" and self.reply and self.reply != self.asked else ()


def _said(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip()) and not value.startswith(("http://", "https://", "s3://", "gs://", "/data/"))
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and "role" in one for one in value)


def text_kind(name: str, values: Sequence[str]) -> Kind:
    """Return whether texts are labels: they are short and either called so or said again and again."""
    if any(len(value) > SHORT or "\n" in value for value in values):
        return "text"
    plain = name.strip().casefold().replace("-", "_")
    called = plain in LABELS or plain.endswith(("_label", "_labels", "_class"))
    return "label" if called or (len(values) >= 4 and 2 * len(set(values)) <= len(values)) else "text"


class Verdicts:
    """Turns what annotators said of one item into examples, and counts what comes of the others."""

    def __init__(self, kind: Kind, asked: str, replies: Sequence[str], values: Sequence[Any], called: str) -> None:
        self._kind, self._asked, self._called = kind, asked, called
        self.replies = tuple(replies)
        grades = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        self._scale = (min(grades), max(grades)) if kind == "rating" and grades else (0.0, 0.0)
        self._disagreed: list[str] = []
        self.left = Counter[str]()

    @property
    def scaled(self) -> bool:
        """Whether the first rows have a worse and a better rating."""
        return self._scale[0] < self._scale[1]

    @property
    def how(self) -> str:
        """What a person should know of the reading."""
        scale = f", from {self._scale[0]:g} (bad) to {self._scale[1]:g} (good)" if self._kind == "rating" else ""
        return PLAIN[self._kind] + scale

    def examples(self, item: Item, said: Sequence[Any], name: str) -> list[Example]:
        """Return the examples of an item; none where nobody said anything, or several do not agree."""
        if not said:
            self.left[f"{self._called} that nobody answered were left out"] += 1
            return []
        distinct = [value for place, value in enumerate(said) if value not in said[:place]]
        asked = self._turns(item)
        if self._kind == "text":
            if len(distinct) > 1:
                self.left[f"{self._called} have several answers, and each is a row"] += 1
            return [Chat((*asked, Message("assistant", self._answer(value)))) for value in distinct]
        if self._kind == "rating":
            return [self._rated(item, asked, said)]
        if len(distinct) > 1:
            self._disagreed.append(name)
            return []
        if self._kind in ("label", "labels"):
            answer = self._answer(distinct[0]).strip()
            label = answer if self._kind == "label" else None
            return [Chat((*asked, Message("assistant", answer)), label=label)]
        return [self._preferred(item, asked, distinct[0])]

    def told(self) -> list[str]:
        """Return what was left out, how often and why."""
        said = [f"{count:,} {what}" for what, count in self.left.items() if count]
        if self._disagreed:
            some = ", ".join(self._disagreed[:SHOWN]) + (", ..." if len(self._disagreed) > SHOWN else "")
            what = f"{len(self._disagreed):,} {self._called} on which annotators disagree were left out (id {some})"
            said.append(f"{what}; settle them there and export again")
        return said

    def _turns(self, item: Item) -> tuple[Message, ...]:
        value = unpacked(item.get(self._asked), self._asked) if isinstance(item.get(self._asked), list) else None
        turns = messages_of(value, self._asked) if value else (Message("user", needed(item, self._asked)),)
        if turns[-1].role == "assistant" and not (self._kind == "rating" and not self.replies):
            raise Unusable(f"{self._asked!r} ends with the assistant; the last message should be the user's")
        return turns

    def _answer(self, value: Any) -> str:
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        if not text.strip():
            raise Unusable("the answer is empty; write one or remove the row")
        return text

    def _rated(self, item: Item, asked: tuple[Message, ...], said: Sequence[Any]) -> Feedback:
        low, high = self._scale
        grade = sum(number_of(value, "rating") for value in said) / len(said)
        if len(set(said)) > 1:
            self.left[f"{self._called} were rated differently, and their mean counts"] += 1
        if not low <= grade <= high:
            raise Unusable(f"the rating is {grade:g}, but the first rows go from {low:g} to {high:g}; mend the row")
        value = (grade - low) / (high - low)
        if not self.replies:
            return Feedback(asked[:-1], asked[-1:], value)
        reply = reply_of(item.get(self.replies[0]), self.replies[0])
        if not reply[-1].spoken.strip():
            raise Unusable(f"{self.replies[0]!r} is empty; write the reply or remove the row")
        return Feedback(asked, reply, value)

    def _preferred(self, item: Item, asked: tuple[Message, ...], verdict: Any) -> Example:
        replies = [reply_of(item.get(name), name) for name in self.replies]
        if self._kind == "side":
            if verdict not in ("left", "right"):
                raise Unusable(f"the reply selected is {str(verdict)[:40]!r}; left and right are known")
            return preference(asked, replies, (1.0, 0.0) if verdict == "left" else (0.0, 1.0))
        if not isinstance(verdict, tuple) or not all(isinstance(one, tuple) for one in verdict):
            raise Unusable(f"the ranking is {str(verdict)[:40]!r}; write [{{'value': field, 'rank': 1}}, ...]")
        ranks = dict(verdict)
        if missing := [name for name in self.replies if name not in ranks]:
            raise Unusable(f"the ranking leaves out {missing[0]!r}; rank every reply or remove the row")
        return preference(asked, replies, [-ranks[name] for name in self.replies])
