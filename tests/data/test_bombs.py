"""Files that would fill memory, lead elsewhere or never end: refused at once, by the library and the command line."""

import gzip
import io
import json
import lzma
import random
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import command
import pytest
from test_hostile import GOOD, parquet, zipped

from whet.data.read import read
from whet.errors import DataError

# Reads files in a process of its own, and says what was wrong, how long it worked on it (other tests run beside it) and
# how much more memory it held at its height than before it began.
MEASURED = """
import json, re, sys, time
from pathlib import Path
import pyarrow.parquet
from whet.data.read import read
from whet.errors import DataError
kib = lambda name: int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
read(sys.argv[1])  # what is loaded once is no part of it
for path in sys.argv[2:]:
    Path("/proc/self/clear_refs").write_text("5")  # the height is that from here on
    before, begin = kib("VmRSS"), time.process_time()
    try:
        read(path)
        line, what = 0, "nothing"
    except DataError as error:
        line, what = error.problems[0].line, error.problems[0].what
    took = time.process_time() - begin
    print(json.dumps({"line": line, "what": what, "seconds": took, "mib": (kib("VmHWM") - before) / 1024}))
"""
# The command as a process of its own, which says last how much memory it held at its height (of what `getrusage` tells,
# some is of the process that started it).
WHOLE = """
import atexit, re
from pathlib import Path
from whet.__main__ import main
atexit.register(lambda: print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
main()
"""


def measured(*paths):
    """Return what reading each file in turn came to."""
    sound = paths[0].with_name("sound.jsonl")
    sound.write_bytes(GOOD)
    asked = [sys.executable, "-c", MEASURED, *map(str, (sound, *paths))]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(path):
    """Return the problems that the library and the command line have with a file, which must be the same."""
    with pytest.raises(DataError) as caught:
        read(path)
    done = command.run("data", "check", path, "--json")
    assert (done.returncode, done.stderr) == (1, f"error: {caught.value}\n")
    found = json.loads(done.stdout)["problems"]
    assert found == [{"path": p.path, "line": p.line, "what": p.what} for p in caught.value.problems]
    return caught.value.problems


# 26: bombs

ZEROS = b"\n" * 50_000_000


def test_bombs_are_refused_within_a_second_and_a_hundred_mebibytes(tmp_path):
    packed = gzip.compress(ZEROS, 9)
    bombs = {
        "zip": zipped(("a.jsonl", ZEROS)),
        "zip within zip": zipped(("a.zip", zipped(("a.jsonl", ZEROS)))),
        "gzip of ten gigabytes": packed * 200,  # parts of one file, by its format
        "gzip within gzip": gzip.compress(packed * 200),
        "xz": lzma.compress(ZEROS, preset=1),
    }
    names = {"zip": "zip", "zip within zip": "zip", "gzip within gzip": "jsonl.gz.gz", "xz": "csv.xz"}
    paths = []
    for bomb, content in bombs.items():
        paths.append(tmp_path / f"{bomb.replace(' ', '-')}.{names.get(bomb, 'jsonl.gz')}")
        paths[-1].write_bytes(content)
    assert len(bombs["zip"]) < 60_000  # 50 MB of nothing: a ratio of a thousand
    for path, found in zip(paths, measured(*paths), strict=True):
        assert "200 times" in found["what"] or "read only as it is" in found["what"], path
        assert found["seconds"] < 1, path
        assert found["mib"] < 100, path
    refused(paths[0])
    refused(paths[2])


def test_a_parquet_bomb_is_refused_within_a_second_and_a_hundred_mebibytes(tmp_path):
    import pyarrow as pa

    text = pa.array(["x" * 2**16]).take([0] * 5000)  # 300 MB, as one word that is held once
    (tmp_path / "a.parquet").write_bytes(parquet(pa.table({"text": text})))
    (found,) = measured(tmp_path / "a.parquet")
    assert "far more than the file" in found["what"]
    assert found["seconds"] < 1
    assert found["mib"] < 100
    refused(tmp_path / "a.parquet")


