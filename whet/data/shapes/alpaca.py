"""An instruction, perhaps with an input, and the output; Stanford Alpaca and Self-Instruct."""

from dataclasses import replace

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable, kind
from whet.data.shapes._turns import Reasons, exchange, needed, text_of, unpacked
from whet.types import Chat, Message

__all__ = ["alpaca"]

NO_INPUT = {"<noinput>", "<no input>", "<noinput/>"}


def alpaca(table: Table, data: Data) -> Reading | None:
    """`instruction` and `output` (or `response`, `instances`), optionally `input` (or `context`), `system`, `history`.

    The user message is the instruction, an empty line and the input. Instances are a list of
    {"input", "output"}, and each becomes a conversation of its own. A history is a list of [question, answer] that
    came before; its answers train like the output.
    """
    roles = data.columns
    if set(roles) - {"system", "reasoning"} and data.shape is None:
        return None
    instruction = roles.get("prompt") or table.find("instruction")
    output = roles.get("completion") or table.find("output", "response")
    given = roles.get("context") or table.optional("input", "context")
    system = roles.get("system") or table.optional("system")
    instances = table.find("instances")
    history = _history_column(table)
    if instruction is None or (output is None and instances is None):
        return None
    reasons = Reasons(table, data, instruction, output, given, system)

    def one(row: Row, asked: str, given: str | None, output: str, head: str = "") -> Chat:
        extra = text_of(row, given) if given else ""
        user = f"{asked}\n\n{extra}" if extra.strip() and extra.strip().lower() not in NO_INPUT else asked
        return exchange(user, needed(row, output), head if head.strip() else None, reasoning=reasons.of(row))

    def convert(row: Row) -> list[Chat]:
        asked = needed(row, instruction)
        if output is None:
            return [one(inner, asked, "input", "output") for inner in _instances(row, str(instances))]
        chat = one(row, asked, given, output, text_of(row, system) if system else "")
        before = _history(row, history) if history else ()
        return [replace(chat, messages=(*chat.messages[:-2], *before, *chat.messages[-2:])) if before else chat]

    if output is None:
        how = f"{instruction} and each instance's input -> user, its output -> assistant"
        note = table.say("alpaca", how, instruction, instances)
        return Reading(note, (instruction, str(instances)), convert)
    how = f"{instruction}{f' and {given}' if given else ''} -> user, {output} -> assistant"
    if system:
        how += f", {system} -> system"
    if history:
        how += f", {history} -> the turns before"
    note = table.say("alpaca", how + reasons.how, instruction, given, output, system, history, reasons.column)
    optional = tuple(name for name in (given, system, reasons.column) if name)
    return Reading(note, (instruction, output), convert, optional)


def _history_column(table: Table) -> str | None:
    """Return the column of earlier turns, if it holds lists of [question, answer] (or is empty)."""
    column = table.optional("history")
    values = [value for value in table.values(column) if value != ""] if column else []
    good = all(
        value.lstrip().startswith("[[") or value.strip() == "[]"
        if isinstance(value, str)
        else isinstance(value, list) and all(isinstance(turn, list) for turn in value)
        for value in values
    )
    return column if values and good else None


def _history(row: Row, column: str) -> tuple[Message, ...]:
    turns: list[Message] = []
    value = row.get(column)
    value = unpacked(value, column) if value not in (None, "") else []
    for number, one in enumerate(value if isinstance(value, list) else [value], 1):
        if (
            not isinstance(one, list)
            or len(one) != 2
            or not all(isinstance(said, str) and said.strip() for said in one)
        ):
            raise Unusable(
                f"turn {number} of {column!r} is no question with its answer; write [[question, answer], ...]"
            )
        turns += [Message("user", one[0]), Message("assistant", one[1])]
    return tuple(turns)


def _instances(row: Row, column: str) -> list[Row]:
    value = row.get(column)
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        found = "an empty list" if value == [] else kind(value)
        raise Unusable(f"{column!r} is {found}, not a list of objects; write [{{'input': ..., 'output': ...}}]")
    return value
