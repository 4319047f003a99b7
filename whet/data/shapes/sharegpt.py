"""Conversations as ShareGPT and the tool-calling sets derived from it write them."""

import json
from typing import Any

from whet.config.tree import Data
from whet.data.scan import too_deep
from whet.data.shapes import Reading, Row, Table, Unusable, kind
from whet.data.shapes._turns import checked, reasoning_of, tools_of, unpacked
from whet.types import Chat, Frozen, Message, Role

__all__ = ["sharegpt"]

ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "observation": "tool",
    "tool": "tool",
    "tool_response": "tool",
    "function_response": "tool",
}
CALLS = {"function_call", "tool_call"}


def sharegpt(table: Table, data: Data) -> Reading | None:
    """`conversations`: a list of {"from", "value"}; optionally `system` and `tools` (a list or JSON text).

    A function_call turn that reads as {"name", "arguments"} (or a list of these) becomes an assistant message
    with tool_calls; any other is kept as its text. Tools written bare, without {"type": "function"}, get it.
    """
    column = data.columns.get("messages") or table.find("conversations", "conversation", "messages")
    if column is None or (data.shape is None and not _has_from(table, column)):
        return None
    offered = table.optional("tools")
    system = data.columns.get("system") or table.optional("system")

    def convert(row: Row) -> list[Chat]:
        turns = _turns(row.get(column), column)
        before = row.get(system) if system else None
        if isinstance(before, str) and before.strip() and turns[0].role != "system":
            turns = (Message("system", before), *turns)
        return [Chat(checked(turns), tools=tuple(_whole(tool) for tool in tools_of(row, offered)))]

    how = f"{column} -> a conversation" + (", tools offered to the model" if offered else "")
    note = table.say("sharegpt", how, column, offered, system)
    return Reading(note, (column,), convert, tuple(name for name in (offered, system) if name))


def _has_from(table: Table, column: str) -> bool:
    for value in table.values(column):
        if isinstance(value, str) and '"from"' in value:
            return True
        if isinstance(value, list) and any(isinstance(one, dict) and "from" in one for one in value):
            return True
    return False


def _turns(value: Any, column: str) -> tuple[Message, ...]:
    value = unpacked(value, column)
    if not isinstance(value, list):
        raise Unusable(f"{column!r} is {kind(value)}, not a list of turns; write [{{'from': ..., 'value': ...}}]")
    if not value:
        raise Unusable(f"{column!r} is an empty list; add a human and a gpt turn or remove the row")
    turns, whats = [], []
    for number, one in enumerate(value, 1):
        try:
            turns.append(_turn(one))
        except Unusable as error:
            whats.append(f"turn {number}: {error}")
    if whats:
        raise Unusable(*whats)
    return tuple(turns)


def _turn(one: Any) -> Message:
    if not isinstance(one, dict):
        raise Unusable(f"is {kind(one)}, not an object with from and value")
    speaker, said = one.get("from"), one.get("value")
    role = ROLES.get(speaker.lower()) if isinstance(speaker, str) else None
    if role is None:
        raise Unusable(f"from is {str(speaker)[:40]!r}; use human, gpt, system, function_call, observation or tool")
    if not isinstance(said, str):
        raise Unusable(f"the value is {kind(said)}, not text; quote it")
    if not said.strip() and role != "tool":
        raise Unusable(f"the {speaker} turn is empty; write one or remove the row")
    calls = _calls(said) if str(speaker).lower() in CALLS else ()
    weight = 1 if one.get("weight") is None else one["weight"]
    if isinstance(weight, bool) or weight not in (0, 1):
        raise Unusable(f"the weight is {str(weight)[:40]}; use 1 to learn from the turn or 0 to skip it")
    reasoning = reasoning_of(one) if role == "assistant" else ""
    return Message(role, "" if calls else said, float(weight), tool_calls=calls, reasoning=reasoning)


def _calls(said: str) -> tuple[Frozen, ...]:
    """Return the calls in a function_call turn, or () if it does not read as one."""
    if too_deep(said):
        return ()
    try:
        read = json.loads(said)
    except (ValueError, RecursionError):
        return ()
    calls = read if isinstance(read, list) else [read]
    if not all(isinstance(call, dict) and isinstance(call.get("name"), str) and "arguments" in call for call in calls):
        return ()
    return tuple({"type": "function", "function": call} for call in calls)


def _whole(tool: Frozen) -> Frozen:
    return tool if "function" in tool else {"type": "function", "function": tool}
