"""Progress on stderr: a live bar on a terminal, a line now and then elsewhere."""

import json
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

EVERY_S = 20.0


class Shown:
    """Implements whet.types.Progress for people. stdout is never written to."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, soft_wrap=True)
        self._live = self._console.is_terminal and not quiet
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
        )
        self._task: TaskID | None = None
        self._name, self._begun, self._last = "", 0.0, 0.0
        self._total = self._skipped = self._done = 0.0

    def __enter__(self) -> Self:
        """Start drawing."""
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing."""
        if self._live:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Tell a person one thing."""
        self._console.print(escape(text), highlight=False)

    def begin(self, task: str, total: float) -> None:
        """Start a task of `total` units."""
        self._name, self._total, self._skipped, self._done = task, total, 0.0, 0.0
        self._begun = self._last = time.monotonic()
        if self._live:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(task, total=total or None, note="")

    def skip(self, amount: float) -> None:
        """Report units that were done before the task began."""
        self._skipped += amount
        self._done += amount
        if self._live and self._task is not None:
            self._bar.reset(self._task, total=self._total, completed=int(self._done))

    def advance(self, amount: float = 1.0, note: str = "") -> None:
        """Report units done; off a terminal at most a line every 20 seconds, and one at the end."""
        self._done += amount
        if self._live and self._task is not None:
            self._bar.update(self._task, advance=amount, note=escape(note))
            return
        now = time.monotonic()
        if now - self._last > EVERY_S or self._done >= self._total > 0:
            self._last = now
            if not self._total:
                self.say(f"{self._name}: {self._done:g}{' | ' if note else ''}{note}")
                return
            new = self._done - self._skipped
            left = (now - self._begun) / max(new, 1e-9) * (self._total - self._done)
            # The first replies tell nothing of the pace: much was read before them.
            about = f", about {left:.0f} s left" if new >= (self._total - self._skipped) / 20 else ""
            self.say(f"{self._name}: {self._done:g}/{self._total:g}{about}{' | ' if note else ''}{note}")


def measured(figures: Mapping[str, Any], digits: int) -> str:
    """Return a metric with its interval, where it has one."""
    value, low, high = (figures.get(key) for key in ("value", "low", "high"))
    around = "" if low is None or high is None else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{value:.{digits}f}{around}"


def out_json(value: Any) -> None:
    """Write one line of JSON to stdout; JSON has no word for a number that is not finite."""
    out(json.dumps(value, allow_nan=False))


def out(text: str) -> None:
    """Write one line of data to stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
