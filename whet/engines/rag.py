"""Passages that fit the question are put into the prompt: retrieval-augmented generation (Lewis et al. 2020)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from whet.engines.nearest import Index, Nearest
from whet.types import Message, Prompt

LEAD = "Use these passages where they help:"


class Source(NamedTuple):
    """A text that can be shown, and where it stands; `key` is what it is looked up by, if that is not all of it."""

    text: str
    place: str
    key: str = ""


class Rag:
    """Shows the passages nearest to the question (by default those that share most words), after the system message.

    Args:
        sources: what can be shown.
        passages: how many, as long as they fit.
        fits: says whether a prompt leaves room for its answer. Passages that do not fit are left out, the farthest
            first, and `shown` has the places of those that were shown, per prompt.
        index: how passages are found.
    """

    def __init__(
        self, sources: Sequence[Source], passages: int, fits: Callable[[Prompt], bool], index: Index = Nearest
    ) -> None:
        self._sources, self._passages, self._fits = sources, passages, fits
        self._index = index([source.key or source.text for source in sources])
        self.shown: list[list[str]] = []

    def extend(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Return the prompts with passages in their system message."""
        extended = []
        for prompt, places in zip(
            prompts, self._index.find([prompt.question for prompt in prompts], self._passages), strict=True
        ):
            nearest = [self._sources[place] for place in places]
            while nearest and not self._fits(_with(prompt, nearest)):
                nearest.pop()
            self.shown.append([source.place for source in nearest])
            extended.append(_with(prompt, nearest))
        return extended


def _with(prompt: Prompt, nearest: Sequence[Source]) -> Prompt:
    if not nearest:
        return prompt
    said = [message.content for message in prompt.messages if message.role == "system"]
    texts = [f"[{number}] {source.text}" for number, source in enumerate(nearest, 1)]
    system = Message("system", "\n\n".join([*said, LEAD, *texts]))
    return replace(prompt, messages=(system, *(m for m in prompt.messages if m.role != "system")))
