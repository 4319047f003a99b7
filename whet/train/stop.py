"""Stopping on request: a signal sets a flag, the work stops at the next safe point."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from whet.errors import Interrupted


class Stop:
    """Says whether someone asked this process to stop."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        """Ask for a stop at the next safe point."""
        self.asked = True

    def check(self, run: str) -> None:
        """Raise Interrupted if a stop was asked for."""
        if self.asked:
            raise Interrupted(f"stopped on request; everything so far is saved. Continue with: whet resume {run}")


@contextmanager
def on_signals() -> Iterator[Stop]:
    """Turn SIGTERM and SIGINT into a request; a second SIGINT ends the process at once."""
    stop = Stop()

    def heard(number: int, frame: FrameType | None) -> None:
        if stop.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.ask()

    before = {number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
