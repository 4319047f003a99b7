"""Replies drawn from the model as it is, and learned from by how they differ."""

import json
import math

import pytest
import torch
from command import whet

from whet.config.tree import Method
from whet.errors import TrainingError
from whet.methods._judged import Steps
from whet.methods.grpo import GRPO, Try, advantages
from whet.models.policy import Outputs
from whet.types import Message, Prompt, Tokens

PROMPTS = [Prompt((Message("user", f"ask {at}"),), ("yes",), f"rows:{at}") for at in range(4)]


def row(*said):
    return Tokens((1, 2, *said), (0.0, 0.0, *[1.0] * len(said)))


def method(texts, worth, per_step=1, **options):
    """Return GRPO over replies that are given beforehand, in turn."""
    given, asked = iter(texts), []

    def draw(prompts, temperature, seed):
        asked.append((len(prompts), temperature, seed))
        return [Try(row(*(10 + at for at in range(len(text)))), text, True) for text in (next(given) for _ in prompts)]

    def score(prompt, text):
        if isinstance(worth[text], Exception):
            raise worth[text]
        return worth[text]

    nats = options.pop("nats", lambda rows: [torch.full((one.trained,), -1.0) for one in rows])
    made = GRPO(
        PROMPTS, Steps(per_step, 999, 0), Method(name="grpo", **options), draw=draw, score=score, now=nats,
        reference=nats, held_out=PROMPTS[:2],
    )  # fmt: skip
    return made, asked


def said(batch, nats):
    return Outputs((batch.weights > 0).float() * nats)


def test_advantages_are_against_the_group():
    assert advantages([1.0, 0.0, 0.0, 1.0], "centred") == [0.5, -0.5, -0.5, 0.5]
    spread = math.sqrt(4 * 0.25 / 3)
    assert advantages([1.0, 0.0, 0.0, 1.0], "group")[0] == pytest.approx(0.5 / (spread + 1e-4))
    assert advantages([3.0, 0.0, 0.0], "left_out") == pytest.approx([3.0, -1.5, -1.5])
    assert advantages([1.0, None, 0.0], "centred") == [0.5, 0.0, -0.5]
    assert advantages([1.0, None], "group") == [0.0, 0.0]


def test_the_first_update_raises_replies_by_their_advantage_a_token():
    made, asked = method(["ab", "c"], {"ab": 1.0, "c": 0.0}, group=2, advantage="centred", mean="token")
    (batch,) = next(made.steps())
    assert asked == [(2, 1.0, 1)]
    loss = made.loss(said(batch, -2.0), batch)
    # The ratio is 1: two tokens of advantage +0.5 and one of -0.5.
    assert float(loss.total) == pytest.approx(-(2 * 0.5 - 0.5))
    assert batch.count == 3
    told = {name: float(value) / batch.count for name, value in loss.metrics.items()}
    assert told["reward"] == pytest.approx(0.5)
    assert told["reply_tokens"] == pytest.approx(1.5)
    assert (told["dead_groups"], told["ended"], told["unscored"]) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(("mean", "wanted", "units"), [("row", 0.0, 2), ("constant", -0.5 / 4, 2)])
def test_what_counts_alike(mean, wanted, units):
    made, _ = method(["ab", "c"], {"ab": 1.0, "c": 0.0}, group=2, advantage="centred", mean=mean, longest=4)
    (batch,) = next(made.steps())
    assert float(made.loss(said(batch, -2.0), batch).total) == pytest.approx(wanted)
    assert batch.count == units


def test_a_token_that_has_moved_too_far_is_clipped_and_the_divergence_is_added():
    made, _ = method(
        ["ab", "c"], {"ab": 1.0, "c": 0.0}, group=2, advantage="centred", updates=2, kl=0.1, clip=0.2, clip_high=0.28
    )
    (batch,) = next(made.steps())
    loss = made.loss(said(batch, -0.5), batch)  # it was drawn at -1: a ratio of e^0.5
    ratio, away = math.exp(0.5), math.exp(-0.5) + 0.5 - 1
    wanted = -2 * 0.5 * 1.28 + 0.5 * ratio + 3 * 0.1 * away
    assert float(loss.total) == pytest.approx(wanted, rel=1e-5)
    assert float(loss.metrics["clipped"]) / batch.count == pytest.approx(2 / 3)
    assert float(loss.metrics["kl"]) / batch.count == pytest.approx(away, rel=1e-5)


def test_the_same_replies_serve_so_many_updates():
    made, asked = method(["ab", "c"] * 2, {"ab": 1.0, "c": 0.0}, group=2, updates=3)
    steps = made.steps()
    for _ in range(4):
        next(steps)
    assert len(asked) == 2


def test_a_group_that_teaches_nothing_is_counted_and_costs_nothing():
    made, _ = method(["ab", "ab", "a", "bc"], {"ab": 1.0, "a": 0.0, "bc": 1.0}, per_step=2, group=2)
    batches = next(made.steps())
    assert sum(len(batch.lengths) for batch in batches) == 2
    assert sum(batch.count for batch in batches) == pytest.approx(7)  # all tokens that were drawn
    assert batches[0].told["dead_groups"] == 0.5


@pytest.mark.parametrize("worth", [KeyError("tests"), float("nan"), float("inf")], ids=str)
def test_a_reward_that_cannot_be_told_leaves_its_reply_out(worth):
    made, _ = method(["ab", "c", "d"], {"ab": 1.0, "c": 0.0, "d": worth}, group=3, advantage="centred")
    (batch,) = next(made.steps())
    assert len(batch.lengths) == 2
    assert batch.told["unscored"] == pytest.approx(1 / 3)


def test_rewards_that_never_can_be_told_stop_the_run_with_their_reason():
    made, _ = method(["a", "b"], {"a": float("nan"), "b": ValueError("no tests in the row")}, group=2)
    with pytest.raises(TrainingError, match=r"none of 2 replies could be scored: ValueError.'no tests in the row'"):
        next(made.steps())


def test_the_validation_loss_is_the_mean_reward_of_greedy_replies_turned():
    made, asked = method(["ab", "c"], {"ab": 1.0, "c": 0.5}, group=2)
    batches = list(made.held())
    assert asked == [(2, 0.0, 0)]
    total = sum(float(made.loss(said(batch, -1.0), batch).total) for batch in batches)
    assert total / sum(batch.count for batch in batches) == pytest.approx(-0.75)


def test_a_model_learns_what_is_rewarded(tiny, tmp_path, monkeypatch):
    (tmp_path / "rewarding.py").write_text(
        "from whet.types import Score\n\n\ndef short(prompt, reply):\n"
        '    """Reward replies that end soon."""\n    return Score(1 - len(reply) / 20)\n'
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"question": f"say {at}", "answer": "a"}) + "\n" for at in range(60)))
    settings = [
        "method.name=grpo", "method.rewards=rewarding:short", "method.longest=20", "method.group=8",
        "optim.steps=20", "optim.rows=4", "optim.lr=0.02", "adapter.r=4", "model.dtype=float32", "eval.every=10",
    ]  # fmt: skip
    whet("train", file, "--out", tmp_path / "run", f"model.name={tiny}", *settings)
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == 20
    before, after = (sum(step["reward"] for step in part) / 4 for part in (steps[:4], steps[-4:]))
    assert after > before + 0.1
    assert steps[-1]["reply_tokens"] < steps[0]["reply_tokens"]
