"""Several trainings in a row as one recipe, each beginning with what the one before made."""

import json
import signal
import time

import pytest
import torch
import yaml
from command import run, start, whet
from conftest import write_rows
from transformers import AutoModelForCausalLM

from whet.engines.open import open_model
from whet.models.start import start_from


def pairs(path, count=40):
    rows = [{"prompt": f"say {at}", "chosen": f"yes {at}!", "rejected": f"no {at}"} for at in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def recipe(folder, tiny, *stages):
    write_rows(folder / "rows.jsonl")
    pairs(folder / "pairs.jsonl")
    shared = {
        "model": {"name": str(tiny), "dtype": "float32"}, "adapter": {"r": 4}, "optim": {"steps": 3, "lr": 0.003},
        "eval": {"limit": 8, "validation_limit": 4, "max_tokens": 8, "resamples": 200},
    }  # fmt: skip
    file = folder / "pipeline.yaml"
    file.write_text(yaml.safe_dump({**shared, "stages": list(stages)}))
    return file


SFT = {"name": "first", "data": {"train": "rows.jsonl"}}
DPO = {"name": "second", "data": {"train": "pairs.jsonl"}, "method": {"name": "dpo"}, "optim": {"rows": 4}}
GRPO = {
    "name": "third", "data": {"train": "rows.jsonl"},
    "method": {"name": "grpo", "rewards": "chrf", "longest": 6, "group": 2}, "optim": {"rows": 2},
}  # fmt: skip


def test_each_stage_begins_with_the_model_of_the_one_before_and_has_a_verdict(tiny, tmp_path):
    file = recipe(tmp_path, tiny, SFT, DPO, GRPO)
    done = whet("tune", file, "--out", tmp_path / "run", "--json", "second.method.beta=0.3")
    told = json.loads(done.stdout.splitlines()[-1])
    assert [one["name"] for one in told["stages"]] == ["first", "second", "third"]
    assert all(one["verdict"]["sentence"] for one in told["stages"])
    assert told["verdict"] == told["stages"][-1]["verdict"]
    second = yaml.safe_load((tmp_path / "run/2-second/config.yaml").read_text())
    assert second["model"]["name"].endswith("run/1-first")
    assert second["method"]["beta"] == 0.3
    third = json.loads((tmp_path / "run/3-third/model/whet.json").read_text())
    assert third["base"].endswith("run/2-second")
    assert (tmp_path / "run/model/adapter_model.safetensors").samefile(
        tmp_path / "run/3-third/model/adapter_model.safetensors"
    )
    assert "1-first/report.html" in (tmp_path / "run/report.html").read_text()
    assert whet("evaluate", tmp_path / "run", "--data", tmp_path / "rows.jsonl", "eval.limit=3").returncode == 0
    assert "this run is complete" in run("resume", tmp_path / "run").stderr


def test_a_policy_learns_from_the_reward_model_of_an_earlier_stage(tiny, tmp_path):
    judge = {**DPO, "name": "judge", "method": {"name": "reward"}}
    ppo = {**GRPO, "method": {"name": "ppo", "rewards": "run:{judge}", "longest": 6}, "optim": {"rows": 4, "steps": 4}}
    whet("tune", recipe(tmp_path, tiny, SFT, judge, ppo), "--out", tmp_path / "run")
    third = yaml.safe_load((tmp_path / "run/3-third/config.yaml").read_text())
    assert third["model"]["name"].endswith("run/1-first")
    assert third["method"]["rewards"][0].endswith("run/2-judge")
    steps = [json.loads(line) for line in (tmp_path / "run/3-third/metrics.jsonl").read_text().splitlines()]
    assert {"kl", "value_loss", "explained", "reward"} <= set(steps[-1])
    assert json.loads((tmp_path / "run/3-third/report.json").read_text())["verdict"]


def test_a_stopped_pipeline_goes_on_where_it_was(tiny, tmp_path):
    file = recipe(tmp_path, tiny, SFT, {**DPO, "optim": {"steps": 400, "rows": 4}, "eval": {"patience": 999}})
    process = start("tune", file, "--out", tmp_path / "run")
    until = time.monotonic() + 60
    metrics = tmp_path / "run/2-second/metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(60)
    assert process.returncode == 75
    before = (tmp_path / "run/1-first/report.json").stat().st_mtime_ns
    whet("resume", tmp_path / "run", "--json")
    assert (tmp_path / "run/1-first/report.json").stat().st_mtime_ns == before
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert steps == list(range(1, 401))
    assert json.loads((tmp_path / "run/status.json").read_text())["status"] == "succeeded"


@pytest.mark.parametrize(
    ("stages", "settings", "said"),
    [
        ([{**SFT, "name": "a b"}], [], "stages.0.name: 'a b' is no word of its own"),
        ([SFT, SFT], [], "stages.1.name: 'first' is no word of its own"),
        ([SFT, {**DPO, "optm": {}}], [], "second: optm: no such key; did you mean optim?"),
        ([SFT, DPO], ["second.method.bta=1"], "second: method.bta: no such key"),
        ([SFT, {**DPO, "data": {"train": "none.jsonl"}}], [], "none.jsonl: no such file"),
        ([SFT, {**DPO, "method": {"name": "kto", "gamma": 1}}], [], "stage second: method.gamma: has no say with kto"),
        ([], [], "stages is a list of recipes"),
    ],
)
def test_what_is_wrong_with_any_stage_is_told_before_the_first_trains(tiny, tmp_path, stages, settings, said):
    done = run("tune", recipe(tmp_path, tiny, *stages), "--out", tmp_path / "run", *settings)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run/1-first/metrics.jsonl").exists()


def test_a_pipeline_is_carried_out_by_tune_alone(tiny, tmp_path):
    done = run("train", recipe(tmp_path, tiny, SFT), "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "carried out by `whet tune" in done.stderr


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    rows = write_rows(folder / "rows.jsonl")
    settings = [f"model.name={tiny}", "model.dtype=float32", "adapter.r=4", "optim.steps=3", "optim.lr=0.01"]
    whet("train", rows, "--out", folder / "run", "data.instruction=Be brief.", *settings)
    return rows, folder / "run"


def test_training_goes_on_from_a_run_with_its_adapter_folded_in(trained, tmp_path):
    rows, before = trained
    base = start_from(str(before))
    ids = torch.tensor([[5, 6, 7, 8]])
    folded = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32)
    with torch.no_grad():
        wanted = open_model(str(before)).engine.model(input_ids=ids).logits
        assert torch.allclose(folded(input_ids=ids).logits, wanted, atol=1e-4)
    settings = ["model.dtype=float32", "adapter.r=4", "optim.steps=3", "optim.lr=0.01"]
    done = whet("train", rows, "--out", tmp_path / "run", f"model.name={before}", *settings)
    assert done.returncode == 0
    about = json.loads((tmp_path / "run/model/whet.json").read_text())
    assert about["instruction"] == "Be brief."
    assert whet("evaluate", tmp_path / "run", "--data", rows, "eval.limit=3").returncode == 0
    whet("export", tmp_path / "run", "--merged", tmp_path / "plain")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "plain", dtype=torch.float32)
    with torch.no_grad():
        wanted = open_model(str(tmp_path / "run")).engine.model(input_ids=ids).logits
        assert torch.allclose(plain(input_ids=ids).logits, wanted, atol=1e-4)


def test_a_run_without_a_model_and_a_reward_model_are_no_beginning(tiny, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    done = run("train", write_rows(tmp_path / "rows.jsonl"), f"model.name={tmp_path / 'run'}")
    assert "this run has no finished model yet" in done.stderr
    settings = [f"model.name={tiny}", "model.dtype=float32", "adapter.r=4", "optim.steps=2", "method.name=reward"]
    whet("train", pairs(tmp_path / "pairs.jsonl"), "--out", tmp_path / "scores", *settings)
    done = run("train", tmp_path / "rows.jsonl", f"model.name={tmp_path / 'scores'}", "--out", tmp_path / "other")
    assert "it is a reward model" in done.stderr
