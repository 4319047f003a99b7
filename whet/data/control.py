"""Special tokens that a template writes, kept apart from the same words in what people write.

`<|im_end|>` in a customer's message is ten characters of text. Were it read as the token of that name, it would end
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

from whet.errors import ModelError
from whet.types import Frozen, Message


class Control:
    """The special tokens of one tokenizer, as words that may also stand in a text.

    Args:
        tokenizer: of the model; never changed.
        named: tokens that the model's settings name, special even where the tokenizer does not call them so.
        written: what the template writes around a conversation. Its tokens are those that open and end turns; others,
            such as marks of reasoning, are the model's to say, and stay what they are in its answers.
    """

    def __init__(self, tokenizer: Tokenizer, named: Collection[str], written: str) -> None:
        self._tokenizer = tokenizer
        self._respelt: Tokenizer | None = None
        added = tokenizer.get_added_tokens_decoder().values()
        special = [token for token in added if token.special or token.content in named]
        words = {token.content for token in special}
        ordered = sorted((word for word in words if word.strip()), key=len, reverse=True)
        # Drawn anew in every process, so that no text can hold either spelling; of characters that templates pass on
        # as they are, be it by repr(), by JSON or in capitals.
        nonce = secrets.randbits(128)
        self._stand_in = {word: f"~{nonce}.{at}~" for at, word in enumerate(ordered)}
        self._spelling = {word: f"~{nonce}:{at}~" for at, word in enumerate(ordered)}
        self._written = {stand_in: word for word, stand_in in self._stand_in.items()}
        self._words = _any_of(self._stand_in)
        self._turns = _any_of(word for word in ordered if word in written or word in named)
        # A token that is looked for in normalized text is also found where only that text holds its word.
        self._normalizer = tokenizer.normalizer if any(token.normalized for token in special) else None
        self._stand_ins = _any_of(self._written)

    def words(self, texts: Iterable[str]) -> list[str]:
        """Return the special tokens whose words stand in these texts, each once, sorted."""
        return sorted({word for text in texts for word in self._words.findall(text)})

    def shielded(self, messages: Iterable[Message], tools: Iterable[Frozen]) -> tuple[list[Message], list[Frozen]]:
        """Return the conversation with a stand-in for every special token's words."""
        shielded = []
        for message in messages:
            words = self._turns if message.role == "assistant" else self._words
            shielded.append(
                replace(
                    message,
                    content=self._shield(message.content, words),
                    name=self._shield(message.name, words),
                    tool_calls=tuple(self._shield(call, words) for call in message.tool_calls),
                    tool_call_id=self._shield(message.tool_call_id, words),
                )
            )
        return shielded, [self._shield(tool, self._words) for tool in tools]

    def _shield(self, value: Any, words: re.Pattern[str]) -> Any:
        if isinstance(value, str):
            return words.sub(lambda match: self._stand_in[match[0]], value)
        if isinstance(value, Mapping):
            return {self._shield(key, words): self._shield(part, words) for key, part in value.items()}
        return [self._shield(part, words) for part in value] if isinstance(value, list | tuple) else value

    def apart(self, text: str) -> tuple[Tokenizer, str]:
        """Return a rendered text as it is to be encoded, and the tokenizer that encodes it."""
        if not self._stand_ins.search(text) and not self._forged(text):
            return self._tokenizer, text
        if self._respelt is None:  # hardly any data needs it
            self._respelt = _respelt(self._tokenizer, self._spelling)
        text = self._words.sub(lambda match: self._spelling[match[0]], text)
        return self._respelt, self._stand_ins.sub(lambda match: self._written[match[0]], text)

    def _forged(self, text: str) -> bool:
        if self._normalizer is None:
            return False
        found = (self._words.findall(one) for one in (text, self._normalizer.normalize_str(text)))
        return len(next(found)) < len(next(found))


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words)) or r"(?!)")


def _respelt(tokenizer: Tokenizer, spelling: dict[str, str]) -> Tokenizer:
    """Return a tokenizer with other words for its special tokens, under the same ids.

    Raises:
        ModelError: there is no such tokenizer.
    """
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
    if "merges" in model:  # those that would make a special token's word out of pieces
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        model["merges"] = [(a, b) for a, b in pairs if not {a, b, a + b} & spelling.keys()]
    parts["post_processor"] = None  # it adds tokens of its own by name; texts here are complete
    try:
        return Tokenizer.from_str(json.dumps(parts))
    except Exception as error:  # the Rust binding raises bare Exception
        what = "the words of a special token stand in this text and the tokenizer cannot keep them apart from it"
        raise ModelError(f"{what} ({error}); take them out") from None
