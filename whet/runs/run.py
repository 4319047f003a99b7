"""A run is a folder. Trainer, command line and reports meet nowhere else."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from whet.errors import FitError, RunError

Status = Literal["created", "running", "succeeded", "failed", "interrupted"]


class Run:
    """One run on disk.

    run.json        what it is: kind, creation time, versions
    config.yaml     what was asked for, resolved; enough to repeat the run
    status.json     one word and a time, replaced whole
    events.jsonl    what a person should read, in order
    metrics.jsonl   one line per optimizer step
    evals.jsonl     one line per validation
    ckpt/           checkpoints that can be trusted (see whet/models/checkpoint.py)
    model/          the finished model: adapter or full weights, in the field's formats
    replies/        what each contender answered, one file each
    report.html, report.json, README.md
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    def log(self, name: str, **fields: Any) -> None:
        """Append one line to <name>.jsonl; a line is written whole."""
        line = json.dumps({"time": round(time.time(), 3), **fields}, ensure_ascii=False) + "\n"
        with disk(self.path), (self.path / f"{name}.jsonl").open("ab") as file:
            file.write(line.encode("utf-8", "replace"))

    def read(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the lines of <name>.jsonl; a last line torn by a crash is passed over."""
        file = self.path / f"{name}.jsonl"
        if not file.exists():
            return
        for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                yield json.loads(line, parse_constant=lambda _: None)
            except ValueError:
                continue

    def forget_after(self, name: str, step: int) -> None:
        """Drop lines of <name>.jsonl about steps after `step`: a resumed run will write them again."""
        kept = [entry for entry in self.read(name) if entry.get("step", 0) <= step]
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept)
        replace_whole(self.path / f"{name}.jsonl", text)

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file whole: readers see the old one or the new, never half of one.

        Raises:
            ValueError: a number is not finite, which JSON cannot say.
        """
        replace_whole(self.path / name, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def read_json(self, name: str) -> Any:
        """Return the content of a JSON file of the run; numbers that are not finite, of older runs, are None.

        Raises:
            RunError: it is not there or damaged.
        """
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"), parse_constant=lambda _: None)
        except FileNotFoundError:
            raise RunError(f"{self.path}: no {name}; is this the folder of a whet run?") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / name}: cannot be read: {error}") from None

    def said(self, name: str, key: str) -> Any:
        """Return what a JSON file of the run says under a key.

        Raises:
            RunError: the file is not there, damaged, or does not say it.
        """
        value = self.read_json(name)
        if not isinstance(value, dict) or key not in value:
            raise RunError(f"{self.path / name}: is damaged: it does not say {key!r}; restore it, or start a new run")
        return value[key]

    @property
    def status(self) -> Status:
        """How the run stands; a run that says "running" but whose process is gone has failed."""
        said: Status = self.said("status.json", "status")
        if said == "running" and not self.locked():
            return "failed"
        return said

    @status.setter
    def status(self, status: Status) -> None:
        self.write_json("status.json", {"status": status, "time": time.time()})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process alone; the lock goes with the process, however it ends.

        Raises:
            RunError: another process holds it.
        """
        with disk(self.path):
            file = (self.path / "lock").open("a+")
        with file:
            if not _held(file, fcntl.LOCK_EX, patience_s=0.5):  # who looks whether it is locked holds it for an instant
                raise RunError(f"{self.path}: another process is working on this run; wait for it or stop it")
            yield

    def locked(self) -> bool:
        """Say whether some process holds the run. Several may look at once."""
        try:
            with (self.path / "lock").open("rb") as file:
                return not _held(file, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False
        except OSError:
            return True


def _held(file: IO[Any], how: int, patience_s: float = 0.0) -> bool:
    """Take a file's lock if it is free, or becomes free soon; it goes when the file is closed."""
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
        else:
            return True


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turn what a disk can do wrong into sentences.

    Raises:
        FitError: no space left.
        RunError: not writable, not a folder, and so on.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, RunError):
            raise
        if error.errno in (28, 122):  # ENOSPC, EDQUOT
            raise FitError(
                f"{path}: no space left on the disk; free some and continue with `whet resume {path}`"
            ) from None
        if error.errno in (13, 30):  # EACCES, EROFS
            raise RunError(f"{path}: cannot write here ({error.strerror}); choose another folder with --out") from None
        raise RunError(f"{path}: {error.strerror or error}") from None


def replace_whole(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old content or the new."""
    fresh = path.with_name(f".{path.name}.new")
    with disk(path), fresh.open("w", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    with disk(path):
        fresh.replace(path)
