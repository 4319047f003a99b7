"""Repairs that a person asked for, planned before anything is written and recorded row by row."""

import html
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from whet.config.tree import Data
from whet.data.checks._sensitive import sensitive
from whet.data.checks.encoding import AFTER, CONTROL, ENTITY, MARKUP
from whet.data.findings import inspect, seen
from whet.data.formats import rows_of
from whet.data.near import groups
from whet.data.read import GATHERED, read_files
from whet.data.scan import Findings
from whet.data.sources import File, files
from whet.data.split import content_hash
from whet.data.trail import leave
from whet.errors import RunError, UsageError
from whet.types import Example

DROPS = (
    "empty", "encoding", "exact_duplicate", "label_error", "language", "near_duplicate", "offensive", "outlier",
    "personal_data", "refusal", "repetition", "secret", "trigger", "truncated",
)  # fmt: skip
PLACEHOLDERS = {
    "e-mail address": "EMAIL", "IBAN": "IBAN", "payment card": "CARD", "IP address": "IP",
    "social security number": "SSN", "telephone number": "PHONE",
}  # fmt: skip
_DOUBLED = re.compile(f"[\u00c2-\u00f4][{AFTER}\u00a6]{{1,3}}")

Change = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done: kinds of rows to leave out, and whether to redact, repair and trim the text of the others."""

    drop: tuple[str, ...] = ()
    redact: bool = False
    repair: bool = False
    trim: bool = False
    most_per_label: int | None = None


@dataclass(slots=True)
class Plan:
    """The rows as they will be, and what was changed in which of them (file:line, what)."""

    files: Sequence[File]
    wanted: Wanted
    rows: list[dict[str, Any]] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """Return what will be done, the most frequent first."""
        counts = Counter(what for _, what in self.changes)
        said = [f"{count:,} rows: {what}" for what, count in counts.most_common()]
        return [*said, f"{len(self.rows):,} rows are left"]


def plan(path: str | Path, data: Data, wanted: Wanted) -> Plan:
    """Return what a file becomes; nothing is written.

    Raises:
        DataError: rows that cannot be read. UsageError: a kind of finding that no row can be dropped for.
    """
    if strange := [kind for kind in wanted.drop if kind not in DROPS]:
        raise UsageError(f"--drop {strange[0]}: choose from {', '.join(DROPS)}")
    told = list[str]()
    named = files(path, told)
    dataset = read_files(named, data, told)
    if dataset.shape in GATHERED and (wanted.drop or wanted.most_per_label):
        whole = "several rows make one conversation, and rows are left out whole"
        raise UsageError(
            f"{path}: {whole}; write conversations first: whet data convert {path} --to messages --out FILE"
        )
    dropped = _dropped(dataset.examples, wanted)
    made = Plan(named, wanted)
    for source, row in _rows(named):
        if why := dropped.get(source):
            made.changes.append((source, f"left out ({why})"))
            continue
        changed, whats = _changed(row, wanted)
        made.rows.append(changed)
        made.changes += [(source, what) for what in whats]
    return made


def write(made: Plan, out: Path) -> Path:
    """Write the rows as JSON Lines and, beside them, their trail and what was changed; return the path of the latter.

    Raises:
        UsageError: one of the files exists, as nothing is ever overwritten. RunError: they cannot be written.
    """
    record = out.with_name(f"{out.name}.changes.jsonl")
    if out.suffix.lower() != ".jsonl":
        raise UsageError(f"--out {out}: rows are written as JSON Lines; name a file that ends in .jsonl")
    if taken := [file for file in (out, record) if file.exists()]:
        raise UsageError(f"--out: {taken[0]} exists and nothing is overwritten; name another file")
    changes = [{"row": source, "change": what} for source, what in made.changes]
    try:
        for file, rows in ((record, changes), (out, made.rows)):
            part = file.with_name(f"{file.name}.part")
            part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
            part.replace(file)
    except OSError as error:
        raise RunError(f"{error.filename or out}: {error.strerror or error}") from None
    done = {name: value for name, value in asdict(made.wanted).items() if value}
    leave(out, "fix", made.files, done, {"rows": len(made.rows), **Counter(what for _, what in made.changes)})
    return record


def _rows(named: Sequence[File]) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in named:
        for number, row in rows_of(file.path, Findings(file.name), []):
            yield f"{file.name}:{number}", row


def _dropped(examples: Sequence[Example], wanted: Wanted) -> dict[str, str]:
    """Return why which rows are left out; of rows that are alike, the first stays."""
    why: dict[str, str] = {}
    kinds = set(wanted.drop)
    if kinds & {"exact_duplicate", "near_duplicate"}:
        first: dict[str, str] = {}
        texts = [f"{row.question}\n{row.answer}" for row in (seen(at, "", one) for at, one in enumerate(examples))]
        leaders = groups(texts) if "near_duplicate" in kinds else range(len(examples))
        for at, (example, leader) in enumerate(zip(examples, leaders, strict=True)):
            earlier = first.setdefault(content_hash(example), example.source)
            if "exact_duplicate" in kinds and earlier != example.source:
                why[example.source] = "exact_duplicate"
            elif leader != at:
                why.setdefault(example.source, "near_duplicate")
    for finding in inspect({"train": examples}) if kinds - {"exact_duplicate", "near_duplicate"} else ():
        if finding.kind in kinds and finding.kind not in ("exact_duplicate", "near_duplicate"):
            why.update({line: why.get(line, finding.kind) for line in finding.lines})
    if wanted.most_per_label:
        held: dict[str, list[Example]] = defaultdict(list)
        for example in examples:
            if (label := getattr(example, "label", None)) and example.source not in why:
                held[label].append(example)
        for rows in held.values():
            for example in sorted(rows, key=content_hash)[wanted.most_per_label :]:
                why[example.source] = "more than enough of its label"
    return why


def _changed(row: dict[str, Any], wanted: Wanted) -> tuple[dict[str, Any], list[str]]:
    """Return a row with its text changed, and in words what was."""
    whats: Counter[str] = Counter()
    names: dict[tuple[str, str], str] = {}  # (kind, value) -> placeholder: one value has one name in a row

    def change(text: str) -> str:
        if wanted.repair and (better := repaired(text)) != text:
            whats["repaired damaged text"] += 1
            text = better
        if wanted.redact:
            text = _redacted(text, names, whats)
        if wanted.trim and (better := text.strip()) != text:
            whats["trimmed white space"] += 1
            text = better
        return text

    return _walk(row, change), list(whats)


def _walk(value: Any, change: Change) -> Any:
    """Return a JSON value with every text in it changed; the names of columns stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _walk(part, change) for name, part in value.items()}
    return [_walk(part, change) for part in value] if isinstance(value, list) else value


