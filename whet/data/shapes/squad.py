"""Questions about a passage with their answers in it, as SQuAD has them: rows, or articles of paragraphs."""

from collections import Counter
from dataclasses import replace
from typing import Any

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable, kind
from whet.data.shapes._turns import exchange, needed, passage_group, unpacked
from whet.types import Chat

__all__ = ["squad"]


def squad(table: Table, data: Data) -> Reading | None:
    """`context`, `question` and `answers` ({"text": [...], "answer_start": [...]}), or `paragraphs` with `qas`.

    The context comes first. Each different answer is a conversation of its own; questions that the passage does not
    answer are left out and counted.
    """
    if data.columns and data.shape is None:
        return None
    left = Counter[str]()

    def told() -> list[str]:
        return [f"{count:,} {what}" for what, count in left.items()]

    context, question, answers = table.find("context"), table.find("question"), table.find("answers")
    if context and question and answers and _is_answers(table, answers):

        def one(row: Row) -> list[Chat]:
            texts = _texts(unpacked(row.get(answers), answers), answers)
            return _chats(needed(row, context), needed(row, question), texts, left)

        how = f"{context} before {question} -> user, each of {answers} -> assistant"
        note = table.say("squad", how, context, question, answers)
        return Reading(note, (context, question, answers), one, told=told)

    paragraphs = table.find("paragraphs")
    if paragraphs is None or not any("qas" in one for value in table.values(paragraphs) for one in _objects(value)):
        return None

    def article(row: Row) -> list[Chat]:
        return [chat for paragraph in _objects(row.get(paragraphs)) for chat in _paragraph(paragraph, left)]

    how = f"each context of {paragraphs} before its questions -> user, each of their answers -> assistant"
    return Reading(table.say("squad", how, paragraphs), (paragraphs,), article, told=told)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _is_answers(table: Table, column: str) -> bool:
    """Say whether a column holds answers with their places; a list of plain texts may be anything."""
    for value in table.values(column):
        if isinstance(value, str):
            if not value.lstrip().startswith(("{", "[")) or "answer_start" not in value:
                return False
        elif isinstance(value, dict):
            if not {"text", "answer_start"} <= set(value):
                return False
        elif not isinstance(value, list) or any("text" not in one for one in _objects(value)):
            return False
    return any(isinstance(value, dict | str) or _objects(value) for value in table.values(column))


def _texts(value: Any, column: str) -> list[str]:
    if isinstance(value, dict):
        found = value.get("text")
        texts = found if isinstance(found, list) else [found]
    elif isinstance(value, list):
        texts = [one.get("text") if isinstance(one, dict) else one for one in value]
    else:
        raise Unusable(f"{column!r} is {kind(value)}, not an object; write {{'text': [...], 'answer_start': [...]}}")
    if not all(isinstance(text, str) for text in texts):
        raise Unusable(f"{column!r} has an answer that is no text; write every answer as a string")
    return list(dict.fromkeys(text for text in texts if isinstance(text, str) and text.strip()))


def _chats(context: str, question: str, texts: list[str], left: Counter[str]) -> list[Chat]:
    if not texts:
        left["questions that their passage does not answer were left out"] += 1
    if len(texts) > 1:
        left["questions have several answers, and each is a row"] += 1
    about = (passage_group(context),)
    return [replace(exchange(f"{context}\n\nQuestion: {question}", text), groups=about) for text in texts]


def _paragraph(paragraph: dict[str, Any], left: Counter[str]) -> list[Chat]:
    context, chats = needed(paragraph, "context"), list[Chat]()
    for one in _objects(paragraph.get("qas")):
        texts = [] if one.get("is_impossible") is True else _texts(one.get("answers"), "answers")
        chats += _chats(context, needed(one, "question"), texts, left)
    return chats
