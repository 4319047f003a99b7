"""Whatever ends a training run, it goes on to the bit, or says why it cannot."""

import hashlib
import json
import math
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from conftest import Quiet, write_rows

from whet.config.load import dump, load
from whet.errors import DriftError, Interrupted, RunError, TrainingError
from whet.models import checkpoint
from whet.runs import lineage
from whet.runs.run import Run
from whet.runs.store import create
from whet.train import fit
from whet.train.prepare import prepare
from whet.train.stop import Stop, on_signals
from whet.train.train import train

STEPS = 60
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["whet.train.train", "whet.train.prepare", "conftest"])


def config(tiny, rows, *extra):
    settings = [
        f"data.train={rows}", f"model.name={tiny}", "model.dtype=float32", "adapter.r=4", "adapter.dropout=0.1",
        f"optim.steps={STEPS}", "optim.rows=4", "optim.lr=0.01", "save.every=4", "eval.every=10", "eval.patience=50",
    ]  # fmt: skip
    return load(None, [*settings, *extra])


def begin(folder: Path, chosen) -> Run:
    return create("train", dump(chosen), folder)


def go(run: Run, chosen, stop=None, **options):
    torch.set_num_threads(1)
    return train(chosen, run, prepare(chosen, Quiet()), Quiet(), stop or Stop(), **options)


def outcome(run: Run) -> tuple[str, list[float], list[float]]:
    weights = hashlib.sha256((run.path / "model/adapter_model.safetensors").read_bytes()).hexdigest()
    return weights, [e["loss"] for e in run.read("metrics")], [e["loss"] for e in run.read("evals")]


