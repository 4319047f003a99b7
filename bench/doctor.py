"""Runs that are given an ailment, and sound ones: does the doctor name them?  python bench/doctor.py FOLDER [NAME ...]

All runs are real (`whet train`, on the random Llama of 45,000 weights that the tests use). Provoked runs should be
named by their ailment, beside others that come with it; sound ones by none. A run waits if its method does not log what
its ailment shows in. FOLDER/doctor.json has what was found; runs that are there are not done again. With names, those
cases alone.
"""

import contextlib
import io
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from conftest import NAMES, make_model, make_tokenizer  # noqa: E402 - the path to it is made above

from whet.cli.journey import start  # noqa: E402
from whet.config.tree import Method  # noqa: E402
from whet.errors import WhetError  # noqa: E402
from whet.runs.run import Run  # noqa: E402
from whet.train.doctor import look_at  # noqa: E402

COMMON = ("model.dtype=float32", "model.device=cpu", "adapter.r=4", "optim.rows=8", "eval.patience=1000")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A run: what it learns from and how, and the ailment that it is given ("" for a sound one)."""

    name: str
    ailment: str
    rows: str
    settings: Sequence[str]
    base: str = "random"


def said(draw: random.Random) -> tuple[str, str]:
    """Return a question that names an animal, and the animal."""
    name = draw.choice(NAMES)
    words = " ".join(draw.choice(NAMES) for _ in range(draw.randint(0, 3)))
    return f"{words} {draw.randrange(1000)}: say {name}", name


def answers(draw: random.Random) -> Rows:
    """Answers that can be learned."""
    return [{"prompt": ask, "completion": f"{name}!"} for ask, name in (said(draw) for _ in range(240))]


def noise(draw: random.Random) -> Rows:
    """Answers that follow from nothing, of few rows."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [
        {"prompt": f"{at}: {said(draw)[0]}", "completion": "".join(draw.choice(letters) for _ in range(12))}
        for at in range(60)
    ]


def damaged(draw: random.Random) -> Rows:
    """One answer for every question, but for a few rows of a byte that was never seen."""
    return [{"prompt": said(draw)[0], "completion": "\x7f" * 40 if at % 15 == 7 else "yes"} for at in range(240)]


def pairs(draw: random.Random) -> Rows:
    """Pairs whose better reply does what was asked."""
    found = []
    for at in range(240):
        ask, name = said(draw)
        worse = f"no {draw.choice(NAMES)} {'never ' * (at % 3)}"
        found.append({"prompt": ask, "chosen": f"{name} yes please", "rejected": worse})
    return found


def twins(draw: random.Random) -> Rows:
    """Pairs that differ in their last byte alone."""
    return [{"prompt": ask, "chosen": f"{name}!", "rejected": f"{name}?"} for ask, name in map(said, [draw] * 240)]


def long(draw: random.Random) -> Rows:
    """Pairs whose worse reply is long."""
    return [
        {"prompt": ask, "chosen": f"{name}!", "rejected": f"no {draw.choice(NAMES)} {'never ' * 15}"}
        for ask, name in map(said, [draw] * 240)
    ]


def graded(draw: random.Random) -> Rows:
    """Replies with grades that lie far apart."""
    return [
        {"prompt": ask, "replies": [f"{name} yes", f"no {name}"], "scores": [100.0, 0.0]}
        for ask, name in map(said, [draw] * 240)
    ]


def coin(draw: random.Random) -> Rows:
    """Pairs that somebody preferred by the toss of a coin."""
    found = []
    for _ in range(640):
        ask, _ = said(draw)
        one, other = draw.sample(NAMES, 2)
        found.append(
            {"prompt": ask, "chosen": f"{one} {draw.randrange(99)}", "rejected": f"{other} {draw.randrange(99)}"}
        )
    return found


def thumbs(draw: random.Random) -> Rows:
    """Single replies that somebody liked or not."""
    found = []
    for at in range(240):
        ask, name = said(draw)
        found.append({"prompt": ask, "completion": f"{name} yes" if at % 2 else f"no {name} no", "label": bool(at % 2)})
    return found


def tasks(draw: random.Random) -> Rows:
    """Questions for replies that are drawn."""
    return [{"question": ask, "answer": f"{name}!"} for ask, name in (said(draw) for _ in range(240))]


