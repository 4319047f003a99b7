"""What a grader may look like: an object of JSON becomes a grader, or everything that is wrong with it, with its path.

Source: OpenAI's reference of fine-tuning graders; where guides and reference differ, both ways to write are taken.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from whet.scorers._grading import formula
from whet.scorers._grading.formula import Formula
from whet.scorers._grading.program import no_grade
from whet.scorers._grading.similarity import MEASURES
from whet.scorers._grading.templates import Path, paths, problems

OPERATIONS = ("eq", "ne", "like", "ilike", "neq")  # the guide writes neq for ne
ROLES = ("user", "assistant", "system", "developer")
COMMON = ("type", "name", "id", "pass_threshold")  # the last two stand in criteria of evaluations
ALL = ("string_check", "text_similarity", "score_model", "label_model", "python", "multi")


@dataclass(frozen=True, slots=True)
class StringCheck:
    """1 where one text has to another the relation that is asked for, else 0."""

    name: str
    input: str
    reference: str
    operation: str


@dataclass(frozen=True, slots=True)
class TextSimilarity:
    """How alike two texts are."""

    name: str
    input: str
    reference: str
    evaluation_metric: str


@dataclass(frozen=True, slots=True)
class Program:
    """What a function of Python says."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a grader asks a model: messages as (role, text), and how the reply is drawn."""

    model: str
    messages: tuple[tuple[str, str], ...]
    sampling: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """The number that a model says, cut to a range."""

    name: str
    asked: Asked
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LabelModel:
    """1 where the label that a model chooses is one of those that pass, else 0."""

    name: str
    asked: Asked
    labels: tuple[str, ...]
    passing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Multi:
    """A formula over what other graders say, by their names."""

    name: str
    graders: "Mapping[str, Single]"
    formula: Formula


