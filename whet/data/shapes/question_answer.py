"""A question and its answer, perhaps about a passage."""

from dataclasses import replace

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table
from whet.data.shapes._turns import Reasons, exchange, needed, passage_group, text_of
from whet.types import Chat

__all__ = ["question_answer"]


def question_answer(table: Table, data: Data) -> Reading | None:
    """`question` and `answer`, optionally `context`.

    The context comes first, so that questions about one passage share a prefix that is computed once.
    """
    roles = data.columns
    if set(roles) - {"context", "reasoning"} and data.shape is None:
        return None
    question = roles.get("prompt") or table.find("question")
    answer = roles.get("completion") or table.find("answer")
    context = roles.get("context") or table.optional("context", "passage")
    if question is None or answer is None:
        return None
    reasons = Reasons(table, data, question, answer, context)

    def convert(row: Row) -> list[Chat]:
        asked, said = needed(row, question), needed(row, answer)
        passage = text_of(row, context) if context else ""
        if not passage.strip():
            return [exchange(asked, said, reasoning=reasons.of(row))]
        chat = exchange(f"{passage}\n\nQuestion: {asked}", said, reasoning=reasons.of(row))
        return [replace(chat, groups=(passage_group(passage),))]

    how = f"{question} -> user, {answer} -> assistant" + (f", {context} before the question" if context else "")
    note = table.say("question_answer", how + reasons.how, question, answer, context, reasons.column)
    return Reading(note, (question, answer), convert, tuple(name for name in (context, reasons.column) if name))
