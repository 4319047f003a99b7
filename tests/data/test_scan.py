"""The scanner that runs before any parser."""

import contextlib
import json
import os
import socket
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whet.data import scan
from whet.data.read import read
from whet.data.scan import Findings, Refused, Unreadable, lines, parse, pieces, refusal, too_deep
from whet.errors import DataError


def scanned(path):
    found = Findings(str(path))
    return list(lines(path, found)), [(problem.line, problem.what) for problem in found.problems]


@pytest.fixture
def write(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "rows.jsonl"
        path.write_bytes(content)
        return path

    return write


def test_every_kind_of_newline_ends_a_line(write):
    assert scanned(write(b"a\nb\r\nc\rd"))[0] == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_a_newline_pair_cut_by_a_chunk_counts_once(write, monkeypatch):
    monkeypatch.setattr(scan, "CHUNK_BYTES", 2)
    assert scanned(write(b"a\r\nb\r\n\r\nc"))[0] == [(1, "a"), (2, "b"), (3, ""), (4, "c")]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60).map(lambda raw: raw.translate(bytes(b"ab\n\r\xc3\xa9"[byte % 6] for byte in range(256)))))
def test_chunk_size_does_not_change_the_lines(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("lines") / "rows"
    path.write_bytes(raw)
    whole = scanned(path)
    old, scan.CHUNK_BYTES = scan.CHUNK_BYTES, 1
    try:
        assert scanned(path) == whole
    finally:
        scan.CHUNK_BYTES = old
    assert len(whole[0]) + len(whole[1]) == len(raw.splitlines())


def test_a_byte_order_mark_is_removed_at_the_start_only(write):
    assert scanned(write(b"\xef\xbb\xbfa\n\xef\xbb\xbfb"))[0] == [(1, "a"), (2, "\ufeffb")]


def test_invalid_utf8_is_named_with_line_and_byte_column_and_the_rest_is_read(write):
    rows, problems = scanned(write("ok\n\u00e9a".encode() + b"\xff\nok"))
    assert [number for number, _ in rows] == [1, 3]
    assert problems == [(2, "not valid UTF-8 at byte column 4 (0xff); save the file as UTF-8")]


def test_a_long_line_is_refused_with_its_number_and_the_next_is_read(write, monkeypatch):
    monkeypatch.setattr(scan, "MAX_LINE_BYTES", 10)
    monkeypatch.setattr(scan, "CHUNK_BYTES", 4)
    for end in (b"\n", b"\r\n", b"\r"):
        rows, problems = scanned(write(b"a" + end + b"x" * 31 + end + b"b" + end + b"y" * 11))
        assert rows == [(1, "a"), (3, "b")]
        assert [line for line, _ in problems] == [2, 4]


def test_a_line_of_exactly_the_limit_is_accepted(write, monkeypatch):
    monkeypatch.setattr(scan, "MAX_LINE_BYTES", 8)
    monkeypatch.setattr(scan, "CHUNK_BYTES", 3)
    assert scanned(write(b"x" * 8 + b"\r\n" + b"y" * 8)) == ([(1, "x" * 8), (2, "y" * 8)], [])


def test_a_sparse_line_of_a_gigabyte_is_refused_with_its_line_in_little_memory(tmp_path):
    path = tmp_path / "sparse.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "a"}\n')
        file.seek(2**30)
        file.write(b'\n{"text": "b"}\n')
    tracemalloc.start()
    try:
        rows, problems = scanned(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == [(1, '{"text": "a"}'), (3, '{"text": "b"}')]
    assert [line for line, _ in problems] == [2]
    assert peak < 100 * 2**20


@pytest.mark.parametrize("depth", [1_000, 10_000, 100_000])
@pytest.mark.parametrize("bracket", ["[]", "{}", '{"a":}'])
def test_deep_nesting_is_refused_within_fifty_milliseconds(depth, bracket):
    text = bracket[:-1] * depth + "1" + bracket[-1] * depth
    parse("[]")
    begin = time.perf_counter()
    with pytest.raises(Refused, match="100 deep"):
        parse(text)
    assert time.perf_counter() - begin < 0.05


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '"' + '\\"' * 100_000, '["' * 100_000, "[]" * 100_000, "{[}]" * 100_000]
)
def test_no_shape_of_brackets_makes_the_depth_check_slow(text):
    begin = time.perf_counter()
    too_deep("[[" * 60 + text)
    assert time.perf_counter() - begin < 0.25


def test_brackets_inside_strings_do_not_count():
    text = json.dumps({"a": "[" * 500 + '"' + "{" * 500})
    assert not too_deep(text)
    assert parse(text)["a"].startswith("[[")


