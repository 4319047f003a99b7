"""A question and its answer, perhaps about a passage."""

from dataclasses import replace
from hashlib import sha256

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table
from whet.data.shapes._turns import exchange, needed, text_of
from whet.types import Chat

__all__ = ["question_answer"]


def question_answer(table: Table, data: Data) -> Reading | None:
    """`question` and `answer`, optionally `context`.

    The context comes first, so that questions about one passage share a prefix that is computed once.
    """
    roles = data.columns
    if set(roles) - {"context"} and data.shape is None:
        return None
    question = roles.get("prompt") or table.find("question")
    answer = roles.get("completion") or table.find("answer")
    context = roles.get("context") or table.optional("context", "passage")
    if question is None or answer is None:
        return None

    def convert(row: Row) -> list[Chat]:
        asked, said = needed(row, question), needed(row, answer)
        passage = text_of(row, context) if context else ""
        if not passage.strip():
            return [exchange(asked, said)]
        about = f"passage_id={sha256(' '.join(passage.split()).encode()).hexdigest()[:16]}"
        return [replace(exchange(f"{passage}\n\nQuestion: {asked}", said), groups=(about,))]

    how = f"{question} -> user, {answer} -> assistant" + (f", {context} before the question" if context else "")
    note = table.say("question_answer", how, question, answer, context)
    return Reading(note, (question, answer), convert, (context,) if context else ())