def test_a_large_file_that_shrinks_as_text_does_is_unpacked(tmp_path):
    draw = random.Random(0)
    rows = "".join(
        json.dumps({"question": f"What is {draw.random()}?", "answer": "It is a number. " * 20}) + "\n"
        for _ in range(60_000)
    )
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(rows.encode(), 6))
    assert len(rows) > 2**24  # beyond what any file may unpack to
    assert len(read(tmp_path / "a.jsonl.gz").examples) == 60_000


# 27: archives that lead elsewhere


def archives():
    """Return archives whose members would be written outside of a folder, or are no files; by name."""
    made = {}
    for name in ("../../x.jsonl", "/tmp/whet-canary.jsonl", "C:\\x.jsonl", "a/../../x.jsonl"):
        made[f"{len(made)}.zip"] = zipped((name, GOOD))
    link = zipfile.ZipInfo("a.jsonl")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    made["link.zip"] = zipped((link, b"/etc/passwd"))
    pipe = zipfile.ZipInfo("a.jsonl")
    pipe.create_system, pipe.external_attr = 3, (stat.S_IFIFO | 0o666) << 16
    made["pipe.zip"] = zipped((pipe, b""))
    made["cases.zip"] = zipped(("a.jsonl", GOOD), ("A.jsonl", GOOD))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE):
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w") as archive:
            member = tarfile.TarInfo("../../x.jsonl")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        made[f"{kind.decode()}.tar"] = sink.getvalue()
    return made


def test_no_archive_writes_anything_or_leads_anywhere(tmp_path):
    inside = tmp_path / "one" / "two"
    inside.mkdir(parents=True)
    for name, content in archives().items():
        (inside / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    for name in archives():
        if name[0].isdigit() and name.endswith(".zip"):  # one file, which is read where it is
            assert read(inside / name).examples[0].messages[-1].content == "a"
            continue
        words = {"link.zip": "a link", "pipe.zip": "a link or a device", "cases.zip": "holds 2 files"}
        assert words.get(name, "unpack it first") in refused(inside / name)[0].what
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/whet-canary.jsonl").exists()


# 28 and 29: long lines and deep nesting


@pytest.mark.parametrize("ending", ["jsonl", "csv", "json", "txt", "unknown"])
def test_a_line_of_a_gigabyte_is_refused_with_its_number_in_little_memory(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    head = {"csv": b"question,answer\n", "json": b"[\n", "txt": b"a\n"}.get(ending, GOOD)
    with path.open("wb") as file:
        file.write(head)
        file.seek(2**30)
        file.write(b"\n" + GOOD)
    (found,) = measured(path)
    assert found["line"] == 2
    assert found["mib"] < 100  # and 200 in all: see the test of the whole process


def test_the_whole_command_stays_below_two_hundred_mebibytes_on_a_line_of_a_gigabyte(tmp_path):
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(GOOD)
        file.seek(2**30)
        file.write(b"\n" + GOOD)
    asked = [sys.executable, "-c", WHOLE, "data", "check", str(tmp_path / "a.jsonl")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert "a.jsonl:2: the line is over 16 MiB" in done.stderr
    assert done.returncode == 1
    assert int(done.stdout) / 1024 < 200


@pytest.mark.parametrize("depth", [1_000, 10_000, 100_000])
def test_deep_nesting_is_refused_at_once_by_every_reader_of_json(tmp_path, depth):
    deep = "[" * depth + "]" * depth
    calls = [{"from": "human", "value": "q"}, {"from": "function_call", "value": deep}]
    files = {
        "a.jsonl": f'{GOOD.decode()}{{"question": "q", "answer": {deep}}}\n',
        "a.json": f'[{GOOD.decode()}, {{"question": "q", "answer": {deep}}}]',
        "a.csv": f'question,answer,tools\nq,a,"{deep}"\n',
        "b.jsonl": json.dumps({"conversations": calls}),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths = [tmp_path / name for name in files]
    json_lines, whole, table, calls = measured(*paths)
    assert "100 deep" in json_lines["what"]
    assert "100 deep" in whole["what"]
    assert {table["what"], calls["what"]} == {"nothing"}  # the first has no such column, the second says it as text
    refused(paths[0])
    refused(paths[1])
