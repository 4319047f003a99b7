"""GRPO's loss and gradients, beside TRL's on the same tokens."""

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
from worth import rewarding

from whet.config.tree import Method
from whet.methods._judged import Steps
from whet.methods._rollout import Said, Tools, Try
from whet.methods.grpo import GRPO
from whet.models.policy import Policy
from whet.train.online import said_of
from whet.types import Message, Prompt, Tokens

ASKED = [5, 6, 7]
REPLIES = [[20, 21, 22, 2], [23, 2], [24, 25, 26, 27, 28, 2], [29, 30, 2]]
REWARDS = [1.0, 0.0, 0.25, 0.5]
LONGEST = 8


def moved(tiny, seed, by=0.05):
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * by * weight.abs().mean())
    return model


def said(model, rows):
    return [Said(one.nats.clone()) for one in said_of(Policy(model), rows, 4096, lambda: None)]


def theirs(tiny, tmp_path, model, before, begun, gains, **options):
    """Return TRL's loss and the gradient of every weight."""
    config = GRPOConfig(
        output_dir=str(tmp_path), num_generations=4, per_device_train_batch_size=4, max_completion_length=LONGEST,
        report_to=[], use_cpu=True, bf16=False, temperature=1.0, **options,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    trainer = GRPOTrainer(
        model, reward_funcs=lambda completions, **_: [0.0] * len(completions), args=config,
        train_dataset=Dataset.from_list([{"prompt": "a"}] * 4), processing_class=tokenizer,
    )  # fmt: skip
    trainer.current_gradient_accumulation_steps = 1
    longest = max(map(len, REPLIES))

    def padded(rows, fill=0.0):
        return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])

    inputs = {
        "prompt_ids": torch.tensor([ASKED] * 4), "prompt_mask": torch.ones(4, len(ASKED), dtype=torch.long),
        "completion_ids": padded(REPLIES, 0), "completion_mask": padded([[1] * len(one) for one in REPLIES], 0),
        "advantages": torch.tensor(gains), "num_items_in_batch": torch.tensor(float(sum(map(len, REPLIES)))),
        "old_per_token_logps": padded([one.nats.tolist() for one in before]),
        "ref_per_token_logps": padded([one.nats.tolist() for one in begun]),
    }  # fmt: skip
    model.train()
    model.zero_grad()
    loss = trainer._compute_loss(model, inputs)
    loss.backward()
    return float(loss.detach()), [weight.grad.clone() for weight in model.parameters()]


@pytest.mark.parametrize(
    ("mean", "theirs_is", "advantage", "beta", "clip_high"),
    [
        ("row", "grpo", "group", 0.04, None),
        ("token", "dapo", "group", 0.0, 0.28),
        ("constant", "dr_grpo", "centred", 0.0, None),
        ("token", "dapo", "left_out", 0.1, None),
    ],
)
def test_the_loss_and_its_gradients_are_trls(tiny, tmp_path, mean, theirs_is, advantage, beta, clip_high):
    model, drew, start = moved(tiny, 1), moved(tiny, 2), moved(tiny, 3, 0.0)
    rows = [Tokens((*ASKED, *one), (*[0.0] * len(ASKED), *[1.0] * len(one))) for one in REPLIES]
    tries = [Try(row, str(at), True) for at, row in enumerate(rows)]
    tools = Tools(
        lambda *_: tries, rewarding(lambda _, text: REWARDS[int(text)]), lambda rows: said(drew, rows),
        lambda rows: said(start, rows),
    )  # fmt: skip
    options = Method(
        name="grpo", group=4, mean=mean, advantage=advantage, kl=beta, clip_high=clip_high, updates=2, longest=LONGEST
    )
    method = GRPO([Prompt((Message("user", "a"),))], Steps(1, 20, 0), options, tools)
    batches = next(method.steps())
    assert len(batches) > 1
    policy, total = Policy(model), 0.0
    model.train()
    count = sum(batch.count for batch in batches)
    for batch in batches:
        loss = method.loss(policy(batch), batch).total / count
        loss.backward()
        total += float(loss.detach())
    mine = [weight.grad.clone() for weight in model.parameters()]
    gains = [float(one) for one in method._gains(method._last)]
    other, gradients = theirs(
        tiny, tmp_path, model, said(drew, rows), said(start, rows), gains,
        loss_type=theirs_is, beta=beta, epsilon=0.2, epsilon_high=clip_high, num_iterations=2,
    )  # fmt: skip
    assert total == pytest.approx(other, abs=1e-5)
    for one, same in zip(mine, gradients, strict=True):
        assert torch.allclose(one, same, atol=1e-5)
