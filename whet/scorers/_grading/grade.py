"""Grading: a grader, a reply and its row become a number, with every error told by a flag of its own.

An error while grading is no exception: the reward is 0 and the flag says why.
"""

import json
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from whet.errors import Interrupted, UsageError, WhetError
from whet.scorers._grading import asking, program
from whet.scorers._grading.asking import Refused, Request, Unclear
from whet.scorers._grading.program import LIMITS, Failed
from whet.scorers._grading.shapes import (
    TYPES,
    Grader,
    LabelModel,
    Multi,
    Program,
    ScoreModel,
    Single,
    StringCheck,
    TextSimilarity,
)
from whet.scorers._grading.similarity import MEASURES
from whet.scorers._grading.templates import Missing, filled
from whet.scorers._json import parsed
from whet.scorers._sandbox import Limits
from whet.scorers.function_call import calls
from whet.types import Reply

Said = Reply | WhetError
"""What a model said to a request, or why it said nothing."""
Ask = Callable[[Sequence[Request]], Sequence[Said]]
"""Puts requests to their models, all at once, and returns what each said."""


@dataclass(frozen=True, slots=True)
class Errors:
    """What went wrong in grading one reply, in the words of OpenAI's interface."""

    formula_parse_error: bool = False  # also a formula that has no value, as a division by zero
    sample_parse_error: bool = False
    truncated_observation_error: bool = False
    unresponsive_reward_error: bool = False
    invalid_variable_error: bool = False
    other_error: bool = False
    python_grader_server_error: bool = False
    python_grader_server_error_type: str | None = None
    python_grader_runtime_error: bool = False
    python_grader_runtime_error_details: str | None = None
    model_grader_server_error: bool = False
    model_grader_server_error_details: str | None = None
    model_grader_refusal_error: bool = False
    model_grader_parse_error: bool = False

    def __or__(self, other: "Errors") -> "Errors":
        return Errors(*(getattr(self, name) or getattr(other, name) for name in self.__slots__))

    def as_dict(self) -> dict[str, bool | str | None]:
        """Return every flag and detail by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Graded:
    """What a grader says of a reply.

    `why` is for people; `blames_reply`: what went wrong is that the reply lacks what the grader looks for in it, so
    that 0 is what it is worth. `usage`: tokens of each model that was asked.
    """

    name: str
    type: str
    reward: float
    errors: Errors = Errors()
    why: str = ""
    blames_reply: bool = False
    sub_rewards: Mapping[str, float] = field(default_factory=dict)
    usage: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the grader could not do its work, through no fault of the reply's."""
        return self.errors != Errors() and not self.blames_reply

    def as_dict(self) -> dict[str, Any]:
        """Return the answer of OpenAI's /graders/run."""
        used = sum(one["total_tokens"] for one in self.usage.values())
        return {
            "reward": self.reward,
            "sub_rewards": dict(self.sub_rewards),
            "model_grader_token_usage_per_model": {model: dict(one) for model, one in self.usage.items()},
            "metadata": {
                "name": self.name, "type": self.type, "errors": self.errors.as_dict(), "execution_time": self.seconds,
                "scores": {}, "token_usage": used if self.usage else None,
                "sampled_model_name": next(iter(self.usage), None),
            },
        }  # fmt: skip


def sample_of(text: str) -> dict[str, Any]:
    """Return the namespace `sample` for a reply: `output_text`, `output_tools`, `choices`, and `output_json` if it is.

    Calls of tools are those that the reply writes as whet's models do.
    """
    try:
        made = calls(text) if "<tool_call>" in text else []
    except ValueError:
        made = []
    tools = [
        {"id": f"call_{at}", "type": "function", "function": {"name": one.name, "arguments": json.dumps(one.arguments)}}
        for at, one in enumerate(made)
    ]
    message = {"role": "assistant", "content": text, "tool_calls": tools or None}
    choices = [{"index": 0, "finish_reason": "tool_calls" if tools else "stop", "message": message}]
    sample: dict[str, Any] = {"output_text": text, "output_tools": tools, "choices": choices}
    with suppress(ValueError):
        sample["output_json"] = parsed(text)
    return sample


def grade(
    grader: Grader,
    sample: Mapping[str, Any],
    item: Mapping[str, Any],
    ask: Ask | None = None,
    limits: Limits = LIMITS,
) -> Graded:
    """Return what a grader says of one reply; see `grade_all`."""
    return grade_all([(grader, sample, item)], ask, limits)[0]


def grade_all(
    every: Sequence[tuple[Grader, Mapping[str, Any], Mapping[str, Any]]],
    ask: Ask | None = None,
    limits: Limits = LIMITS,
    between: Callable[[], None] = lambda: None,
) -> list[Graded]:
    """Return what each grader says of its sample and item; what they ask of models is asked together.

    `limits` are those of a single program of Python; `between` is called as each of them ends, and may raise.

    Raises: Interrupted, if asking was stopped.
    """
    works = [_graded(grader, {"sample": sample, "item": item}, limits) for grader, sample, item in every]
    found: dict[int, Graded] = {}
    said: dict[int, Said | None] = dict.fromkeys(range(len(works)))
    while said:
        wanted: dict[int, Request] = {}
        for at, come in zip(said, _advanced([(works[at], word) for at, word in said.items()], between), strict=True):
            if isinstance(come, Graded):
                found[at] = come
            else:
                wanted[at] = come
        said = dict(zip(wanted, _asked(list(wanted.values()), ask), strict=True))
    return [found[at] for at in range(len(works))]


