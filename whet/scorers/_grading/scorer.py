"""Graders as scorers: one from a file for all rows, or each row's own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from whet.errors import Problem, UsageError
from whet.scorers._grading.grade import Ask, Graded, grade_all, sample_of
from whet.scorers._grading.program import LIMITS
from whet.scorers._grading.shapes import Grader, models, places, read
from whet.scorers._grading.templates import Missing, looked_up, written
from whet.scorers._json import parsed
from whet.scorers._sandbox import Limits
from whet.scorers._text import row, shortened
from whet.types import Prompt, Score

SUFFIXES = (".json", ".yaml", ".yml")


class Grading:
    """Scores replies with a grader; without one, with that of each row (`Prompt.grader`).

    What goes wrong with a reply is a Score that says so (`failed`), except that a reply without what the grader looks
    for in it (`{{ sample.output_json.x }}`) is simply worth 0.
    """

    def __init__(self, grader: Grader | None = None, ask: Ask | None = None, limits: Limits = LIMITS) -> None:
        self._grader, self.ask, self._limits = grader, ask, limits
        self.between: Callable[[], None] = lambda: None  # called as programs end; may raise
        self._known: dict[int, tuple[Mapping[str, Any], Grader]] = {}  # holds the object, so that its id stays its own

    def __call__(self, prompt: Prompt, reply: str) -> Score:
        """Return what the grader says of a reply.

        Raises: ValueError if the row has no grader, or one that is none.
        """
        return self.many([prompt], [reply])[0]

    def many(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> list[Score]:
        """Return what the grader says of each reply; models are asked about all of them at once."""
        return [Score(one.reward, shortened(one.why, 400), one.failed) for one in self.graded(prompts, replies)]

    def graded(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> list[Graded]:
        """Return all that the grader says of each reply."""
        pairs = zip(prompts, replies, strict=True)
        work = [(self.of(prompt), sample_of(reply), item_of(prompt)) for prompt, reply in pairs]
        return grade_all(work, self.ask, self._limits, self.between)

    def of(self, prompt: Prompt) -> Grader:
        """Return the grader of a row.

        Raises: ValueError, naming the row and everything that is wrong.
        """
        if self._grader is not None:
            return self._grader
        said = prompt.grader
        if said is None:
            raise ValueError(f'{row(prompt)}the row has no "grader"; add one, or name a scorer')
        if id(said) not in self._known:
            found, faults = read(said)
            if found is None:
                raise ValueError(f"{row(prompt)}{'; '.join(map(str, faults))}")
            self._known[id(said)] = said, found
        return self._known[id(said)][1]

    def models(self, prompts: Sequence[Prompt]) -> list[str]:
        """Return the names of the models that are asked about replies to these prompts, each once."""
        return list(dict.fromkeys(name for prompt in prompts for name in models(self.of(prompt))))

    def problems(self, prompts: Sequence[Prompt]) -> list[Problem]:
        """Return everything that keeps the replies to these prompts from being graded, by file and line."""
        found = []
        for prompt in prompts:
            path, _, line = prompt.source.rpartition(":")
            where = (path or "data", int(line) if line.isdigit() else 0)
            faults = []
            if self._grader is None and prompt.grader is None:
                faults.append('the row has no "grader"; add one, or name a reward with method.rewards')
            elif self._grader is None:
                faults += map(str, read(prompt.grader)[1])
            if not faults:
                faults += _lacking(self.of(prompt), item_of(prompt))
            found += [Problem(*where, what) for what in faults]
        return found


def _lacking(grader: Grader, item: Mapping[str, Any]) -> list[str]:
    found = []
    for path in places(grader):
        try:
            if path[0] == "item":
                looked_up(path, {"item": item})
        except Missing:
            found.append(f"the grader reads {{{{ {written(path)} }}}}, which this row has not")
    return found


def item_of(prompt: Prompt) -> dict[str, Any]:
    """Return a row as graders see it: its columns besides messages and grader.

    Of a row that names no `reference_answer`, its first target is that.
    """
    first = {"reference_answer": prompt.targets[0]} if prompt.targets else {}
    return {**first, **prompt.item}


def is_file(name: str) -> bool:
    """Say whether the name of a scorer is a file with a grader."""
    return name.lower().endswith(SUFFIXES)


def from_file(name: str) -> Grader:
    """Return the grader that a file of JSON or YAML holds, by itself or as `grader` of an object.

    Raises: UsageError with everything that is wrong.
    """
    try:
        text = Path(name).read_text(encoding="utf-8")
        value: Any = parsed(text) if name.lower().endswith(".json") else yaml.safe_load(text)
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"{name}: {shortened(str(error), 400)}") from None
    if isinstance(value, Mapping) and set(value) == {"grader"}:
        value = value["grader"]
    found, faults = read(value)
    if found is None:
        raise UsageError("\n".join(f"{name}: {fault}" for fault in faults))
    return found
