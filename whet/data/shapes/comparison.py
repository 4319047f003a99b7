"""Two replies side by side, and which one somebody preferred."""

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable
from whet.data.shapes._pairs import Asked, preference, reply_of
from whet.types import Preference

__all__ = ["comparison"]

SIDES = (  # columns of the replies, and what a verdict calls them
    *((f"{name}{between}{one}", f"{name}{between}{two}", one, two)
      for name in ("response", "output", "answer", "completion", "reply", "conversation", "text")
      for between in ("", "_")
      for one, two in (("1", "2"), ("a", "b"), ("0", "1"))),
)  # fmt: skip
VERDICTS = ("preferred", "preference", "winner", "better_response_id", "better", "choice", "chosen", "label")
TIES = {"tie", "both", "equal", "same", "tie (bothbad)", "both good", "both bad", "neither", "none", "0.5"}


def comparison(table: Table, data: Data) -> Reading | None:
    """Two replies (`response1`/`response2`, `response_a`/`response_b`, ...) and a verdict (`preferred`, `winner`, ...).

    A verdict names a side by its letter or number ("a", "model_b", 2) or says that it is a tie; numbers that name no
    side (0 where the sides are 1 and 2) are ties.
    """
    found = next((names for names in SIDES if table.find(names[0]) and table.find(names[1])), None)
    verdict = table.find(*VERDICTS)
    asked = Asked(table, data, "prompt", "instruction", "question", "query")
    if found is None or verdict is None:
        return None
    first, second = str(table.find(found[0])), str(table.find(found[1]))
    numbered = found[2].isdigit()

    def convert(row: Row) -> list[Preference]:
        said = str(row.get(verdict)).strip().lower()
        side = said.removeprefix("model_").removeprefix("response_").removeprefix("output_").removeprefix("assistant_")
        side = side.removesuffix(".0")
        if side in found[2:]:
            grades = (1.0, 0.0) if side == found[2] else (0.0, 1.0)
        elif said in TIES or (numbered and side == "0"):
            grades = (1.0, 1.0)
        else:
            raise Unusable(f"{verdict!r} is {said[:40]!r}; write {found[2]}, {found[3]} or tie")
        one, two = reply_of(row.get(first), first), reply_of(row.get(second), second)
        if asked.column:
            prompt = asked.of(row)
        else:
            count = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
            prompt, one, two = one[:count], one[count:], two[count:]
        if not prompt or not one or not two:
            raise Unusable(f"{first!r} and {second!r} are no replies to one prompt; write the prompt as `prompt`")
        return [preference(prompt, (one, two), grades, asked.tools_of(row))]

    how = (
        f"{asked.column or 'what both begin with'} -> the prompt, {verdict} says whether {first} or {second} is better"
    )
    note = table.say("comparison", how, first, second, verdict, *asked.columns)
    required = (first, second, *((asked.column,) if asked.column else ()))
    return Reading(note, required, convert, asked.optional)
