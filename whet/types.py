"""The words the whole system speaks. No torch, no I/O.

Letters used in whet's docstrings: B rows, T tokens, P prefix tokens, V vocabulary, N trained tokens.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]
SplitName = Literal["train", "validation", "test"]
Frozen = Mapping[str, Any]
"""A JSON object nobody may change; tools and tool calls are kept as the user wrote them."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. `weight` 0 keeps an assistant turn as context that does not train.

    `reasoning` is what stood beside an answer in a row; the reader puts it into the content or leaves it out.
    """

    role: Role
    content: str
    weight: float = 1.0
    name: str | None = None
    tool_calls: tuple[Frozen, ...] = ()
    tool_call_id: str | None = None
    reasoning: str = ""

    @property
    def spoken(self) -> str:
        """All that the message says as text, its tool calls written out."""
        calls = (json.dumps(dict(call).get("function", dict(call)), ensure_ascii=False) for call in self.tool_calls)
        return "\n".join(
            [*([self.content] if self.content else []), *(f"<tool_call>\n{c}\n</tool_call>" for c in calls)]
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the message as a chat template expects it: absent fields are left out."""
        fields: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.name is not None:
            fields["name"] = self.name
        if self.tool_calls:
            fields["tool_calls"] = [dict(call) for call in self.tool_calls]
        if self.tool_call_id is not None:
            fields["tool_call_id"] = self.tool_call_id
        return fields


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation to learn from. `label` is set when the last answer is one of a fixed set of labels."""

    messages: tuple[Message, ...]
    source: str = ""  # "path:line" the row came from
    tools: tuple[Frozen, ...] = ()
    label: str | None = None
    split: SplitName | None = None  # where the user's own data says the row belongs
    groups: tuple[str, ...] = ()  # "column=value" of what keeps it on one side with others: a user, a document
    time: float | None = None  # seconds since 1970, where the data says and it was asked for


@dataclass(frozen=True, slots=True)
class Text:
    """Raw text; every token of it trains."""

    text: str
    source: str = ""
    split: SplitName | None = None
    groups: tuple[str, ...] = ()
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Preference:
    """Several replies to one prompt, the best first; `grades`: higher is better, equal ones are ties."""

    messages: tuple[Message, ...]
    replies: tuple[tuple[Message, ...], ...]
    grades: tuple[float, ...]
    source: str = ""
    tools: tuple[Frozen, ...] = ()
    split: SplitName | None = None
    groups: tuple[str, ...] = ()
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """One reply and what somebody thought of it: `value` from 0 (bad) to 1 (good)."""

    messages: tuple[Message, ...]
    reply: tuple[Message, ...]
    value: float
    source: str = ""
    tools: tuple[Frozen, ...] = ()
    split: SplitName | None = None
    groups: tuple[str, ...] = ()
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation waiting for a reply, and every reply that would count as right.

    Several rows with the same question become one prompt with several targets. `item` is what else its row says, for a
    grader to use; `grader` is the row's own, in OpenAI's form.
    """

    messages: tuple[Message, ...]
    targets: tuple[str, ...] = ()
    source: str = ""
    tools: tuple[Frozen, ...] = ()
    split: SplitName | None = None
    item: Frozen = field(default_factory=dict)
    grader: Frozen | None = None
    groups: tuple[str, ...] = ()
    time: float | None = None

    @property
    def question(self) -> str:
        """The last thing said before the reply; what a retriever looks up."""
        return self.messages[-1].content if self.messages else ""


Lesson = Chat | Text
"""What can be learned by heart: every token of an answer, or of a text."""

Example = Chat | Text | Preference | Feedback | Prompt
"""A row of data."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn. Temperature 0 is greedy.

    With `choices`, the reply is one of them, by how likely the model finds each as its whole answer.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int = 0
    choices: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """One finished answer, with what it took."""

    text: str
    finish: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    seconds: float = 0.0  # this reply's share of its batch
    log_loss: float | None = None  # nats a token of the target replies, mean over targets; None if not asked for


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of a reply."""

    text: str
    finish: Literal["stop", "length"] | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """How good one reply is: higher is better, 0 to 1 by convention; `why` is for people.

    `failed`: the scorer could not do its work on this reply; the value says nothing.
    """

    value: float
    why: str = ""
    failed: bool = False


class Engine(Protocol):
    """Turns conversations into text."""

    def complete(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, log_loss: bool = False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (index of the prompt, its reply) as replies finish, in any order.

        With `log_loss`, each reply also says how likely the model finds the prompt's targets.
        """

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Delta]:
        """Yield the pieces of one reply as they come."""


Scorer = Callable[[Prompt, str], Score]
"""The same scorer is a metric in evaluation, a reward in RL and a probe in monitoring."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A rendered row: token ids and, per token, the weight with which it trains (0 is context)."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    source: str = ""

    @property
    def trained(self) -> int:
        """How many tokens train."""
        return sum(1 for weight in self.weights if weight > 0)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples of one kind, with what was understood of the files they came from."""

    examples: tuple[Example, ...]
    shape: str  # a name from `whet data shapes`
    notes: tuple[str, ...] = ()  # what a person should be told: how columns were read, which were not used
    labels: tuple[str, ...] = ()  # sorted; empty unless the task is choosing one of them
    digests: Mapping[str, str] = field(default_factory=dict)  # path -> sha256 of the file as read


class Progress(Protocol):
    """Hears what is going on; the command line draws it, tests ignore it."""

    def say(self, text: str) -> None:
        """Tell a person one thing."""

    def begin(self, task: str, total: float) -> None:
        """Start a task of `total` units; the one before it is over."""

    def skip(self, amount: float) -> None:
        """Report units that were done before the task began; they say nothing about its pace."""

    def advance(self, amount: float = 1.0, note: str = "") -> None:
        """Report units done and, in a few words, how it goes."""
