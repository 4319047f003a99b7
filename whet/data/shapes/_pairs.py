"""What the shapes of preferences and feedback share: the prompt before the replies, and the replies."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress

from whet.config.tree import Data
from whet.data.shapes import Row, Table, Unusable, kind
from whet.data.shapes._turns import messages_of, needed, text_of, tools_of, unpacked
from whet.types import Frozen, Message, Preference

Turns = tuple[Message, ...]
_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


class Asked:
    """Where a row's prompt stands: text or a list of messages, perhaps with an input and a system message."""

    def __init__(self, table: Table, data: Data, *names: str) -> None:
        roles = data.columns
        self.column = roles.get("prompt") or roles.get("messages") or table.find(*names)
        plain = self.column is not None and self.column.strip().casefold() == "instruction"
        self.given = roles.get("context") or (table.optional("input", "context") if plain else None)
        self.system = roles.get("system") or table.optional("system")
        self.tools = table.optional("tools")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, those that may be missing included."""
        return tuple(name for name in (self.column, self.given, self.system, self.tools) if name)

    @property
    def optional(self) -> tuple[str, ...]:
        """The columns that may be missing."""
        return tuple(name for name in (self.given, self.system, self.tools) if name)

    def tools_of(self, row: Row) -> tuple[Frozen, ...]:
        """Return the tools that the row offers."""
        return tools_of(row, self.tools)

    def of(self, row: Row) -> Turns:
        """Return the prompt as messages.

        Raises:
            Unusable: it is empty or no conversation.
        """
        column = str(self.column)
        value = unpacked(row.get(column), column)
        if isinstance(value, list):
            turns = messages_of(value, column)
        else:
            asked = needed(row, column)
            transcript = transcript_of(asked) if _TURN.match(asked) else ()
            extra = text_of(row, self.given) if self.given else ""
            turns = transcript or (Message("user", f"{asked}\n\n{extra}" if extra.strip() else asked),)
        head = text_of(row, self.system) if self.system else ""
        if head.strip() and turns[0].role != "system":
            turns = (Message("system", head), *turns)
        if turns[-1].role == "assistant":
            raise Unusable(f"{column!r} ends with the assistant; the replies should be columns of their own")
        return turns


def transcript_of(text: str) -> Turns:
    """Return the turns of a transcript with a line "Human: ..." or "Assistant: ..." for each, or ()."""
    pieces = _TURN.split(text)
    if len(pieces) < 3 or pieces[0].strip():
        return ()
    turns = zip(pieces[1::2], pieces[2::2], strict=True)
    return tuple(Message("user" if who == "Human" else "assistant", said.strip()) for who, said in turns)


def reply_of(value: object, column: str) -> Turns:
    """Return a reply, text or a list of messages, as messages of which the last is the assistant's.

    Raises:
        Unusable: it is something else.
    """
    with suppress(Unusable):  # a reply may begin with a bracket
        value = unpacked(value, column)
    if isinstance(value, int | float):
        value = json.dumps(value)
    if isinstance(value, str):
        return (Message("assistant", value),)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise Unusable(f"{column!r} is {kind(value)}, not a reply; write text or a list of messages")
    turns = messages_of(value, column)
    if turns[-1].role != "assistant":
        raise Unusable(f"{column!r} ends with the {turns[-1].role}, not with a reply of the assistant; complete it")
    return turns


def preference(
    messages: Turns, replies: Sequence[Turns], grades: Sequence[float], tools: tuple[Frozen, ...] = ()
) -> Preference:
    """Return the replies with the best first. A worse one may be empty, as models' replies sometimes are.

    Raises:
        Unusable: there are fewer than two, all say the same, or the best one says nothing.
    """
    if len(replies) < 2:
        raise Unusable("there is one reply only; a preference needs two or more")
    if len({tuple((turn.role, turn.spoken) for turn in reply) for reply in replies}) < 2:
        raise Unusable("all replies say the same, so none can be preferred; remove the row")
    if not all(turn.spoken.strip() for turn in replies[max(range(len(replies)), key=lambda at: grades[at])]):
        raise Unusable("the best reply is empty; write one or remove the row")
    order = sorted(range(len(replies)), key=lambda at: -grades[at])
    best, levels = tuple(replies[at] for at in order), tuple(float(grades[at]) for at in order)
    return Preference(messages, best, levels, tools=tools)


def number_of(value: object, column: str) -> float:
    """Return a grade as a number.

    Raises:
        Unusable: it is none.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return float(value)
    except ValueError:
        raise Unusable(f"{column!r} is {str(value)[:40]!r}, not a number; write one or remove the row") from None