def _redacted(text: str, names: dict[tuple[str, str], str], whats: Counter[str]) -> str:
    found = sorted(sensitive(text), key=lambda span: span[1])
    pieces, end = [], 0
    for kind, begin, last in found:
        if begin < end:
            continue
        name = PLACEHOLDERS.get(kind, "SECRET")
        number = 1 + sum(one.startswith(f"[{name}_") for one in names.values())
        placeholder = names.setdefault((name, text[begin:last]), f"[{name}_{number}]")
        whats[f"redacted {kind}"] += 1
        pieces += [text[end:begin], placeholder]
        end = last
    return "".join([*pieces, text[end:]])


def repaired(text: str) -> str:
    """Return a text with doubly encoded letters, control characters and HTML entities put right where they can be."""

    def once(match: re.Match[str]) -> str:
        try:
            return b"".join(map(_byte, match[0])).decode("utf-8")
        except UnicodeError:
            return match[0]

    text = CONTROL.sub("", _DOUBLED.sub(once, text))
    return text if MARKUP.search(text) else ENTITY.sub(lambda match: html.unescape(match[0]), text)


def _byte(sign: str) -> bytes:
    try:
        return sign.encode("cp1252")
    except UnicodeEncodeError:  # of the five bytes that Windows-1252 leaves open
        return sign.encode("latin-1")
