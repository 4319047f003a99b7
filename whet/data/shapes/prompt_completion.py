"""A prompt and what should come after it."""

from dataclasses import replace

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable
from whet.data.shapes._turns import Reasons, checked, exchange, messages_of, needed, text_of, tools_of
from whet.types import Chat, Message

__all__ = ["prompt_completion"]


def prompt_completion(table: Table, data: Data) -> Reading | None:
    """`prompt` and `completion` (or `response`), text or lists of messages; optionally `system`, `tools`.

    A prompt that is a list of messages may have a completion that is text. In the conversational form only
    the completion's assistant messages train.
    """
    prompt = data.columns.get("prompt") or table.find("prompt")
    completion = data.columns.get("completion") or table.find("completion", "response")
    if prompt is None or completion is None or "context" in data.columns:
        return None
    listed = table.listed(prompt)
    forced = {"prompt", "completion"} <= set(data.columns) and data.shape is None
    if forced and not listed and prompt.casefold() != "prompt":
        return None  # the shape `fields` makes an instruction from the columns' names
    system = data.columns.get("system") or table.optional("system")
    tools = table.optional("tools") if listed else None
    reasons = Reasons(table, data, prompt, completion, system)

    def plain(row: Row) -> list[Chat]:
        head = text_of(row, system) if system else None
        return [exchange(needed(row, prompt), needed(row, completion), head, reasoning=reasons.of(row))]

    def conversation(row: Row) -> list[Chat]:
        before, after = messages_of(row.get(prompt), prompt), row.get(completion)
        if after is None or (isinstance(after, str) and not after.lstrip().startswith("[{")):
            reply: tuple[Message, ...] = (Message("assistant", needed(row, completion), reasoning=reasons.of(row)),)
        else:
            reply = messages_of(after, completion)
        if any(message.role == "system" for message in reply):
            raise Unusable(f"{completion!r} holds a system message; move it to the start of {prompt!r}")
        context = tuple(_untrained(message) for message in before)
        head = text_of(row, system) if system else ""
        if head and context[0].role != "system":
            context = (Message("system", head), *context)
        return [Chat(checked((*context, *reply)), tools=tools_of(row, tools))]

    how = f"{prompt} -> {'the conversation so far' if listed else 'user'}, {completion} -> assistant"
    if system:
        how += f", {system} -> system"
    note = table.say("prompt_completion", how + reasons.how, prompt, completion, system, tools, reasons.column)
    optional = tuple(name for name in (system, tools, reasons.column) if name)
    return Reading(note, (prompt, completion), conversation if listed else plain, optional)


def _untrained(message: Message) -> Message:
    if message.role != "assistant":
        return message
    return replace(message, weight=0.0)
