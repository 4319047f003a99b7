"""Every kind of adapter goes from rows to a model that is served, and goes on to the bit when it is killed."""

import hashlib
import json

import command
import pytest
import torch
from conftest import Quiet, write_rows
from safetensors.torch import load_file

from whet.config.load import dump, load
from whet.engines.open import open_model
from whet.evals.evaluate import row_losses
from whet.models.adapt import switched_off
from whet.models.export import export_merged
from whet.models.policy import Policy
from whet.runs.store import create
from whet.train.prepare import prepare
from whet.train.stop import Stop
from whet.train.train import train

STEPS = 24
KINDS = {  # settings, and a rate that teaches a tiny random model something in so few steps
    "rslora": (["adapter.r=4", "adapter.rslora=true"], 0.01),
    "pissa": (["adapter.r=4", "adapter.init=pissa", "adapter.dropout=0.1"], 0.01),
    "lora_plus": (["adapter.r=4", "adapter.lora_plus=4"], 0.005),
    "dora": (["adapter.kind=dora", "adapter.r=4"], 0.01),
    "vera": (["adapter.kind=vera", "adapter.r=32"], 0.1),
    "oft": (["adapter.kind=oft", "adapter.block=8"], 0.01),
    "ia3": (["adapter.kind=ia3"], 0.1),
    "adalora": (["adapter.kind=adalora", "adapter.r=2"], 0.02),
    "prompt": (["adapter.kind=prompt", "adapter.virtual_tokens=6"], 0.2),
    "prefix": (["adapter.kind=prefix", "adapter.virtual_tokens=6"], 0.2),
    "packed": (["model.quantize=nf4", "adapter.kind=prefix", "adapter.virtual_tokens=6"], 0.2),
    "some": (["adapter.kind=full", "adapter.layers=last:1"], 0.01),
}
VIRTUAL = ("prompt", "prefix", "packed")


class Killed(BaseException):
    """Nothing is saved on its way."""


