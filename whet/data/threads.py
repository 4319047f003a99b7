"""Rows kept on disk until all of them are there, and given back thread by thread, however they lay in the file."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from whet.data.scan import MAX_LINE_BYTES, Line
from whet.data.shapes import Report
from whet.errors import RunError

CACHE_KIB = 8192
_NAMED = re.compile("[A-Z][a-z]{2} ")
_TWEETED = "%a %b %d %H:%M:%S %z %Y"


@contextmanager
def store(columns: str) -> Iterator[sqlite3.Connection]:
    """Give a table `rows` with these columns in a temporary file; of it, only CACHE_KIB is held in memory.

    Raises:
        RunError: the disk is full, or temporary files cannot be written.
    """
    try:
        database = sqlite3.connect("")  # a file of SQLite's own, gone with the connection
        try:
            for setting in ("journal_mode=off", "synchronous=off", f"cache_size=-{CACHE_KIB}", "temp_store=file"):
                database.execute(f"PRAGMA {setting}")
            database.execute(f"CREATE TABLE rows (place INTEGER PRIMARY KEY, {columns})")
            yield database
        finally:
            database.close()
    except sqlite3.Error as error:
        what = f"rows are put together in a temporary file, and that failed: {error}"
        raise RunError(f"{what}; make room there, or set TMPDIR to another folder") from None


class Threads:
    """Rows by thread and time: `put` them in any order, then ask for `each` thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def put(self, thread: str, time: float, line: Line) -> None:
        """Keep a row."""
        text = json.dumps(line.row)
        self._database.execute(
            "INSERT INTO rows (thread, time, line, row) VALUES (?, ?, ?, ?)", (thread, time, line.number, text)
        )

    def each(self, report: Report) -> Iterator[list[Line]]:
        """Yield the rows of each thread by time, then as they lay in the file; threads by their first row.

        A thread that is larger than a row may be is reported instead.
        """
        self._database.execute("CREATE INDEX by_thread ON rows (thread, time)")
        threads = self._database.execute(
            "SELECT thread, MIN(place) AS first, MIN(line), SUM(LENGTH(row)) FROM rows GROUP BY thread ORDER BY first"
        )
        for thread, _, number, size in threads:
            if size > MAX_LINE_BYTES:
                what = f"the rows of thread {thread[:40]!r} together have over {MAX_LINE_BYTES // 2**20} MiB"
                report(number, f"{what}; give every conversation an id of its own")
                continue
            rows = self._database.execute("SELECT line, row FROM rows WHERE thread = ? ORDER BY time, place", (thread,))
            yield [Line(line, json.loads(row)) for line, row in rows]


COLUMNS = "thread TEXT, time REAL, line INTEGER, row TEXT"


def time_of(value: Any) -> float | None:
    """Return a time in seconds since 1970, or None if it is not written in a way that has one meaning.

    ISO 8601 (with a space for the T, "UTC" at the end), seconds or milliseconds since 1970, and the forms of e-mails
    and of Twitter. Times without a zone are UTC.
    """
    if isinstance(value, bool) or value is None:
        return None
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return _date(text)
    if not 1e8 <= abs(number) < 1e14:  # before 1973 in seconds, or no time at all
        return None
    return number / 1000 if abs(number) >= 1e11 else number


def _date(text: str) -> float | None:
    forms: list[Callable[[], datetime]] = [lambda: datetime.fromisoformat(text.removesuffix(" UTC"))]
    if _NAMED.search(text):  # without the name of a month, 04/05 is two days
        forms += [lambda: datetime.strptime(text, _TWEETED), lambda: parsedate_to_datetime(text)]
    for form in forms:
        try:
            time = form()
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None
