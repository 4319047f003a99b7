"""Preference pairs as OpenAI's fine-tuning files for DPO write them."""

from whet.config.tree import Data
from whet.data.shapes import Reading, Row, Table, Unusable, kind
from whet.data.shapes._pairs import preference, reply_of
from whet.data.shapes._turns import messages_of, tools_of, unpacked
from whet.types import Preference

__all__ = ["openai_preference"]


def openai_preference(table: Table, data: Data) -> Reading | None:
    """`input` ({"messages": ..., "tools": ...}), `preferred_output` and `non_preferred_output` (lists of messages)."""
    columns = [table.find(name) for name in ("input", "preferred_output", "non_preferred_output")]
    given, better, worse = columns
    if given is None or better is None or worse is None:
        return None

    def convert(row: Row) -> list[Preference]:
        value = unpacked(row.get(given), given)
        if not isinstance(value, dict):
            raise Unusable(f"{given!r} is {kind(value)}, not an object; write {{'messages': [...]}}")
        prompt = messages_of(value.get("messages"), f"{given}.messages")
        if prompt[-1].role == "assistant":
            raise Unusable(f"{given!r} ends with the assistant; its last message should be the user's")
        replies = [reply_of(row.get(name), name) for name in (better, worse)]
        return [preference(prompt, replies, (1.0, 0.0), tools_of(value, "tools" if "tools" in value else None))]

    how = f"{given} -> the prompt, {better} is better than {worse}"
    return Reading(table.say("openai_preference", how, given, better, worse), (given, better, worse), convert)
