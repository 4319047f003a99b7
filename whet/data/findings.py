"""What is wrong or odd in rows that can be read, and the checks that find it: one file per check.

A check is a module in `whet/data/checks` whose one export is a class without arguments. It is shown every row once, in
order, keeps little of it, and then says what it found.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from whet.data.split import question
from whet.errors import GateError, UsageError
from whet.plugins import find, names
from whet.types import Chat, Example

Severity = Literal["note", "warning", "error"]
KINDS = (
    "contradiction", "empty", "encoding", "exact_duplicate", "imbalance", "label_error", "leak", "near_duplicate",
    "personal_data", "refusal", "repetition", "secret", "too_long", "truncated",
)  # fmt: skip
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, in `lines` (file:line, the most suspect first): why it matters and what to do.

    Never quotes a value that the finding says should not be there.
    """

    kind: str
    severity: Severity
    lines: tuple[str, ...]
    why: str
    remedy: str

    def as_dict(self) -> dict[str, Any]:
        """Return the finding by name."""
        return {**asdict(self), "lines": list(self.lines)}

    def sentence(self) -> str:
        """Return the finding in a line for people."""
        shown = ", ".join(self.lines[:3]) + (f" and {len(self.lines) - 3:,} more" if len(self.lines) > 3 else "")
        return f"{self.severity}: {self.kind}: {self.why} ({shown}); {self.remedy}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as the checks see it. `answer` is the last one, "" for raw text; `texts` is all that is written in it."""

    side: str
    source: str
    example: Example
    question: str
    answer: str
    texts: tuple[str, ...]


class Check(Protocol):
    """Looks at every row once and says what it found; `remark`, if it has one, is what a person should know besides."""

    def see(self, row: Seen) -> None:
        """Look at a row."""

    def findings(self) -> Iterable[Finding]:
        """Return what was found, once all rows were seen."""


def gate(wanted: str | None) -> Callable[[Sequence[Finding]], None]:
    """Return what raises GateError if there are findings that grave, or of that kind (several: with commas).

    Raises:
        UsageError: `wanted` is neither.
    """
    names_ = [name.strip() for name in (wanted or "").split(",") if name.strip()]
    if strange := [name for name in names_ if name not in (*SEVERITIES, *KINDS)]:
        raise UsageError(f"--fail-on {strange[0]}: choose from {', '.join((*SEVERITIES, *KINDS))}")
    least = min((SEVERITIES.index(name) for name in names_ if name in SEVERITIES), default=len(SEVERITIES))

    def judge(findings: Sequence[Finding]) -> None:
        met = [one for one in findings if one.kind in names_ or SEVERITIES.index(one.severity) >= least]
        if met:
            kinds = ", ".join(dict.fromkeys(one.kind for one in met))
            raise GateError(f"--fail-on {wanted}: {len(met)} findings ({kinds}); they are listed above")

    return judge


def inspect(sides: Mapping[str, Sequence[Example]], say: Callable[[str], None] = lambda _: None) -> tuple[Finding, ...]:
    """Return what all checks find in the rows of some sides (train, test, ...), the gravest and most frequent first.

    `say` is told what could not be looked for.
    """
    checks: list[Check] = [find("data.checks", name)() for name in names("data.checks")]
    for side, examples in sides.items():
        for example in examples:
            row = seen(side, example)
            for check in checks:
                check.see(row)
    found = [finding for check in checks for finding in check.findings()]
    for remark in filter(None, (getattr(check, "remark", "") for check in checks)):
        say(remark)
    return tuple(sorted(found, key=lambda one: (-SEVERITIES.index(one.severity), -len(one.lines), one.kind)))


def seen(side: str, example: Example) -> Seen:
    """Return a row as the checks see it."""
    if not isinstance(example, Chat):
        return Seen(side, example.source, example, example.text, "", (example.text,))
    texts = tuple(message.spoken for message in example.messages)
    return Seen(side, example.source, example, question(example), texts[-1], texts)
