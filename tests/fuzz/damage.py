"""Valid files of every format, and what is done to them."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from target import MODES, PACKS, ending, seeds

_PRINTED = r"""
" "" ' \ { } [ ] : , ; [[ {} [] null true NaN -Infinity Infinity 1e999 -0 1.5 1e400 18446744073709551616
\u0000 \ud800 \ud83d\ude00 "messages": "role": "content": "user" "assistant" "system" "tool" "tool_calls": "weight":
"conversations": "from": "value": "text": "label": "prompt": "answers": "split": "test" "function": "arguments": "type":
"tools": "history": "instances": "scores": "annotations": "result": "data": "responses": "fields": "thinking":
"reasoning_content": created_at ticket_id 2024-13-45T25:61:61Z --- === ``` ~~~ - | <!-- --> <table> <tr> <td> </td> <p>
</p> <li> <ul> <pre> <main> </main> <script> <textarea> <title> <h1> <br/> utf-7 latin1 idna &#xD800; &# &amp; </w:p>
<w:p> <w:r><w:t> <w:tbl> <w:tr> <w:tc> <w:del> <w:numPr> <a:b stream endstream obj endobj R << >> /Kids /Count /Length
/FlateDecode trailer startxref /Encrypt /Outlines /ToUnicode BT ET Tj /Contents -1 %%EOF %PDF-1.7 PAR1 BZh9
"""
_UNSEEN = (
    "\0", "\r", "\r\n", "\n\n", "\t", "\u2028", "\x85", "\ufeff", "\ud800", " ", "    ", "\u00e9", "\U0001f600", "1. ",
    "9" * 400, "a" * 300, "[" * 120, "# ", "## ", "question,answer\n", "text\tlabel\n", "| a | b |\n|---|---|\n",
    "<meta charset=", "<!DOCTYPE a>", "stream\n",
)  # fmt: skip
_BYTES = (
    b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\xff",
    b"\xfe\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\x80", b"\xff\xff\xff\x7f", b"\0\0\0\0",
)  # fmt: skip
WORDS = (*(word.encode("utf-8", "surrogatepass") for word in (*_PRINTED.split(), *_UNSEEN)), *_BYTES)
"""What some reader gives a meaning to."""
COLUMNS = (
    "question", "answer", "text", "label", "prompt", "completion", "messages", "conversations", "context", "split",
    "chosen", "rejected", "instruction", "input", "output", "id", "time", "user_id", "scores", "completions", "rating",
    "data", "annotations", "fields", "responses", "ticket_id", "author_role", "body", "created_at", "answers", "tools",
    "winner", "response_a", "response_b", "reasoning", "history", "tweet_id", "inbound", "in_response_to_tweet_id",
)  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["a", "user", "assistant", "human", "gpt", "train", "test", "customer", "agent", "1", "tie", "2024-01-01T00:00:00Z"]
)
TURNS = st.lists(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("role", "content", "from", "value", "weight", "tool_calls", "name", "text"), TEXTS)
    ),
    max_size=4,
)
LEAVES = TEXTS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TURNS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(COLUMNS), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
ODD = (
    "", " ", "\0", "\ud800", "\u00b2", 10**299, -1, 1e308, 1e-320, [], {}, [[]], [{}], {"": None}, [None], True, "NaN",
    "[]", "{}", '[{"role": "user"}]', "[" * 99, "9" * 5000, "\u0661", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
)  # fmt: skip
TYPES = (
    pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.binary(), pa.null(), pa.list_(pa.string()), pa.time64("us"),
    pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])), pa.dictionary(pa.int32(), pa.string()),
    pa.map_(pa.string(), pa.int64()), pa.struct([("text", pa.list_(pa.string()))]), pa.decimal128(5, 2), pa.date32(),
)  # fmt: skip
MODE = {mode: number for number, mode in enumerate(MODES)}


def beginnings() -> list[tuple[int, bytes]]:
    """Return the kept inputs, each as it is read and, where it can be packed, as what is packed."""
    found = []
    for name, content in seeds().items():
        kind = ending(name)
        if (kind, False) in MODE:
            found.append((MODE[kind, False], content))
        for packed in (one for one, ours in MODE if ours and one.startswith(kind)):
            inside = content
            if kind == ".docx":
                try:
                    inside = zipfile.ZipFile(io.BytesIO(content)).read("word/document.xml")
                except (zipfile.BadZipFile, KeyError):
                    continue
            found.append((MODE[packed, True], inside))
        if kind == ".jsonl":
            found.append((MODE[".zip", True], content))
    whole = {".jsonl": ".jsonl.gz", ".csv": ".csv.bz2", ".json": ".json.xz", ".tsv": ".tsv.zst"}
    for name, content in seeds().items():
        if packed := whole.pop(ending(name), ""):
            found.append((MODE[packed, False], PACKS[f".{packed.rpartition('.')[2]}"](content)))
    return [*found, (MODE[".zip", False], PACKS[".zip"](b'{"text": "a"}\n'))]


def tabled(rows: list[dict], dialect: str) -> bytes:
    sink = io.StringIO()
    sheet = csv.DictWriter(sink, list(rows[0]) or ["text"], extrasaction="ignore", dialect=dialect)
    sheet.writeheader()
    sheet.writerows(rows)
    return sink.getvalue().encode("utf-8", "surrogatepass")


def lined(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@st.composite
def rows(draw: st.DrawFn) -> list[dict]:
    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4, unique=True))
    kinds = {column: draw(st.sampled_from((TEXTS, LEAVES, VALUES, TURNS))) for column in columns}
    return draw(st.lists(st.fixed_dictionaries(kinds), min_size=1, max_size=4))


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4))
    length, arrays = draw(st.integers(0, 4)), []
    for _ in columns:
        kind = draw(st.sampled_from(TYPES))
        try:
            arrays.append(pa.array(draw(st.lists(VALUES, min_size=length, max_size=length)), kind))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            arrays.append(pa.nulls(length, kind))
    sink = pa.BufferOutputStream()
    how = draw(st.sampled_from(("none", "snappy", "gzip", "zstd")))
    pq.write_table(pa.Table.from_arrays(arrays, names=columns), sink, compression=how)
    return sink.getvalue().to_pybytes()


@st.composite
def altered(draw: st.DrawFn) -> tuple[int, bytes]:
    """Return a kept file of JSON in which up to three values are others, in any format that can hold them."""
    name = draw(st.sampled_from(sorted(name for name in seeds() if name.endswith((".jsonl", ".json")))))
    lines = seeds()[name].decode()
    whole = json.loads(f"[{','.join(lines.splitlines())}]" if name.endswith(".jsonl") else lines)
    for _ in range(draw(st.integers(0, 3))):
        holders = list(_holders(whole))
        holder, key = draw(st.sampled_from(holders)) if holders else ([], 0)
        how = draw(st.sampled_from(("value", "other", "drop", "twice")))
        if how == "value" and holders:
            holder[key] = json.loads(json.dumps(draw(VALUES | st.sampled_from(ODD))))  # a copy: it may be altered too
        elif how == "other" and holders:  # what stands elsewhere
            there, at = draw(st.sampled_from(holders))
            holder[key] = json.loads(json.dumps(there[at]))
        elif how == "drop" and holders:
            del holder[key]
        elif isinstance(holder, list) and holders:
            holder.append(json.loads(json.dumps(holder[key])))
    some = whole if isinstance(whole, list) else [whole]
    mode = draw(st.sampled_from([(".jsonl", False), (".json", False), (".parquet", False), (".csv", False)]))
    if mode[0] in (".parquet", ".csv") and some and all(isinstance(row, dict) and row for row in some):
        if mode[0] == ".csv":
            return MODE[mode], tabled(some, "excel")
        with suppress(pa.ArrowException, TypeError, ValueError, OverflowError):
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(some), sink)
            return MODE[mode], sink.getvalue().to_pybytes()
    if mode[0] == ".json":
        return MODE[mode], json.dumps(whole).encode()
    return MODE[".jsonl", False], "".join(json.dumps(row) + "\n" for row in some).encode()


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every list or object with each of its keys."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _holders(value[key])


def valid() -> st.SearchStrategy[tuple[int, bytes]]:
    """Return what gives a file that is valid, and how it is to be read: a kept one, one much like it, or another."""
    made = []
    for mode in (mode for mode in MODE if mode[0] != ".parquet"):
        if ".csv" in mode[0] or ".tsv" in mode[0]:
            content = rows().map(lambda some, tab="excel-tab" if ".tsv" in mode[0] else "excel": tabled(some, tab))
        elif ".json" in mode[0] and ".jsonl" not in mode[0]:
            content = (rows() | VALUES).map(lambda value: json.dumps(value).encode())
        elif mode[0] in (".txt", ".md", ".html", ".pdf", ".docx", ".txt.xz"):
            content = st.lists(st.sampled_from(WORDS) | TEXTS.map(str.encode), max_size=30).map(b"".join)
        else:
            content = rows().map(lined)
        made.append(st.tuples(st.just(MODE[mode]), content))
    parquet = st.tuples(st.just(MODE[".parquet", False]), tables())
    kinds = {"kept": st.sampled_from(beginnings()), "altered": altered(), "made": st.one_of(made), "tables": parquet}
    return st.sampled_from(sorted(kinds)).flatmap(kinds.__getitem__)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(("insert", "replace", "delete", "repeat", "cut", "copy")),
        st.floats(0, 1),
        st.sampled_from(WORDS) | st.binary(min_size=1, max_size=4),
        st.integers(1, 40),
    ),
    max_size=6,
)


def damaged() -> st.SearchStrategy[tuple[int, bytes]]:
    """Return what gives a file that was valid once, with up to six edits."""
    return st.tuples(valid(), st.just([]) | EDITS).map(lambda case: (case[0][0], edited(case[0][1], case[1])))


def edited(content: bytes, edits: list[tuple[str, float, bytes, int]]) -> bytes:
    for how, share, word, count in edits:
        at = int(share * len(content))
        before, after = content[:at], content[at:]
        content = {
            "insert": before + word + after,
            "replace": before + word + after[len(word) :],
            "delete": before + after[count:],
            "repeat": before + word * count**2 + after,
            "cut": before,
            "copy": before + after[:count] * 2 + after[count:],
        }[how]
    return content
