"""Special tokens that a template writes, kept apart from the same words in what people write.

`<|im_end|>` in a customer's message is eleven characters of text. Were it read as the token of that name, it would end
the turn: training would teach a mask that is wrong, and in serving anybody could write a system message. So what people
wrote passes through the template under a stand-in. Where one comes out, the text is read by a tokenizer that differs
from the model's in the spelling of its special tokens alone, so that only the template's are found.
"""

import json
import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tokenizers import Tokenizer

from whet.types import Frozen, Message


class Control:
    """The special tokens of one tokenizer, as words that may also stand in a text.

    Args:
        tokenizer: of the model; never changed.
        named: tokens that the model's settings name, special even where the tokenizer does not call them so.
    """

    def __init__(self, tokenizer: Tokenizer, named: Collection[str]) -> None:
        self._tokenizer = tokenizer
        self._respelt: Tokenizer | None = None
        added = tokenizer.get_added_tokens_decoder().values()
        words = {token.content for token in added if token.special or token.content in named}
        ordered = sorted((word for word in words if word.strip()), key=len, reverse=True)
        # Drawn anew in every process, so that no text can hold either spelling; of characters that templates pass on
        # as they are, be it by repr(), by JSON or in capitals.
        nonce = secrets.randbits(128)
        self._stand_in = {word: f"~{nonce}.{at}~" for at, word in enumerate(ordered)}
        self._spelling = {word: f"~{nonce}:{at}~" for at, word in enumerate(ordered)}
        self._written = {stand_in: word for word, stand_in in self._stand_in.items()}
        self._words = _any_of(self._stand_in)
        self._stand_ins = _any_of(self._written)

    def words(self, texts: Iterable[str]) -> list[str]:
        """Return the special tokens whose words stand in these texts, each once, sorted."""
        return sorted({word for text in texts for word in self._words.findall(text)})

    def shielded(self, messages: Iterable[Message], tools: Iterable[Frozen]) -> tuple[list[Message], list[Frozen]]:
        """Return the conversation with a stand-in for every special token's words."""
        shielded = [
            replace(
                message,
                content=self._shield(message.content),
                name=self._shield(message.name),
                tool_calls=tuple(map(self._shield, message.tool_calls)),
                tool_call_id=self._shield(message.tool_call_id),
            )
            for message in messages
        ]
        return shielded, list(map(self._shield, tools))

    def _shield(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._words.sub(lambda match: self._stand_in[match[0]], value)
        if isinstance(value, Mapping):
            return {self._shield(key): self._shield(part) for key, part in value.items()}
        return [self._shield(part) for part in value] if isinstance(value, list | tuple) else value

    def apart(self, text: str) -> tuple[Tokenizer, str]:
        """Return a rendered text as it is to be encoded, and the tokenizer that encodes it."""
        if not self._stand_ins.search(text):
            return self._tokenizer, text
        if self._respelt is None:  # hardly any data needs it
            self._respelt = _respelt(self._tokenizer, self._spelling)
        text = self._words.sub(lambda match: self._spelling[match[0]], text)
        return self._respelt, self._stand_ins.sub(lambda match: self._written[match[0]], text)


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words)) or r"(?!)")


def _respelt(tokenizer: Tokenizer, spelling: dict[str, str]) -> Tokenizer:
    """Return a tokenizer with other words for its special tokens, under the same ids."""
    parts = json.loads(tokenizer.to_str())
    for token in parts["added_tokens"]:
        token["content"] = spelling.get(token["content"], token["content"])
    model = parts["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {spelling.get(word, word): number for word, number in vocabulary.items()}
    else:  # Unigram: pairs of a piece and its log-probability
        model["vocab"] = [[spelling.get(word, word), score] for word, score in vocabulary]
    if isinstance(model.get("unk_token"), str):
        model["unk_token"] = spelling.get(model["unk_token"], model["unk_token"])
    parts["post_processor"] = None  # it adds tokens of its own by name; texts here are complete
    return Tokenizer.from_str(json.dumps(parts))
