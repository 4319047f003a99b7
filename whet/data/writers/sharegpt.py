"""Conversations as ShareGPT and the tool-calling sets derived from it write them."""

import json
from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import kind_of, tools
from whet.types import Chat, Example, Message

__all__ = ["sharegpt"]

FROM = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def sharegpt(example: Example) -> dict[str, Any]:
    """Return `conversations` and `tools`."""
    if not isinstance(example, Chat):
        raise Unusable(f"sharegpt holds conversations, and this row is {kind_of(example)}")
    return {"conversations": [_turn(message) for message in example.messages], **tools(example)}


def _turn(message: Message) -> dict[str, Any]:
    if message.name or message.tool_call_id:
        raise Unusable("sharegpt has no place for names and identifiers of calls")
    weight = {"weight": 0} if message.role == "assistant" and message.weight == 0 else {}
    if not message.tool_calls:
        return {"from": FROM[message.role], "value": message.content, **weight}
    if message.content:
        raise Unusable("a turn of sharegpt is said or called, and this one is both")
    if any(set(call) != {"type", "function"} for call in message.tool_calls):
        raise Unusable("sharegpt has no place for identifiers of calls")
    calls = [call["function"] for call in message.tool_calls]
    value = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
    return {"from": "function_call", "value": value, **weight}
