"""Cells of a table that a spreadsheet would run: an apostrophe keeps them from it, and is no part of what they say.

Source: OWASP, "CSV Injection": a cell that begins with = + - @, a tab or a line end may run. Plain negative numbers are
let be: a spreadsheet shows them as they are, and other programs read them as numbers. `shown(guarded(cell))` is `cell`
whatever it says, so that answers come back to the letter.
"""

import re

_RUNS = re.compile(r"'*+[=+\-@\t\r\n]")  # those with apostrophes already get one more, which is taken off again
_NUMBER = re.compile(r"-\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_GUARDED = re.compile(r"'++[=+\-@\t\r\n]")


def guarded(cell: str) -> str:
    """Return a cell as it can be opened in a spreadsheet."""
    return f"'{cell}" if _RUNS.match(cell) and not _NUMBER.fullmatch(cell) else cell


def shown(cell: str) -> str:
    """Return what a cell says that may have been guarded."""
    return cell[1:] if cell.startswith("'") and _GUARDED.match(cell) else cell
