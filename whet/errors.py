"""Everything whet raises on purpose.

WhetError
  UsageError          exit 2   the command line or the recipe asks for something impossible
    ConfigError
  DataError           exit 1   rows that cannot be used; carries every problem found
  ModelError          exit 1   a base model or an adapter that cannot be used
  RunError            exit 1   a run folder that cannot be used
    DriftError                 a resumed run no longer matches what it started from
  TrainingError       exit 1   training went wrong: non-finite, diverged
  EndpointError       exit 1   a server that answers for a model refused, failed or cannot be reached
  GateError           exit 3   what was found is graver than was allowed
  FitError            exit 4   does not fit into memory or onto the disk
  Interrupted         exit 75  stopped on request; `whet resume` continues
"""

from collections.abc import Sequence
from dataclasses import dataclass


class WhetError(Exception):
    """Base of every error a user can cause or fix."""

    exit_code = 1


class UsageError(WhetError, ValueError):
    """The command line asks for something impossible."""

    exit_code = 2


class ConfigError(UsageError):
    """A recipe asks for something impossible; the message has one line per problem, each naming its key."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a user's data, where it is, and the way out."""

    path: str
    line: int  # from 1; 0 is the file as a whole
    what: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {self.what}"


class DataError(WhetError, ValueError):
    """Rows of a data set cannot be used. `problems` has them all; the message shows the first twenty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        shown = [str(problem) for problem in self.problems[:20]]
        if len(self.problems) > 20:
            shown.append(f"... and {len(self.problems) - 20:,} more; `whet data check FILE --json` lists all")
        super().__init__("\n".join(shown))


class ModelError(WhetError, ValueError):
    """A base model or an adapter cannot be used."""


class RunError(WhetError, OSError):
    """A run folder cannot be used."""


class DriftError(RunError):
    """A resumed run no longer matches what it started from."""


class TrainingError(WhetError, ArithmeticError):
    """Training went wrong; the last finite checkpoint is kept."""


class EndpointError(WhetError, ConnectionError):
    """A server that answers for a model refused, failed or cannot be reached.

    `sources`: of all prompts it failed; `stopping`: any other prompt would fare no better.
    """

    def __init__(self, message: str, *, sources: Sequence[str] = (), stopping: bool = False) -> None:
        self.sources, self.stopping = tuple(sources), stopping
        super().__init__(message)


class GateError(WhetError):
    """Something was measured or found that the command was told not to let pass."""

    exit_code = 3


class FitError(WhetError, MemoryError):
    """The job does not fit into the memory or onto the disk that is there."""

    exit_code = 4


class Interrupted(WhetError):
    """Stopped on request after saving; `whet resume` continues to the bit."""

    exit_code = 75
