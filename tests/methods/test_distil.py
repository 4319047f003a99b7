"""A student that comes to say what a teacher says, after given answers or after its own."""

import math
from itertools import islice

import pytest
import torch
from conftest import make_model
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM
from trl.experimental.gkd import GKDTrainer

from whet.config.tree import Adapter, Method, Optim
from whet.data.render import Renderer
from whet.engines.local import Local
from whet.methods._judged import Steps
from whet.methods._rollout import Try
from whet.methods.distil import Distil
from whet.models import kl
from whet.models.adapt import trainable
from whet.models.heads import Head
from whet.models.kl import Gap, divergence
from whet.models.load import load
from whet.models.policy import Outputs, Policy
from whet.models.taught import Taught
from whet.train.fit import Pace, fit
from whet.train.optim import build_optimizer
from whet.types import Message, Prompt, Sampling, Tokens

CPU = torch.device("cpu")
KINDS = [Gap("forward"), Gap("reverse"), Gap("jsd", 0.5), Gap("jsd", 0.1, 2.0), Gap("forward", 0.5, 3.0)]
BETA = {"forward": 0.0, "reverse": 1.0}


def row(*ids, begin=2, source=""):
    return Tokens(ids, tuple(float(at >= begin) for at in range(len(ids))), source)


ROWS = [
    row(5, 6, 7, 8, 9, source="f:1"), row(5, 6, 10, 11, source="f:2"), row(40, 41, 42, 43, 44, begin=3, source="f:3"),
    row(*range(50, 90), begin=5, source="f:4"), row(*range(50, 70), 3, 4, begin=5, source="f:5"),
]  # fmt: skip
PROMPTS = {f"f:{at}": Prompt((Message("user", f"ask {at}"),), (), f"f:{at}") for at in range(1, 6)}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A teacher of another width and depth with the tiny model's tokens."""
    folder = tmp_path_factory.mktemp("teacher")
    make_model(folder, seed=5, hidden_size=48, num_hidden_layers=3)
    return folder


def taught(student, teacher, gap, adapter=None):
    policy = Taught.trained(load(student, torch.float32, CPU), adapter or Adapter(r=4), seed=0, autocast=False)
    policy.listen(Policy(load(teacher, torch.float32, CPU)), gap)
    return policy


def method(policy, draw=None, tokens=4096, per_step=5, **options):
    steps = Steps(per_step, tokens, 0, policy.packs)
    given = draw or (lambda prompts, *_: [Try(row(5, 6, 2, source="drawn"), "", True) for _ in prompts])
    return Distil(ROWS, steps, Method(name="distil", **options), asked=PROMPTS, draw=given, held_out=ROWS[:3])


def gradient(policy, made):
    """Return the loss of the first step over its count, and the gradient of all that trains."""
    batches = next(made.steps())
    count, total = sum(batch.count for batch in batches), 0.0
    policy.model.zero_grad()
    for batch in batches:
        loss = made.loss(policy(batch), batch).total / count
        loss.backward()
        total += float(loss.detach())
    return total, {name: weight.grad.clone() for name, weight in trainable(policy.model).items()}


def assert_same(one, two, tolerance=1e-5):
    assert one[0] == pytest.approx(two[0], abs=tolerance)
    for name, grad in one[1].items():
        assert torch.allclose(grad, two[1][name], atol=tolerance * max(1.0, float(grad.abs().max()))), name


def test_a_point_worked_by_hand():
    # The student says 1/2, 1/2 and the teacher 3/4, 1/4.
    ours, theirs = torch.zeros(1, 2), torch.tensor([[math.log(3), 0.0]])
    forward = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    value, slope = Gap("forward")(ours, theirs)
    assert float(value) == pytest.approx(forward)
    assert slope[0].tolist() == pytest.approx([-0.25, 0.25])  # the student's minus the teacher's
    assert float(Gap("reverse")(ours, theirs)[0]) == pytest.approx(0.5 * math.log(2 / 3) + 0.5 * math.log(2))
    # Half of both is 5/8, 3/8.
    middle = 0.5 * (0.75 * math.log(1.2) + 0.25 * math.log(2 / 3)) + 0.25 * (math.log(0.8) + math.log(4 / 3))
    assert float(Gap("jsd", 0.5)(ours, theirs)[0]) == pytest.approx(middle)
    # At temperature log 3 / log 2 the teacher says 2/3, 1/3.
    soft = Gap("forward", temperature=math.log(3) / math.log(2))(ours, theirs)[0]
    assert float(soft) == pytest.approx(2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3))


@pytest.mark.parametrize("gap", KINDS, ids=str)
def test_loss_and_gradient_are_trls_on_the_same_logits(gap):
    torch.manual_seed(0)
    ours, theirs = (torch.randn(2, 7, 50) * 3 for _ in range(2))
    ours.requires_grad_()
    labels = torch.full((2, 7), -100)
    labels[:, 2:] = 1
    labels[1, 5:] = -100
    wanted = GKDTrainer.generalized_jsd_loss(
        ours, theirs, labels, beta=BETA.get(gap.kind, gap.mix), temperature=gap.temperature
    )
    wanted.backward()
    counts = labels != -100
    value, slope = gap(ours.detach()[counts], theirs[counts])
    assert float(value.mean()) == pytest.approx(float(wanted.detach()), abs=1e-5)
    assert torch.allclose(slope / counts.sum(), ours.grad[counts], atol=1e-5)


