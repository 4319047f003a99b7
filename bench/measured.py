"""What every side of a measurement shares. It knows neither whet nor its peers, whose environments are their own."""

import json
import resource
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True)
class Workload:
    """What is to be done, the same for every side.

    Rows are (token ids, weights), one list per optimizer step. A prompt has its messages and its token ids. `dtype` is
    the precision that is the quicker one on this machine. The first step warms up and is not counted.
    """

    name: str
    base: str
    dtype: str
    adapter: dict | None
    lr: float
    steps: list[list[tuple[list[int], list[float]]]] = field(default_factory=list)
    prompts: list[dict] = field(default_factory=list)
    new_tokens: int = 0

    @property
    def counted(self) -> list[int]:
        """Real tokens of each step."""
        return [sum(len(ids) for ids, _ in step) for step in self.steps]


def read() -> Workload:
    """Return the workload that the first argument names."""
    fields = json.loads(Path(sys.argv[1]).read_text())
    return Workload(**fields)


class Clock:
    """Notes when each step began and ended."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.ended: list[float] = []

    def begin(self) -> None:
        """A step begins."""
        self._wait()
        self.begun.append(time.perf_counter())

    def end(self) -> None:
        """A step ended."""
        self._wait()
        self.ended.append(time.perf_counter())

    def _wait(self) -> None:
        torch = sys.modules["torch"]
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    @property
    def seconds(self) -> list[float]:
        """Seconds of each step."""
        return [end - begin for begin, end in zip(self.begun, self.ended, strict=True)]


def write(seconds: list[float], *, packages: list[str], losses: list[float] | None = None, **more: object) -> None:
    """Write what was measured to where the second argument says."""
    torch = sys.modules["torch"]
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {}
    for package in ["torch", "transformers", *packages]:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    said = {"seconds": seconds, "losses": losses, "peak_memory_bytes": peak, "versions": found, **more}
    part = Path(f"{sys.argv[2]}.part")
    part.write_text(json.dumps(said))
    part.replace(sys.argv[2])
