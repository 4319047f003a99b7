"""An engine in front of an engine: the k nearest training examples are put before the question."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from whet.data.content import content_hash
from whet.engines.nearest import Finder, Index, Nearest
from whet.types import Chat, Delta, Engine, Message, Prompt, Reply, Sampling


class FewShot:
    """Answers with examples in the prompt, by default chosen by BM25 over their questions, the nearest one last.

    Args:
        engine: who answers.
        examples: the training rows; only their last question and answer are shown.
        shots: how many, as long as they fit.
        fits: says whether a prompt leaves room for its answer. Examples that do not fit are left out, the farthest
            first, and counted in `shown`.
        same: show every prompt the same examples, one of each label in turn where there are labels, else spread over
            the rows: shorter to compute, as all prompts begin alike.
        index: how the nearest are found.
    """

    def __init__(
        self,
        engine: Engine,
        examples: Sequence[Chat],
        shots: int,
        fits: Callable[[Prompt], bool],
        *,
        same: bool = False,
        index: Index = Nearest,
    ) -> None:
        self._engine, self._fits = engine, fits
        self._pairs = [pair for example in examples if (pair := last_exchange(example))]
        self._shots = min(shots, len(self._pairs))
        self.shown: list[int] = []  # how many examples each prompt got
        self._same = _spread([row for row in examples if last_exchange(row)], self._shots) if same else None
        self._index: Finder | None = None if same else index([question.content for question, _ in self._pairs])

    def extend(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Return the prompts with examples put after their system message."""
        if self._index:
            found = self._index.find([prompt.question for prompt in prompts], self._shots)
        else:
            found = [self._same or []] * len(prompts)
        extended = []
        for prompt, places in zip(prompts, found, strict=True):
            nearest = [self._pairs[place] for place in places]
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


def _spread(examples: Sequence[Chat], shots: int) -> list[int]:
    """Return the places of examples that show much of what there is: each label in turn, by content hash."""
    order = sorted(range(len(examples)), key=lambda at: content_hash(examples[at]))
    turns: Counter[str] = Counter()
    ranked = []
    for at in order:
        label = examples[at].label or ""
        ranked.append((turns[label], at))
        turns[label] += 1
    ranked.sort(key=lambda pair: pair[0])
    return [at for _, at in ranked[:shots]]


def last_exchange(example: Chat) -> tuple[Message, Message] | None:
    """Return the last question and its answer, None if nothing was asked."""
    *before, answer = example.messages
    asked = next((message for message in reversed(before) if message.role == "user"), None)
    return (asked, answer) if asked is not None and answer.role == "assistant" else None


def _with(prompt: Prompt, nearest: Sequence[tuple[Message, Message]]) -> Prompt:
    head = 1 if prompt.messages and prompt.messages[0].role == "system" else 0
    shown = [message for pair in reversed(nearest) for message in pair]
    return replace(prompt, messages=(*prompt.messages[:head], *shown, *prompt.messages[head:]))
