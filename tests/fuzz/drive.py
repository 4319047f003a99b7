"""Read damaged files until the time is over: python tests/fuzz/drive.py hypothesis|atheris SECONDS FOLDER.

Inputs that break a reader are left in FOLDER/found. The readers run in a process of their own, so that one that crashes
or hangs is noticed, and goes on with the next input. `atheris` is guided by coverage and needs `pip install atheris`.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
import traceback
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import ModuleType

HANGS_S = 40
EVERY = 100  # inputs after which the tally is written
ROOT = str(Path(__file__).parents[2])


class Tally:
    """Runs inputs, counts how they end and keeps those that break a reader, one for each place in the code."""

    def __init__(self, folder: Path, target: ModuleType) -> None:
        self.folder, self.target = folder, target
        self.counts: Counter[str] = Counter()
        self.places: set[str] = {name.name.rsplit("~", 1)[0] for name in (folder / "found").iterdir()}
        self.last = (b"", "")
        self.raised: BaseException | None = None
        self.slowest = 0.0

    def run(self, mode: int, content: bytes) -> BaseException | None:
        """Read an input; return what came out of it if it must not, and at that place for the first time."""
        ending, packed = self.target.MODES[mode % len(self.target.MODES)]
        if packed:
            content = self.target.PACKS[Path(f"a{ending}").suffix](content)
        self.last = (content, ending)
        path = self.folder / "now" / f"a{ending}"
        path.write_bytes(content)
        self.counts["executions"] += 1
        begun, broken = time.monotonic(), None
        try:
            self.counts[f"{self.target.judged(path)} {ending}"] += 1
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.counts["findings"] += 1
            self.raised = broken = error if place(error) not in self.places else None
        self.slowest = max(self.slowest, time.monotonic() - begun)
        if self.counts["executions"] % EVERY == 0:
            self.save()
        return broken

    def keep(self, error: BaseException) -> None:
        """Keep the last input as one that raises this."""
        content, ending = self.last
        self.places.add(place(error))
        name = f"{place(error)}~{hashlib.sha256(content).hexdigest()[:8]}{ending}"
        (self.folder / "found" / name).write_bytes(content)
        (self.folder / "told" / f"{name}.txt").write_text("".join(traceback.format_exception(error)))

    def save(self) -> None:
        """Write the tally."""
        told = {**self.counts, "slowest_s": round(self.slowest, 2)}
        (self.folder / "tally" / f"{os.getpid()}.json").write_text(json.dumps(told))


def place(error: BaseException) -> str:
    """Return the kind of an error and where in whet it came out."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/whet/" in frame.filename] or frames
    return f"{type(error).__name__}-{Path(ours[-1].filename).stem}-{ours[-1].lineno}"


def by_atheris(folder: Path, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["whet", "pypdf", "zipfile", "csv", "html"]):
        target = loaded()
        import pypdf  # noqa: F401 - so that its code is guided by too
    damage, tally = import_module("damage"), Tally(folder, target)
    corpus, words = folder / "corpus", folder / "words.dict"
    corpus.mkdir(exist_ok=True)
    for number, (mode, content) in enumerate(damage.beginnings()):
        (corpus / f"seed-{number}").write_bytes(bytes([mode]) + content)
    words.write_text(
        "".join(f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word)}"\n' for word in damage.WORDS if len(word) <= 64)
    )

    def one(data: bytes) -> None:
        if len(data) > 1 and (error := tally.run(data[0], data[1:])):
            tally.keep(error)

    # Its own alarm is off: the target has one.
    limits = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=0", "-handle_alrm=0", "-rss_limit_mb=0"]
    atheris.Setup([sys.argv[0], *limits, f"-dict={words}", str(corpus)], one)
    atheris.Fuzz()


def by_hypothesis(folder: Path, seconds: int) -> None:
    from hypothesis import HealthCheck, Phase, given, seed, settings

    target, damage = loaded(), import_module("damage")
    tally, end = Tally(folder, target), time.monotonic() + seconds
    begun = int(time.time())

    @settings(
        max_examples=300, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(damage.damaged())
    def one(case: tuple[int, bytes]) -> None:
        error = tally.run(*case) if time.monotonic() < end else None
        if isinstance(error, target.Late | target.Grown):  # a smaller one would take as long to look for
            tally.keep(error)
        elif error:
            raise error

    while time.monotonic() < end:
        try:
            seed(begun + tally.counts["batches"])(one)()
        except Exception as error:  # the last input is the smallest that raises it
            if error is not tally.raised:  # by the reader; anything else is a fault of ours
                raise
            tally.keep(error)
        tally.counts["batches"] += 1
    tally.save()


def loaded() -> ModuleType:
    """Return the target with every reader and shape imported."""
    target = import_module("target")
    from whet.data.read import _shapes

    _shapes()
    target.limit()
    return target


def watch(driver: str, seconds: int, folder: Path) -> None:
    """Run a driver until the time is over, again after each input that ends or hangs it, and print the sum."""
    for name in ("now", "found", "tally", "told"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    while (left := int(end - time.monotonic())) > 1:
        command = [sys.executable, __file__, driver, str(left), str(folder), "here"]
        with subprocess.Popen(
            command, stdout=(folder / "said.txt").open("a"), stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": ROOT},
        ) as child:  # fmt: skip
            begun = time.time()
            while child.poll() is None:
                time.sleep(1)
                now = max((folder / "now").iterdir(), key=lambda file: file.stat().st_mtime, default=None)
                if now and time.time() - max(begun, now.stat().st_mtime) > HANGS_S and time.monotonic() < end + HANGS_S:
                    child.kill()
            if child.returncode and now:
                content = now.read_bytes()
                name = f"died{child.returncode}~{hashlib.sha256(content).hexdigest()[:8]}{now.name[1:]}"
                (folder / "found" / name).write_bytes(content)
    total: Counter[str] = Counter()
    for file in (folder / "tally").iterdir():
        told = json.loads(file.read_text())
        total["slowest_s"] = max(total["slowest_s"], told.pop("slowest_s"))
        total.update(told)
    print(json.dumps({**total, "found": sorted(file.name for file in (folder / "found").iterdir())}, indent=1))


if __name__ == "__main__":
    driver, seconds, folder, *here = sys.argv[1:]
    if here:
        {"hypothesis": by_hypothesis, "atheris": by_atheris}[driver](Path(folder), int(seconds))
    else:
        watch(driver, int(seconds), Path(folder))
