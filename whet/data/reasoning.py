"""What models thought before they answered: into the answer, or left out."""

from dataclasses import replace
from typing import Literal

from whet.types import Example, Feedback, Message, Preference, Text

OPEN, CLOSE = "<think>", "</think>"


class Reasoning:
    """Puts the reasoning that stands beside answers into them, or leaves it out, and counts."""

    def __init__(self, wanted: Literal["keep", "drop"]) -> None:
        self._keep = wanted == "keep"
        self._beside, self._there = 0, 0

    def into(self, example: Example) -> Example:
        """Return the example with no reasoning beside its messages."""
        if isinstance(example, Text):
            return example
        turns = self._all(example.messages)
        if isinstance(example, Preference):
            return replace(example, messages=turns, replies=tuple(self._all(reply) for reply in example.replies))
        if isinstance(example, Feedback):
            return replace(example, messages=turns, reply=self._all(example.reply))
        return example if turns is example.messages else replace(example, messages=turns)

    def told(self) -> list[str]:
        """Return what was done, and how often."""
        said = []
        if self._beside and self._keep:
            put = f"was put before them as {OPEN}...{CLOSE}"
            said.append(f"the reasoning beside {self._beside:,} answers {put}; data.reasoning=drop leaves it out")
        elif self._beside:
            said.append(f"the reasoning beside {self._beside:,} answers was left out (data.reasoning=drop)")
        if self._there:
            said.append(f"{self._there:,} answers begin with {OPEN} already; the reasoning beside them was not added")
        return said

    def _all(self, turns: tuple[Message, ...]) -> tuple[Message, ...]:
        return tuple(map(self._one, turns)) if any(turn.reasoning for turn in turns) else turns

    def _one(self, turn: Message) -> Message:
        if not turn.reasoning:
            return turn
        if self._keep and turn.content.lstrip().startswith(OPEN):
            self._there += 1
            return replace(turn, reasoning="")
        self._beside += 1
        content = f"{OPEN}\n{turn.reasoning.strip()}\n{CLOSE}\n\n{turn.content}" if self._keep else turn.content
        return replace(turn, content=content, reasoning="")