MAKES: dict[str, Callable[[random.Random], Rows]] = {
    "answers": answers, "noise": noise, "damaged": damaged, "pairs": pairs, "twins": twins, "long": long,
    "graded": graded, "coin": coin, "thumbs": thumbs, "tasks": tasks,
}  # fmt: skip
NEEDS = {"entropy collapse": "entropy", "stale samples": "stale", "length drift": "length_correlation",
         "reward hacking": "length_correlation", "blind values": "explained"}  # fmt: skip
"""Figures that a run has to have logged for its ailment to show."""


def provoked() -> list[Case]:
    """Return the runs that are given an ailment."""
    found: list[Case] = []

    def add(name: str, ailment: str, rows: str, *settings: str, base: str = "random", seeds: int = 2) -> None:
        found.extend(Case(f"{name}-{at}", ailment, rows, (*settings, f"seed={at}"), base) for at in range(seeds))

    full = ("adapter.kind=full", "optim.steps=40")
    add("rate-1000", "divergence", "answers", "optim.lr=1000", "optim.steps=40")
    add("rate-10", "divergence", "answers", "optim.lr=10", "optim.steps=60")
    add("rate-1e-8", "learning rate too low", "answers", "optim.lr=1e-8", "optim.steps=60")
    add("noise", "overfitting", "noise", *full, "optim.lr=0.02", "optim.steps=300", "eval.every=30")
    add("damaged", "gradient spikes", "damaged", "optim.lr=0.01", "optim.rows=2", "optim.steps=120")
    add("dpo-twins", "displacement", "twins", *full, "optim.lr=0.01", base="tuned")
    add("simpo-twins", "displacement", "twins", *full, "method.name=simpo", "optim.lr=0.01", base="tuned", seeds=1)
    add("dpo-jump", "saturation", "pairs", *full, "optim.lr=0.02", base="tuned")
    add("dpo-beta", "KL runaway", "long", *full, "method.beta=0.001", "optim.lr=0.01", "optim.steps=120", base="random")
    add("dpo-coin", "no preference learned", "coin", "optim.lr=1e-3", "optim.steps=60")
    add("reward-grades", "reward scale", "graded", *full, "method.name=reward", "method.margin=true", "method.centre=0",
        "optim.lr=0.01", "optim.steps=90")  # fmt: skip
    add("constant", "dead groups", "tasks", *drawn("constant"), "optim.steps=20")
    add("failing", "unscored rewards", "tasks", *drawn("failing"), "optim.steps=20", base="tuned")
    add("cut-off", "endless replies", "tasks", *drawn("vowels"), "optim.steps=20")
    add(
        "million",
        "reward scale",
        "tasks",
        *drawn("million"),
        "method.advantage=centred",
        "optim.steps=20",
        base="tuned",
    )
    add("updates", "clipping", "tasks", *drawn("vowels"), "method.updates=48", "optim.lr=0.1", "optim.steps=48",
        "optim.schedule=constant", base="tuned")  # fmt: skip
    longer = (*drawn("longer"), "method.longest=32", "optim.steps=60")
    add("longer", "length drift", "tasks", *longer, "optim.lr=0.02", base="tuned")
    add("longer-paid", "reward hacking", "tasks", *longer, "optim.lr=0.005", base="tuned")
    add("stale", "stale samples", "tasks", *drawn("vowels"), "method.updates=16", "optim.lr=0.1", "optim.steps=48",
        "optim.schedule=constant", base="tuned")  # fmt: skip
    add("single", "entropy collapse", "tasks", *drawn("half"), *full, "optim.lr=0.003", "optim.steps=90", base="tuned")
    add("ppo-blind", "blind values", "tasks", *drawn("right", "ppo"), "optim.lr=0.3", "optim.steps=60", base="tuned")
    return found