Single = StringCheck | TextSimilarity | Program | ScoreModel | LabelModel
Grader = Single | Multi
TYPES: Mapping[type, str] = {
    StringCheck: "string_check", TextSimilarity: "text_similarity", Program: "python", ScoreModel: "score_model",
    LabelModel: "label_model", Multi: "multi",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a grader: where, as `grader.graders.a.operation`, and what."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def read(value: Any, path: str = "grader", types: Iterable[str] = ALL) -> tuple[Grader | None, list[Fault]]:
    """Return the grader that an object describes, or None and everything that is wrong with it.

    `types` are those that may be used here: evaluations have no multi, jobs no label_model.
    """
    faults: list[Fault] = []
    found = _Reader(path, tuple(types), faults).read(value)
    return (None, faults) if faults else (found, [])


def places(grader: Grader) -> list[Path]:
    """Return the path of every place that its templates fill in, each once."""
    if isinstance(grader, Multi):
        found = [path for one in grader.graders.values() for path in places(one)]
    elif isinstance(grader, StringCheck | TextSimilarity):
        found = [*paths(grader.input), *paths(grader.reference)]
    elif isinstance(grader, ScoreModel | LabelModel):
        found = [path for _, text in grader.asked.messages for path in paths(text)]
    else:
        found = []
    return list(dict.fromkeys(found))


def models(grader: Grader) -> list[str]:
    """Return the names of the models that it asks, each once."""
    every = grader.graders.values() if isinstance(grader, Multi) else [grader]
    return list(dict.fromkeys(one.asked.model for one in every if isinstance(one, ScoreModel | LabelModel)))


class _Reader:
    """Reads one object, and tells every fault of it."""

    def __init__(self, path: str, types: tuple[str, ...], faults: list[Fault], *, inside: bool = False) -> None:
        self._path, self._types, self._faults, self._inside = path, types, faults, inside

    def _tell(self, key: str, what: str) -> None:
        self._faults.append(Fault(f"{self._path}{key}", what))

    def read(self, value: Any) -> Grader | None:
        if not isinstance(value, Mapping):
            self._tell("", f"is {_kind(value)}; it should be an object with a type")
            return None
        kind = value.get("type")
        makers: dict[str, Callable[[Mapping[str, Any]], Grader]] = {
            "string_check": self._string_check, "text_similarity": self._similarity, "python": self._program,
            "score_model": self._score_model, "label_model": self._label_model, "multi": self._multi,
        }  # fmt: skip
        if kind not in self._types:
            self._tell(
                ".type", f"{_shown(kind)} is no type of grader here; it should be one of {', '.join(self._types)}"
            )
            return None
        if not self._inside and not (isinstance(value.get("name"), str) and value["name"]):
            self._tell(".name", "is missing; give the grader a name, a text")
        elif not isinstance(value.get("name", ""), str | None):
            self._tell(".name", f"is {_kind(value['name'])}, not a text")
        return makers[kind](value)

    def _text(self, value: Mapping[str, Any], key: str, *, template: bool = False) -> str:
        said = value.get(key)
        if not isinstance(said, str):
            self._tell(
                f".{key}", "is missing; it should be a text" if said is None else f"is {_kind(said)}, not a text"
            )
            return ""
        if template:
            for what in problems(said):
                self._tell(f".{key}", what)
        return said

    def _one_of(self, value: Mapping[str, Any], key: str, known: Iterable[str]) -> str:
        said = value.get(key)
        if not isinstance(said, str) or said not in known:
            self._tell(f".{key}", f"{_shown(said)} should be one of {', '.join(known)}")
        return str(said)

    def _only(self, value: Mapping[str, Any], *keys: str) -> None:
        for key in value:
            if key not in (*COMMON, *keys):
                self._tell(f".{key}", f"is not a setting of {value['type']}; leave it out")

    def _string_check(self, value: Mapping[str, Any]) -> StringCheck:
        self._only(value, "input", "reference", "operation")
        said, wanted = (self._text(value, key, template=True) for key in ("input", "reference"))
        operation = self._one_of(value, "operation", OPERATIONS)
        return StringCheck(_name(value), said, wanted, "ne" if operation == "neq" else operation)

    def _similarity(self, value: Mapping[str, Any]) -> TextSimilarity:
        self._only(value, "input", "reference", "evaluation_metric")
        said, wanted = (self._text(value, key, template=True) for key in ("input", "reference"))
        if value.get("evaluation_metric") == "cosine":
            self._tell(".evaluation_metric", "cosine needs an embedding model, which is not asked here; use another")
            return TextSimilarity(_name(value), said, wanted, "cosine")
        return TextSimilarity(_name(value), said, wanted, self._one_of(value, "evaluation_metric", MEASURES))

    def _program(self, value: Mapping[str, Any]) -> Program:
        self._only(value, "source", "image_tag")
        if value.get("image_tag") is not None:
            self._text(value, "image_tag")
        source = self._text(value, "source")
        if "source" in value and isinstance(value["source"], str) and (why := no_grade(source)):
            self._tell(".source", why)
        return Program(_name(value), source)

    def _score_model(self, value: Mapping[str, Any]) -> ScoreModel:
        self._only(value, "model", "input", "sampling_params", "range")
        span = [0.0, 1.0] if value.get("range") is None else value["range"]
        right = isinstance(span, list | tuple) and len(span) == 2 and all(map(_number, span)) and span[0] < span[1]
        if not right:
            self._tell(".range", f"{_shown(span)} should be two numbers, the lower one first")
        low, high = map(float, span) if right else (0.0, 1.0)
        return ScoreModel(_name(value), self._asked(value), low, high)

    def _label_model(self, value: Mapping[str, Any]) -> LabelModel:
        self._only(value, "model", "input", "sampling_params", "labels", "passing_labels")
        labels, passing = (self._texts(value, key) for key in ("labels", "passing_labels"))
        if strange := [label for label in passing if labels and label not in labels]:
            self._tell(".passing_labels", f"{_shown(strange[0])} is none of the labels")
        return LabelModel(_name(value), self._asked(value), labels, passing)

    def _texts(self, value: Mapping[str, Any], key: str) -> tuple[str, ...]:
        said = value.get(key)
        if not isinstance(said, list | tuple) or not said or not all(isinstance(one, str) and one for one in said):
            self._tell(f".{key}", f"{_shown(said)} should be a list of texts, of one at least")
            return ()
        if len(set(said)) < len(said):
            self._tell(f".{key}", "has a text twice")
        return tuple(said)

    def _asked(self, value: Mapping[str, Any]) -> Asked:
        model = self._text(value, "model")
        if isinstance(value.get("model"), str) and not model.strip():
            self._tell(".model", "is empty; name the model that is asked")
        said = value.get("input")
        if not isinstance(said, list | tuple) or not said:
            self._tell(".input", "should be a list of messages, of one at least")
            said = []
        messages = tuple(self._message(f".input[{at}]", one) for at, one in enumerate(said))
        return Asked(model, messages, self._sampling(value.get("sampling_params")))

    def _message(self, key: str, value: Any) -> tuple[str, str]:
        if not isinstance(value, Mapping):
            self._tell(key, f"is {_kind(value)}, not a message with role and content")
            return "user", ""
        role, content = value.get("role"), value.get("content")
        if role not in ROLES:
            self._tell(f"{key}.role", f"{_shown(role)} should be one of {', '.join(ROLES)}")
        parts = content if isinstance(content, list | tuple) else [content]
        texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
        if not texts or not all(isinstance(text, str) for text in texts):
            self._tell(f"{key}.content", "should be a text, or parts with a text; models are asked nothing else here")
            return str(role), ""
        text = "".join(map(str, texts))
        for what in problems(text):
            self._tell(f"{key}.content", what)
        return str(role), text

    def _sampling(self, value: Any) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._tell(".sampling_params", f"is {_kind(value)}, not an object")
            return {}
        told = {key: one for key, one in value.items() if one is not None}
        for key, one in told.items():
            wanted = _SAMPLING.get(key)
            if wanted is None:
                self._tell(f".sampling_params.{key}", f"is not known; there are {', '.join(_SAMPLING)}")
            elif not wanted[0](one):
                self._tell(f".sampling_params.{key}", f"{_shown(one)} should be {wanted[1]}")
        return told

    def _multi(self, value: Mapping[str, Any]) -> Multi:
        self._only(value, "graders", "calculate_output")
        said = value.get("graders")
        if isinstance(said, Mapping) and isinstance(said.get("type"), str):
            said = {str(said.get("name") or "grader"): said}  # as the reference types it: a single one
        if not isinstance(said, Mapping) or not said:
            self._tell(".graders", "should be an object of graders by name, of one at least")
            said = {}
        types = tuple(kind for kind in self._types if kind != "multi")
        made = {
            str(name): _Reader(f"{self._path}.graders.{name}", types, self._faults, inside=True).read(one)
            for name, one in said.items()
        }
        text, worked = self._text(value, "calculate_output"), Formula(())
        if isinstance(value.get("calculate_output"), str):
            try:
                worked = formula.parsed(text)
            except ValueError as error:
                self._tell(".calculate_output", str(error))
        for name in worked.names if said else ():
            if name not in made:
                self._tell(".calculate_output", f"there is no grader {name}; there are {', '.join(made)}")
        graders = {name: one for name, one in made.items() if one is not None and not isinstance(one, Multi)}
        return Multi(_name(value), graders, worked)


def _name(value: Mapping[str, Any]) -> str:
    return str(value.get("name") or value.get("type"))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_SAMPLING: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "seed": (_whole, "a whole number"),
    "top_p": (lambda one: _number(one) and 0 < one <= 1, "a number above 0, at most 1"),
    "temperature": (lambda one: _number(one) and 0 <= one <= 2, "a number from 0 to 2"),
    "max_completions_tokens": (lambda one: _whole(one) and one > 0, "a whole number above 0"),
    "max_completion_tokens": (lambda one: _whole(one) and one > 0, "a whole number above 0"),
    "reasoning_effort": (lambda one: isinstance(one, str), "a text"),
}


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return kinds.get(type(value), "a number")


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
