"""How long `whet data check` takes on N rows, and in how much memory: python bench/rows.py 1000000.

The rows are real ones with one to three words changed or added in each (banking77 where the data sets lie beside the
project, else examples/intents), so that all of them resemble many others.
"""

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "banking77" / "train.jsonl"
OWN = ROOT / "examples" / "intents" / "messages.csv"
EVERY_S = 0.5


def originals() -> list[tuple[str, str]]:
    if REAL.exists():
        lines = [json.loads(line) for line in REAL.read_text(encoding="utf-8").split("\n") if line]
    else:
        with OWN.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    return [(line["text"], line["label"]) for line in lines]


def varied(count: int) -> Iterator[dict[str, str]]:
    """Yield so many rows, the same ones each time."""
    draw, rows = random.Random(0), originals()
    words = sorted({word for text, _ in rows for word in text.split()})
    for _ in range(count):
        text, label = draw.choice(rows)
        said = text.split()
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(len(said))
            if draw.random() < 0.5:
                said[place] = draw.choice(words)
            else:
                said.insert(place, f"{draw.choice(words)}{draw.randrange(1000)}")
        yield {"text": " ".join(said), "label": label}


def held(process: psutil.Process) -> int:
    """Return the resident bytes of a process and all that it started."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue
    return total


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, report = Path(folder, "rows.jsonl"), Path(folder, "report.json")
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in varied(count))
        begun, peak = time.monotonic(), 0
        with report.open("w") as sink:
            command = [sys.executable, "-m", "whet", "data", "check", str(path), "--json"]
            with subprocess.Popen(command, stdout=sink) as work:
                process = psutil.Process(work.pid)
                while work.poll() is None:
                    peak = max(peak, held(process))
                    time.sleep(EVERY_S)
        seconds = time.monotonic() - begun
        found = {one["kind"]: len(one["lines"]) for one in json.loads(report.read_text())["findings"]}
    figures = {"rows": count, "seconds": round(seconds, 1), "microseconds_per_row": round(seconds / count * 1e6)}
    print(json.dumps({**figures, "peak_mib": peak // 2**20, "found": found}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
