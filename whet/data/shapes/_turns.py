"""From a row's values to checked messages; what several shapes share."""

import json
from hashlib import sha256
from typing import Any

from whet.config.tree import Data
from whet.data.scan import Refused, parse
from whet.data.shapes import Row, Table, Unusable, kind
from whet.types import Chat, Frozen, Message, Role

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
REASONED = ("reasoning_content", "reasoning", "thinking")  # DeepSeek and vLLM; OpenRouter; Ollama and gpt-oss
REASONS = (*REASONED, "complex_cot", "thought", "thoughts", "chain_of_thought", "cot", "rationale")
MESSAGE_KEYS = frozenset(
    {"role", "content", "weight", "name", "tool_calls", "tool_call_id", "function_call", *REASONED}
)


def text_of(row: Row, column: str) -> str:
    """Return a cell as text: a number or true/false as JSON writes it, null or a missing cell as ""."""
    value = row.get(column)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list | dict):
        raise Unusable(f"{column!r} is {kind(value)}, not text; write it as a string")
    return json.dumps(value)


def needed(row: Row, column: str) -> str:
    """Return a cell's text and refuse an empty one."""
    text = text_of(row, column)
    if not text.strip():
        article = "an" if column[:1].lower() in "aeiou" else "a"
        raise Unusable(f"{column!r} is empty; add {article} {column} or remove the row")
    return text


def exchange(
    user: str, assistant: str, system: str | None = None, label: str | None = None, reasoning: str = ""
) -> Chat:
    """Return the conversation of one question and one answer."""
    first = (Message("system", system),) if system else ()
    return Chat((*first, Message("user", user), Message("assistant", assistant, reasoning=reasoning)), label=label)


class Reasons:
    """Where what was thought before an answer stands in a column of its own, beside an answer that is text."""

    def __init__(self, table: Table, data: Data, *taken: str | None) -> None:
        named = data.columns.get("reasoning")
        found = named or table.optional(*REASONS)
        self.column = found if found not in taken and (named or (found and table.kind(found) == "text")) else None
        self.how = f", {self.column} -> the reasoning before it" if self.column else ""

    def of(self, row: Row) -> str:
        """Return the row's reasoning, "" if it has none."""
        return text_of(row, self.column).strip() if self.column else ""


def reasoning_of(one: dict[str, Any]) -> str:
    """Return the reasoning that a message has beside its content.

    Raises:
        Unusable: it is no text, or there are two that differ.
    """
    found = {key: one[key] for key in REASONED if one.get(key) not in (None, "")}
    for key, value in found.items():
        if not isinstance(value, str):
            raise Unusable(f"{key} is {kind(value)}, not text; write it as a string or remove it")
    if isinstance(one.get("content"), list):
        parts = [part for part in one["content"] if isinstance(part, dict) and part.get("type") == "thinking"]
        if parts:
            found["content"] = "\n\n".join(str(part.get("thinking") or "") for part in parts)
    if len({value.strip() for value in found.values()}) > 1:
        raise Unusable(f"{' and '.join(found)} say different things; keep one of them")
    return next((value.strip() for value in found.values()), "")


