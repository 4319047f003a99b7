"""An instruction, perhaps with an input, and the output; Stanford Alpaca and Self-Instruct."""

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable, kind
from whet.data.shapes._turns import Reasons, exchange, needed, text_of
from whet.types import Chat

__all__ = ["alpaca"]

NO_INPUT = {"<noinput>", "<no input>", "<noinput/>"}


def alpaca(table: Table, data: Data) -> Reading | None:
    """`instruction` and `output` (or `response`, `instances`), optionally `input` (or `context`), `system`.

    The user message is the instruction, an empty line and the input. Instances are a list of
    {"input", "output"}, and each becomes a conversation of its own.
    """
    roles = data.columns
    if set(roles) - {"system", "reasoning"} and data.shape is None:
        return None
    instruction = roles.get("prompt") or table.find("instruction")
    output = roles.get("completion") or table.find("output", "response")
    given = roles.get("context") or table.optional("input", "context")
    system = roles.get("system") or table.optional("system")
    instances = table.find("instances")
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
        return [one(row, asked, given, output, text_of(row, system) if system else "")]

    if output is None:
        how = f"{instruction} and each instance's input -> user, its output -> assistant"
        note = table.say("alpaca", how, instruction, instances)
        return Reading(note, (instruction, str(instances)), convert)
    how = f"{instruction}{f' and {given}' if given else ''} -> user, {output} -> assistant"
    if system:
        how += f", {system} -> system"
    note = table.say("alpaca", how + reasons.how, instruction, given, output, system, reasons.column)
    optional = tuple(name for name in (given, system, reasons.column) if name)
    return Reading(note, (instruction, output), convert, optional)


def _instances(row: Row, column: str) -> list[Row]:
    value = row.get(column)
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        found = "an empty list" if value == [] else kind(value)
        raise Unusable(f"{column!r} is {found}, not a list of objects; write [{{'input': ..., 'output': ...}}]")
    return value
