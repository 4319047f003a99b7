"""Pairs that are drawn and scored, learned from as DPO learns from those of people."""

import math

import pytest
import torch
from worth import rewarding

from whet.config.tree import Method
from whet.methods._judged import Steps
from whet.methods._rollout import Said, Tools, Try
from whet.methods.online_dpo import OnlineDPO
from whet.models.policy import Outputs
from whet.types import Message, Prompt, Tokens

PROMPTS = [Prompt((Message("user", f"ask {at}"),), ("yes",), f"rows:{at}") for at in range(2)]


def made(rewards, **options):
    number = iter(range(99))

    def draw(prompts, temperature, seed):
        places = [next(number) for _ in prompts]
        rows = [Tokens((1, 2, 10 + at, *[20] * at), (0.0, 0.0, 1.0, *[1.0] * at)) for at in places]
        return [Try(row, str(at), True) for row, at in zip(rows, places, strict=True)]

    def said(rows):
        return [Said(torch.full((one.trained,), -1.0)) for one in rows]

    tools = Tools(draw, rewarding(lambda _, text: rewards[int(text)]), said, said)
    return OnlineDPO(PROMPTS[:1], Steps(1, 999, 0), Method(name="online_dpo", **options), tools, PROMPTS)


def test_the_best_reply_is_preferred_to_the_worst():
    method = made([0.5, 0.0, 1.0, 0.2], group=4, beta=0.5)
    (batch,) = next(method.steps())
    assert sorted(batch.grades.tolist()) == [0.0, 1.0]
    nats = torch.zeros(batch.tokens.shape)
    best = batch.members[0][int(batch.grades.argmax())]
    nats[best] = (batch.weights[best] > 0).float() * -0.5  # three tokens, half a nat gained each
    other = 1 - best
    nats[other] = (batch.weights[other] > 0).float() * -1.0
    loss = method.loss(Outputs(nats), batch)
    assert float(loss.total) == pytest.approx(math.log1p(math.exp(-0.5 * 3 * 0.5)), rel=1e-5)
    told = {name: float(value) / batch.count for name, value in loss.metrics.items()}
    assert told["reward"] == pytest.approx(0.425)
    assert told["accuracy"] == 1.0
    assert told["kl"] == 0.0


def test_replies_of_equal_worth_teach_nothing():
    method = made([0.5, 0.5])
    (batch,) = next(method.steps())
    nats = torch.full(batch.tokens.shape, -1.0, requires_grad=True)
    loss = method.loss(Outputs(nats), batch)
    loss.total.backward()
    assert float(loss.total.detach()) == 0.0
    assert not nats.grad.any()
    assert batch.told["dead_groups"] == 1.0


def test_a_reply_without_a_reward_never_loses_against_another():
    (batch,) = next(made([float("nan"), 1.0, 1.0, 1.0]).steps())
    assert batch.grades.tolist() == [0.0, 0.0]
    assert not len(batch.better)


def test_a_reply_without_a_reward_is_no_side_of_a_pair():
    method = made([float("nan"), 0.0, 1.0], group=3)
    (batch,) = next(method.steps())
    assert len(batch.lengths) == 2
    assert batch.told["unscored"] == pytest.approx(1 / 3)
