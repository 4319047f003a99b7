"""Losses of judged replies and their gradients, beside TRL's on the same tokens."""

from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer

from whet.config.tree import Method
from whet.data.judged import Judged
from whet.methods._judged import Steps
from whet.methods.cpo import CPO
from whet.methods.dpo import DPO
from whet.methods.kto import KTO
from whet.methods.orpo import ORPO, _log_odds
from whet.methods.simpo import SimPO
from whet.models.policy import Policy
from whet.train.learn import likelihood
from whet.types import Tokens

PROMPTS = [[5, 6, 7], [8, 9], [10, 11, 12, 13]]
CHOSEN = [[20, 21, 22, 2], [23, 24, 2], [25, 26, 27, 28, 2]]
REJECTED = [[30, 2], [31, 32, 33, 34, 35, 2], [36, 37, 38, 2]]
EVEN = [[20, 21, 22, 2], [23, 24, 29, 2], [25, 26, 27, 2]]  # one length, so that means over rows and tokens agree


def row(prompt, reply):
    ids = (*prompt, *reply)
    return Tokens(ids, tuple(float(at >= len(prompt)) for at in range(len(ids))))


def groups(chosen=CHOSEN):
    each = zip(PROMPTS, chosen, REJECTED, strict=True)
    return [Judged((row(asked, good), row(asked, bad)), (1.0, 0.0)) for asked, good, bad in each]


@pytest.fixture
def models(tiny):
    """A model that has moved and the one that it began as."""
    start = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    moved = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in moved.parameters():
            weight.add_(torch.randn_like(weight) * 0.05 * weight.abs().mean())
    return moved, start


def ours(kind, options, models, groups, tokens=4096):
    """Return the mean loss over groups and the gradient of every weight."""
    policy, start = Policy(models[0]), Policy(models[1])
    reference = [likelihood(start, group.every) for group in groups]
    method = kind(
        groups, Steps(len(groups), tokens, 0), Method(**options), reference=reference,
        likely=lambda rows: likelihood(policy, rows),
    )  # fmt: skip
    models[0].zero_grad()
    total = 0.0
    for batch in method.batches(groups):
        loss = method.loss(policy(batch), batch).total / len(groups)
        loss.backward()
        total += float(loss.detach())
    return total, [weight.grad.clone() for weight in models[0].parameters()]


def theirs(loss, model):
    model.zero_grad()
    loss.backward()
    return float(loss.detach()), [weight.grad.clone() for weight in model.parameters()]


def assert_same(mine, other):
    assert mine[0] == pytest.approx(other[0], abs=1e-5)
    for one, two in zip(mine[1], other[1], strict=True):
        assert torch.allclose(one, two, atol=1e-5 * max(1.0, float(two.abs().max())))


def trl_dpo(models, tiny, folder, **settings):
    arguments = DPOConfig(
        output_dir=str(folder), per_device_train_batch_size=3, report_to="none", use_cpu=True, max_length=None,
        bf16=False, gradient_checkpointing=False, **settings,
    )  # fmt: skip
    rows = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
    return DPOTrainer(
        model=models[0], ref_model=models[1], args=arguments, train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(tiny),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"beta": 0.3}, {"beta": 0.3, "loss_type": ["sigmoid"]}),
        ({"loss": "hinge", "beta": 0.5}, {"beta": 0.5, "loss_type": ["hinge"]}),
        ({"loss": "ipo", "beta": 0.2}, {"beta": 0.2, "loss_type": ["ipo"]}),
        (
            {"loss": "robust", "label_smoothing": 0.2, "beta": 0.3},
            {"beta": 0.3, "loss_type": ["robust"], "label_smoothing": 0.2},
        ),
        ({"length_normalised": True, "beta": 0.4}, {"beta": 0.4, "loss_type": ["sigmoid_norm"]}),
        ({"beta": 0.3, "sft": 0.7}, {"beta": 0.3, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.7]}),
    ],
)
def test_dpo_and_its_relatives_are_trls(models, tiny, tmp_path, options, settings):
    chosen = EVEN if "sft" in options else CHOSEN
    trainer = trl_dpo(models, tiny, tmp_path, **settings)
    rows = [
        {"prompt_ids": asked, "chosen_ids": good, "rejected_ids": bad}
        for asked, good, bad in zip(PROMPTS, chosen, REJECTED, strict=True)
    ]
    found = trainer._compute_loss(trainer.model, trainer.data_collator(rows), False)
    assert_same(ours(DPO, options, models, groups(chosen)), theirs(found, models[0]))


