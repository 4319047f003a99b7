"""Graders that ask a model: what it is asked, and what is made of its reply.

Nothing here forces a reply into a form, so the form is asked for in words, and a reply that keeps to it loosely is read
where it can mean one thing only.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from whet.phrases import declined
from whet.scorers._grading.shapes import Asked, LabelModel, ScoreModel
from whet.scorers._grading.templates import filled
from whet.scorers._json import parsed
from whet.scorers._text import unfenced
from whet.scorers.label import named
from whet.types import Message, Sampling

LONGEST = 512  # tokens of a reply, where the grader does not say
_NUMBER = re.compile(r"(?<![\w./])[-+]?\d+(?:\.\d+)?(?![\w%]|\.\d|/\d)")
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_STEPS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"description": {"type": "string"}, "conclusion": {"type": "string"}},
        "required": ["description", "conclusion"],
        "additionalProperties": False,
    },
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked, and the JSON schema that its reply should keep to."""

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    schema: Mapping[str, Any]


class Unclear(ValueError):
    """A reply that cannot be read as a score or a label."""


class Refused(Unclear):
    """The model declined to grade."""


def request(grader: ScoreModel | LabelModel, known: Mapping[str, Any]) -> Request:
    """Return what the grader's model is asked about a reply.

    Raises: Missing if a template names what is not there.
    """
    if isinstance(grader, ScoreModel):
        form = f"a number from {grader.low:g} to {grader.high:g}"
        result: dict[str, Any] = {"type": "number"}
    else:
        form = f"one of {json.dumps(list(grader.labels), ensure_ascii=False)}"
        result = {"type": "string", "enum": list(grader.labels)}
    wanted = (
        'Answer with JSON and nothing else: {"steps": [{"description": "...", "conclusion": "..."}], "result": ...}, '
        f'where "result" is {form}.'
    )
    schema = {
        "type": "object", "properties": {"steps": _STEPS, "result": result}, "required": ["steps", "result"],
        "additionalProperties": False,
    }  # fmt: skip
    return Request(grader.asked.model, _messages(grader.asked, known, wanted), _sampling(grader.asked.sampling), schema)


def score(grader: ScoreModel, said: str) -> float:
    """Return the number that a reply names, cut to the grader's range.

    That is the "result" of its JSON; in a reply without such JSON the only number that it holds.

    Raises: Refused, Unclear.
    """
    numbers = set[float]()
    for found in _results(said):
        numbers = {_float(found)} if isinstance(found, int | float) and not isinstance(found, bool) else numbers
        said = found if isinstance(found, str) else ""
    numbers = numbers or {float(one) for one in _NUMBER.findall(_spoken(said))}
    if len(numbers) == 1 and all(map(math.isfinite, numbers)):
        return min(max(numbers.pop(), grader.low), grader.high)
    raise _unclear(said, "no number" if not numbers else f"{len(numbers)} numbers")


def _float(number: float) -> float:
    """Return a number of JSON, which may be longer than any float."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def label(grader: LabelModel, said: str) -> str:
    """Return the label that a reply names.

    That is the "result" of its JSON, or the first line of a reply without such JSON; a label within a sentence does not
    count, for "not good" would name "good".

    Raises: Refused, Unclear.
    """
    for found in _results(said):
        if isinstance(found, str) and (one := named(found, grader.labels)):
            return one
    if one := named(_spoken(said), grader.labels):
        return one
    raise _unclear(said, "none of the labels")


def _unclear(said: str, what: str) -> Unclear:
    if declined(_spoken(said)[:400]):
        return Refused("the model declines to grade")
    return Unclear(f"the model's reply names {what}")


def _results(said: str) -> Iterator[Any]:
    """Yield "result" of the objects of JSON that a reply holds: the whole reply, or from a brace to the last one."""
    plain = unfenced(_spoken(said))
    starts = [0, *(found.start() for found in re.finditer(r"\{", plain))][:16]
    for start in dict.fromkeys(starts):
        try:
            value = parsed(plain[start : plain.rfind("}") + 1])
        except ValueError:
            continue
        if isinstance(value, dict) and "result" in value:
            yield value["result"]
            return


def _spoken(said: str) -> str:
    return _THOUGHT.sub("", said).strip()


def _messages(asked: Asked, known: Mapping[str, Any], wanted: str) -> tuple[Message, ...]:
    """Return the messages, filled in, the form of the answer being said in the system message."""
    told = [("system" if role == "developer" else role, filled(text, known)) for role, text in asked.messages]
    if told[0][0] == "system":
        told[0] = ("system", f"{told[0][1]}\n\n{wanted}")
    else:
        told.insert(0, ("system", wanted))
    return tuple(Message(role, text) for role, text in told)  # type: ignore[arg-type]  # roles were checked


def _sampling(said: Mapping[str, Any]) -> Sampling:
    longest = said.get("max_completions_tokens") or said.get("max_completion_tokens") or LONGEST
    return Sampling(
        float(said.get("temperature", 0.0)), float(said.get("top_p", 1.0)), int(longest), int(said.get("seed", 0))
    )
