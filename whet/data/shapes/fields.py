"""An input column and an output column under other names: the fallback."""

import json
from typing import Any

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table
from whet.data.shapes._turns import Reasons, exchange, needed, text_of
from whet.types import Chat

__all__ = ["fields"]

PAIRS = (  # the first pair of columns that is there
    ("mr", "ref"),
    ("dialogue", "summary"),
    ("dialog", "summary"),
    ("document", "summary"),
    ("article", "highlights"),
    ("article", "summary"),
    ("transcript", "summary"),
    ("source", "target"),
    ("src", "tgt"),
    ("query", "response"),
    ("query", "answer"),
    ("question", "response"),
    ("question", "solution"),
    ("problem", "solution"),
    ("problem", "answer"),
    ("context", "response"),
    ("input", "output"),
    ("input", "target"),
    ("input", "response"),
    ("inputs", "targets"),
    ("user", "assistant"),
    ("request", "reply"),
    ("code", "docstring"),
    ("text", "summary"),
    ("text", "slots"),
    ("text", "target"),
    ("text", "output"),
    ("text", "translation"),
)
WORDS = {"mr": "the meaning representation", "ref": "a sentence", "src": "the source", "tgt": "the target"}
ABOUT = {
    "id",
    "idx",
    "index",
    "uid",
    "uuid",
    "key",
    "url",
    "title",
    "source",
    "date",
    "name",
    "license",
    "lang",
}
ABOUT |= {"language", "metadata", "meta", "timestamp", "author", "annotator", "version", "category", "subset"}


def fields(table: Table, data: Data) -> Reading | None:
    """An input and an output column with well-known names, or those of `data.columns` (prompt, completion).

    Further columns that vary and hold text or lists of words come before the input as "name: value" lines,
    unless they look like bookkeeping (id, url, ...). With `data.columns` only the columns it names are used.
    Lists and objects are written as JSON. The instruction is made from the names of the columns.
    """
    roles = data.columns
    source, target = roles.get("prompt"), roles.get("completion")
    if not set(roles) - {"reasoning"}:
        source, target = _guess(table)
    if source is None or target is None:
        return None
    context, system = roles.get("context"), roles.get("system")
    reasons = Reasons(table, data, source, target, context, system)
    named = set(roles) - {"reasoning"}
    extra = [context] if context else [] if named else _extra(table, source, target, reasons.column)

    def convert(row: Row) -> list[Chat]:
        answer = _as_text(row, target)
        user = _as_text(row, source)
        if context:
            user = f"{_cell(row, context)}\n\n{user}"
        elif extra:
            user = "\n".join([*(_line(name, _cell(row, name)) for name in extra), f"{source}:\n{user}"])
        return [exchange(user, answer, text_of(row, system) if system else None, reasoning=reasons.of(row))]

    structured = table.kind(target) in ("a list", "an object")
    as_json = " as JSON" if structured else ""
    how = " and ".join([*extra, source]) + f" -> user, {target}{as_json} -> assistant"
    how += (f", {system} -> system" if system else "") + reasons.how
    asked = " and ".join(_word(name) for name in (*extra, source))
    instruction = f"Given {asked}, write {_word(target)}{as_json}."
    note = table.say("fields", how, source, target, system, reasons.column, *extra)
    optional = tuple(name for name in (*extra, system, reasons.column) if name)
    return Reading(note, (source, target), convert, optional, instruction)


def _guess(table: Table) -> tuple[str | None, str | None]:
    for one, other in PAIRS:
        source, target = table.find(one), table.find(other)
        if source and target:
            return source, target
    return None, None


def _extra(table: Table, *taken: str | None) -> list[str]:
    """Return further columns that tell rows apart and are not bookkeeping."""
    chosen = []
    for name in table.names:
        plain = name.strip().casefold()
        if name in taken or plain in ABOUT or plain.endswith(("_id", "_url", "_date")):
            continue
        values = table.values(name)
        words = all(isinstance(value, str) or _is_words(value) for value in values)
        if words and table.find(plain) and len({json.dumps(value) for value in values}) > 1:
            chosen.append(name)
    return chosen


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _cell(row: Row, column: str) -> str:
    value = row.get(column)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else text_of(row, column)


def _as_text(row: Row, column: str) -> str:
    return _cell(row, column) if isinstance(row.get(column), list | dict) else needed(row, column)


def _line(name: str, value: str) -> str:
    return f"{name}:\n{value}" if "\n" in value else f"{name}: {value}"


def _word(column: str) -> str:
    return WORDS.get(column.casefold(), "the " + column.strip().replace("_", " "))