def _advanced(works: "Sequence[tuple[Work, Said | None]]", between: Callable[[], None]) -> "list[Request | Graded]":
    """Return what each work comes to next; programs run beside each other, one a processor."""

    def come(one: "tuple[Work, Said | None]") -> "Request | Graded":
        work, word = one
        try:
            return work.send(word)
        except StopIteration as end:
            graded: Graded = end.value
            return graded

    pool = ThreadPoolExecutor(os.cpu_count())
    found = list["Request | Graded"]()
    try:
        for future in [pool.submit(come, work) for work in works]:
            found.append(future.result())
            between()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # those that run end by their own limits
    return found


def _asked(requests: Sequence[Request], ask: Ask | None) -> Sequence[Said]:
    if not requests:
        return ()
    if ask is None:
        return [UsageError("no model can be asked here")] * len(requests)
    try:
        return ask(requests)
    except Interrupted:
        raise
    except WhetError as error:
        return [error] * len(requests)


Work = Generator[Request, Said | None, Graded]
"""Grading under way: it yields what a model is to be asked, and is sent what that said."""


def _graded(grader: Grader, known: Mapping[str, Any], limits: Limits) -> Work:
    start = time.perf_counter()
    work = _multi(grader, known, limits) if isinstance(grader, Multi) else _single(grader, known, limits)
    graded = yield from work
    return replace(graded, seconds=time.perf_counter() - start)


def _multi(grader: Multi, known: Mapping[str, Any], limits: Limits) -> Work:
    parts: dict[str, Graded] = {}
    for name, one in grader.graders.items():
        parts[name] = yield from _single(one, known, limits)
    errors, usage = Errors(), dict[str, Mapping[str, int]]()
    for part in parts.values():
        errors |= part.errors
        for model, used in part.usage.items():
            before = usage.get(model, {})
            usage[model] = {key: used[key] + before.get(key, 0) for key in used}
    rewards = {name: part.reward for name, part in parts.items()}
    graded = Graded(grader.name, "multi", 0.0, errors, sub_rewards=rewards, usage=usage)
    wrong = {name: part for name, part in parts.items() if part.errors != Errors()}
    if wrong:
        why = "; ".join(f"{name}: {part.why}" for name, part in wrong.items())
        return replace(graded, why=why, blames_reply=not any(part.failed for part in wrong.values()))
    try:
        value = grader.formula(rewards)
    except ArithmeticError as error:
        return replace(graded, errors=Errors(formula_parse_error=True), why=f"calculate_output: {error}")
    shown = ", ".join(f"{name} {reward:.3g}" for name, reward in rewards.items())
    return replace(graded, reward=value, why=shown)


def _single(grader: Single, known: Mapping[str, Any], limits: Limits) -> Work:
    graded = Graded(grader.name, TYPES[type(grader)], 0.0)
    try:
        if isinstance(grader, ScoreModel | LabelModel):
            return (yield from _asking(grader, known, graded))
        if isinstance(grader, Program):
            value, why = program.graded(grader.source, known["sample"], known["item"], limits), ""
        else:
            value, why = _compared(grader, known)
        return replace(graded, reward=value, why=why or f"{value:.3g}")
    except Missing as missing:
        blames = missing.path[0] == "sample"
        return replace(
            graded, errors=Errors(invalid_variable_error=True), why=f"invalid_variable_error: {missing}",
            blames_reply=blames,
        )  # fmt: skip
    except Failed as error:
        errors = Errors(python_grader_runtime_error=True, python_grader_runtime_error_details=str(error))
        return replace(graded, errors=errors, why=f"python_grader_runtime_error: {error}")
    except UsageError as error:
        kind = "sandbox_unavailable"
        errors = Errors(python_grader_server_error=True, python_grader_server_error_type=kind)
        return replace(graded, errors=errors, why=f"python_grader_server_error: {error}")


def _asking(grader: ScoreModel | LabelModel, known: Mapping[str, Any], graded: Graded) -> Work:
    request = asking.request(grader, known)
    said = yield request
    if not isinstance(said, Reply):
        errors = Errors(model_grader_server_error=True, model_grader_server_error_details=str(said))
        return replace(graded, errors=errors, why=f"model_grader_server_error: {said}")
    used = {"prompt_tokens": said.prompt_tokens, "completion_tokens": said.completion_tokens}
    total = {"total_tokens": sum(used.values()), "cached_tokens": 0, "reasoning_tokens": 0}
    graded = replace(graded, usage={request.model: {**used, **total}})
    try:
        if isinstance(grader, ScoreModel):
            value = asking.score(grader, said.text)
            return replace(graded, reward=value, why=f"{request.model} says {value:g}")
        label = asking.label(grader, said.text)
        return replace(graded, reward=float(label in grader.passing), why=f"{request.model} says {label!r}")
    except Refused as error:
        errors = Errors(model_grader_refusal_error=True)
        return replace(graded, errors=errors, why=f"model_grader_refusal_error: {error}")
    except Unclear as error:
        return replace(
            graded, errors=Errors(model_grader_parse_error=True), why=f"model_grader_parse_error: {error}"
        )  # fmt: skip


def _compared(grader: StringCheck | TextSimilarity, known: Mapping[str, Any]) -> tuple[float, str]:
    said, wanted = filled(grader.input, known), filled(grader.reference, known)
    if isinstance(grader, TextSimilarity):
        value = MEASURES[grader.evaluation_metric](said, wanted)
        return min(max(value, 0.0), 1.0), f"{grader.evaluation_metric} {value:.3f}"
    right = {
        "eq": said == wanted, "ne": said != wanted, "like": wanted in said, "ilike": wanted.lower() in said.lower(),
    }[grader.operation]  # fmt: skip
    return float(right), f"{grader.operation}: {'yes' if right else 'no'}"
