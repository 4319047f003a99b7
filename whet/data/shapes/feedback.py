"""One reply and what somebody thought of it: thumbs, or a rating."""

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable
from whet.data.shapes._pairs import Asked, number_of, reply_of
from whet.types import Feedback

__all__ = ["feedback"]

REPLIES = ("completion", "response", "reply", "answer", "output")
THUMBS = ("thumb", "thumbs", "feedback", "vote", "liked", "like", "helpful", "is_good", "label")
RATINGS = ("rating", "stars")
GOOD = {
    "true", "1", "1.0", "+1", "up", "thumbs_up", "thumbs up", "thumbsup", "good", "positive", "like", "liked", "yes",
    "helpful", "desirable", "\U0001f44d",
}  # fmt: skip
BAD = {
    "false", "0", "0.0", "-1", "-1.0", "down", "thumbs_down", "thumbs down", "thumbsdown", "bad", "negative", "dislike",
    "disliked", "no", "unhelpful", "undesirable", "\U0001f44e",
}  # fmt: skip


def feedback(table: Table, data: Data) -> Reading | None:
    """A prompt, a reply (`completion`, `response`, ...) and a thumb (`label`, `feedback`, `vote`, ...) or `rating`.

    Thumbs are true and false, 1 and -1 (or 0), up and down, good and bad. Ratings run from the least to the most that
    the first hundred rows have, and become numbers from 0 (bad) to 1 (good).
    """
    asked = Asked(table, data, "prompt", "instruction", "question", "query", "messages")
    reply = data.columns.get("completion") or table.find(*REPLIES)
    thumb = next((name for name in (table.find(one) for one in THUMBS) if name and _judges(table, name)), None)
    rating = None if thumb else table.find(*RATINGS)
    verdict = thumb or rating
    if asked.column is None or reply is None or verdict is None or (data.columns and data.shape is None):
        return None
    scale = _scale(table, rating) if rating else None
    if rating and scale is None:
        return None

    def convert(row: Row) -> list[Feedback]:
        value = _grade(row, verdict, scale) if scale else _thumb(row, verdict)
        turns = reply_of(row.get(reply), reply)
        if not turns[-1].spoken.strip():
            raise Unusable(f"{reply!r} is empty; write the reply or remove the row")
        return [Feedback(asked.of(row), turns, value, tools=asked.tools_of(row))]

    how = f"{asked.column} -> the prompt, {reply} -> the reply, {verdict} says how good it is"
    if scale:
        how += f", from {scale[0]:g} (bad) to {scale[1]:g} (good)"
    note = table.say("feedback", how, reply, verdict, *asked.columns)
    return Reading(note, (asked.column, reply), convert, asked.optional)


def _judges(table: Table, column: str) -> bool:
    """Say whether all that a column holds is thumbs, of both kinds or of a kind that can be nothing else."""
    said = {str(value).strip().lower() for value in table.values(column)}
    return bool(said) and said <= GOOD | BAD


def _scale(table: Table, column: str) -> tuple[float, float] | None:
    values = table.values(column)
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    return (min(values), max(values)) if len(set(values)) > 1 else None


def _grade(row: Row, column: str, scale: tuple[float, float]) -> float:
    value = number_of(row.get(column), column)
    if not scale[0] <= value <= scale[1]:
        raise Unusable(
            f"{column!r} is {value:g}, but the first rows go from {scale[0]:g} to {scale[1]:g}; mend the row"
        )
    return (value - scale[0]) / (scale[1] - scale[0])


def _thumb(row: Row, column: str) -> float:
    said = str(row.get(column)).strip().lower()
    if said not in GOOD | BAD:
        raise Unusable(f"{column!r} is {said[:40]!r}; write true or false")
    return float(said in GOOD)
