"""Whole runs of the methods that draw their own replies: to a model, and through an interruption to the same bits."""

import hashlib
import json

import pytest
import torch
from conftest import Quiet, write_rows
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from whet.config.load import dump, load
from whet.errors import Interrupted, UsageError
from whet.models.adapt import trainable
from whet.models.batch import collate
from whet.models.load import load as load_model
from whet.models.policy import Policy
from whet.models.valuing import Valuing
from whet.runs.run import Run
from whet.runs.store import create
from whet.train.online import drawing
from whet.train.prepare import prepare
from whet.train.stop import Stop
from whet.train.train import train
from whet.types import Score, Tokens


def low(prompt, reply):
    """Reward characters that come early in the alphabet."""
    return Score(sum(letter < "n" for letter in reply) / max(1, len(reply)))


METHODS = {
    "grpo": ["method.group=3", "method.kl=0.01", "method.updates=3"],
    "ppo": ["method.kl_target=0.1", "method.updates=3", "method.temperature=0.8"],
    "online_dpo": ["method.updates=3"],
}


def config(tiny, rows, method, *extra):
    settings = [
        f"data.train={rows}", f"model.name={tiny}", "model.dtype=float32", "adapter.r=4", "optim.steps=8",
        "optim.rows=3", "optim.lr=0.005", "eval.every=4", "eval.validation_limit=4", f"method.name={method}",
        "method.rewards=test_online:low", "method.longest=6", *METHODS[method],
    ]  # fmt: skip
    return load(None, [*settings, *extra])


class StopsAfter(Quiet):
    """Asks for a stop after so many steps."""

    def __init__(self, steps):
        super().__init__()
        self.stop, self.left, self.task = Stop(), steps, ""

    def begin(self, task, total):
        self.task = task

    def advance(self, amount=1.0, note=""):
        if self.task == "training":
            self.left -= 1
            if not self.left:
                self.stop.ask()


def go(run: Run, chosen, show=None):
    torch.set_num_threads(1)
    show = show or StopsAfter(-1)
    return train(chosen, run, prepare(chosen, Quiet()), show, show.stop)


def outcome(run: Run):
    weights = hashlib.sha256((run.path / "model/adapter_model.safetensors").read_bytes()).hexdigest()
    told = [{name: value for name, value in entry.items() if name != "time"} for entry in run.read("metrics")]
    return weights, told


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_is_stopped_amid_its_updates_ends_with_the_same_bits(tiny, tmp_path, method):
    chosen = config(tiny, write_rows(tmp_path / "rows.jsonl"), method)
    whole = create("train", dump(chosen), tmp_path / "whole")
    go(whole, chosen)
    parted = create("train", dump(chosen), tmp_path / "parted")
    for _ in range(4):
        try:
            go(Run(parted.path), chosen, StopsAfter(2))
        except Interrupted:
            continue
        break
    go(Run(parted.path), chosen)
    assert outcome(whole) == outcome(parted)
    steps = list(whole.read("metrics"))
    assert len(steps) == 8
    told = {"reward", "reward_spread", "unscored", "reply_tokens", "ended"}
    assert told <= set(steps[-1])
    assert ("dead_groups" in steps[-1]) == (method != "ppo")
    assert any(step.get("stale", 1) > 0 for step in steps)


@pytest.mark.parametrize("method", METHODS)
def test_all_weights_learn_beside_a_copy_of_those_that_training_began_with(tiny, tmp_path, method):
    settings = ["adapter.kind=full", "adapter.r=null", "optim.steps=4"]
    chosen = config(tiny, write_rows(tmp_path / "rows.jsonl"), method, *settings)
    run = create("train", dump(chosen), tmp_path / "run")
    go(run, chosen)
    first, *_, last = list(run.read("metrics"))
    assert last["kl"] != 0 or last["reward_spread"] == 0
    assert abs(first["kl"]) < 1e-5
    written = load_file(run.path / "model/model.safetensors")
    assert not [name for name in written if "value" in name]
    AutoModelForCausalLM.from_pretrained(run.path / "model")


