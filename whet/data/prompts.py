"""Prompts to answer, from a file: rows that end with a question, or lines of text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whet.data.json_rows import json_rows
from whet.data.scan import Findings, Unreadable, lines, refusal
from whet.data.shapes._turns import messages_of, tools_of
from whet.errors import DataError
from whet.types import Message, Prompt

COLUMNS = ("prompt", "question", "instruction", "text", "input")


def read_prompts(path: Path) -> list[Prompt]:
    """Return the prompts of a file: JSONL or JSON rows with `messages` or `prompt`, otherwise one line each.

    A final assistant message is left out, so that a file of training rows can be answered too.

    Raises:
        DataError: every unusable row, with its line.
    """
    found = Findings(str(path))
    asked: list[Prompt] = []
    if why := refusal(path):
        found.add(0, why)
        raise DataError(found.problems)
    try:
        if path.suffix in (".jsonl", ".json", ".ndjson"):
            for row in json_rows(path, found, []):
                try:
                    asked.append(_prompt(row.row, f"{path}:{row.number}"))
                except ValueError as error:
                    found.add(row.number, str(error))
        else:
            said = [(number, text) for number, text in lines(path, found) if text.strip()]
            asked = [Prompt((Message("user", text),), source=f"{path}:{number}") for number, text in said]
    except Unreadable:
        pass
    if not asked and not found.problems:
        found.add(0, "no prompt in this file")
    if found.problems:
        raise DataError(found.problems)
    return asked


def _prompt(row: Mapping[str, Any], source: str) -> Prompt:
    if "messages" in row:
        messages = messages_of(row["messages"], "messages")
        while messages and messages[-1].role == "assistant":
            messages = messages[:-1]
        if not messages:
            raise ValueError("no message to answer; end the row with a user message")
        return Prompt(messages, source=source, tools=tools_of(row, "tools" if "tools" in row else None))
    text = {key: value for key, value in row.items() if isinstance(value, str) and value.strip()}
    column = next((name for name in COLUMNS if name in text), None)
    if column is None:
        raise ValueError(f"no prompt; a row needs messages, or text under one of {', '.join(COLUMNS)}")
    asked = text[column]
    if column == "question" and "context" in text:  # as the question_answer shape words it
        asked = f"{text['context']}\n\nQuestion: {asked}"
    elif column == "instruction" and "input" in text:  # as the alpaca shape words it
        asked = f"{asked}\n\n{text['input']}"
    system = (Message("system", text["system"]),) if "system" in text else ()
    return Prompt((*system, Message("user", asked)), source=source)
