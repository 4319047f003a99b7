"""What must not be read in a row: secrets and personal data."""

from collections.abc import Iterator

from whet.data.checks._personal import personal
from whet.data.checks.secret import secrets


def sensitive(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, begin, end) of each secret and each piece of personal data in a text."""
    yield from secrets(text)
    yield from personal(text)
