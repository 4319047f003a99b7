"""LoRA against all weights, with learning rates tuned for each: python bench/lora_against_full.py FOLDER [TASK ...]

Claims tested: "LoRA maintains accuracy", "at less cost", "and forgets less". Of each kind three rates are trained, the
one with the lowest validation loss is judged on the test rows, and both models and their base on general multiple
choice (ARC-Easy, PIQA, OpenBookQA), all with intervals. Runs lie in FOLDER; what is there is not done again.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from whet.config.tree import Adapter
from whet.train.optim import default_lr

DATA = Path(__file__).parents[1].parent / "shared" / "data"
BASE = "smollm2-135m"
WIDTH = 576
TASKS = {"banking77": "label", "e2e_nlg": "rouge_l"}
RATES = {"lora": (0.5, 1.0, 2.0), "full": (0.3, 1.0, 3.0)}  # times the default of each kind
PANEL = ("arc_easy", "piqa", "openbook_qa")
SIZE = ("data.limit=600", "optim.epochs=2", "eval.limit=300", "eval.contenders=[tuned]")
ITEMS = 200  # of each suite


def whet(*arguments: str) -> dict[str, Any]:
    """Return the object that a command prints."""
    command = [sys.executable, "-m", "whet", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def trained(folder: Path, task: str, kind: str, rate: float) -> Path:
    """Return the run of a kind at a rate."""
    run = folder / task / f"{kind}-{rate:g}"
    if not (run / "report.json").exists():
        files = [str(DATA / task / "train.jsonl"), "--test", str(DATA / task / "test.jsonl"), "--out", str(run)]
        settings = [f"adapter.kind={kind}", f"optim.lr={rate * default_lr(Adapter(kind=kind), WIDTH):.3g}", *SIZE]
        whet("tune", *files, *settings)
    return run


def best(folder: Path, task: str, kind: str) -> tuple[Path, dict[str, Any]]:
    """Return the run with the lowest validation loss, and its report."""
    runs = [trained(folder, task, kind, rate) for rate in RATES[kind]]
    reports = [json.loads((run / "report.json").read_text()) for run in runs]
    losses = [min(loss for _, loss in report["training"]["validation"]) for report in reports]
    for run, loss in zip(runs, losses, strict=True):
        print(f"{task} {run.name} x default: validation loss {loss:.4f}", flush=True)
    at = losses.index(min(losses))
    return runs[at], reports[at]


def panel(folder: Path) -> list[Path]:
    """Return the suites of general questions."""
    suites = []
    for name in PANEL:
        suite = folder / "panel" / name
        suite.mkdir(parents=True, exist_ok=True)
        rows = (DATA / "general_ability" / f"{name}.jsonl").read_text().splitlines()[:ITEMS]
        (suite / "rows.jsonl").write_text("\n".join(rows) + "\n")
        (suite / "suite.yaml").write_text(f'name: {name}\nkind: choice\nprompt: "{{query}}\\nAnswer:"\n')
        suites.append(suite)
    return suites


def main() -> None:
    """Train, compare, and print a table."""
    folder = Path(sys.argv[1])
    for task in sys.argv[2:] or TASKS:
        found = {kind: best(folder, task, kind) for kind in RATES}
        for kind, (run, report) in found.items():
            figures, training = report["contenders"]["tuned"]["metrics"], report["training"]
            print(
                f"{task} {kind} ({run.name}): {TASKS[task]} {shown(figures[TASKS[task]])}, log-loss "
                f"{figures['log_loss']['value']:.3f}, {training['seconds']:.0f} s, {training['tokens_per_second']:.0f} "
                f"tokens/s, {training['peak_memory_bytes'] / 1e9:.2f} GB"
            )
        runs = [str(run) for run, _ in found.values()]
        test = str(DATA / task / "test.jsonl")
        print(f"{task}:", whet("compare", *runs, "--data", test, "eval.limit=300")["verdict"]["sentence"], flush=True)
        for suite in panel(folder):
            told = whet("compare", *runs, BASE, "--data", str(suite))
            names = dict(zip(told["contenders"], (*RATES, "base"), strict=True))
            for name, kind in names.items():
                print(f"{task} {suite.name} {kind}: {shown(told['contenders'][name]['acc_norm'])}")
            for run in runs:
                gap = whet("compare", run, BASE, "--data", str(suite))["verdict"]
                what = f"{gap['difference']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
                print(f"{task} {suite.name} {names[run]} - base: {what}", flush=True)


def shown(figure: dict[str, Any]) -> str:
    """Return a figure with its interval."""
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


if __name__ == "__main__":
    main()
