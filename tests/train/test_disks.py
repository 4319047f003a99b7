"""Folders that cannot be written, disks that fill up and are made larger, weights that poison a loss: from outside."""

import os
import signal
import subprocess

import pytest
import torch
from safetensors.torch import load_file
from test_faults import begin, config, go, outcome, reference

from whet.errors import FitError, Interrupted, RunError, TrainingError
from whet.methods.sft import SFT
from whet.models import checkpoint
from whet.models.policy import Outputs
from whet.train import train as trainer
from whet.train.stop import on_signals

__all__ = ["reference"]


@pytest.fixture
def read_only(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tiny, rows, read_only):
    with pytest.raises(
        RunError, match=r"cannot write here \(Read-only file system\); choose another folder with --out"
    ) as no:
        begin(read_only / "run", config(tiny, rows))
    assert str(read_only) in str(no.value)


@pytest.mark.parametrize("small_disk", ["250k"], indirect=True)
def test_a_run_that_filled_its_disk_goes_on_to_the_same_weights_once_there_is_room(tiny, reference, small_disk):
    rows, expected, _ = reference
    chosen = config(tiny, rows)
    run = begin(small_disk / "run", chosen)
    with pytest.raises(FitError, match=r"whet resume|free"):
        go(run, chosen)
    assert any(run.read("metrics"))
    assert not list(run.path.glob("ckpt/.tmp*"))
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    go(run, chosen)
    assert outcome(run) == expected


@pytest.mark.parametrize("moment", ["saving", "validating"])
def test_sigterm_while_saving_or_validating_leaves_a_run_that_ends_with_the_same_weights(
    tiny, tmp_path, reference, monkeypatch, moment
):
    rows, expected, _ = reference
    chosen = config(tiny, rows)
    run = begin(tmp_path / "run", chosen)
    calls = []

    def at_the_third(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return before(*arguments, **options)

    where, name = (checkpoint, "_write") if moment == "saving" else (trainer, "validation_loss")
    before = getattr(where, name)
    monkeypatch.setattr(where, name, at_the_third)
    with on_signals() as stop, pytest.raises(Interrupted):
        go(run, chosen, stop)
    assert len(list(run.read("metrics"))) < 60
    go(run, chosen)
    assert outcome(run) == expected


def test_a_weight_that_is_not_a_number_stops_the_run_and_reaches_no_file(tiny, tmp_path, rows, monkeypatch):
    chosen = config(tiny, rows)
    run = begin(tmp_path / "run", chosen)
    batches, made = SFT.batches, []

    def poisoned(self, some):
        found = batches(self, some)
        made.append(1)
        if len(made) == 8:
            found[0].weights[0, -1] = float("nan")
        return found

    monkeypatch.setattr(SFT, "batches", poisoned)
    with pytest.raises(TrainingError, match="the loss is not finite"):
        go(run, chosen)
    losses = [entry["loss"] for entry in run.read("metrics")]
    assert 5 <= len(losses) <= 7
    assert all(0 < loss < 100 for loss in losses)
    for file in (run.path / "ckpt").rglob("*.safetensors"):
        assert all(torch.isfinite(weight).all() for weight in load_file(file).values() if weight.is_floating_point())


def test_a_loss_that_leaves_for_good_is_called_diverged_with_a_rate_to_try(tiny, tmp_path, rows, monkeypatch):
    chosen = config(tiny, rows, "optim.lr=0.05")
    run = begin(tmp_path / "run", chosen)
    loss, steps = SFT.loss, []

    def leaving(self, outputs: Outputs, batch):
        found = loss(self, outputs, batch)
        steps.append(1)
        return type(found)(found.total * (1 + len(steps)))

    monkeypatch.setattr(SFT, "loss", leaving)
    with pytest.raises(TrainingError, match=r"diverged .*Try optim\.lr=0\.005"):
        go(run, chosen)
    assert checkpoint.newest(run.path, print).step >= 0