@pytest.fixture(scope="module")
def reference(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    chosen = config(tiny, write_rows(folder / "rows.jsonl"))
    run = begin(folder / "run", chosen)
    start = time.perf_counter()
    process = processes.Process(target=_child, args=(run.path, chosen, None))
    process.start()
    process.join()
    assert process.exitcode == 0
    return folder / "rows.jsonl", outcome(run), time.perf_counter() - start


def _child(path: Path, chosen, die_at_write: int | None) -> None:
    """Train in a process of its own; `die_at_write` kills it in the middle of that write to a checkpoint."""
    if die_at_write is not None:
        count, write = 0, checkpoint._write

        def deadly(file, blob):
            nonlocal count
            count += 1
            if count == die_at_write:
                file.write_bytes(blob[: len(blob) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            write(file, blob)

        checkpoint._write = deadly
    with on_signals() as stop:
        try:
            go(Run(path), chosen, stop)
        except Interrupted:
            os._exit(75)


def launch(run: Run, chosen, die_at_write=None):
    process = processes.Process(target=_child, args=(run.path, chosen, die_at_write))
    process.start()
    return process


def test_a_slow_run_saves_before_much_work_is_at_risk(tiny, tmp_path, monkeypatch):
    rows = write_rows(tmp_path / "rows.jsonl")
    for seconds, expected in ((0, {1, 2, 3, 4, 5, 6}), (1000, {6})):
        monkeypatch.setattr("whet.train.train.AT_RISK_S", seconds)
        chosen = config(tiny, rows, "optim.steps=6", "save.every=null", "save.keep=9", "eval.every=6")
        run = begin(tmp_path / f"run-{seconds}", chosen)
        go(run, chosen)
        assert {int(folder.name[5:]) for folder in run.path.glob("ckpt/step-*")} - {0} == expected


def test_the_reference_learns(reference):
    _, (_, losses, validations), _ = reference
    assert len(losses) == STEPS
    assert validations[-1] < validations[0] - 0.5


@pytest.mark.parametrize("seed", range(3))
def test_thirty_kills_at_random_instants_change_nothing(tiny, tmp_path, reference, seed):
    rows, expected, seconds = reference
    chosen = config(tiny, rows)
    run = begin(tmp_path / "run", chosen)
    draw = random.Random(seed)
    for _ in range(10):
        process = launch(run, chosen)
        process.join(draw.uniform(0.1, 1.0) * seconds)
        process.kill()
        process.join()
    process = launch(run, chosen)
    process.join()
    assert process.exitcode == 0
    assert outcome(run) == expected


@pytest.mark.parametrize("write", [7, 8, 9, 10, 11, 12])
def test_a_kill_inside_a_checkpoint_falls_back_to_the_one_before(tiny, tmp_path, reference, write):
    rows, expected, _ = reference
    chosen = config(tiny, rows)
    run = begin(tmp_path / "run", chosen)
    process = launch(run, chosen, die_at_write=write)  # writes 1 to 6 make the first checkpoint, 7 to 12 the second
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert 0 in checkpoint.steps(run.path)
    assert (4 in checkpoint.steps(run.path)) == (write == 12)
    launch(run, chosen).join()
    assert outcome(run) == expected


def test_ten_steps_are_five_and_a_stop_and_five(tiny, tmp_path, reference):
    rows, expected, _ = reference
    chosen = config(tiny, rows)
    run = begin(tmp_path / "run", chosen)

    class AfterFive(Stop):
        def check(self, run: str) -> None:
            self.seen = getattr(self, "seen", 0) + 1
            self.asked = self.seen == 4
            if self.seen == 5:
                raise Interrupted("enough")

    with pytest.raises(Interrupted):
        go(run, chosen, AfterFive())
    go(run, chosen)
    assert outcome(run) == expected
    losses = expected[1]  # divergence is told by the loss that the run began with, not the one it went on with
    assert checkpoint.newest(run.path, print).state["seen"] == [losses[0], *losses[-8:]]


def test_sigterm_saves_and_leaves_with_75(tiny, tmp_path, reference):
    rows, expected, _ = reference
    chosen = config(tiny, rows)
    run = begin(tmp_path / "run", chosen)
    process = launch(run, chosen)
    while not any(run.read("metrics")) and process.is_alive():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    process.join(30)
    assert process.exitcode in (75, 0)
    if process.exitcode:
        launch(run, chosen).join()
    assert outcome(run) == expected


def test_a_stop_in_the_middle_of_a_step_gives_the_step_up_and_takes_it_again(tiny, tmp_path, reference):
    rows, expected, _ = reference
    chosen = config(tiny, rows)
    run = begin(tmp_path / "run", chosen)

    class InsideStepSeven(Stop):
        seen = 0

        @property
        def asked(self):
            self.seen += 1
            return self.seen == 40

        @asked.setter
        def asked(self, value): ...

        def check(self, run: str) -> None:
            if self.seen == 40:
                raise Interrupted("enough")

    with pytest.raises(Interrupted):
        go(run, chosen, InsideStepSeven())
    assert 0 < len(list(run.read("metrics"))) < STEPS
    go(run, chosen)
    assert outcome(run) == expected


def test_a_damaged_checkpoint_costs_steps_and_nothing_else(tiny, tmp_path, reference):
    rows, expected, _ = reference
    chosen = config(tiny, rows)
    run = begin(tmp_path / "run", chosen)
    launch(run, chosen, die_at_write=30).join()
    newest = max((run.path / "ckpt").glob("step-*"))
    (newest / "optimizer.safetensors").write_bytes(b"torn")
    launch(run, chosen).join()
    assert outcome(run) == expected
    assert any("optimizer.safetensors" in event.get("what", "") for event in run.read("events"))


def worsening(tiny, folder):
    """Return a run, and its recipe, whose best checkpoint is neither its first nor its newest."""
    rows = write_rows(folder / "rows.jsonl")
    other = [json.dumps({"prompt": f"{n}: say", "completion": "ZZ###QQ"}) for n in range(12)]
    (folder / "other.jsonl").write_text("\n".join(other))
    chosen = config(
        tiny, rows, f"data.validation={folder / 'other.jsonl'}", "optim.steps=10", "eval.every=2", "save.keep=3",
        "optim.lr=0.05", "eval.patience=9",
    )  # fmt: skip
    return begin(folder / "run", chosen), chosen


def spoil(run: Run, step: int) -> None:
    file = checkpoint.folder_of(run.path, step) / "weights.safetensors"
    blob = bytearray(file.read_bytes())
    blob[len(blob) // 2] ^= 1
    file.write_bytes(blob)


def losses_left(run: Run) -> dict[int, float]:
    there = set(checkpoint.steps(run.path))
    return {entry["step"]: entry["loss"] for entry in run.read("evals") if entry["step"] in there}


def test_a_run_whose_best_checkpoint_is_damaged_ends_with_the_best_that_is_left(tiny, tmp_path):
    run, chosen = worsening(tiny, tmp_path)
    best = go(run, chosen).best_step
    assert best != 10
    spoil(run, best)
    left = losses_left(run)
    del left[best]
    second = min(left, key=left.__getitem__)
    show = Quiet()
    found = train(chosen, run, prepare(chosen, Quiet()), show, Stop())
    assert found.best_step == second
    assert any(f"step-{best:08d}" in text and f"step {second}" in text for text in show.said)
    assert (run.path / "ckpt" / f".corrupt-step-{best:08d}-0").is_dir()
    assert json.loads((run.path / "model" / "whet.json").read_text())["step"] == second
    assert go(run, chosen).best_step == second


def test_a_best_checkpoint_damaged_after_the_run_went_on_is_found_at_the_end(tiny, tmp_path):
    run, chosen = worsening(tiny, tmp_path)
    spoilt = []

    class Spoils(Stop):
        def check(self, run_path: str) -> None:
            evals = {entry["step"]: entry["loss"] for entry in run.read("evals")}
            if 10 in evals and not spoilt:
                spoilt.append(min(evals, key=evals.__getitem__))
                spoil(run, spoilt[0])

    found = go(run, chosen, Spoils())
    assert spoilt
    assert found.best_step not in spoilt
    assert found.best_step in losses_left(run)


def test_a_loss_that_is_not_finite_stops_at_once_and_keeps_the_last_good_weights(tiny, tmp_path, rows, monkeypatch):
    chosen = config(tiny, rows)
    run = begin(tmp_path / "run", chosen)
    clip = fit.nn.utils.clip_grad_norm_
    calls = []

    def poisoned(parameters, most):
        calls.append(1)
        return torch.tensor(math.nan) if len(calls) == 6 else clip(parameters, most)

    monkeypatch.setattr(fit.nn.utils, "clip_grad_norm_", poisoned)
    with pytest.raises(TrainingError, match=r"step 6: the gradient is not finite.*optim\.lr"):
        go(run, chosen)
    assert [entry["step"] for entry in run.read("metrics")] == [1, 2, 3, 4, 5]
    found = checkpoint.newest(run.path, print)
    assert found.step == 4
    assert all(torch.isfinite(weight).all() for weight in found.weights.values())


def test_a_learning_rate_of_a_thousand_is_called_diverged(tiny, tmp_path, rows):
    chosen = config(tiny, rows, "optim.lr=1000", "optim.warmup=0", "optim.clip=1e9")
    with pytest.raises(TrainingError, match=r"diverged.*optim\.lr=1e\+02|not finite") as caught:
        go(begin(tmp_path / "run", chosen), chosen)
    assert int(str(caught.value).split()[1].rstrip(":")) <= 20


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("row", "training rows"),
        ("optim.rows=2", "recipe"),
        ("template", "chat template and tokenizer"),
        ("torch", "torch"),
        ("processor", "processor"),
    ],
)
def test_a_run_does_not_go_on_with_something_else(tiny, tmp_path, rows, monkeypatch, change, name):
    import shutil

    base = tmp_path / "base"
    shutil.copytree(tiny, base)
    chosen = config(base, rows, "optim.steps=4")
    run = begin(tmp_path / "run", chosen)
    go(run, chosen)
    if change == "row":
        rows.write_text(rows.read_text().replace("ant!", "ANT!"))
    elif change == "template":
        file = base / "chat_template.jinja"
        file.write_text(file.read_text().replace("<|im_end|>\n", "<|im_end|>"))
    elif change == "torch":
        monkeypatch.setattr(torch, "__version__", "2.99.0")
    elif change == "processor":
        monkeypatch.setattr(lineage, "processor", lambda: "another one (avx512f)")
    else:
        chosen = config(base, rows, "optim.steps=4", change)
    with pytest.raises(DriftError, match=name):
        go(run, chosen)
    go(run, chosen, allow_drift=True)
    (event,) = (event for event in run.read("events") if event["event"] == "drift allowed")
    assert event["what"].startswith("changed before training ended: ")
    assert f"{name}: was " in event["what"]


def test_two_processes_cannot_work_on_one_run_and_a_dead_one_holds_nothing(tmp_path):
    run = create("train", "", tmp_path / "run")
    process = processes.Process(target=_hold, args=(run.path,))
    process.start()
    while not (run.path / "held").exists():
        time.sleep(0.01)
    with pytest.raises(RunError, match="another process"), run.lock():
        pass
    process.kill()
    process.join()
    with run.lock():
        pass


def _hold(path: Path) -> None:
    with Run(path).lock():
        (path / "held").touch()
        time.sleep(60)


def test_a_run_whose_process_is_gone_has_failed(tmp_path):
    run = create("train", "", tmp_path / "run")
    run.status = "running"
    assert run.status == "failed"
