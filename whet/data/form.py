"""How the rows of a training file were read, kept with the model, so that questions can be put to it alike."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Self

from whet.config.tree import Data
from whet.data.formats import rows_of
from whet.data.read import FIRST_ROWS, understood
from whet.data.scan import Findings
from whet.data.shapes import Reading
from whet.data.sources import files

ASKED_AND_ANSWERED = ("prompt_completion", "alpaca", "question_answer", "text_label", "fields")
"""Shapes whose rows have a column to answer and, last of those they must have, a column with the answer."""


@dataclass(frozen=True, slots=True)
class Form:
    """A shape, the roles of columns as they were set, the columns that were read, and which held the answer."""

    shape: str
    columns: Mapping[str, str]
    names: tuple[str, ...]
    answer: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as whet.json keeps it."""
        return {**asdict(self), "names": list(self.names)}

    @classmethod
    def of(cls, kept: Any) -> Self | None:
        """Return what whet.json keeps; None where it keeps nothing that can be used."""
        try:
            columns = {str(role): str(column) for role, column in kept["columns"].items()}
            names = tuple(map(str, kept["names"]))
            return cls(str(kept["shape"]), columns, names, kept["answer"]) if names else None
        except (TypeError, KeyError, AttributeError):
            return None


def form_of(data: Data) -> Form | None:
    """Return how the training file, or the first of several, is read; None if it is not."""
    if data.train is None:
        return None
    file = files(data.train, [])[0]
    lines = islice(rows_of(file.path, Findings(file.name), []), FIRST_ROWS)
    shape, reading = understood([line.row for line in lines], data)
    return formed(shape, reading, data.columns) if reading else None


def formed(shape: str, reading: Reading, columns: Mapping[str, str]) -> Form:
    """Return the form of a reading."""
    answer = reading.required[-1] if shape in ASKED_AND_ANSWERED and len(reading.required) == 2 else None
    return Form(shape, dict(columns), (*reading.required, *reading.optional), answer)