@pytest.mark.parametrize(("depth", "deep"), [(100, False), (101, True)])
def test_the_depth_limit_is_exact(depth, deep):
    wide = "[" + ",".join(["[1]"] * 200) + "," + "[" * (depth - 1) + "]" * (depth - 1) + "]"
    assert too_deep(wide) is deep


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(JSON_VALUES, st.booleans())
def test_whatever_json_can_hold_comes_back_unchanged(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    if "\\u0000" in json.dumps(value):
        return
    assert parse(text) == value


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet='{}[]":,\\u0dD8aeE+-.1 NIn', max_size=40))
def test_parsing_anything_gives_a_value_or_a_refusal(text):
    with contextlib.suppress(Refused):
        parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "'a' stands twice"),
        ('{"x": {"k": 1, "k": 1}}', "'k' stands twice"),
        ("NaN", "NaN is not"),
        ("[-Infinity]", "-Infinity is not"),
        ("1e999", "too large"),
        ("1" * 5_000, "5,000 digits"),
        (r'"\ud800"', "half a surrogate"),
        (r'{"\udc00": 1}', "half a surrogate"),
        (r'"a\u0000"', "NUL"),
        ('{"a": "b"', "cut off"),
        ("{'a': 1}", "double quotes"),
        ("", "not valid JSON"),
    ],
)
def test_a_value_against_the_policy_is_refused_in_words(text, says):
    with pytest.raises(Refused, match=says):
        parse(text)


def test_a_whole_surrogate_pair_and_an_escaped_backslash_are_accepted():
    assert parse(r'"\ud83d\ude00 \\ud800 \\u0000"') == "\U0001f600 \\ud800 \\u0000"


def test_pieces_join_to_the_text_with_one_kind_of_newline(write, monkeypatch):
    monkeypatch.setattr(scan, "CHUNK_BYTES", 1)
    text = "".join(pieces(write("\ufeffa\r\n\u00e9\r\U0001f600\n".encode()), Findings("f")))
    assert text == "a\n\u00e9\n\U0001f600\n"


@pytest.mark.parametrize("chunk", [1, 3, 1000])
@pytest.mark.parametrize(
    ("raw", "line", "column"), [(b"ab\r\nc\xc3\xa9\xff", 2, 4), (b"a\nb\xc3", 2, 2), (b"\n\na\0", 3, 2)]
)
def test_pieces_name_line_and_column_of_a_bad_byte(write, monkeypatch, chunk, raw, line, column):
    monkeypatch.setattr(scan, "CHUNK_BYTES", chunk)
    found = Findings("f")
    with pytest.raises(Unreadable):
        list(pieces(write(raw), found))
    assert found.problems[0].line == line
    assert f"column {column}" in found.problems[0].what


def test_reading_stops_after_too_many_problems(write, monkeypatch):
    monkeypatch.setattr(scan, "MAX_PROBLEMS", 5)
    found = Findings("f")
    with pytest.raises(Unreadable):
        list(lines(write(b"\xff\n" * 50), found))
    assert len(found.problems) == 6
    assert "stopped reading" in found.problems[-1].what


def test_a_regular_file_is_not_refused(write):
    assert refusal(write(b"x")) is None


def test_the_policy_in_the_docstring_names_the_limits_in_force():
    assert scan.MAX_LINE_BYTES == 16 * 2**20
    for limit in ("16 MiB", "100 deep", "300 digits", "10,000 problems"):
        assert limit in scan.__doc__
    assert (scan.MAX_DEPTH, scan.MAX_DIGITS, scan.MAX_PROBLEMS) == (100, 300, 10_000)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "holds no file"),
        (os.mkfifo, "pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "device"),
        (lambda path: path.symlink_to(path), "opened"),
        (lambda path: socket.socket(socket.AF_UNIX).bind(os.path.relpath(path)), "socket"),
    ],
    ids=["missing", "folder", "pipe", "device", "loop", "socket"],
)
def test_what_is_not_a_regular_file_is_refused_without_hanging(tmp_path, monkeypatch, make, words):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rows.jsonl"
    make(path)
    with pytest.raises(DataError, match=words):
        read(path)


@pytest.mark.parametrize("name", ["a\nb.jsonl", "a\0b.jsonl", "a\x1b[31m.jsonl", "a\udcff.jsonl", "x" * 300 + ".jsonl"])
def test_an_odd_file_name_is_refused_on_one_line(tmp_path, name):
    with pytest.raises(DataError) as caught:
        read(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 1
    str(caught.value).encode("utf-8")


def test_a_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"{}")
    path.chmod(0)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)  # the superuser may read everything
    try:
        with pytest.raises(DataError, match=r"may not be (?:read|looked into)"):
            read(path)
    finally:
        os.seteuid(me)
