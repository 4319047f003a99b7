"""Text that was damaged on its way."""

import re
from collections import defaultdict
from collections.abc import Iterator

from whet.data.findings import Found, Seen

__all__ = ["Encoding"]

# UTF-8 read as Windows-1252 or Latin-1: the first byte as a letter, the others (80 to bf) as what follows.
AFTER = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
_TWICE = f"[\u00c2-\u00c5\u00ce-\u00d1][{AFTER}]"
_SIGNS = f"\u00e2[\u20ac\u0080][{AFTER}\u00a6]"
CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{2,5}|#x[0-9a-f]{2,5});", re.IGNORECASE)
MARKUP = re.compile(r"```|</?[a-z]+[ >/]", re.IGNORECASE)  # where entities belong
_DAMAGE = {
    "a replacement character (U+FFFD), where a letter was lost": re.compile("\ufffd"),
    "UTF-8 that was read as another encoding": re.compile(f"{_SIGNS}|{_TWICE}"),
    "control characters": CONTROL,
    "HTML entities": ENTITY,
}


class Encoding:
    """Finds lost letters, letters in a wrong encoding, control characters and entities that were not resolved."""

    def __init__(self) -> None:
        self._rows: dict[str, list[int]] = defaultdict(list)

    def see(self, row: Seen) -> None:
        """Look at a row."""
        text = "\n".join(row.texts)
        for kind, form in _DAMAGE.items():
            if (kind == "HTML entities" and "&" not in text) or (text.isascii() and kind.startswith(("a rep", "UTF"))):
                continue
            if form.search(text) and not (kind == "HTML entities" and MARKUP.search(text)):
                self._rows[kind].append(row.number)

    def findings(self) -> Iterator[Found]:
        """Yield a finding for each kind of damage."""
        for kind, rows in self._rows.items():
            yield Found(
                "encoding",
                "warning",
                rows,
                f"{len(rows):,} rows hold {kind}: a model would learn to write it",
                "export the data anew as UTF-8, or repair these rows",
            )
