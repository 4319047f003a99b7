"""What a person should know about a data file before training on it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from whet.data.near import groups
from whet.data.preflight import Rendered
from whet.data.split import content_hash, question
from whet.types import Chat, Dataset, Tokens


@dataclass(frozen=True, slots=True)
class DataReport:
    """Counts and remarks about one file; `tokens` only where a model's tokenizer was at hand."""

    path: str
    shape: str
    rows: int
    notes: tuple[str, ...]
    exact_duplicates: int
    near_duplicates: int
    contradictions: int
    labels: dict[str, int]
    turns: dict[str, int]
    characters: dict[str, float]
    tokens: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def sentences(self) -> list[str]:
        """Return the report in words."""
        said = [f"{self.path}: {self.rows:,} rows", *self.notes]
        said.append("characters a row: {least:,.0f} to {most:,.0f}, median {median:,.0f}".format(**self.characters))
        if self.tokens:
            said.append(
                "tokens a row: {least:,.0f} to {most:,.0f}, median {median:,.0f}; "
                "{all:,.0f} in all, {trained:,.0f} train".format(**self.tokens)
            )
        if self.labels:
            most, least = max(self.labels.values()), min(self.labels.values())
            said.append(f"{len(self.labels)} labels, {least:,} to {most:,} rows each")
        if len(self.turns) > 1:
            said.append(
                "answers a row: "
                + ", ".join(f"{count:,} rows with {turns}" for turns, count in sorted(self.turns.items()))
            )
        for count, what in (
            (
                self.exact_duplicates,
                "rows repeat an earlier row to the letter; they weigh double in training",
            ),
            (
                self.near_duplicates,
                "rows ask nearly the same as an earlier row; the split keeps them on one side",
            ),
            (self.contradictions, "questions have several different answers"),
        ):
            if count:
                said.append(f"{count:,} {what}")
        return said


def check(path: str, dataset: Dataset, rendered: Rendered | None = None) -> DataReport:
    """Return what can be said of the rows without a model, and their lengths in tokens where they are rendered."""
    rows = dataset.examples
    hashes = Counter(map(content_hash, rows))
    asked = [question(row) for row in rows]
    leaders = groups(asked)
    answers: dict[str, set[str]] = {}
    for row, said in zip(rows, asked, strict=True):
        if isinstance(row, Chat):
            answers.setdefault(said, set()).add(row.messages[-1].content)
    lengths = [
        len(said) + (len(row.messages[-1].content) if isinstance(row, Chat) else 0)
        for row, said in zip(rows, asked, strict=True)
    ]
    return DataReport(
        path,
        dataset.shape,
        len(rows),
        (*dataset.notes, *(rendered.notes() if rendered else ())),
        exact_duplicates=sum(hashes.values()) - len(hashes),
        near_duplicates=len(rows) - len(set(leaders)) - (sum(hashes.values()) - len(hashes)),
        contradictions=sum(len(different) > 1 for different in answers.values()),
        labels=dict(Counter(row.label for row in rows if isinstance(row, Chat) and row.label)),
        turns=dict(
            Counter(str(sum(m.role == "assistant" for m in row.messages)) for row in rows if isinstance(row, Chat))
        ),
        characters=_spread(lengths),
        tokens=_token_spread(rendered.rows) if rendered else {},
    )


def _spread(values: Sequence[int]) -> dict[str, float]:
    return {"least": min(values), "median": median(values), "most": max(values)}


def _token_spread(rows: Sequence[Tokens]) -> dict[str, float]:
    lengths = [len(row.ids) for row in rows]
    return {**_spread(lengths), "all": sum(lengths), "trained": sum(row.trained for row in rows)}
