r"""A suite: rows and how they are judged, in a folder with a `suite.yaml`, so that anyone can make one.

    name: arc_easy
    kind: choice            # or text
    rows: arc_easy.jsonl    # beside this file; default rows.jsonl
    prompt: "{query}\nAnswer:"
    choices: choices        # the column with the possible answers; `gold` has the number of the right one, from 0
    gold: gold
    between: " "            # stands between prompt and choice
    decides: acc_norm       # or acc

    kind: text
    text: text              # the column whose log-loss is measured

    kind: reply             # the model answers, and scorers judge
    prompt: "{prompt}"
    scorers: [instructions] # the first decides; a row's other columns are theirs to use
    target: answer          # the column with the right answer, if there is one; it has to score 1
    max_tokens: 256         # of a reply

Keys are strict, rows are checked whole before a model is asked.
"""

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from whet.data.formats import rows_of
from whet.data.scan import Findings, Unreadable
from whet.errors import DataError, Problem, UsageError
from whet.scorers._grading.scorer import is_file
from whet.scorers._named import scorer_named
from whet.types import Frozen, Message, Prompt, Scorer

FILE = "suite.yaml"
LEAST = 2  # choices
Kind = Literal["choice", "text", "reply"]


class Settings(BaseModel):
    """What a `suite.yaml` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Kind
    rows: str = "rows.jsonl"
    prompt: str = "{query}"
    choices: str = "choices"
    gold: str = "gold"
    between: str = " "
    decides: Literal["acc", "acc_norm"] = "acc_norm"
    text: str = "text"
    scorers: tuple[str, ...] = ()
    target: str | None = None
    max_tokens: int = Field(256, ge=1)


@dataclass(frozen=True, slots=True)
class Item:
    """One question: what is said before, what may follow, and which of these is right. A text has one choice.

    `between` stands between the two. A question to be replied to has its right answer as its choice, if there is one,
    and `row` is what scorers may use.
    """

    prompt: str
    choices: tuple[str, ...]
    gold: int
    source: str
    between: str = ""
    row: Frozen = field(default_factory=dict)

    @property
    def question(self) -> Prompt:
        """The item as a model is asked it."""
        return Prompt((Message("user", self.prompt),), self.choices, self.source, item=self.row)


@dataclass(frozen=True, slots=True)
class Suite:
    """The items of a suite, and the metric that decides."""

    name: str
    kind: Kind
    decides: str
    items: tuple[Item, ...]
    folder: Path
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    max_tokens: int = 0


def is_suite(name: str) -> bool:
    """Say whether a name means a suite: its folder, or the file in it."""
    path = Path(name)
    return (path.name == FILE and path.is_file()) or (path / FILE).is_file()


def load_suite(name: str | Path) -> Suite:
    """Return the suite in a folder.

    Raises:
        DataError: everything that is wrong with it, each with file and line or key.
    """
    path = Path(name)
    file = path if path.name == FILE else path / FILE
    settings = _settings(file)
    scorers = _scorers(settings, file)
    place = file.parent / settings.rows
    if not place.resolve().is_relative_to(file.parent.resolve()):
        what = f"rows: {settings.rows!r} lies outside the suite; put it beside this file"
        raise DataError([Problem(str(file), 0, what)])
    found = Findings(str(place))
    items = []
    try:
        for number, row in rows_of(place, found, []):
            item = _item(settings, row, f"{place}:{number}")
            if isinstance(item, str):
                found.add(number, item)
            elif why := _full_marks(item, scorers):
                found.add(number, why)
            else:
                items.append(item)
    except Unreadable:
        pass
    except OSError as error:
        found.problems.append(Problem(str(place), 0, f"cannot be read: {error.strerror or error}"))
    if not found.problems and not items:
        found.problems.append(Problem(str(place), 0, "there are no rows in it; add some"))
    if found.problems:
        raise DataError(found.problems)
    decides = {"choice": settings.decides, "text": "log_loss", "reply": next(iter(scorers), "")}[settings.kind]
    return Suite(settings.name, settings.kind, decides, tuple(items), file.parent, scorers, settings.max_tokens)


def _settings(file: Path) -> Settings:
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise DataError([Problem(str(file), 0, f"cannot be read as YAML: {error}")]) from None
    try:
        return Settings.model_validate(said)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
        raise DataError([Problem(str(file), 0, what) for what in problems]) from None


def _scorers(settings: Settings, file: Path) -> dict[str, Scorer]:
    if settings.kind == "reply" and not settings.scorers:
        raise DataError([Problem(str(file), 0, "scorers: nobody judges the replies; name one, such as [exact]")])
    try:
        return {name: scorer_named(str(file.parent / name) if is_file(name) else name) for name in settings.scorers}
    except UsageError as error:
        raise DataError([Problem(str(file), 0, f"scorers: {error}")]) from None


def _full_marks(item: Item, scorers: Mapping[str, Scorer]) -> str:
    """Return what keeps the right answer from full marks, or what a scorer lacks in the row; nothing if all is well."""
    if not scorers:
        return ""
    try:
        marks = {name: scorer(item.question, (*item.choices, "")[0]) for name, scorer in scorers.items()}
    except Exception as error:  # a scorer may be the user's own
        return str(error).removeprefix(f"{item.source}: ") or repr(error)
    if not item.choices:
        return ""
    less = [f"{name} gives it {mark.value:g}: {mark.why}" for name, mark in marks.items() if mark.value < 1 - 1e-9]
    return f"the right answer has less than full marks ({less[0]})" if less else ""


def _item(settings: Settings, row: dict[str, Any], source: str) -> Item | str:
    """Return the item of a row, or what is wrong with it."""
    if settings.kind == "text":
        text = row.get(settings.text)
        return Item("", (text,), 0, source) if isinstance(text, str) and text else f"{settings.text!r} is no text"
    fields = [name for _, name, _, _ in string.Formatter().parse(settings.prompt) if name is not None]
    if absent := [name for name in fields if name not in row]:
        return f"no column {absent[0]!r}, which the suite's prompt names; the columns are {', '.join(row)}"
    if settings.kind == "reply":
        return _asked(settings, row, fields, source)
    choices, gold = row.get(settings.choices), row.get(settings.gold)
    listed = isinstance(choices, list) and len(choices) >= LEAST
    if not listed or not all(isinstance(one, str) and one for one in choices or ()):
        return f"{settings.choices!r} is no list of two texts or more"
    if not isinstance(gold, int) or isinstance(gold, bool) or not 0 <= gold < len(choices or ()):
        return f"{settings.gold!r} is {json.dumps(gold)}, which is no number from 0 to {len(choices or ()) - 1}"
    prompt = settings.prompt.format_map({name: str(row[name]) for name in fields})
    return Item(prompt, tuple(choices or ()), gold, source, settings.between)


def _asked(settings: Settings, row: dict[str, Any], fields: Sequence[str], source: str) -> Item | str:
    """Return a question to be replied to."""
    prompt = settings.prompt.format_map({name: str(row[name]) for name in fields})
    if not prompt.strip():
        return "the question is empty"
    if settings.target is None:
        return Item(prompt, (), 0, source, row=row)
    target = row.get(settings.target)
    if not isinstance(target, str) or not target:
        return f"{settings.target!r} is no text"
    return Item(prompt, (target,), 0, source, row=row)
