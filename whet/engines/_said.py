"""What a chat completion says, whole or in pieces, in OpenAI's form. No I/O."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from whet.engines._refusals import Failure, plain
from whet.types import Message

Finish = Literal["stop", "length"]
FINISH: Mapping[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",  # the calls are written out in the reply
    "function_call": "stop",
}
_WRONG = (KeyError, IndexError, TypeError, AttributeError)  # what a field of another form than OpenAI's leads to


def parsed(content: bytes, key: str | None) -> dict[str, Any] | Failure:
    """Return a body as the JSON object that it should be."""
    text = content.decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return Failure(f'the answer is not JSON but "{plain(text[:200], key)}"; check the URL', True)
    return answer if isinstance(answer, dict) else strange(text, key)


def strange(text: str, key: str | None) -> Failure:
    """Return that an answer has another form than OpenAI's."""
    return Failure(f'the answer is no chat completion but "{plain(text[:200], key)}"; check the URL and the server')


def usage_of(answer: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the tokens of prompt and reply, None where the server does not say."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if isinstance(prompt, int) and isinstance(completion, int) and min(prompt, completion) >= 0:
        return prompt, completion
    return None


def said_by(answer: Mapping[str, Any], key: str | None) -> tuple[str, Finish] | Failure:
    """Return the text of a whole completion and how it ended; tool calls are written out after what it says."""
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text = spoken(message.get("content") or message.get("refusal"), message.get("tool_calls") or ())
    except _WRONG:
        return strange(json.dumps(answer), key)
    finish = ended(choice.get("finish_reason"), key)
    return finish if isinstance(finish, Failure) else (text, finish)


def spoken(content: Any, calls: Any) -> str:
    """Return text and tool calls as `Message.spoken` writes them."""
    if not isinstance(content, str | None):
        raise TypeError("content is not text")
    return Message("assistant", content or "", tool_calls=tuple(dict(call) for call in calls)).spoken


def ended(reason: Any, key: str | None) -> Finish | Failure:
    """Return how a reply ended, from the server's word for it."""
    if reason in FINISH:
        return FINISH[reason]
    if reason == "content_filter":
        return Failure("the server's content filter cut the reply (content_filter); reword or leave out the prompt")
    return Failure(f"the reply ended for a reason that is not known: {plain(str(reason), key)}; look at the server")


class Pieces:
    """A completion that comes in pieces."""

    def __init__(self, key: str | None) -> None:
        self.content = ""
        self.usage: tuple[int, int] | None = None
        self._calls: dict[int, dict[str, str]] = {}
        self._reason: Any = None
        self._key = key

    def add(self, piece: Mapping[str, Any]) -> str | Failure:
        """Take in a piece and return the text that is new."""
        self.usage = usage_of(piece) or self.usage
        try:
            choice = (piece.get("choices") or [{}])[0]
            delta = choice.get("delta") or {}
            new = delta.get("content") or delta.get("refusal") or ""
            for call in delta.get("tool_calls") or ():
                whole = self._calls.setdefault(call.get("index") or 0, {"name": "", "arguments": ""})
                for name in whole:
                    whole[name] += (call.get("function") or {}).get(name) or ""
            self.content += new
        except _WRONG:
            return strange(str(dict(piece)), self._key)
        self._reason = choice.get("finish_reason") or self._reason
        return str(new)

    def end(self) -> tuple[str, Finish] | Failure:
        """Return the text that is left, the tool calls, and how the reply ended."""
        if self._reason is None:
            return Failure("the stream ended before the reply did; look at the server's log and ask again")
        finish = ended(self._reason, self._key)
        calls = [{"function": self._calls[at]} for at in sorted(self._calls)]
        return finish if isinstance(finish, Failure) else (spoken(self.content, calls)[len(self.content) :], finish)