def passage_group(passage: str) -> str:
    """Return the group of all questions about one passage."""
    return f"passage_id={sha256(' '.join(passage.split()).encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def unpacked(value: Any, column: str) -> Any:
    """Return a list or an object, also when it is written as JSON inside a string (CSV, some exports)."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            return parse(value)
        except Refused as error:
            raise Unusable(f"{column!r} holds JSON as text, but {error}") from None
    return value


def tools_of(row: Row, column: str | None) -> tuple[Frozen, ...]:
    """Return the tools a row offers, from a list or a JSON string of one."""
    value = unpacked(row.get(column), column) if column else None
    if value is None or value == "":
        return ()
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise Unusable(f"{column!r} is not a list of objects; write one object per tool or remove the column")
    return tuple(value)


def functions_of(row: Row, column: str | None) -> tuple[Frozen, ...]:
    """Return the functions a row offers, in the form before `tools`, as tools."""
    functions = tools_of(row, column)
    if any(not isinstance(one.get("name"), str) for one in functions):
        raise Unusable(f"{column!r} has a function without a name; write {{'name': ..., 'parameters': ...}}")
    return tuple({"type": "function", "function": one} for one in functions)


def messages_of(value: Any, column: str) -> tuple[Message, ...]:
    """Return a list of messages in the form of OpenAI's chat API.

    Raises:
        Unusable: every message's problems.
    """
    value = unpacked(value, column)
    if not isinstance(value, list):
        raise Unusable(f"{column!r} is {kind(value)}, not a list of messages; write [{{'role': ..., 'content': ...}}]")
    if not value:
        raise Unusable(f"{column!r} is an empty list; add a user and an assistant message or remove the row")
    messages, whats = [], []
    for number, one in enumerate(value, 1):
        try:
            messages.append(_message(one))
        except Unusable as error:
            whats += [f"message {number}: {what}" for what in error.whats]
    if whats:
        raise Unusable(*whats)
    return tuple(messages)


def checked(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the messages if they can be learned from.

    The system message comes first and once, and the last message is the assistant's. A conversation may open
    with the assistant, and two turns in a row may have one role: assistants that speak before they call a
    tool are written so. A chat template that forbids it says so when rows are rendered.
    """
    if any(message.role == "system" for message in messages[1:]):
        raise Unusable("a system message stands after the first message; merge it into the first or remove it")
    last = messages[-1]
    if last.role != "assistant":
        raise Unusable(
            f"the last message is from the {last.role}, so there is no reply to learn from; "
            "add an assistant message or remove the row"
        )
    if not any(message.role == "assistant" and message.weight > 0 for message in messages):
        raise Unusable("every assistant message has weight 0, so nothing trains; give one weight 1 or remove the row")
    return messages


def _message(one: Any) -> Message:
    if not isinstance(one, dict):
        raise Unusable(f"is {kind(one)}, not an object with role and content")
    role = ROLES.get(one["role"]) if isinstance(one.get("role"), str) else None
    if role is None:
        raise Unusable(f"the role is {str(one.get('role'))[:40]!r}; use system, user, assistant or tool")
    weight = 1 if one.get("weight") is None else one["weight"]
    if isinstance(weight, bool) or weight not in (0, 1):
        raise Unusable(f"the weight is {str(weight)[:40]}; use 1 to learn from the message or 0 to skip it")
    calls = _calls(one) if role == "assistant" else ()
    content = _content(one.get("content"))
    if not content.strip() and not calls and role != "tool":
        what = "an empty reply and no tool call" if role == "assistant" else "no content"
        raise Unusable(f"the {role} message has {what}; write one or remove the row")
    name, call_id = one.get("name"), one.get("tool_call_id")
    for key, value in (("name", name), ("tool_call_id", call_id)):
        if value is not None and not isinstance(value, str):
            raise Unusable(f"{key} is {kind(value)}, not text; quote it")
    reasoning = reasoning_of(one) if role == "assistant" else ""
    return Message(role, content, float(weight), name, calls, call_id, reasoning)


def _content(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Unusable(f"the content is {kind(content)}, not text; quote it")
    texts = []
    for part in content:
        if isinstance(part, dict) and isinstance(part.get("text"), str) and part.get("type", "text") == "text":
            texts.append(part["text"])
        elif isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type") == "thinking":
            continue  # the reasoning, which is read beside the content
        else:
            found = part.get("type") if isinstance(part, dict) else kind(part)
            raise Unusable(f"the content has a part of type {str(found)[:40]!r}; only text can be learned")
    return "".join(texts)


def _calls(one: dict[str, Any]) -> tuple[Frozen, ...]:
    calls = one.get("tool_calls")
    if calls is None and one.get("function_call") is not None:  # the form before `tool_calls`
        calls = [{"type": "function", "function": one["function_call"]}]
    if calls is None:
        return ()
    if not isinstance(calls, list):
        raise Unusable(f"tool_calls is {kind(calls)}, not a list; write a list of calls")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Unusable("a tool call names no function; write {'type': 'function', 'function': {'name': ...}}")
    return tuple(calls)
