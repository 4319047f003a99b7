"""A user's own scorer in a process of its own, so that one that never ends can be ended.

The process keeps the scorer loaded and is asked again and again. It is a limit of time and no sandbox: the code may do
what the user may do.
"""

import faulthandler
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe

from whet.errors import UsageError
from whet.plugins import find
from whet.types import Prompt, Score

GIVEN_UP = 5
START_S = 300.0  # for its module to be imported
GRACE_S = 5.0  # after which a process that nobody ends any more ends itself
PROGRAM = "import sys; from whet.scorers._apart import serve; serve(int(sys.argv[1]), sys.argv[2])"


class Apart:
    """Scores with a function of the user's, `module:function`, for at most so many seconds a reply."""

    def __init__(self, name: str, patience_s: float) -> None:
        self.name, self.patience_s = name, patience_s
        self.between: Callable[[], None] = lambda: None  # called before each reply; may raise
        self._line: Connection | None = None
        self._end: Callable[[], object] = lambda: None

    def __call__(self, prompt: Prompt, reply: str) -> Score:
        """Return what the function says; where it fails, or takes too long, a Score that says so.

        Raises: UsageError if its process does not start.
        """
        line = self._line or self._started()
        try:
            line.send((prompt, reply, self.patience_s + GRACE_S))
            if not line.poll(self.patience_s):
                return self._stopped(f"it took longer than {self.patience_s:g} s")
            value, why, failed = line.recv()
        except (EOFError, OSError):
            return self._stopped("it ended its process")
        return Score(value, why, failed)

    def many(self, prompts: Sequence[Prompt], replies: Sequence[str]) -> list[Score]:
        """Return the score of each reply; after so many in a row that took too long, the others are not waited for."""
        found, late = list[Score](), 0
        for prompt, reply in zip(prompts, replies, strict=True):
            if late == GIVEN_UP:
                why = f"{self.name}: not asked, after {late} replies that took too long"
                found.append(Score(0.0, why, failed=True))
                continue
            self.between()
            start = time.monotonic()
            found.append(self(prompt, reply))
            late = late + 1 if time.monotonic() - start >= self.patience_s else 0
        return found

    def _stopped(self, why: str) -> Score:
        self._end()
        self._line = None
        return Score(0.0, f"{self.name}: {why}", failed=True)

    def _started(self) -> Connection:
        line, theirs = Pipe()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(theirs.fileno()), self.name], stdin=subprocess.DEVNULL,
            env=environment, pass_fds=[theirs.fileno()], start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._end = weakref.finalize(self, _ended, process, line)
        try:
            why = line.recv() if line.poll(START_S) else f"its module takes longer than {START_S:g} s to import"
        except (EOFError, OSError):
            why = "its process ended at once"
        if why:
            self._end()
            raise UsageError(f"{self.name}: {why}")
        self._line = line
        return line


def _ended(process: "subprocess.Popen[bytes]", line: Connection) -> None:
    line.close()
    process.kill()
    process.wait()


def serve(place: int, name: str) -> None:
    """Answer with what the scorer says of each prompt and reply that come in, until nobody asks any more."""
    line = Connection(place)
    try:
        scorer = find("scorers", name)
    except UsageError as error:
        line.send(str(error))
        return
    line.send("")
    with suppress(EOFError, OSError), open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a device
        while True:
            prompt, reply, most_s = line.recv()
            faulthandler.dump_traceback_later(most_s, exit=True, file=nowhere)
            answer = said(scorer, prompt, reply)
            faulthandler.cancel_dump_traceback_later()
            line.send(answer)


def said(scorer: Callable[[Prompt, str], object], prompt: Prompt, reply: str) -> tuple[float, str, bool]:
    """Return the value of a score, why, and whether the scorer failed."""
    try:
        found = scorer(prompt, reply)
        if isinstance(found, Score):
            return float(found.value), str(found.why), bool(found.failed)
        return 0.0, f"it returned {type(found).__name__}; it should return whet.types.Score", True
    except Exception as error:  # a scorer may be the user's own
        return 0.0, repr(error), True
