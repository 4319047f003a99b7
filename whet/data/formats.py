"""From a file to rows with their line numbers: which reader takes which file, and plain text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePath

from whet.data.documents import KINDS, MOST, document, passages
from whet.data.json_rows import json_lines, json_rows
from whet.data.parquet_rows import parquet_rows
from whet.data.scan import Findings, Line, Unreadable, beginning, lines, not_text
from whet.data.table_rows import csv_rows, tsv_rows
from whet.data.unpack import KINDS as COMPRESSED
from whet.data.unpack import inner, weigh
from whet.errors import DataError

PIECE_CHARACTERS = 2000
PICKLES = {".pkl", ".pickle", ".npy", ".npz", ".pt", ".pth", ".bin", ".joblib", ".ckpt"}
PACKED = {".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar", ".lz4", ".z"}
SHEETS = {".xlsx", ".xls", ".ods", ".numbers"}
BESIDE = (".trail.json", ".changes.jsonl")  # what whet writes about a file, beside it

Reader = Callable[[Path, Findings, list[str]], Iterator[Line]]


def rows_of(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    """Yield the rows of a file that opens; problems go to `found`, what a person should know to `notes`.

    Raises:
        Unreadable: the rest of the file cannot be read; why is among the findings.
    """
    name = inner(path)
    if name != path:
        weigh(path)
        notes.append(f"unpacked as it was read ({path.suffix.lower()})")
    suffix = name.suffix.lower()
    if suffix in PICKLES:
        why = "files of this kind can run code when they are opened, so they are never read"
        raise found.stop(0, f"{why}; save the rows as .jsonl, .csv or .parquet")
    if suffix in PACKED:
        raise found.stop(0, "is compressed; unpack it first and name the file inside")
    if suffix in SHEETS:
        raise found.stop(0, "is a spreadsheet; save it as CSV (UTF-8) and name that file")
    reader = READERS.get(suffix) or _sniffed(path, suffix, notes)
    if reader not in (parquet_rows, document_rows) and (why_not := not_text(path)):
        raise found.stop(0, why_not)
    yield from reader(path, found, notes)


def _sniffed(path: Path, suffix: str, notes: list[str]) -> Reader:
    first, second = [*beginning(path), "", ""][:2]
    reader: Reader
    if first.startswith("PAR1"):
        name, reader = "Parquet", parquet_rows
    elif first[:1] in ("{", "["):
        name, reader = "JSON", json_rows
    elif first.count("\t") and first.count("\t") == second.count("\t"):
        name, reader = "TSV", tsv_rows
    elif re.fullmatch(r"[\w\"-]+(,[\w\"-]+)+", first) and second.count(",") >= first.count(","):
        name, reader = "CSV", csv_rows
    else:
        name, reader = "plain text", text_rows
    ending = f"the file's ending {suffix}" if suffix else "a file without an ending"
    notes.append(f"{ending} says nothing about its format; its beginning looks like {name}")
    return reader


def text_rows(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    """Yield paragraphs, packed together up to PIECE_CHARACTERS, as rows with one column `text`.

    A paragraph that is longer is cut at a line end, and a longer line at a space.
    """
    packed, start, count = "", 0, 0
    for number, paragraph in _paragraphs(path, found):
        if packed and len(packed) + 2 + len(paragraph) > PIECE_CHARACTERS:
            count += 1
            yield Line(start, {"text": packed})
            packed = ""
        start = start if packed else number
        packed = f"{packed}\n\n{paragraph}" if packed else paragraph
    if packed:
        count += 1
        yield Line(start, {"text": packed})
    how = f"paragraphs packed up to {PIECE_CHARACTERS:,} characters, {count:,} piece{'s' * (count != 1)}"
    notes.append(f"plain text was cut at blank lines: {how}")


def _paragraphs(path: Path, found: Findings) -> Iterator[tuple[int, str]]:
    """Yield paragraphs of at most PIECE_CHARACTERS with the lines they start on."""
    held: list[str] = []
    start, size = 0, 0
    for number, text in lines(path, found):
        for piece in _cut(text) if text.strip() else ("",):
            if held and (not piece or size + 1 + len(piece) > PIECE_CHARACTERS):
                yield start, "\n".join(held)
                held, size = [], 0
            if piece:
                start = start if held else number
                size += len(piece) + (1 if held else 0)
                held.append(piece)
    if held:
        yield start, "\n".join(held)


def _cut(line: str) -> Iterator[str]:
    place = 0
    while len(line) - place > PIECE_CHARACTERS:
        space = line.rfind(" ", place + 1, place + PIECE_CHARACTERS)
        end = space + 1 if space > 0 else place + PIECE_CHARACTERS
        if line[place:end].strip():
            yield line[place:end]
        place = end
    if line[place:].strip():
        yield line[place:]


def document_rows(path: Path, found: Findings, notes: list[str]) -> Iterator[Line]:
    """Yield the passages of a document as rows with one column `text`; a row's line is its place."""
    try:
        read = document(path)
    except DataError as error:
        found.problems += [replace(problem, path=found.path) for problem in error.problems]
        raise Unreadable from None
    count = 0
    for passage in passages(read):
        count += 1
        yield Line(int(passage.source.rpartition(":")[2]), {"text": passage.text})
    notes += [*read.notes, f"a document, cut between sentences into {count:,} passages of up to {MOST:,} characters"]


READERS: dict[str, Reader] = {
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".json": json_rows,
    ".csv": csv_rows,
    ".tsv": tsv_rows,
    ".parquet": parquet_rows,
    ".txt": text_rows,
    **{ending: document_rows for ending in KINDS if ending != ".txt"},
}
ENDINGS = tuple(READERS)


def is_data(name: PurePath) -> bool:
    """Say whether a file can be read as data, by its ending."""
    if name.name.endswith(BESIDE):
        return False
    packed = name.suffix.lower() in COMPRESSED
    within = name.with_suffix("") if packed and name.suffix.lower() != ".zip" else name
    return within.suffix.lower() in ENDINGS or name.suffix.lower() == ".zip"
