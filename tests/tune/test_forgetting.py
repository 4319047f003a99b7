"""General questions before and after tuning, and an adapter that is weakened until it keeps to a budget."""

import json

import command
import pytest
import torch
from command import whet
from safetensors.torch import load_file

from whet.config.tree import Model
from whet.engines.open import open_model
from whet.evals.likelihood import scored
from whet.evals.suites import load_suite
from whet.models.adapt import weaken
from whet.models.policy import Policy

QUICK = [
    "model.dtype=float32", "eval.resamples=400", "eval.max_tokens=8", "optim.epochs=4", "optim.lr=0.05", "adapter.r=4",
    "eval.contenders=[zero_shot,tuned]", "optim.rows=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text(
        "".join(json.dumps({"question": f"say {at} twice", "answer": f"{at} {at}"}) + "\n" for at in range(60))
    )
    return path


@pytest.fixture(scope="module")
def suite(tiny, tmp_path_factory):
    """A suite whose right answers are what the untrained model finds likeliest, so that it has all to lose."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "suite.yaml").write_text("name: general\nkind: choice\ndecides: acc\n")
    items = [{"query": f"Q {at}", "choices": [f"{at} {at}", f"{at} {at + 1}"], "gold": 0} for at in range(80)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    engine = open_model(str(tiny), Model(dtype="float32")).engine
    for item, answer in zip(
        items, scored(Policy(engine.model), engine.renderer, load_suite(folder), engine.context), strict=True
    ):
        item["gold"] = item["choices"].index(answer.reply.text)
    (folder / "rows.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return folder


def tuned(tiny, rows, suite, folder, *settings):
    named = ["tune", rows, "--out", folder, f"model.name={tiny}", f"eval.panel=[{suite}]", "--json", *QUICK, *settings]
    return json.loads(whet(*named).stdout)


def test_general_questions_are_asked_and_texts_read_before_and_after(tiny, rows, suite, tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "suite.yaml").write_text("name: prose\nkind: text\n")
    (texts / "rows.jsonl").write_text(
        "".join(json.dumps({"text": f"Once, {at}, all was well."}) + "\n" for at in range(9))
    )
    found = tuned(tiny, rows, f"{suite},{texts}", tmp_path / "run")["forgetting"]
    prose = found["suites"]["prose"]
    assert (prose["metric"], prose["items"]) == ("log_loss", 9)
    assert prose["difference"]["value"] == pytest.approx(prose["tuned"]["value"] - prose["base"]["value"])
    assert found["suites"]["general"]["items"] == found["all"]["items"] == 80
    gap = found["all"]["difference"]
    assert gap["value"] == pytest.approx(found["all"]["tuned"]["value"] - found["all"]["base"]["value"])
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert "curve" not in found
    page = (tmp_path / "run" / "report.html").read_text()
    assert "What was forgotten" in page
    assert "General questions are answered" in page


def test_an_adapter_is_weakened_to_the_budget_and_served_as_judged(tiny, rows, suite, tmp_path):
    strong, weak = tmp_path / "strong", tmp_path / "weak"
    lost = tuned(tiny, rows, suite, strong)["forgetting"]["all"]["difference"]["value"]
    found = tuned(tiny, rows, suite, weak, "eval.forgetting=0.05", "eval.seeds=2")["forgetting"]
    assert (weak / "seeds" / "1" / "forgetting.json").is_file()  # other seeds keep to the budget as well
    assert lost < -0.05
    assert found["scale"] < 1
    assert found["all"]["items"] == 40
    scales = [point["scale"] for point in found["curve"]]
    assert scales == sorted(scales, reverse=True)
    assert found["scale"] == scales[-1]
    assert all(point["change"] < -0.05 for point in found["curve"][:-1])
    assert found["chosen_within"] == (found["curve"][-1]["change"] >= -0.05 - 1e-9)
    before, after = (load_file(run / "model" / "adapter_model.safetensors") for run in (strong, weak))
    for name, tensor in before.items():
        times = found["scale"] if ".lora_B." in name else 1.0
        assert torch.allclose(after[name], tensor * times)
    weaken(weak / "model", found["scale"])  # as a run does that is resumed after it
    once = load_file(weak / "model" / "adapter_model.safetensors")
    assert all(torch.equal(once[name], after[name]) for name in after)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["eval.forgetting=0.02"], "eval.panel"),
        (["eval.forgetting=0.02", "adapter.kind=full", "adapter.r=null", "eval.panel=[{suite}]"], "adapter.kind=lora"),
        (["eval.panel=[{suite}/nothing]"], "suite.yaml"),
    ],
)
def test_what_cannot_be_held_is_told_before_training(tiny, rows, suite, tmp_path, settings, said):
    settings = [one.format(suite=suite) for one in settings]
    done = command.run("tune", rows, "--out", tmp_path / "run", f"model.name={tiny}", *QUICK, *settings)
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "model").exists()
