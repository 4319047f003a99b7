"""Conversations as OpenAI's chat API and fine-tuning files write them."""

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table
from whet.data.shapes._turns import MESSAGE_KEYS, checked, functions_of, messages_of, tools_of
from whet.types import Chat

__all__ = ["messages"]


def messages(table: Table, data: Data) -> Reading | None:
    """`messages`: a list of {"role", "content"}; optionally `tools`, or `functions` as they were before.

    Roles are system, developer (read as system), user, assistant, tool and function (read as tool). `weight`
    0 or 1 on an assistant message says whether it trains. `parallel_tool_calls` is not
    used, and the note says so.
    """
    column = data.columns.get("messages") or table.find("messages")
    if column is None or (data.shape is None and _is_sharegpt(table, column)):
        return None
    tools, functions = table.optional("tools"), table.optional("functions")

    def convert(row: Row) -> list[Chat]:
        return [
            Chat(
                checked(messages_of(row.get(column), column)),
                tools=tools_of(row, tools) or functions_of(row, functions),
            )
        ]

    how = f"{column} -> a conversation" + (", tools offered to the model" if tools or functions else "")
    unknown = sorted(_keys(table, column) - MESSAGE_KEYS)
    if unknown:
        how += f"; keys of messages not used: {', '.join(unknown)}"
    note = table.say("messages", how, column, tools, functions)
    return Reading(note, (column,), convert, optional=tuple(name for name in (tools, functions) if name))


def _is_sharegpt(table: Table, column: str) -> bool:
    turns = [one for value in table.values(column) if isinstance(value, list) for one in value]
    return any(isinstance(one, dict) and "from" in one and "role" not in one for one in turns)


def _keys(table: Table, column: str) -> set[str]:
    lists = [value for value in table.values(column) if isinstance(value, list)]
    found = [one for value in lists for one in value if isinstance(one, dict)]
    return {key for one in found for key, value in one.items() if value is not None}