@pytest.mark.parametrize("adapter", [Adapter(r=4), Adapter(kind="full")], ids=lambda one: one.kind)
@pytest.mark.parametrize("gap", [*KINDS[:3], Gap("jsd", 0.3, 1.5, learns=True)], ids=str)
def test_a_step_is_trls_on_the_logits_of_plain_transformers(tiny, other, gap, adapter):
    policy = taught(tiny, other, gap, adapter)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in trainable(policy.model).values():
            weight.add_(torch.randn_like(weight) * 0.05)
    weight = 0.4 if gap.learns else None
    mine = gradient(policy, method(policy, sft=weight))
    teacher = AutoModelForCausalLM.from_pretrained(other)
    policy.model.zero_grad()
    ours, theirs, labels = [], [], []
    for one in ROWS:
        ids = torch.tensor([one.ids])
        ours.append(policy.model(input_ids=ids).logits[0, :-1])
        theirs.append(teacher(input_ids=ids).logits[0, :-1].detach())
        labels.append(torch.tensor([token if w else -100 for token, w in zip(one.ids, one.weights, strict=True)][1:]))
    ours, theirs, labels = (torch.cat(parts)[None] for parts in (ours, theirs, labels))
    wanted = GKDTrainer.generalized_jsd_loss(
        ours, theirs, labels, beta=BETA.get(gap.kind, gap.mix), temperature=gap.temperature
    )
    if weight:
        wanted = wanted + weight * nn.functional.cross_entropy(ours[0], labels[0])
    wanted.backward()
    assert_same(mine, (float(wanted.detach()), {name: one.grad for name, one in trainable(policy.model).items()}))


@pytest.mark.parametrize("adapter", [Adapter(r=4), Adapter(kind="full")], ids=lambda one: one.kind)
def test_neither_pieces_nor_micro_batches_change_the_gradient(tiny, other, monkeypatch, adapter):
    policy = taught(tiny, other, Gap("jsd", 0.4, learns=True), adapter)
    whole = gradient(policy, method(policy, sft=0.5, on_policy=0.5))
    assert_same(gradient(policy, method(policy, tokens=16, sft=0.5, on_policy=0.5)), whole, 1e-6)
    monkeypatch.setattr(kl, "CHUNK", 3)
    assert_same(gradient(policy, method(policy, sft=0.5, on_policy=0.5)), whole, 1e-6)


def test_a_head_with_a_cap_has_the_gradient_of_a_plain_computation():
    torch.manual_seed(0)
    linear, hidden, theirs = nn.Linear(8, 30, bias=False), torch.randn(300, 8, requires_grad=True), torch.randn(300, 30)
    head, gap, targets = Head.__new__(Head), Gap("reverse", learns=True), torch.randint(0, 30, (300,))
    head.linear, head._cap, head._scale, head.plain = linear, 2.0, 1.0, False
    head.temperature = 1.0
    apart, said = divergence(hidden, head, theirs, lambda states: states, targets, gap, 30)
    (apart.sum() - said.sum()).backward()
    mine = hidden.grad.clone(), linear.weight.grad.clone()
    hidden.grad = linear.weight.grad = None
    likely = (torch.tanh(linear(hidden) / 2) * 2).log_softmax(-1)
    whole = (likely.exp() * (likely - theirs.log_softmax(-1))).sum()
    (whole + nn.functional.nll_loss(likely, targets, reduction="sum")).backward()
    assert torch.allclose(mine[0], hidden.grad, atol=1e-5)
    assert torch.allclose(mine[1], linear.weight.grad, atol=1e-4)


class Rows(TorchDispatchMode):
    """Remembers the most rows of any table with a column for each token."""

    def __init__(self, width):
        super().__init__()
        self.width, self.most = width, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, (tuple, list)) else [found]:
            if isinstance(one, torch.Tensor) and one.ndim == 2 and one.shape[1] == self.width:
                self.most = max(self.most, len(one))
        return found


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "capped"])
@pytest.mark.parametrize("trains", [True, False], ids=["trains", "frozen"])
def test_no_more_than_a_piece_is_ever_held_neither_forth_nor_back(plain, trains):
    linear, hidden = nn.Linear(8, 30, bias=False).requires_grad_(trains), torch.randn(1000, 8, requires_grad=True)
    beside, taught = nn.Linear(6, 30, bias=False), torch.randn(1000, 6)
    head = Head.__new__(Head)
    head.linear, head._cap, head._scale, head.plain = linear, None if plain else 9.0, 1.0, plain
    head.temperature = 1.0
    with Rows(30) as seen:
        apart, _ = divergence(hidden, head, taught, beside, torch.zeros(1000, dtype=torch.long), Gap("jsd"), 30)
        apart.sum().backward()
    assert seen.most == kl.CHUNK
    assert hidden.grad.any()


