"""Where runs are: made, listed and found."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from whet.errors import RunError
from whet.runs.lineage import environment
from whet.runs.run import Run, disk, replace_whole

Kind = Literal["train", "tune", "decide", "stages"]


def create(kind: Kind, config: str, out: str | Path | None = None, home: str | Path = "runs") -> Run:
    """Return a new run folder with its recipe in it: `out`, or one named by time under `home`.

    Raises:
        RunError: `out` exists and is not empty, or cannot be written.
    """
    if out is None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        tries = (Path(home) / (f"{stamp}-{n}" if n else stamp) for n in range(1000))
        path = next(candidate for candidate in tries if not candidate.exists())
    else:
        path = Path(out)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunError(
                f"{path}: exists and is not empty; choose another --out, or continue it with `whet resume {path}`"
            )
    with disk(path):
        path.mkdir(parents=True, exist_ok=True)
    run = Run(path)
    run.write_json(
        "run.json",
        {"kind": kind, "created": time.time(), "started_in": str(Path.cwd()), "environment": environment()},
    )
    replace_whole(path / "config.yaml", config)
    run.status = "created"
    return run


def find(path: str | Path, home: str | Path = "runs") -> Run:
    """Return the run in a folder, or the one of that name under `home`.

    Raises:
        RunError: there is none; the message lists the runs there are.
    """
    for candidate in (Path(path), Path(home) / str(path)):
        with suppress(OSError, ValueError):  # a name that no file can have
            if (candidate / "run.json").is_file():
                return Run(candidate)
    there = ", ".join(run.id for run in listed(home)[-5:]) or "none yet"
    raise RunError(f"{str(path)[:200]}: no run here (runs under {home}: {there})")


def listed(home: str | Path = "runs") -> list[Run]:
    """Return all runs under `home`, oldest first."""
    folder = Path(home)
    runs = [Run(path) for path in folder.iterdir() if (path / "run.json").is_file()] if folder.is_dir() else []
    return sorted(runs, key=lambda run: (run.path / "run.json").stat().st_mtime)