def test_replies_that_no_checkpoint_needs_are_removed(tiny, tmp_path):
    settings = ["save.every=1", "optim.steps=18", "eval.patience=99"]
    chosen = config(tiny, write_rows(tmp_path / "rows.jsonl"), "ppo", *settings)
    run = create("train", dump(chosen), tmp_path / "run")
    go(run, chosen)
    kept = sorted(int(file.stem) for file in (run.path / "drawn").glob("*.json"))
    assert kept == [3, 4, 5]


def test_drawing_leaves_a_model_as_it_was_so_that_validation_draws_no_dropout(tiny, tmp_path):
    chosen = config(tiny, write_rows(tmp_path / "rows.jsonl"), "grpo", "adapter.dropout=0.5")
    prepared = prepare(chosen, Quiet())
    policy = Policy.trained(
        load_model(tiny, torch.float32, torch.device("cpu")), chosen.adapter, seed=0, autocast=False
    )
    draw = drawing(chosen, prepared, policy, lambda: None)
    for training in (True, False):
        policy.model.train(training)
        draw(prepared.asked[:2], 1.0, 0)
        assert policy.model.training is training


def test_without_room_for_a_held_out_reply_nothing_validates(tiny, tmp_path):
    rows = [{"question": f"say {at}", "answer": "a"} for at in range(40)]
    held = [{"question": "x" * 460 + str(at), "answer": "a"} for at in range(4)]
    for name, some in (("rows", rows), ("held", held)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    settings = [f"data.validation={tmp_path / 'held.jsonl'}", "method.longest=60", "optim.steps=1"]
    chosen = config(tiny, tmp_path / "rows.jsonl", "grpo", *settings)
    show = Quiet()
    prepared = prepare(chosen, show)
    assert prepared.validation is None
    assert "4 of 4 validation questions leave no room for a reply; early stopping is off" in show.said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["method.name=ppo", "method.kl=0", "method.kl_target=1"], "method.kl: 0 stays 0"),
        (["method.name=grpo", "method.clip_high=0.28"], r"method.clip_high \(with method.updates=1\): has no say"),
    ],
)
def test_settings_that_cannot_do_what_they_say_are_refused(tiny, tmp_path, settings, said):
    chosen = load(None, [f"data.train={write_rows(tmp_path / 'rows.jsonl')}", f"model.name={tiny}", *settings])
    with pytest.raises(UsageError, match=said):
        prepare(chosen, Quiet())


def test_values_come_from_the_pass_that_says_how_likely_the_tokens_are(tiny):
    model = load_model(tiny, torch.float32, torch.device("cpu"))
    policy = Valuing(model)
    with torch.no_grad():
        policy.value.weight.normal_()
    rows = [Tokens((5, 6, 7, 8, 9), (0.0, 0.0, 1.0, 1.0, 1.0)), Tokens((5, 6, 11), (0.0, 0.0, 1.0))]
    out = policy(collate(rows, share=False))
    assert torch.equal(out.logprobs, Policy(model)(collate(rows, share=False)).logprobs)
    hidden = model(input_ids=torch.tensor([rows[0].ids]), output_hidden_states=True).hidden_states[-1][0]
    assert torch.allclose(out.values[0, 2:5], policy.value(hidden[1:4])[:, 0], atol=1e-5)
    assert torch.allclose(out.values[1, 2], out.values[0, 2], atol=1e-5)
    assert "value.weight" in trainable(model)
    assert "value.weight" not in dict(policy.finished().named_parameters())


def test_log_probabilities_are_those_of_the_temperature_that_replies_are_drawn_at(tiny):
    model = load_model(tiny, torch.float32, torch.device("cpu"))
    policy = Policy(model)
    policy.temper(0.5)
    ids = (5, 6, 7, 8)
    nats = policy(collate([Tokens(ids, (0.0, 1.0, 1.0, 1.0))], share=False)).logprobs[0, 1:]
    wanted = (model(input_ids=torch.tensor([ids])).logits[0, :-1] / 0.5).log_softmax(-1)
    assert torch.allclose(nats, wanted.gather(1, torch.tensor(ids[1:])[:, None])[:, 0], atol=1e-5)
    nats.sum().backward()
    weight = next(model.parameters())
    got, weight.grad = weight.grad.clone(), None
    wanted.gather(1, torch.tensor(ids[1:])[:, None]).sum().backward()
    assert torch.allclose(got, weight.grad, atol=1e-4)
