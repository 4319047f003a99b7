"""A better and a worse reply to one prompt."""

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable
from whet.data.shapes._pairs import Asked, Turns, number_of, reply_of, transcript_of
from whet.data.shapes._pairs import preference as made
from whet.types import Preference

__all__ = ["preference"]


def preference(table: Table, data: Data) -> Reading | None:
    """`chosen` and `rejected`, text or lists of messages; `prompt` (`instruction`, `question`), unless both contain it.

    Without a prompt both are whole conversations (lists of messages, or transcripts of "Human: ..." and
    "Assistant: ..." as in HH-RLHF) and what they have in common is the prompt. Scores of both (`score_chosen`,
    `chosen_score`, ...) are kept as grades.
    """
    chosen, rejected = table.find("chosen"), table.find("rejected")
    if chosen is None or rejected is None or (data.shape is None and _taken(data, chosen)):
        return None
    asked = Asked(table, data, "prompt", "instruction", "question", "query")
    scores = [
        table.optional(f"score_{name}", f"{name}_score", f"{name}-rating", f"{name}_rating")
        for name in ("chosen", "rejected")
    ]

    def convert(row: Row) -> list[Preference]:
        better, worse = _conversation(row.get(chosen), chosen), _conversation(row.get(rejected), rejected)
        prompt = asked.of(row) if asked.column else _common(better, worse)
        replies = [reply[len(prompt) :] if reply[: len(prompt)] == prompt else reply for reply in (better, worse)]
        if not prompt or not all(replies):
            raise Unusable(f"{chosen!r} and {rejected!r} are no replies to one prompt; write the prompt as `prompt`")
        grades = [1.0, 0.0]
        if scores[0] and scores[1] and all(row.get(name) not in (None, "") for name in scores if name):
            grades = [number_of(row[name], name) for name in (scores[0], scores[1])]
            if grades[0] < grades[1]:
                raise Unusable(f"{scores[0]!r} is lower than {scores[1]!r}; exchange the replies or mend the scores")
        return [made(prompt, replies, grades, asked.tools_of(row))]

    how = f"{asked.column or 'what both begin with'} -> the prompt, {chosen} is better than {rejected}"
    used = tuple(name for name in (*asked.columns, *scores) if name)
    note = table.say("preference", how, chosen, rejected, *used)
    required = (chosen, rejected, *((asked.column,) if asked.column else ()))
    return Reading(note, required, convert, asked.optional)


def _taken(data: Data, chosen: str) -> bool:
    """Say whether the settings ask for the chosen replies alone."""
    return chosen in (data.columns.get("completion"), data.columns.get("text"), data.columns.get("messages"))


def _conversation(value: object, column: str) -> Turns:
    if isinstance(value, str) and (turns := transcript_of(value)):
        if turns[-1].role != "assistant":
            raise Unusable(f"{column!r} ends without a reply; complete it or remove the row")
        return turns
    return reply_of(value, column)


def _common(one: Turns, other: Turns) -> Turns:
    """Return the turns that both begin with, up to one that is not the assistant's."""
    count = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)) - 1
    )
    while count and one[count - 1].role == "assistant":
        count -= 1
    return one[:count]
