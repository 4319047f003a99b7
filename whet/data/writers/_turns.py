"""Messages as OpenAI writes them, and what more than one writer asks of a row."""

from collections.abc import Sequence
from typing import Any

from whet.data.shapes import Unusable
from whet.types import Chat, Example, Feedback, Message, Preference, Prompt


def written(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages as OpenAI's chat API has them; weight 0 is written, 1 goes without saying."""
    return [
        {**message.as_dict(), **({"weight": 0} if message.role == "assistant" and message.weight == 0 else {})}
        for message in messages
    ]


def tools(example: Chat | Preference | Feedback | Prompt) -> dict[str, Any]:
    """Return the column of tools, if the row offers any."""
    return {"tools": [dict(tool) for tool in example.tools]} if example.tools else {}


def exchange(example: Example, shape: str) -> tuple[str, str, str]:
    """Return a conversation of one question and one answer as (system, question, answer).

    Raises:
        Unusable: it is anything more.
    """
    if not isinstance(example, Chat):
        raise Unusable(f"{shape} holds one question and one answer, and this row is {kind_of(example)}")
    turns = example.messages
    system = turns[0].content if turns[0].role == "system" else ""
    turns = turns[1:] if system else turns
    if [turn.role for turn in turns] != ["user", "assistant"]:
        raise Unusable(f"{shape} holds one question and one answer, and this row has {len(turns)} turns")
    if example.tools or any(turn.tool_calls or turn.name or turn.weight != 1 for turn in turns):
        raise Unusable(f"{shape} has no place for tools, names and weights")
    return system, turns[0].content, turns[1].content


def pair(example: Example, shape: str) -> Preference:
    """Return a row that prefers one of two replies.

    Raises:
        Unusable: it is something else.
    """
    if not isinstance(example, Preference):
        raise Unusable(f"{shape} holds preferences, and this row is {kind_of(example)}")
    if len(example.replies) != 2 or example.grades[0] == example.grades[1]:
        raise Unusable(f"{shape} holds a better and a worse reply, and this row has ties or more of them; use ranking")
    return example


def kind_of(example: Example) -> str:
    """Return what a row is, in words."""
    names = {Chat: "a conversation", Preference: "a preference", Feedback: "feedback", Prompt: "a prompt"}
    return names.get(type(example), "raw text")
