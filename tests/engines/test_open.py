"""A model is opened as it was trained and judged."""

import json
import shutil

import pytest
import torch
from conftest import Quiet

from whet.config.load import dump, load
from whet.engines.open import open_model
from whet.runs.store import create
from whet.train.prepare import prepare
from whet.train.stop import Stop
from whet.train.train import train


@pytest.fixture
def trained(tiny, tmp_path, rows):
    def run(*extra):
        chosen = load(None, [f"data.train={rows}", f"model.name={tiny}", "optim.steps=1", "eval.limit=4", *extra])
        made = create("train", dump(chosen), tmp_path / "run")
        train(chosen, made, prepare(chosen, Quiet()), Quiet(), Stop())
        return made

    return run


def precision(run):
    return next(open_model(str(run.path)).engine.model.parameters()).dtype


@pytest.mark.parametrize("asked", ["auto", "float32"])
def test_a_run_is_opened_in_the_precision_that_it_was_trained_in(trained, monkeypatch, asked):
    run = trained("model.device=cpu", f"model.dtype={asked}")
    used = torch.float32 if asked == "float32" else getattr(torch, run.read_json("precision.json"))
    other = torch.bfloat16 if used == torch.float32 else torch.float32
    monkeypatch.setattr("whet.models.load.quick_dtype", lambda device: other)  # the next measurement differs
    assert precision(run) == used
    file = run.path / "model" / "whet.json"
    about = json.loads(file.read_text())
    file.write_text(json.dumps({**about, "device": "cuda"}))
    assert precision(run) == other  # what is quick there need not be so here
    if asked == "auto":
        file.write_text(json.dumps({key: about[key] for key in about if key not in ("dtype", "device")}))
        assert precision(run) == used  # a run from before whet.json had it


def test_fully_trained_weights_say_the_precision_that_they_are_saved_in(trained, tiny, tmp_path):
    from transformers import AutoModelForCausalLM

    config = json.loads((tiny / "config.json").read_text())
    shutil.copytree(tiny, tmp_path / "base")
    (tmp_path / "base" / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    run = trained("adapter.kind=full", f"model.name={tmp_path / 'base'}")
    assert json.loads((run.path / "model" / "config.json").read_text())["dtype"] == "float32"
    assert AutoModelForCausalLM.from_pretrained(run.path / "model").dtype == torch.float32
