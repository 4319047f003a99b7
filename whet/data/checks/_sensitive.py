"""What must not be read in a row: secrets and personal data."""

from collections.abc import Iterator

from whet.data.checks._personal import personal
from whet.data.checks.secret import secrets


def sensitive(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, begin, end) of each secret and each piece of personal data in a text."""
    yield from secrets(text)
    yield from personal(text)


def masked(text: str) -> str:
    """Return a text with the kind in place of each secret and each piece of personal data."""
    pieces, at = [], 0
    for kind, begin, end in sorted(sensitive(text), key=lambda span: span[1]):
        if begin >= at:
            pieces += [text[at:begin], f"[{kind}]"]
        at = max(at, end)
    return "".join([*pieces, text[at:]])
