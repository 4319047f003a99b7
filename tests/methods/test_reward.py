"""Reward models: the loss worked by hand and beside TRL's, and what is written scores in plain transformers."""

import json
import math

import pytest
import torch
from command import run, whet
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

from whet.config.tree import Method
from whet.data.judged import Judged
from whet.methods._judged import Steps
from whet.methods.reward import Reward
from whet.models.policy import Outputs
from whet.models.scoring import Scoring
from whet.types import Tokens

GOOD = [[5, 6, 7, 20, 21, 2], [8, 9, 23, 24, 25, 26, 2]]
BAD = [[5, 6, 7, 30, 2], [8, 9, 31, 2]]


def row(ids):
    return Tokens(tuple(ids), (*[0.0] * (len(ids) - 1), 1.0))


def group(grades=(1.0, 0.0)):
    return Judged(tuple(row([1, 2, 10 + at]) for at, _ in enumerate(grades)), grades)


def loss_of(values, *groups, **options):
    method = Reward(groups, Steps(len(groups), 999, 0), Method(**options))
    (batch,) = method.batches(groups)
    return method.loss(Outputs(torch.zeros(0), torch.tensor(values)), batch), batch


def soft(margin):
    return math.log(1 + math.exp(-margin))


def test_the_better_reply_wins_by_the_logistic_of_the_difference():
    loss, _ = loss_of([2.0, 0.5], group(), centre=0.0)
    assert float(loss.total) == pytest.approx(soft(1.5))
    assert loss.metrics["accuracy"].tolist() == [1.0, 1.0]


def test_of_a_tie_each_wins_half_of_the_time():
    loss, _ = loss_of([2.0, 0.5], group((1.0, 1.0)), centre=0.0)
    assert float(loss.total) == pytest.approx(0.5 * soft(1.5) + 0.5 * soft(-1.5))
    assert loss.metrics["accuracy"].tolist() == [0.0, 0.0]  # nobody was better, so a tie counts nowhere


def test_a_margin_is_the_difference_of_the_grades_and_the_centre_is_the_square_of_the_sum():
    loss, _ = loss_of([2.0, 0.5], group((4.0, 1.0)), margin=True, centre=0.1)
    assert float(loss.total) == pytest.approx(soft(1.5 - 3.0) + 0.1 * 2.5**2)


def test_several_replies_count_once_together():
    loss, batch = loss_of([1.0, 0.0, -1.0], group((2.0, 1.0, 0.0)), centre=0.0)
    assert float(loss.total) == pytest.approx((soft(1) + soft(2) + soft(1)) / 3)
    assert batch.count == 1


def test_loss_and_gradients_are_trls(tiny, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    policy = Scoring(model, seed=3)
    plain = AutoModelForSequenceClassification.from_pretrained(tiny, num_labels=1, dtype=torch.float32)
    plain.config.pad_token_id = 0
    plain.score.weight.data.copy_(policy.score.weight.data)
    groups = [Judged((row(good), row(bad)), (1.0, 0.0)) for good, bad in zip(GOOD, BAD, strict=True)]
    method = Reward(groups, Steps(2, 999, 0), Method(centre=0.05))
    total = 0.0
    for batch in method.batches(groups):
        loss = method.loss(policy(batch), batch).total / 2
        loss.backward()
        total += float(loss.detach())
    settings = RewardConfig(
        output_dir=str(tmp_path), report_to="none", use_cpu=True, bf16=False, center_rewards_coefficient=0.05,
        max_length=None, gradient_checkpointing=False,
    )  # fmt: skip
    rows = Dataset.from_list([{"chosen": "a", "rejected": "b"}])
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    trainer = RewardTrainer(plain, args=settings, train_dataset=rows, processing_class=tokenizer)
    inputs = trainer.data_collator(
        [{"chosen_ids": good, "rejected_ids": bad} for good, bad in zip(GOOD, BAD, strict=True)]
    )
    other = trainer.compute_loss(plain, inputs)
    other.backward()
    assert total == pytest.approx(float(other.detach()), abs=1e-5)
    theirs = dict(plain.named_parameters())
    for name, weight in model.named_parameters():
        if name in theirs and weight.grad is not None:
            assert torch.allclose(weight.grad, theirs[name].grad, atol=1e-5), name
    assert torch.allclose(policy.score.weight.grad, plain.score.weight.grad, atol=1e-5)


@pytest.mark.parametrize("kind", ["lora", "full", "oft"])
def test_a_tuned_reward_model_ranks_held_out_replies_and_loads_in_plain_transformers(tiny, tmp_path, kind):
    file = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"say {at}", "chosen": f"{at} yes please", "rejected": f"no {at} {'never ' * (at % 4)}"}
        for at in range(120)
    ]
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))
    quick = ["model.dtype=float32", "optim.steps=12", "optim.rows=8", "eval.resamples=400"]
    named = ["tune", file, "--out", tmp_path / "run", f"model.name={tiny}", "method.name=reward", "--json", *quick]
    done = whet(*named, f"adapter.kind={kind}", f"optim.lr={0.003 if kind == 'full' else 0.01}")
    found = json.loads(done.stdout)
    assert found["contenders"]["tuned"]["agreement"]["value"] > 0.9
    assert -1 <= found["length_correlation"] <= 1
    assert "whet chat" not in done.stderr
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "model")

    def score(reply):
        said = [{"role": "user", "content": "say 7"}, {"role": "assistant", "content": reply}]
        inputs = tokenizer.apply_chat_template(said, return_dict=True, return_tensors="pt")
        return float(model(**inputs).logits)

    assert score("7 yes please") > score("no 7 never never ")
    refused = run("evaluate", tmp_path / "run", file)
    assert refused.returncode == 1
    assert "it is a reward model" in refused.stderr
    card = (tmp_path / "run" / "README.md").read_text()
    assert "pipeline_tag: text-classification" in card
    assert "AutoModelForSequenceClassification.from_pretrained" in card
