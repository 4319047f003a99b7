"""What a person should know about data before training on it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from whet.config.tree import Data
from whet.data.findings import Finding, inspect, seen
from whet.data.preflight import Rendered, render_all
from whet.data.render import Renderer
from whet.types import Chat, Dataset, Example


@dataclass(frozen=True, slots=True)
class DataReport:
    """Counts, remarks and findings; `tokens` only where a model's tokenizer was at hand."""

    paths: tuple[str, ...]
    shape: str
    rows: int
    splits: dict[str, int]
    notes: tuple[str, ...]
    labels: dict[str, int]
    turns: dict[str, int]
    characters: dict[str, float]
    findings: tuple[Finding, ...]
    tokens: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report by name."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "findings": [finding.as_dict() for finding in self.findings]}

    def sentences(self) -> list[str]:
        """Return the report in words."""
        said = [f"{', '.join(self.paths)}: {self.rows:,} rows", *self.notes]
        if len(self.splits) > 1:
            said.append(", ".join(f"{count:,} rows to {side}" for side, count in self.splits.items()))
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
        return [*said, *(finding.sentence() for finding in self.findings)]


def check(sides: Mapping[str, Sequence[Dataset]], model: tuple[Renderer, Data, int] | None = None) -> DataReport:
    """Return what can be said of the rows of each side (`train`, `test`, ...; one data set for each file).

    A row that names its own side belongs to that. With a model's renderer, the settings and the longest row that it
    takes, rows are measured in tokens too.

    Raises:
        DataError: rows that the model's template refuses or that could not train.
    """
    files = [dataset for datasets in sides.values() for dataset in datasets]
    parted: dict[str, list[Example]] = {}
    for side, datasets in sides.items():
        for example in (example for dataset in datasets for example in dataset.examples):
            parted.setdefault(example.split or side, []).append(example)
    rows = [example for examples in parted.values() for example in examples]
    lengths = [len(row.question) + len(row.answer) for row in (seen("", example) for example in rows)]
    notes = [note for dataset in files for note in dataset.notes]
    findings = inspect(parted, notes.append)
    tokens: dict[str, float] = {}
    if model:
        rendered, too_long = _rendered(rows, *model)
        notes += rendered.notes()
        findings = (*too_long, *findings)
        tokens = _token_spread(rendered)
    return DataReport(
        tuple(path for dataset in files for path in dataset.digests),
        files[0].shape,
        len(rows),
        {side: len(examples) for side, examples in parted.items()},
        tuple(dict.fromkeys(notes)),
        dict(Counter(row.label for row in rows if isinstance(row, Chat) and row.label)),
        dict(Counter(str(sum(m.role == "assistant" for m in row.messages)) for row in rows if isinstance(row, Chat))),
        _spread(lengths),
        findings,
        tokens,
    )


def _rendered(
    rows: Sequence[Example], renderer: Renderer, data: Data, longest: int
) -> tuple[Rendered, tuple[Finding, ...]]:
    """Return the rows as tokens, and those that are too long where the settings do not say what to do with them."""
    if data.overlong != "error":
        return render_all(rows, renderer, data, longest), ()
    rendered = render_all(rows, renderer, data.model_copy(update={"overlong": "drop"}), longest)
    kept = {row.source for row in rendered.rows}
    lines = tuple(row.source for row in rows if row.source not in kept)
    if not lines:
        return rendered, ()
    why = f"{len(lines):,} rows have more than {longest:,} tokens, which this model does not take"
    remedy = "shorten them, or set data.overlong to drop, truncate_left or split"
    return replace(rendered, dropped=0), (Finding("too_long", "error", lines, why, remedy),)


def _spread(values: Sequence[int]) -> dict[str, float]:
    return {"least": min(values), "median": median(values), "most": max(values)}


def _token_spread(rendered: Rendered) -> dict[str, float]:
    lengths = [len(row.ids) for row in rendered.rows]
    return {**_spread(lengths), "all": rendered.tokens, "trained": rendered.trained}
