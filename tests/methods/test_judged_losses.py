"""Losses of judged replies worked by hand, and steps that keep the replies to a prompt together."""

import math

import pytest
import torch

from whet.config.tree import Method
from whet.data.judged import Judged
from whet.methods._judged import Steps
from whet.methods._margins import hinge, logistic, robust, squared
from whet.methods.dpo import DPO
from whet.methods.kto import KTO
from whet.methods.orpo import ORPO
from whet.methods.ranking import Ranking
from whet.methods.simpo import SimPO
from whet.models.policy import Outputs
from whet.train.fit import means
from whet.types import Tokens


def row(*ids, prompt=2):
    return Tokens(ids, tuple(float(at >= prompt) for at in range(len(ids))))


def said(batch, nats):
    """Return outputs in which each reply's nats are spread evenly over its tokens."""
    trains = (batch.weights > 0).float()
    return Outputs(trains * (torch.tensor(nats) / trains.sum(1))[:, None])


def one_group(kind, grades, reference, **options):
    rows = tuple(row(1, 2, *range(10 * at, 10 * at + at + 2)) for at, _ in enumerate(grades, 1))
    group = Judged(rows, grades)
    method = kind([group], Steps(1, 999, 0), Method(**options), reference=[reference] if kind.refers else ())
    (batch,) = method.batches([group])
    return method, batch


def test_the_pairwise_losses_at_a_point_worked_by_hand():
    margin = torch.tensor([2.0])
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert float(logistic(margin)) == pytest.approx(right)
    assert float(logistic(margin, 0.1)) == pytest.approx(0.9 * right + 0.1 * wrong)
    assert float(robust(margin, 0.1)) == pytest.approx((0.9 * right - 0.1 * wrong) / 0.8)
    assert float(hinge(margin)) == 0.0
    assert float(hinge(-margin)) == 3.0
    assert float(squared(torch.tensor([3.0]), 0.25)) == pytest.approx(1.0)


def test_dpo_at_a_point_worked_by_hand():
    method, batch = one_group(DPO, (1.0, 0.0), (-5.0, -4.0), beta=0.5)
    loss = method.loss(said(batch, [-3.0, -6.0]), batch)  # gains of +2 and -2, a margin of 0.5 * 4
    assert float(loss.total) == pytest.approx(math.log(1 + math.exp(-2)))
    told = {name: float(value) for name, value in loss.metrics.items()}
    assert (told["accuracy"], told["margin"], told["better"], told["worse"]) == (1.0, 2.0, 2.0, -2.0)
    assert told["length"] == pytest.approx(math.log(3 / 4))


def test_the_pairs_of_several_replies_count_once_together_and_ties_are_no_pairs():
    _, batch = one_group(DPO, (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert list(zip(batch.better.tolist(), batch.worse.tolist(), strict=True)) == [(0, 1), (0, 2)]
    assert batch.share.tolist() == [0.5, 0.5]
    assert batch.count == 1


def test_simpo_at_a_point_worked_by_hand():
    method, batch = one_group(SimPO, (1.0, 0.0), (), beta=2.0, gamma=0.5)
    loss = method.loss(said(batch, [-3.0, -8.0]), batch)  # -1 and -2 a token: a margin of 2 * 1 - 0.5
    assert float(loss.total) == pytest.approx(math.log(1 + math.exp(-1.5)))


def test_orpo_at_a_point_worked_by_hand():
    method, batch = one_group(ORPO, (1.0, 0.0), (), beta=0.1)
    half, quarter = 3 * math.log(0.5), 4 * math.log(0.25)  # odds of 1 and 1/3
    loss = method.loss(said(batch, [half, quarter]), batch)
    assert float(loss.total) == pytest.approx(math.log(2) + 0.1 * math.log(1 + 1 / 3))


def test_a_ranking_is_chosen_one_after_the_other():
    method, batch = one_group(Ranking, (3.0, 2.0, 1.0), (0.0, 0.0, 0.0), beta=1.0)
    nats = [1.0, 0.5, -1.0]
    loss = method.loss(said(batch, nats), batch)
    first, second, third = (math.exp(one) for one in nats)
    wanted = -math.log(first / (first + second + third)) - math.log(second / (second + third))
    assert float(loss.total) == pytest.approx(wanted)


def test_a_ranking_of_two_is_dpo():
    ranked, batch = one_group(Ranking, (1.0, 0.0), (-5.0, -4.0), beta=0.5)
    paired, other = one_group(DPO, (1.0, 0.0), (-5.0, -4.0), beta=0.5)
    losses = [method.loss(said(one, [-3.0, -7.0]), one).total for method, one in ((ranked, batch), (paired, other))]
    assert float(losses[0]) == pytest.approx(float(losses[1]))


def test_kto_at_a_point_worked_by_hand():
    groups = [Judged((row(1, 2, 3),), (mark,), other=row(1, 2, 4)) for mark in (1.0, 0.0)]
    method = KTO(
        groups, Steps(2, 999, 0), Method(beta=0.5, bad=2.0), reference=[(-5.0, -3.0), (-5.0, -3.0)],
        likely=lambda rows: [-1.0, -3.0],
    )  # fmt: skip
    (batch,) = method.batches(groups)
    assert batch.baseline == 1.0  # mismatched replies gained 2 and 0
    loss = method.loss(said(batch, [-2.0, -4.0]), batch)  # gained 3 and 1

    def sigmoid(one):
        return 1 / (1 + math.exp(-one))

    assert float(loss.total) == pytest.approx((1 - sigmoid(0.5 * 2)) + 2 * (1 - sigmoid(0.0)))


def test_the_replies_to_a_prompt_are_never_parted():
    groups = [Judged((row(1, 2, *range(size)), row(1, 2, 9)), (1.0, 0.0)) for size in (3, 30, 5, 8)]
    method = SimPO(groups, Steps(4, 12, 0), Method())
    found = list(method.batches(groups))
    assert sum(batch.count for batch in found) == 4
    assert all(len(batch.lengths) == 2 * batch.count for batch in found)


def test_steps_go_on_where_they_stopped():
    groups = [Judged((row(1, 2, at), row(1, 2, 9)), (1.0, 0.0)) for at in range(10, 17)]
    method = SimPO(groups, Steps(3, 99, 5), Method())

    def seen(start, count):
        steps = method.steps(start)
        return [[batch.tokens.tolist() for batch in next(steps)] for _ in range(count)]

    assert seen(0, 6)[4:] == seen(4, 2)


def test_gains_of_good_and_bad_replies_are_each_over_their_own_number():
    said = {"better": [torch.tensor([6.0, 3.0]), torch.tensor([0.0, 0.0])], "worse": [torch.tensor([-2.0, 1.0])]}
    told = {"never": [torch.tensor([0.0, 0.0])], "loss": [torch.tensor(8.0)]}
    assert means(said | told, 4.0) == {"better": 2.0, "worse": -2.0, "loss": 2.0}
