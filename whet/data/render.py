"""The only way from messages to tokens: training, evaluation and serving all pass here.

A row is rendered turn by turn, the way it will be served: the prompt up to and including the words that open an
answer, then the answer and the token that ends it. What trains is therefore what the model will be asked to say,
whatever the template looks like, and the prompt's tokens in training are the prompt's tokens in serving.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from whet.data.control import Control
from whet.data.template import DEFAULT, Template
from whet.errors import ModelError
from whet.types import Chat, Frozen, Lesson, Message, Prompt, Text, Tokens

SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer inside a rendered conversation: ids[start:end] are its tokens, the end token last."""

    start: int
    end: int
    message: Message


class Renderer:
    """Messages to tokens and back, for one model.

    Args:
        folder: the model's files: tokenizer.json, tokenizer_config.json and, if it has one, its chat template.

    Raises:
        ModelError: no tokenizer, or a chat template that cannot be used safely.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise ModelError(f"{folder}: no tokenizer.json; save the model's fast tokenizer beside its weights")
        try:
            self.tokenizer: Tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the Rust binding raises bare Exception
            raise ModelError(f"{file}: not a tokenizer: {error}") from None
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        settings = _settings(folder)
        self.special = {name: token for name in SPECIAL if (token := _token(settings.get(name)))}
        if "eos_token" not in self.special:
            raise ModelError(f"{folder}: the tokenizer has no eos_token, so no answer could ever end")
        source = _template(folder, settings)
        self.has_template = source is not None
        self.template = Template(source or DEFAULT, {**dict.fromkeys(SPECIAL, ""), **self.special})
        self._control = Control(self.tokenizer, self.special.values(), self._written())
        added = self.tokenizer.get_added_tokens_decoder()
        self._special_ids = {number for number, token in added.items() if token.special}
        self._special_ids.add(self.id(self.special["eos_token"]))
        self.digest = hashlib.sha256(
            hashlib.sha256(file.read_bytes()).digest()
            + json.dumps([self.template.source, self.special], sort_keys=True).encode()
        ).hexdigest()
        self._learn_habits()

    def id(self, token: str) -> int:
        """Return the id of a special token.

        Raises:
            ModelError: the tokenizer does not know it.
        """
        number = self.tokenizer.token_to_id(token)
        if number is None:
            raise ModelError(f"the tokenizer names {token!r} as a special token but has no id for it")
        return int(number)

    def _written(self) -> str:
        """Return what the template writes around a conversation; nothing where it refuses this one."""
        talk = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
        for messages in ([Message("system", "s"), *talk], talk):  # a system message keeps a default one away
            try:
                return self.template.render(messages, ask=True)
            except ModelError:
                continue
        return ""

    def _learn_habits(self) -> None:
        """Find out by trying what the template does with tools, tool calls and the end of an answer."""
        ask, said = Message("user", "a"), Message("assistant", "b")
        tool = {"type": "function", "function": {"name": "probe_tool", "description": "", "parameters": {}}}
        call = {"id": "c1", "type": "function", "function": {"name": "probe_call", "arguments": {}}}
        self._shows_tools = self._mentions("probe_tool", [ask], [tool])
        self._shows_calls = self._mentions("probe_call", [ask, replace(said, content="", tool_calls=(call,))])
        self._takes_system = self._mentions("probe_system", [Message("system", "probe_system"), ask])
        ids, turns = self.turns([ask, said])
        self.stops = frozenset({self.id(self.special["eos_token"]), ids[turns[-1].end - 1]})
        self.pad = self.id(self.special["pad_token"]) if "pad_token" in self.special else min(self.stops)

    def _mentions(self, word: str, messages: Sequence[Message], tools: Sequence[Frozen] = ()) -> bool:
        try:
            return word in self.template.render(messages, tools)
        except ModelError:
            return False

    def padding(self) -> int:
        """Return a special token that ends no conversation, so that padding can be told from what was said.

        Raises:
            ModelError: there is none.
        """
        end = self.conversation([Message("user", "a"), Message("assistant", "b")])[-1]
        free = sorted(token for token in self._special_ids if token != end and token not in self.stops)
        if not free:
            raise ModelError("every special token of this model ends an answer, so none is left to pad with")
        return free[0]

    def encode(self, text: str) -> list[int]:
        """Return the token ids of text whose special tokens are already written out (so no second BOS)."""
        tokenizer, text = self._control.apart(text)
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    def quoted(self, example: Chat) -> list[str]:
        """Return the special tokens whose words stand in the conversation, where they are only text."""
        said = (json.dumps(message.as_dict(), ensure_ascii=False) for message in example.messages)
        return self._control.words([*said, *(json.dumps(dict(tool), ensure_ascii=False) for tool in example.tools)])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of an answer's tokens, without special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def spans(self, row: Tokens) -> list[tuple[bool, str]]:
        """Return the row as text in pieces that train or do not, special tokens included."""
        pieces: list[tuple[bool, list[int]]] = []
        for token, weight in zip(row.ids, row.weights, strict=True):
            if not pieces or pieces[-1][0] != (weight > 0):
                pieces.append((weight > 0, []))
            pieces[-1][1].append(token)
        return [(trains, str(self.tokenizer.decode(ids, skip_special_tokens=False))) for trains, ids in pieces]

    def _fitted(self, messages: Sequence[Message], tools: Sequence[Frozen]) -> tuple[list[Message], Sequence[Frozen]]:
        """Return the conversation in the words this template knows; nothing of it is dropped or taken for a token."""
        fitted = [message if self._shows_calls else _calls_as_text(message) for message in messages]
        if tools and not self._shows_tools:
            listing = "Tools you may call:\n" + "\n".join(json.dumps(dict(tool)) for tool in tools)
            fitted = _with_system(fitted, listing)
            tools = ()
        if fitted and fitted[0].role == "system" and not self._takes_system and len(fitted) > 1:
            first, second, *rest = fitted
            fitted = [replace(second, content=f"{first.content}\n\n{second.content}"), *rest]
        return self._control.shielded(fitted, tools)

    def prompt(self, messages: Sequence[Message], tools: Sequence[Frozen] = ()) -> list[int]:
        """Return the tokens of a conversation that waits for an answer.

        Raises:
            ModelError: the template refuses the conversation.
        """
        messages, tools = self._fitted(messages, tools)
        text = self.template.render(messages, tools, ask=True)
        try:
            ids, _ = self._turns(messages, tools)
            return self._extend(ids, text)
        except Rewrites:
            return self.encode(text)  # as `_answer_by_answer` trains it

    def turns(self, messages: Sequence[Message], tools: Sequence[Frozen] = ()) -> tuple[list[int], list[Turn]]:
        """Return the tokens of a whole conversation and where each of its answers lies.

        Raises:
            ModelError: the template refuses the conversation or rewrites earlier turns; an answer has no end token.
        """
        messages, tools = self._fitted(messages, tools)
        ids, turns = self._turns(messages, tools)
        if messages and messages[-1].role == "assistant":
            return ids[: turns[-1].end], turns  # what a template writes after the end token is not said by the model
        return self._extend(ids, self.template.render(messages, tools)), turns

    def conversation(self, messages: Sequence[Message], tools: Sequence[Frozen] = ()) -> list[int]:
        """Return all tokens that the template writes for a conversation, what follows its last answer included.

        Raises:
            ModelError: the template refuses the conversation or rewrites earlier turns; an answer has no end token.
        """
        messages, tools = self._fitted(messages, tools)
        ids, _ = self._turns(messages, tools)
        return self._extend(ids, self.template.render(messages, tools))

    def _turns(self, messages: Sequence[Message], tools: Sequence[Frozen]) -> tuple[list[int], list[Turn]]:
        ids: list[int] = []
        turns: list[Turn] = []
        for index, message in enumerate(messages):
            if message.role != "assistant":
                continue
            ids = self._extend(ids, self.template.render(messages[:index], tools, ask=True) if index else "")
            start = len(ids)
            ids = self._extend(ids, self.template.render(messages[: index + 1], tools))
            end = next((at + 1 for at in range(len(ids) - 1, start - 1, -1) if ids[at] in self._special_ids), None)
            if end is None:
                raise ModelError("the chat template writes no end token after an answer, so the model could never stop")
            turns.append(Turn(start, end, message))
        return ids, turns

    def _extend(self, ids: list[int], text: str) -> list[int]:
        """Return `ids` continued to cover `text`, which must begin with what they already cover."""
        whole = self.encode(text)
        if whole[: len(ids)] == ids:
            return whole
        # A token would straddle the border between question and answer. Serving can never produce it, because
        # there the question is encoded before the answer exists, so the border is kept and the rest encoded alone.
        tokenizer, text = self._control.apart(text)
        covered = str(tokenizer.decode(ids, skip_special_tokens=False))
        if not text.startswith(covered):
            raise Rewrites("the chat template rewrites earlier turns when a later one is added")
        joined = ids + list(tokenizer.encode(text[len(covered) :], add_special_tokens=False).ids)
        if tokenizer.decode(joined, skip_special_tokens=False) != text:
            raise ModelError("the tokenizer does not give back the text it was given across a turn's border")
        return joined

    def render(self, example: Lesson, train_on: Literal["answers", "all"] = "answers") -> list[Tokens]:
        """Return the example as token rows with the weight of each token: one row, or one per answer.

        Where a template rewrites earlier turns (some drop the reasoning of all answers but the last), each answer
        becomes a row of its own, exactly as it would be asked for in serving.

        Raises:
            ModelError: the template refuses the conversation.
        """
        if isinstance(example, Text):
            ids = [*self._opening(), *self.encode(example.text), self.id(self.special["eos_token"])]
            return [Tokens(tuple(ids), (0.0, *[1.0] * (len(ids) - 1)), example.source)]
        try:
            ids, turns = self.turns(example.messages, example.tools)
            return [_weighted(ids, turns, example, train_on)]
        except Rewrites:
            return self._answer_by_answer(example, train_on)

    def _answer_by_answer(self, example: Chat, train_on: Literal["answers", "all"]) -> list[Tokens]:
        rows = []
        for index, message in enumerate(example.messages):
            if message.role == "assistant" and message.weight > 0:
                messages, tools = self._fitted(example.messages[: index + 1], example.tools)
                before = self.encode(self.template.render(messages[:-1], tools, ask=True))
                ids = self._extend(before, self.template.render(messages, tools))
                end = max((at + 1 for at in range(len(before), len(ids)) if ids[at] in self._special_ids), default=0)
                if not end:
                    raise ModelError("the chat template writes no end token after an answer")
                rows.append(_weighted(ids[:end], [Turn(len(before), end, message)], example, train_on))
        return rows

    def _opening(self) -> list[int]:
        """Return the BOS token if this model's own template writes one, else nothing."""
        bos = self.special.get("bos_token")
        return [self.id(bos)] if bos and self.template.render([Message("user", "a")]).startswith(bos) else []

    def answer(self, prompt: Prompt, target: str) -> tuple[list[int], int]:
        """Return the tokens of a prompt with `target` as its answer, and where the answer starts."""
        messages = (*prompt.messages, Message("assistant", target))
        try:
            ids, turns = self.turns(messages, prompt.tools)
            return ids, turns[-1].start
        except Rewrites:
            (row,) = self._answer_by_answer(Chat(tuple(messages[:-1]) + messages[-1:], tools=prompt.tools), "answers")[
                -1:
            ]
            return list(row.ids), next(at for at, weight in enumerate(row.weights) if weight > 0)