def nats(model, rows):
    """Return the nats of each reply's tokens, as plain transformers alone computes them."""
    found = []
    for one in rows:
        likely = model(input_ids=torch.tensor([one.ids])).logits[0, :-1].log_softmax(-1)
        trains = [at for at, weight in enumerate(one.weights) if weight]
        found.append(torch.stack([likely[at - 1, one.ids[at]] for at in trains]))
    return found


def sides(model, groups, value):
    said = [nats(model, group.rows) for group in groups]
    return [torch.stack([value(pair[side]) for pair in said]) for side in (0, 1)], said


ON_CPU = SimpleNamespace(device="cpu")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_simpo_is_trls(models, smoothing):
    settings = SimpleNamespace(
        alpha=0.0, beta=2.5, loss_type="simpo", simpo_gamma=0.8, label_smoothing=smoothing, accelerator=ON_CPU
    )
    (good, bad), _ = sides(models[0], groups(), torch.mean)
    other = theirs(CPOTrainer.cpo_loss(settings, good, bad)[0].mean(), models[0])
    options = {"beta": 2.5, "gamma": 0.8, "label_smoothing": smoothing}
    assert_same(ours(SimPO, options, models, groups()), other)


def test_cpo_is_trls(models):
    settings = SimpleNamespace(alpha=0.0, beta=0.2, loss_type="sigmoid", label_smoothing=0.0, accelerator=ON_CPU)
    (good, bad), said = sides(models[0], groups(EVEN), torch.sum)
    learned = -torch.cat([pair[0] for pair in said]).mean()
    other = theirs(CPOTrainer.cpo_loss(settings, good, bad)[0].mean() + learned, models[0])
    assert_same(ours(CPO, {"beta": 0.2}, models, groups(EVEN)), other)


def test_orpo_is_trls(models):
    (good, bad), said = sides(models[0], groups(EVEN), torch.mean)
    learned = -torch.cat([pair[0] for pair in said]).mean()
    odds = ORPOTrainer.odds_ratio_loss(SimpleNamespace(beta=0.3, accelerator=ON_CPU), good, bad)[0]
    assert_same(ours(ORPO, {"beta": 0.3}, models, groups(EVEN)), theirs(learned - odds.mean(), models[0]))


def test_kto_is_trls_with_the_same_mismatched_replies(models, tiny, tmp_path):
    marks, others = [1.0, 0.0, 1.0], [CHOSEN[1], CHOSEN[2], CHOSEN[0]]
    arguments = KTOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=3, report_to="none", use_cpu=True, max_length=None,
        bf16=False, gradient_checkpointing=False, beta=0.3, desirable_weight=1.5, undesirable_weight=0.5,
    )  # fmt: skip
    rows = Dataset.from_list([{"prompt": "a", "completion": "b", "label": at % 2 == 0} for at in range(4)])
    trainer = KTOTrainer(
        model=models[0], ref_model=models[1], args=arguments, train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(tiny),
    )  # fmt: skip
    each = list(zip(PROMPTS, CHOSEN, others, marks, strict=True))
    inputs = trainer.data_collator(
        [
            {"prompt_ids": asked, "completion_ids": said, "KL_completion_ids": other, "label": bool(mark)}
            for asked, said, other, mark in each
        ]
    )
    found = trainer._compute_loss(trainer.model, inputs, False)
    every = [Judged((row(asked, said),), (mark,), other=row(asked, other)) for asked, said, other, mark in each]
    mine = ours(KTO, {"beta": 0.3, "good": 1.5, "bad": 0.5}, models, every)
    assert_same(mine, theirs(found, models[0]))


@pytest.mark.parametrize("kind", [DPO, SimPO, CPO, ORPO, KTO])
def test_how_a_step_is_cut_changes_neither_loss_nor_gradient(models, kind):
    every = groups()
    if kind is KTO:
        every = [
            Judged((group.rows[at % 2],), (1.0 - at % 2,), other=every[at - 1].rows[0])
            for at, group in enumerate(every)
        ]
    assert_same(ours(kind, {}, models, every, tokens=8), ours(kind, {}, models, every))


def test_the_log_odds_are_exact_near_both_ends():
    chances = torch.tensor([1e-6, 0.3, 0.5, 0.999], dtype=torch.float64)
    assert torch.allclose(_log_odds(chances.log()), (chances / (1 - chances)).log())
