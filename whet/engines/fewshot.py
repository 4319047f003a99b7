"""An engine in front of an engine: the k nearest training examples are put before the question."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import bm25s

from whet.scorers._text import words
from whet.types import Chat, Delta, Engine, Message, Prompt, Reply, Sampling

logging.getLogger("bm25s").setLevel(logging.ERROR)


class FewShot:
    """Answers with examples in the prompt, chosen by BM25 over their questions, the nearest one last.

    Args:
        engine: who answers.
        examples: the training rows; only their last question and answer are shown.
        shots: how many, as long as they fit.
        fits: says whether a prompt leaves room for its answer. Examples that do not fit are left out, the farthest
            first, and counted in `shown`.
    """

    def __init__(self, engine: Engine, examples: Sequence[Chat], shots: int, fits: Callable[[Prompt], bool]) -> None:
        self._engine, self._fits = engine, fits
        self._pairs = [pair for example in examples if (pair := last_exchange(example))]
        self._shots = min(shots, len(self._pairs))
        self.shown: list[int] = []  # how many examples each prompt got
        self._index = bm25s.BM25()
        self._index.index(_words([question.content for question, _ in self._pairs]), show_progress=False)

    def extend(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Return the prompts with examples put after their system message."""
        found, _ = self._index.retrieve(_words([p.question for p in prompts]), k=self._shots, show_progress=False)
        extended = []
        for prompt, places in zip(prompts, found, strict=True):
            nearest = [self._pairs[int(place)] for place in places]
            while nearest and not self._fits(_with(prompt, nearest)):
                nearest.pop()
            self.shown.append(len(nearest))
            extended.append(_with(prompt, nearest))
        return extended

    def complete(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, log_loss: bool = False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (index, reply) as the engine behind does."""
        return self._engine.complete(self.extend(prompts), sampling, log_loss=log_loss)

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Delta]:
        """Yield the pieces of one reply."""
        return self._engine.stream(self.extend([prompt])[0], sampling)


def _words(texts: Sequence[str]) -> list[list[str]]:
    # A text without a word would break the index; the empty word matches nothing.
    return [words(text) or [""] for text in texts]


def last_exchange(example: Chat) -> tuple[Message, Message] | None:
    """Return the last question and its answer, None if nothing was asked."""
    *before, answer = example.messages
    asked = next((message for message in reversed(before) if message.role == "user"), None)
    return (asked, answer) if asked is not None and answer.role == "assistant" else None


def _with(prompt: Prompt, nearest: Sequence[tuple[Message, Message]]) -> Prompt:
    head = 1 if prompt.messages and prompt.messages[0].role == "system" else 0
    shown = [message for pair in reversed(nearest) for message in pair]
    return replace(prompt, messages=(*prompt.messages[:head], *shown, *prompt.messages[head:]))