class Rewrites(ModelError):
    """The template rewrites earlier turns, so a conversation is not the start of its own continuation."""


def _weighted(ids: list[int], turns: list[Turn], example: Chat, train_on: str) -> Tokens:
    weights = [1.0 if train_on == "all" and at else 0.0 for at in range(len(ids))]
    for turn in turns:
        weights[turn.start : turn.end] = [float(turn.message.weight)] * (turn.end - turn.start)
    return Tokens(tuple(ids), tuple(weights), example.source)


def _calls_as_text(message: Message) -> Message:
    return replace(message, content=message.spoken, tool_calls=()) if message.tool_calls else message


def _with_system(messages: list[Message], text: str) -> list[Message]:
    if messages and messages[0].role == "system":
        return [replace(messages[0], content=f"{messages[0].content}\n\n{text}"), *messages[1:]]
    return [Message("system", text), *messages]


def _settings(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        file = folder / name
        if file.is_file():
            try:
                found = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError) as error:
                raise ModelError(f"{file}: not valid JSON: {error}") from None
            if not isinstance(found, dict):
                raise ModelError(f"{file}: not the settings of a tokenizer; fetch the model's own file again")
            settings.update(found)
    return settings


def _token(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) and value else None


def _template(folder: Path, settings: dict[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ModelError(f"{file}: not text in UTF-8: {error}") from None
    found = settings.get("chat_template")
    if isinstance(found, list):  # several named templates; "default" is the one for conversations
        named = [entry for entry in found if isinstance(entry, dict)]
        if len(named) < len(found):
            raise ModelError(
                f"{folder / 'tokenizer_config.json'}: chat_template is no template and no list of named ones"
            )
        found = next((entry.get("template") for entry in named if entry.get("name") == "default"), None)
    return found if isinstance(found, str) and found else None
