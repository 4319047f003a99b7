"""Inputs made to break readers. Each is refused in words, with file and line, and quickly."""

import bz2
import gzip
import io
import lzma
import pickle
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whet.config.tree import Data
from whet.data.read import read
from whet.errors import DataError

GOOD = b'{"question": "q", "answer": "a"}\n'
CHAT = '{"messages": [%s]}'
USER = '{"role": "user", "content": "q"}'
REPLY = '{"role": "assistant", "content": "a"}'


def qa(answer: str) -> bytes:
    return GOOD + b'{"question": "q", "answer": ' + answer.encode() + b"}\n"


def chat(*messages: str) -> bytes:
    good = CHAT % f"{USER}, {REPLY}"
    return (good + "\n" + CHAT % ", ".join(messages) + "\n").encode()


def share(turn: str) -> bytes:
    good = '{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}\n'
    return (good + '{"conversations": [{"from": "human", "value": "q"}, ' + turn + "]}\n").encode()


def parquet(table: pa.Table, **how) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **how)
    return sink.getvalue().to_pybytes()


def zipped(*files: tuple[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return sink.getvalue()


def flipped(content: bytes) -> bytes:
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


WELL = parquet(pa.table({"question": ["q"] * 3, "answer": ["a"] * 3}))
HOSTILE = {  # what it is: (file name, bytes, line, words of the message)
    "empty file": ("a.jsonl", b"", 0, "empty"),
    "only blank lines": ("a.jsonl", b"\n\n  \n", 0, "no rows"),
    "only a byte-order mark": ("a.jsonl", b"\xef\xbb\xbf", 0, "no rows"),
    "UTF-16 little": ("a.jsonl", GOOD.decode().encode("utf-16"), 0, "UTF-16"),
    "UTF-16 big": ("a.csv", b"\xfe\xff" + "a,b".encode("utf-16-be"), 0, "UTF-16"),
    "UTF-32": ("a.jsonl", GOOD.decode().encode("utf-32"), 0, "UTF-32"),
    "UTF-16 without a mark": ("a.jsonl", GOOD.decode().encode("utf-16-le"), 1, "UTF-16"),
    "latin-1": ("a.jsonl", qa('"caf\u00e9"').replace(b"\xc3\xa9", b"\xe9"), 2, "byte column 33"),
    "latin-1 in JSON": ("a.json", b'[{"a": 1},\n{"a": "\xe9"}]', 2, "byte column 8"),
    "latin-1 in CSV": ("a.csv", b"text,label\na,b\n\xe9,b\n", 3, "byte column 1"),
    "latin-1 in text": ("a.txt", b"one\n\n\xe9\n", 3, "byte column 1"),
    "overlong UTF-8": ("a.jsonl", GOOD + b"\xc0\xaf\n", 2, "UTF-8"),
    "surrogate in UTF-8": ("a.jsonl", GOOD + b'"\xed\xa0\x80"\n', 2, "UTF-8"),
    "truncated UTF-8 at the end": ("a.jsonl", GOOD + b'{"q": "\xe2\x82', 2, "UTF-8"),
    "NUL byte": ("a.jsonl", GOOD + b'{"question": "\0", "answer": "a"}', 2, "NUL"),
    "NUL byte in CSV": ("a.csv", b"text,label\na\0,b\n", 2, "NUL"),
    "NUL byte in JSON": ("a.json", b'[\n{"a": "\0"}]', 2, "NUL"),
    "NUL escape": ("a.jsonl", qa(r'"\u0000"'), 2, "NUL"),
    "lone high surrogate": ("a.jsonl", qa(r'"\ud800"'), 2, "surrogate"),
    "lone low surrogate": ("a.jsonl", qa(r'"\uDFFF x"'), 2, "surrogate"),
    "surrogates the wrong way round": ("a.jsonl", qa(r'"\ude00\ud83d"'), 2, "surrogate"),
    "surrogate in a key": ("a.jsonl", GOOD + b'{"\\ud800": 1}', 2, "surrogate"),
    "100,000 open brackets": ("a.jsonl", GOOD + b"[" * 100_000, 2, "deep"),
    "100,000 nested objects": ("a.jsonl", GOOD + b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 2, "deep"),
    "100,000 nested lists in JSON": ("a.json", b"[" * 100_000 + b"]" * 100_000, 1, "deep"),
    "101 deep": ("a.jsonl", qa("[" * 100 + "]" * 100), 2, "deep"),
    "unclosed brackets in JSON": ("a.json", b"[" * 500, 1, "not valid JSON"),
    "integer of 5,000 digits": ("a.jsonl", qa("1" * 5_000), 2, "5,000 digits"),
    "integer of 5,000 digits in JSON": ("a.json", b'[{"n": ' + b"1" * 5_000 + b"}]", 1, "5,000 digits"),
    "float too large": ("a.jsonl", qa("-1e400"), 2, "too large"),
    "NaN": ("a.jsonl", qa("NaN"), 2, "NaN"),
    "Infinity": ("a.jsonl", qa("Infinity"), 2, "Infinity"),
    "minus Infinity in JSON": ("a.json", b'[{"text": "b"},\n\n{"text": -Infinity}]', 3, "-Infinity"),
    "duplicate key": ("a.jsonl", GOOD + b'{"question": "q", "answer": "a", "answer": "b"}', 2, "'answer'"),
    "duplicate key deep inside": ("a.jsonl", qa('{"x": [{"y": 1, "y": 2}]}'), 2, "'y'"),
    "duplicate key in JSON": ("a.json", b'[{"text": "x"},\n{"b": 1,\n "b": 2}]', 2, "'b'"),
    "single quotes": ("a.jsonl", GOOD + b"{'question': 'q'}", 2, "double quotes"),
    "trailing comma": ("a.jsonl", GOOD + b'{"question": "q",}', 2, "not valid JSON"),
    "comment": ("a.jsonl", GOOD + b"// a comment", 2, "not valid JSON"),
    "cut-off last line": ("a.jsonl", GOOD + b'{"question": "q", "ans', 2, "cut off"),
    "two objects on a line": ("a.jsonl", GOOD + GOOD.strip() + GOOD, 2, "Extra data"),
    "a raw line break in a string": (
        "a.jsonl",
        GOOD + b'{"question": "q\n", "answer": "a"}',
        2,
        "not valid JSON",
    ),
    "row is a list": ("a.jsonl", GOOD + b"[1, 2]", 2, "not an object"),
    "row is a number": ("a.jsonl", GOOD + b"7", 2, "not an object"),
    "row is null": ("a.jsonl", GOOD + b"null", 2, "not an object"),
    "row is an empty object": ("a.jsonl", GOOD + b"{}", 2, "empty object"),
    "JSON is a string": ("a.json", b'"hello"', 1, "list or an object"),
    "JSON is nothing": ("a.json", b"  \n ", 2, "list or an object"),
    "JSON list without end": ("a.json", b'[\n{"text": "x"},\n{"text": "y"}\n', 4, "end of the file"),
    "JSON with a missing comma": ("a.json", b'[{"text": "x"}\n{"text": "y"}]', 2, "expected , or ]"),
    "JSON with more after the end": ("a.json", b'[{"text": "a"}]\n[{"text": "b"}]', 2, "more text"),
    "JSON with two lists of rows": (
        "a.json",
        b'{"a": [{"text": "x"}],\n"b": [{"text": "y"}]}',
        2,
        "two lists",
    ),
    "JSON list of strings": ("a.json", b'["a",\n "b"]', 1, "not an object"),
    "JSON empty list": ("a.json", b"[]", 0, "no rows"),
    "JSON with an unquoted key": ("a.json", b"{a: 1}", 1, "not valid JSON"),
    "JSON error on a late line": ("a.json", b'[{"text": "x"},\n\n\n{"text": oops}]', 4, "not valid JSON"),
    "gzip": ("a.jsonl", gzip.compress(GOOD), 0, "gzip"),
    "gzip by name only": ("a.jsonl.gz", GOOD, 0, "cannot be unpacked"),
    "gzip cut off": ("a.jsonl.gz", gzip.compress(GOOD * 999)[:40], 0, "cannot be unpacked"),
    "gzip with a flipped bit": ("a.jsonl.gz", flipped(gzip.compress(GOOD * 9)), 0, "cannot be unpacked"),
    "gzip bomb": ("a.jsonl.gz", gzip.compress(b" " * 50_000_000), 0, "200 times"),
    "gzip in gzip": ("a.jsonl.gz.gz", gzip.compress(gzip.compress(GOOD)), 0, "read only as it is"),
    "bzip2 bomb": ("a.txt.bz2", bz2.compress(b"\n" * 50_000_000), 0, "200 times"),
    "xz cut off": ("a.csv.xz", lzma.compress(b"text\nx\n" * 99)[:-20], 0, "cannot be unpacked"),
    "zstandard by name only": ("a.jsonl.zst", GOOD, 0, "cannot be unpacked"),
    "zip of two files": ("a.zip", zipped(("a.jsonl", GOOD), ("b.jsonl", GOOD)), 0, "holds 2 files"),
    "zip of nothing": ("a.zip", zipped(), 0, "holds 0 files"),
    "zip bomb": ("a.zip", zipped(("a.jsonl", b"\n" * 50_000_000)), 0, "200 times"),
    "zip by name only": ("a.zip", GOOD, 0, "cannot be unpacked"),
    "zip of a pickle": ("a.zip", zipped(("a.pkl", pickle.dumps([1]))), 0, "run code"),
    "zip of a Parquet file": ("a.zip", zipped(("a.parquet", b"PAR1")), 0, "read only as it is"),
    "tar": ("a.tar", b"rest", 0, "unpack"),
    "zip": ("a.jsonl", b"PK\x03\x04rest", 0, "zip"),
    "spreadsheet": ("a.xlsx", b"PK\x03\x04rest", 0, "CSV"),
    "pickle by name": ("a.pkl", pickle.dumps([1]), 0, "run code"),
    "pickle in disguise": ("a.jsonl", pickle.dumps({"a": 1}), 0, "run code"),
    "torch file": ("a.pt", b"PK\x03\x04", 0, "run code"),
    "numpy file": ("a.npy", b"\x93NUMPY\x01\0", 0, "run code"),
    "numpy in disguise": ("a.csv", b"\x93NUMPY\x01\0", 0, "run code"),
    "joblib file": ("a.joblib", b"\x80\x04", 0, "run code"),
    "PDF": ("a.txt", b"%PDF-1.7\n", 0, "PDF"),
    "SQLite": ("a.db", b"SQLite format 3\0rest", 0, "SQLite"),
    "random bytes": ("a.jsonl", bytes(range(128, 256)) * 20, 1, "UTF-8"),
    "CSV header only": ("a.csv", b"text,label\n", 0, "no rows"),
    "CSV row too short": ("a.csv", b"text,label\na,b\nc\n", 3, "1 columns where the header has 2"),
    "CSV row too long": ("a.csv", b"text,label\na,b\nc,d,e\n", 3, "3 columns where the header has 2"),
    "CSV wrong after a quoted line break": ("a.csv", b'text,label\n"a\nb",c\nd\n', 4, "1 columns"),
    "CSV row that starts before its line breaks": ("a.csv", b'text,label\na,b\n"x\n\ny",\n', 3, "empty"),
    "CSV quote never closed": ("a.csv", b'text,label\na,b\n"c,d\ne,f\n', 3, "close the quote"),
    "CSV text after a quote": ("a.csv", b'text,label\n"a"b,c\n', 2, "close the quote"),
    "CSV column twice": ("a.csv", b"text,label,text\na,b,c\n", 1, "text twice"),
    "CSV column without a name": ("a.csv", b"text,,label\na,b,c\n", 1, "column 2"),
    "CSV empty label": ("a.csv", b"text,label\na,b\nc,\n", 3, "'label' is empty"),
    "TSV row too long": ("a.tsv", b"text\tlabel\na\tb\nc\td\te\n", 3, "3 columns"),
    "parquet that is text": ("a.parquet", GOOD, 0, "Parquet"),
    "parquet cut off": ("a.parquet", WELL[:-20], 0, "Parquet"),
    "parquet without its head": ("a.parquet", b"PAR1PAR1", 0, "Parquet"),
    "parquet with a false footer size": ("a.parquet", WELL[:-8] + b"\xff\xff\xff\x7fPAR1", 0, "Parquet"),
    "parquet without rows": (
        "a.parquet",
        parquet(pa.table({"text": pa.array([], pa.string())})),
        0,
        "no rows",
    ),
    "parquet of bytes": ("a.parquet", parquet(pa.table({"text": [b"a"]})), 0, "no column"),
    "parquet with an empty answer": (
        "a.parquet",
        parquet(pa.table({"question": ["q", "q"], "answer": ["a", ""]})),
        2,
        "empty",
    ),
    "parquet with a NUL": ("a.parquet", parquet(pa.table({"text": ["a", "\0"]})), 2, "NUL"),
    "parquet bomb": (
        "a.parquet",
        parquet(pa.table({"text": pa.array(["x" * 2**16]).take([0] * 5000)})),
        0,
        "more than",
    ),
    "empty answer": ("a.jsonl", qa('"  "'), 2, "'answer' is empty; add an answer or remove the row"),
    "null answer": ("a.jsonl", qa("null"), 2, "empty"),
    "number among text": ("a.jsonl", qa("5"), 2, "a number here and text on line 1"),
    "list among text": ("a.jsonl", qa('["a"]'), 2, "a list here and text on line 1"),
    "object among text": ("a.jsonl", qa('{"a": 1}'), 2, "an object here"),
    "missing column": ("a.jsonl", GOOD * 3 + b'{"question": "q"}', 4, "no column 'answer'"),
    "another shape later": ("a.jsonl", GOOD * 3 + b'{"prompt": "p", "completion": "c"}', 4, "another shape"),
    "unknown columns": ("a.jsonl", b'{"foo": "a", "bar": "b"}\n', 0, "foo, bar"),
    "preference pairs without a prompt": (
        "a.jsonl",
        b'{"chosen": "a", "rejected": "b"}\n',
        1,
        "no replies to one prompt",
    ),
    "ends with the user": ("a.jsonl", chat(USER, REPLY, USER), 2, "no reply to learn from"),
    "only a system message": ("a.jsonl", chat('{"role": "system", "content": "s"}'), 2, "no reply"),
    "no messages": ("a.jsonl", chat(), 2, "empty list"),
    "unknown role": ("a.jsonl", chat('{"role": "wizard", "content": "q"}', REPLY), 2, "wizard"),
    "role is a number": ("a.jsonl", chat('{"role": 1, "content": "q"}', REPLY), 2, "role"),
    "role is missing": ("a.jsonl", chat('{"content": "q"}', REPLY), 2, "role"),
    "message is text": ("a.jsonl", chat('"q"', REPLY), 2, "message 1: is text"),
    "content is a number": ("a.jsonl", chat('{"role": "user", "content": 5}', REPLY), 2, "a number"),
    "content is an image": (
        "a.jsonl",
        chat('{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}', REPLY),
        2,
        "image_url",
    ),
    "empty reply": ("a.jsonl", chat(USER, '{"role": "assistant", "content": ""}'), 2, "no tool call"),
    "system in the middle": (
        "a.jsonl",
        chat(USER, REPLY, '{"role": "system", "content": "s"}', REPLY),
        2,
        "system",
    ),
    "weight two": ("a.jsonl", chat(USER, '{"role": "assistant", "content": "a", "weight": 2}'), 2, "weight"),
    "weight zero everywhere": (
        "a.jsonl",
        chat(USER, '{"role": "assistant", "content": "a", "weight": 0}'),
        2,
        "nothing trains",
    ),
    "tool call without a name": (
        "a.jsonl",
        chat(USER, '{"role": "assistant", "tool_calls": [{}]}'),
        2,
        "function",
    ),
    "tool calls are text": (
        "a.jsonl",
        chat(USER, '{"role": "assistant", "tool_calls": "f()"}'),
        2,
        "not a list",
    ),
    "messages are text": ("a.jsonl", chat(USER, REPLY) + b'{"messages": "hello"}', 3, "text here"),
    "sharegpt unknown speaker": ("a.jsonl", share('{"from": "alien", "value": "a"}'), 2, "alien"),
    "sharegpt value is null": ("a.jsonl", share('{"from": "gpt", "value": null}'), 2, "null"),
    "sharegpt ends with the human": ("a.jsonl", share('{"from": "human", "value": "?"}'), 2, "no reply"),
    "tools are not JSON": (
        "a.jsonl",
        share('{"from": "gpt", "value": "a"}').replace(b"}]}\n", b'}], "tools": "[oops"}\n'),
        1,
        "tools",
    ),
    "unknown split": ("a.csv", b"text,label,split\na,b,train\nc,d,fold3\n", 3, "fold3"),
    "text file of spaces": ("a.txt", b" \n\t\n", 0, "no rows"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_file_and_line(tmp_path, name):
    file, content, line, words = HOSTILE[name]
    path = tmp_path / file
    path.write_bytes(content)
    begin = time.perf_counter()
    with pytest.raises(DataError) as caught:
        read(path)
    assert time.perf_counter() - begin < 2.0
    problem = caught.value.problems[0]
    assert (problem.path, problem.line if line else 0) == (str(path), line)
    assert words in problem.what
    assert "\n" not in problem.what


def test_there_are_at_least_eighty_hostile_files():
    assert len(HOSTILE) >= 80


def test_a_pickle_is_refused_without_running_it(tmp_path):
    canary = tmp_path / "canary"

    class Trap:
        def __reduce__(self):
            return Path.touch, (canary,)

    for name in ("a.pkl", "a.jsonl", "a.json", "a.csv", "a.txt", "a.parquet", "a.unknown"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(DataError):
            read(tmp_path / name)
    assert not canary.exists()


def test_a_zip_bomb_is_refused_without_unpacking(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.jsonl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.jsonl", b"\n" * 10_000_000)
    with pytest.raises(DataError, match="zip"):
        read(tmp_path / "bomb.jsonl")


def test_every_problem_of_a_file_is_reported_in_the_order_of_its_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"question": "q", "answer": ""}\n' + GOOD + b"oops\n" + qa("NaN") + b"\xff\n")
    with pytest.raises(DataError) as caught:
        read(path)
    assert [problem.line for problem in caught.value.problems] == [1, 3, 5, 6]


ACCEPTED = {  # what it is: (file name, bytes, the answers read)
    "gzip": ("a.jsonl.gz", gzip.compress(GOOD * 2), ["a", "a"]),
    "gzip of two parts": ("a.jsonl.gz", gzip.compress(GOOD) + gzip.compress(GOOD), ["a", "a"]),
    "bzip2": ("a.csv.bz2", bz2.compress(b"question,answer\nq,a\n"), ["a"]),
    "xz": ("a.json.xz", lzma.compress(b"[" + GOOD + b"]"), ["a"]),
    "zstandard": ("a.jsonl.zst", pa.compress(GOOD, codec="zstd", asbytes=True), ["a"]),
    "zip of one file with a name that leads elsewhere": ("a.zip", zipped(("../../x.jsonl", GOOD)), ["a"]),
    "zip as a Mac makes it": ("a.zip", zipped(("a.jsonl", GOOD), ("__MACOSX/._a.jsonl", b"?")), ["a"]),
    "byte-order mark": ("a.jsonl", b"\xef\xbb\xbf" + GOOD, ["a"]),
    "byte-order mark in CSV": ("a.csv", b"\xef\xbb\xbfquestion,answer\nq,a\n", ["a"]),
    "byte-order mark in JSON": ("a.json", b'\xef\xbb\xbf[{"question": "q", "answer": "a"}]', ["a"]),
    "old Mac newlines": ("a.jsonl", GOOD.strip() + b"\r" + GOOD.strip() + b"\r", ["a", "a"]),
    "mixed newlines and blank lines": (
        "a.jsonl",
        b"\r\n" + GOOD + b"  \n" + GOOD.strip() + b"\r\n\r\r",
        ["a", "a"],
    ),
    "no newline at the end": ("a.jsonl", GOOD + GOOD.strip(), ["a", "a"]),
    "a surrogate pair": ("a.jsonl", GOOD + qa(r'"\ud83d\ude00"'), ["a", "a", "\U0001f600"]),
    "other line separators in text": ("a.jsonl", qa('"x\u2028y\u0085z"'), ["a", "x\u2028y\u0085z"]),
    "a long number": (
        "a.jsonl",
        b'{"question": "q", "answer": 123456789012345678901}',
        ["123456789012345678901"],
    ),
    "numbers throughout": (
        "a.jsonl",
        b'{"question": "q", "answer": 4}\n{"question": "q", "answer": 2.5}',
        ["4", "2.5"],
    ),
    "JSON in .jsonl": ("a.jsonl", b"[" + GOOD.strip() + b",\n" + GOOD + b"]", ["a", "a"]),
    "JSON Lines in .json": ("a.json", GOOD + GOOD, ["a", "a"]),
    "one object in .json": ("a.json", GOOD, ["a"]),
    "unused column drifts": (
        "a.jsonl",
        GOOD[:-2] + b', "id": 1}\n' + GOOD[:-2] + b', "id": "x"}',
        ["a", "a"],
    ),
    "100 deep in a column": ("a.jsonl", GOOD[:-2] + b', "x": ' + b"[" * 99 + b"]" * 99 + b"}", ["a"]),
    "quoted line breaks": ("a.csv", b'question,answer\r\nq,"a\r\nb"\r\n', ["a\nb"]),
    "quotes in quotes": ("a.csv", b'question,answer\nq,"say ""a"", b"\n', ['say "a", b']),
    "semicolons": ("a.csv", b"question;answer\nq;a,b\n", ["a,b"]),
    "tabs": ("a.tsv", b"question\tanswer\nq\ta,b\n", ["a,b"]),
    "capital columns": ("a.csv", b"Question, Answer\nq,a\n", ["a"]),
    "a single column too many is bookkeeping": ("a.csv", b"id,question,answer\n1,q,a\n", ["a"]),
    "unknown ending, JSON inside": ("a.data", GOOD, ["a"]),
    "unknown ending, CSV inside": ("a.data", b"question,answer\nq,a\n", ["a"]),
    "unknown ending, TSV inside": ("a", b"question\tanswer\nq\ta\n", ["a"]),
    "unknown ending, Parquet inside": ("a.data", WELL, ["a", "a", "a"]),
    "capital ending": ("A.JSONL", GOOD, ["a"]),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_unusual_but_sound_file_is_read(tmp_path, name):
    file, content, answers = ACCEPTED[name]
    (tmp_path / file).write_bytes(content)
    examples = read(tmp_path / file).examples
    assert [example.messages[-1].content for example in examples] == answers


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([".jsonl", ".json", ".csv", ".tsv", ".txt", ".data"]),
    st.sampled_from([content for name, content, *_ in HOSTILE.values() if len(content) < 400]),
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), max_size=4),
)
def test_damage_anywhere_gives_examples_or_problems_and_nothing_else(tmp_path_factory, ending, content, damage):
    for place, extra in damage:
        content = content[:place] + extra + content[place + 1 :]
    path = tmp_path_factory.getbasetemp() / f"damaged{ending}"
    path.write_bytes(content)
    try:
        assert read(path).examples
    except DataError as error:
        assert error.problems  # noqa: PT017


def test_a_hostile_setting_is_refused_like_a_hostile_row(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    with pytest.raises(DataError, match="the columns are question, answer"):
        read(tmp_path / "a.jsonl", Data(columns={"prompt": "\0", "completion": "answer"}))
