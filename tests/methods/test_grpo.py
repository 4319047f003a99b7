"""Replies drawn from the model as it is, and learned from by how they differ."""

import json
import math
from itertools import islice

import pytest
import torch
from command import run, whet
from worth import rewarding

from whet.config.tree import Adapter, Method, Optim
from whet.data.render import Renderer
from whet.engines.local import Local
from whet.errors import TrainingError
from whet.methods._judged import Steps
from whet.methods._rollout import Said, Tools, Try
from whet.methods.grpo import GRPO, advantages
from whet.models.adapt import trainable
from whet.models.load import load
from whet.models.policy import Outputs, Policy
from whet.train.fit import Pace, fit
from whet.train.optim import build_optimizer
from whet.types import Message, Prompt, Sampling, Tokens

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

    def said(rows):
        return [Said(torch.full((one.trained,), -1.0)) for one in rows]

    tools = Tools(draw, rewarding(score), said, said)
    return GRPO(PROMPTS, Steps(per_step, 999, 0), Method(name="grpo", **options), tools, PROMPTS[:2]), asked


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
    wanted = -2 * 0.5 * 1.28 + 0.5 * ratio + 3 * 0.1 * ratio * away
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
    with pytest.raises(TrainingError, match=r"none of 2 replies could be scored: .*ValueError.'no tests in the row'"):
        next(made.steps())


def test_the_validation_loss_is_the_mean_reward_of_greedy_replies_turned():
    made, asked = method(["ab", "c"], {"ab": 1.0, "c": 0.5}, group=2)
    batches = list(made.held())
    assert asked == [(2, 0.0, 0)]
    total = sum(float(made.loss(said(batch, -1.0), batch).total) for batch in batches)
    assert total / sum(batch.count for batch in batches) == pytest.approx(-0.75)


def test_a_model_learns_what_is_rewarded(tiny):
    policy = Policy.trained(load(tiny, torch.float32, torch.device("cpu")), Adapter(r=4), seed=0, autocast=False)
    renderer = Renderer(tiny)
    engine = Local(policy.model, renderer, 512, packs=policy.packs)
    small = [token for token in range(259) if renderer.decode([token]).islower()]

    def chance():
        policy.model.eval()
        with torch.no_grad():
            likely = policy.model(input_ids=torch.tensor([engine.prompt_ids(PROMPTS[0])])).logits[0, -1].softmax(-1)
        return float(likely[small].sum())

    def draw(prompts, temperature, seed):
        policy.model.eval()
        found = engine.sample(prompts, Sampling(temperature, max_tokens=1, seed=seed))
        policy.model.train()
        return [
            Try(
                Tokens((*one.prompt, *one.said), (*[0.0] * len(one.prompt), *[1.0] * len(one.said))),
                one.text,
                one.ended,
            )
            for one in found
        ]

    tools = Tools(draw, rewarding(lambda _, text: float(text.islower())), None, None)
    made = GRPO(PROMPTS, Steps(4, 4096, 0, policy.packs), Method(name="grpo", group=32, longest=1), tools)
    weights, before = trainable(policy.model), chance()
    optimizer = build_optimizer(weights, Optim(), 0.02)
    steps = fit(policy, made, islice(made.steps(), 15), optimizer, weights, Pace(0, lambda _: 0.02, 1.0))
    assert len(list(steps)) == 15
    assert chance() > before + 0.02


def test_a_run_with_rewards_goes_from_questions_to_a_model_and_tells_what_came_of_them(tiny, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"question": f"say {at}", "answer": "a b"}) + "\n" for at in range(60)))
    settings = [
        "method.name=grpo", "method.rewards=chrf", "method.longest=12", "method.group=4", "optim.steps=4",
        "optim.rows=4", "adapter.r=4", "model.dtype=float32", "eval.every=2", "method.kl=0.01", "method.updates=2",
    ]  # fmt: skip
    whet("train", file, "--out", tmp_path / "run", f"model.name={tiny}", *settings)
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == 4
    told = {"reward", "reward_spread", "dead_groups", "unscored", "reply_tokens", "ended", "clipped", "kl", "entropy"}
    assert told | {"stale"} <= set(steps[-1])
    assert (tmp_path / "run" / "model" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize(
    ("row", "settings", "said"),
    [
        ({"text": "line %d says nothing"}, [], "grpo cannot learn from answers"),
        (None, ["method.group=1"], "grpo compares the replies to a prompt, so it needs 2 at least"),
        (None, ["method.decay=0.9"], "method.decay: has no say with grpo"),
        (None, ["method.longest=511"], "no question leaves room for a reply of 511 tokens"),
        (None, ["method.beta=0.2"], "method.beta: has no say with grpo"),
    ],
)
def test_what_grpo_cannot_do_is_said(tiny, tmp_path, row, settings, said):
    file = tmp_path / "rows.jsonl"
    plain = json.dumps(row or {"question": "say %d", "answer": "a"})
    file.write_text("".join(f"{plain % (at * at)}\n" for at in range(100)))
    done = run("train", file, "--out", tmp_path / "run", f"model.name={tiny}", "method.name=grpo", *settings)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
