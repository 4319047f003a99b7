"""Twelve steps of every method on the tiny model, as they were when they were written down.

A change of golden.json needs a reason in its commit; `GOLDEN=write pytest tests/train/test_golden.py` makes it anew.
"""

import json
import os
from pathlib import Path

import pytest
import torch
from conftest import Quiet, make_model, make_tokenizer, write_rows

from whet.config.load import dump, load
from whet.plugins import names
from whet.runs.store import create
from whet.train.prepare import prepare
from whet.train.stop import Stop
from whet.train.train import train

FILE = Path(__file__).with_name("golden.json")
ONLINE = ["method.rewards=chrf", "method.longest=6", "method.group=4"]
SETTINGS = {
    "grpo": [*ONLINE, "method.kl=0.02", "method.updates=2"],
    "ppo": [*ONLINE, "method.kl_target=0.1"],
    "online_dpo": ONLINE,
    "distil": ["method.teacher={other}", "method.divergence=jsd", "method.sft=0.1"],
    "dpo": ["method.sft=0.1"],
}  # fmt: skip
RANKED = ("dpo", "simpo", "orpo", "cpo", "ranking", "kto", "reward")


def rows_of(method: str, folder: Path) -> Path:
    if method not in RANKED:
        return write_rows(folder / "rows.jsonl")
    rows = [{"prompt": f"say {at}", "chosen": f"yes {at}!", "rejected": f"no, not {at}"} for at in range(40)]
    file = folder / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def curve(method: str, tiny: Path, other: Path, folder: Path) -> list[float]:
    settings = [
        f"data.train={rows_of(method, folder)}", f"model.name={tiny}", "model.dtype=float32", "model.device=cpu",
        "adapter.r=4", "optim.steps=12", "optim.rows=4", "optim.lr=0.005", "eval.every=6", "eval.validation_limit=4",
        "eval.patience=99", f"method.name={method}",
    ]  # fmt: skip
    more = [setting.format(other=other) for setting in SETTINGS.get(method, [])]
    chosen = load(None, [*settings, *more])
    run = create("train", dump(chosen), folder / "run")
    torch.set_num_threads(1)
    train(chosen, run, prepare(chosen, Quiet()), Quiet(), Stop())
    return [entry["loss"] for name in ("metrics", "evals") for entry in run.read(name)]


@pytest.mark.parametrize("method", names("methods"))
def test_a_method_learns_as_it_did(tiny, tmp_path, method):
    other = tmp_path / "other"
    other.mkdir()
    make_tokenizer(other)
    make_model(other, seed=1)
    found = curve(method, tiny, other, tmp_path)
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    if os.environ.get("GOLDEN") == "write":
        FILE.write_text(json.dumps({**known, method: [round(loss, 6) for loss in found]}, indent=1) + "\n")
        return
    assert found == pytest.approx(known[method], abs=1e-4, rel=1e-4)