class AtStep(Stop):
    """Kills after so many looks, of which there is one a step."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def check(self, run: str) -> None:
        self.left -= 1
        if not self.left:
            raise Killed


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("kinds") / "rows.jsonl", 80)


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tiny, rows, tmp_path_factory):
    settings, rate = KINDS[request.param]
    chosen = load(None, [
        f"data.train={rows}", f"model.name={tiny}", "model.dtype=float32", f"optim.steps={STEPS}", "optim.rows=8",
        f"optim.lr={rate}", "save.every=5", f"eval.every={STEPS}", *settings,
    ])  # fmt: skip
    run = create("train", dump(chosen), tmp_path_factory.mktemp("run") / "run")
    go(run, chosen)
    return request.param, run, chosen


def go(run, chosen, stop=None):
    torch.set_num_threads(1)
    return train(chosen, run, prepare(chosen, Quiet()), Quiet(), stop or Stop())


def outcome(run) -> tuple[list[str], list[float]]:
    files = sorted((run.path / "model").glob("*.safetensors"))
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files], [
        entry["loss"] for entry in run.read("metrics")
    ]


def test_the_loss_falls_and_a_killed_run_goes_on_to_the_bit(trained, tmp_path):
    _, run, chosen = trained
    before, after = [entry["loss"] for entry in run.read("evals")]
    assert after < before - 0.2
    killed = create("train", dump(chosen), tmp_path / "run")
    for looks in (
        10,
        12,
    ):  # AdaLoRA still drops directions at the first, and keeps to those that are left at the second
        with pytest.raises(Killed):
            go(killed, chosen, AtStep(looks))
        assert 0 < len(list(killed.read("metrics"))) < STEPS
    go(killed, chosen)
    assert outcome(killed) == outcome(run)


def test_what_is_served_is_what_was_validated_beside_its_base(trained, tiny):
    kind, run, chosen = trained
    rows = prepare(chosen, Quiet()).validation.rows
    opened = open_model(str(run.path), chosen.model)
    losses = row_losses(Policy(opened.engine.model), rows)
    counts = [sum(row.weights) for row in rows]
    mean = sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)
    assert mean == pytest.approx(list(run.read("evals"))[-1]["loss"], abs=1e-4)
    if kind != "some":
        with switched_off(opened.engine.model):
            off = row_losses(Policy(opened.engine.model), rows)
        assert off == pytest.approx(
            row_losses(Policy(open_model(str(tiny), chosen.model).engine.model), rows), abs=1e-6
        )


def test_it_becomes_one_plain_model_where_it_can(trained, tiny, tmp_path):
    kind, run, _ = trained
    done = command.run("export", run.path, "--merged", tmp_path / "merged")
    assert "Traceback" not in done.stderr
    if kind in VIRTUAL or kind == "some":
        assert done.returncode
        assert ("adapter.kind=lora" in done.stderr) == (kind in VIRTUAL)
        assert list(tmp_path.iterdir()) == []
    else:
        assert done.returncode == 0, done.stderr
        assert export_merged(tiny, run.path / "model", tmp_path / "again") < 1e-3


def test_adalora_drops_directions_and_saves_those_that_are_left(tiny, rows, tmp_path):
    chosen = load(None, [
        f"data.train={rows}", f"model.name={tiny}", "model.dtype=float32", "optim.steps=20", "optim.rows=8",
        "optim.lr=0.02", "adapter.kind=adalora", "adapter.r=2", "eval.every=20",
    ])  # fmt: skip
    run = create("train", dump(chosen), tmp_path / "run")
    go(run, chosen)
    config = json.loads((run.path / "model" / "adapter_config.json").read_text())
    assert (config["init_r"], config["target_r"], config["total_step"]) == (3, 2, 20)
    kept = [sum(mask) for mask in config["rank_pattern"].values()]
    assert sum(kept) == 2 * len(kept) < 3 * len(kept)
    saved = load_file(run.path / "model" / "adapter_model.safetensors")
    assert sorted(len(value) for name, value in saved.items() if "lora_E" in name) == sorted(kept)


@pytest.mark.parametrize("kind", ["adalora", "prefix"])
def test_the_command_tunes_judges_and_talks(tiny, rows, tmp_path, kind):
    settings, rate = KINDS[kind]
    quick = ["model.dtype=float32", f"optim.lr={rate}", "optim.steps=20", "optim.rows=8", "eval.limit=6"]
    quick += ["eval.contenders=zero_shot,tuned", "eval.resamples=200", "eval.max_tokens=6"]
    done = command.whet("tune", rows, "--base", tiny, "--out", tmp_path / "run", "--json", *quick, *settings)
    found = json.loads(done.stdout.splitlines()[-1])["contenders"]
    assert found["tuned"]["log_loss"]["value"] < found["zero_shot"]["log_loss"]["value"] - 0.2
    said = command.whet("evaluate", tmp_path / "run", "--data", rows, "--json", "eval.limit=6", "eval.max_tokens=6")
    assert "log_loss" in said.stdout
    card = (tmp_path / "run" / "README.md").read_text()
    assert f"- {kind}" in card
    assert ("merged-model" in card) == (kind not in VIRTUAL)
    assert ("AutoPeftModelForCausalLM" in card) == (kind in VIRTUAL)


def test_weakening_is_for_what_is_added_alone(tiny, rows, tmp_path):
    asked = ["adapter.kind=dora", "eval.forgetting=0.1", "eval.panel=x"]
    done = command.run("tune", rows, "--base", tiny, "--out", tmp_path / "run", *asked)
    assert done.returncode
    assert "no dora can be weakened; use adapter.kind=lora" in done.stderr


def test_a_reward_model_takes_no_virtual_tokens(tiny, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    row = {"prompt": "say cat", "chosen": "cat", "rejected": "dog"}
    pairs.write_text("".join(json.dumps({**row, "prompt": f"{n} say cat"}) + "\n" for n in range(30)))
    asked = ["method.name=reward", "adapter.kind=prompt"]
    done = command.run("tune", pairs, "--base", tiny, "--out", tmp_path / "run", *asked)
    assert "adapter.kind=prompt" in done.stderr