def test_a_wider_vocabulary_is_compared_on_the_tokens_that_both_have(tiny, tmp_path):
    make_model(tmp_path, seed=5, vocab_size=272)
    student, teacher = (load(folder, torch.float32, CPU) for folder in (tiny, tmp_path))
    policy = taught(tiny, tmp_path, Gap("forward"))
    (batch,) = next(method(policy, per_step=1).steps())
    ids = torch.cat([batch.prefix, batch.tokens[0]])[None]
    s, t = (model(input_ids=ids).logits[0, :-1, :259].log_softmax(-1) for model in (student, teacher))
    wanted = (t.exp() * (t - s)).sum(-1) * (batch.weights[0, 1:] > 0)
    assert float(policy(batch).divergence.sum()) == pytest.approx(float(wanted.sum()), rel=1e-4)


@pytest.mark.parametrize("gap", KINDS[:3], ids=str)
def test_a_teacher_that_is_the_student_teaches_nothing(tiny, gap):
    policy = taught(tiny, tiny, gap)
    loss, grads = gradient(policy, method(policy))
    assert abs(loss) < 1e-5
    assert max(float(grad.abs().max()) for grad in grads.values()) < 1e-5


def said(batch, nats, apart):
    on = (batch.weights > 0).float()
    return Outputs(on * nats, divergence=on * apart)


def test_the_answers_log_loss_counts_beside_the_divergence_and_only_for_given_answers(tiny):
    policy = taught(tiny, tiny, Gap())
    made = method(policy, per_step=5, on_policy=0.5, sft=0.1)
    batches = next(made.steps())
    rows = sum(len(batch.given) for batch in batches)
    given = sum(float((batch.weights * batch.given[:, None]).sum()) for batch in batches)
    count = sum(batch.count for batch in batches)
    assert rows == 5
    assert 0 < given < count
    losses = [made.loss(said(batch, -2.0, 0.5), batch) for batch in batches]
    assert sum(float(loss.total) for loss in losses) == pytest.approx(0.5 * count + 0.1 * 2.0 * given)
    told = {name: sum(float(loss.metrics[name]) for loss in losses) / count for name in losses[0].metrics}
    assert (told["divergence"], told["log_loss"]) == pytest.approx((0.5, 2.0))
    assert told["drawn"] == pytest.approx(sum(int((batch.given == 0).sum()) for batch in batches) / 5)
    assert told["reply_tokens"] == 1


def test_which_replies_are_drawn_follows_from_the_seed_and_the_step_alone(tiny):
    policy = taught(tiny, tiny, Gap())

    def asked(start, count, **options):
        seen = []

        def draw(prompts, temperature, seed):
            seen.append(([prompt.source for prompt in prompts], temperature, seed))
            return [Try(row(5, 6, 2), "", True) for _ in prompts]

        made = method(policy, draw, per_step=2, **options)
        list(islice(made.steps(start), count))
        return seen

    whole = asked(0, 6, on_policy=0.5, temperature=0.7)
    assert whole[-1:] == asked(5, 1, on_policy=0.5, temperature=0.7)
    assert {one[1] for one in whole} == {0.7}
    assert asked(0, 4, on_policy=0.0) == []
    assert sum(len(one[0]) for one in asked(0, 3, on_policy=1.0)) == 5  # all rows of an epoch


@pytest.mark.parametrize(("share", "kind"), [(0.0, "forward"), (1.0, "reverse")], ids=["given", "drawn"])
def test_a_student_learns_a_teacher(tiny, share, kind):
    policy = taught(tiny, tiny, Gap(kind), Adapter(kind="full"))
    torch.manual_seed(0)
    with torch.no_grad():  # it is what the student could become, and surer
        for weight in policy._teacher.model.parameters():
            weight.add_(torch.randn_like(weight) * 0.5 * weight.std()) if weight.ndim > 1 else weight.mul_(1.5)
    renderer = Renderer(tiny)
    engine = Local(policy.model, renderer, 512, packs=policy.packs)

    def draw(prompts, temperature, seed):
        policy.model.eval()
        found = engine.sample(prompts, Sampling(temperature, max_tokens=6, seed=seed))
        policy.model.train()
        rows = [((*one.prompt, *one.said), len(one.prompt)) for one in found]
        return [Try(row(*ids, begin=begin), "", True) for ids, begin in rows]

    made = method(policy, draw, on_policy=share, divergence=kind)
    weights = trainable(policy.model)
    optimizer = build_optimizer(weights, Optim(), 0.005)
    steps = fit(policy, made, islice(made.steps(), 30), optimizer, weights, Pace(0, lambda _: 0.005, 1.0))
    first, *_, last = (record.loss for record in steps)
    assert last < 0.3 * first
