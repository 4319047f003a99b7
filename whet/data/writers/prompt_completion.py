"""A prompt and what should come after it, both lists of messages."""

from typing import Any

from whet.data.shapes import Unusable
from whet.data.writers._turns import kind_of, tools, written
from whet.types import Chat, Example

__all__ = ["prompt_completion"]


def prompt_completion(example: Example) -> dict[str, Any]:
    """Return `prompt` and `completion`."""
    if not isinstance(example, Chat):
        raise Unusable(f"prompt_completion holds conversations, and this row is {kind_of(example)}")
    *before, last = example.messages
    if not before:
        raise Unusable("prompt_completion needs a turn before the answer")
    if any(turn.role == "assistant" and turn.weight > 0 for turn in before):
        raise Unusable("only the completion trains in prompt_completion, and an earlier answer of this row does too")
    prompt = [{name: value for name, value in turn.items() if name != "weight"} for turn in written(before)]
    return {"prompt": prompt, "completion": written([last]), **tools(example)}