def sound() -> list[Case]:
    """Return the runs that nothing ails."""
    found: list[Case] = []

    def add(name: str, rows: str, *settings: str, base: str = "random", seeds: int = 2) -> None:
        found.extend(Case(f"{name}-{at}", "", rows, (*settings, f"seed={at}"), base) for at in range(seeds))

    add("sft", "answers", "optim.steps=90", seeds=3)
    add("sft-full", "answers", "adapter.kind=full", "optim.steps=90", seeds=3)
    for name in ("dpo", "simpo", "orpo", "cpo", "ranking", "reward"):
        rate = "optim.lr=1e-3" if name in ("orpo", "cpo") else "optim.lr=4e-4"
        add(name, "pairs", f"method.name={name}", rate, "optim.steps=60")
    add("kto", "thumbs", "optim.lr=4e-4", "optim.steps=60")
    for reward in ("vowels", "right"):
        for name in ("grpo", "ppo", "online_dpo"):
            add(f"{name}-{reward}", "tasks", *drawn(reward, name), "optim.lr=2e-3", "optim.steps=60", base="tuned",
                seeds=3 if name == "grpo" else 2)  # fmt: skip
    return found


def drawn(reward: str, name: str = "grpo") -> tuple[str, ...]:
    """Return the settings of a method that draws replies, for a reward of `doctor_rewards`."""
    group = () if name == "ppo" else ("method.group=8",)
    return (
        f"method.name={name}", *group, "method.longest=12", f"optim.rows={32 if name == 'ppo' else 4}",
        "eval.validation_limit=16", f"method.rewards=doctor_rewards:{reward}",
    )  # fmt: skip


def can(case: Case) -> bool:
    """Say whether there is such a method."""
    names = str(Method.model_fields["name"].annotation)
    return all(f"'{one.partition('=')[2]}'" in names for one in case.settings if one.startswith("method.name="))


def prepare(folder: Path) -> dict[str, Path]:
    """Write the data, the random model and one that was tuned to answer, and return the models."""
    for name, make in MAKES.items():
        rows = make(random.Random(7))
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bases = {"random": folder / "random", "tuned": folder / "tuning" / "model"}
    if not bases["random"].exists():
        make_tokenizer(bases["random"])
        make_model(bases["random"])
    if not bases["tuned"].exists():
        how = [*COMMON, f"model.name={bases['random']}", "adapter.kind=full", "optim.lr=3e-3", "optim.steps=120"]
        start("train", str(folder / "answers.jsonl"), how, folder / "tuning", as_json=False)
    return bases


def carried_out(case: Case, folder: Path, base: Path) -> dict[str, Any]:
    """Carry out a run unless it is there, and return what the doctor finds in it."""
    run, begun = folder / "runs" / case.name, time.monotonic()
    if not (run / "status.json").exists():
        settings = [*COMMON, f"model.name={base}", *case.settings]
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                start("train", str(folder / f"{case.rows}.jsonl"), settings, run, as_json=False)
        except WhetError:  # a run may well fail, and the doctor is asked all the same
            if not run.exists():
                raise
    found = look_at(Run(run))
    told = [line["ailment"] for line in Run(run).read("events") if line.get("event") == "alarm"]
    names = [alarm.name for alarm in found.alarms]
    return {
        "case": case.name, "ailment": case.ailment, "method": found.method, "steps": found.steps, "named": names,
        "right": case.ailment in names if case.ailment else not names, "while_training": told,
        "waits": NEEDS.get(case.ailment, "loss") not in found.figures,
        "evidence": {alarm.name: alarm.evidence for alarm in found.alarms},
        "settings": list(case.settings), "seconds": round(time.monotonic() - begun, 1),
    }  # fmt: skip


def main() -> None:
    """Carry out the runs, print what was found, and write it down."""
    folder = Path(sys.argv[1]).resolve()
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    bases, asked = prepare(folder), sys.argv[2:]
    every = [case for case in (*provoked(), *sound()) if can(case)]
    chosen = [case for case in every if not asked or any(case.name.startswith(name) for name in asked)]
    with ProcessPoolExecutor(2) as workers:
        waiting = [workers.submit(carried_out, case, folder, bases[case.base]) for case in chosen]
        found = [one.result() for one in waiting]
    for row in found:
        mark = "waits" if row["waits"] else "right" if row["right"] else "WRONG"
        print(f"{mark}  {row['case']:18} {row['ailment'] or '-':24} named: {', '.join(row['named']) or '-'}")
    for sick in (True, False):
        part = [row for row in found if bool(row["ailment"]) == sick and not row["waits"]]
        print(f"{'provoked' if sick else 'sound'}: {sum(row['right'] for row in part)} of {len(part)} right")
    (folder / "doctor.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
