"""A step takes the memory that is there and no more, and says so before it is taken."""

import pytest
import torch

from whet.config.tree import Adapter, Optim
from whet.errors import FitError
from whet.models.batch import Batch
from whet.models.load import load
from whet.models.policy import Policy
from whet.runs.store import create
from whet.train.room import Needs, Room, _left_of_container, choose, free_memory, measure, room

CPU = torch.device("cpu")
NEEDS = Needs(fixed=1e6, kept=10_000, layer=900, layers=10)


@pytest.fixture
def policy(tiny):
    return Policy.trained(load(tiny, torch.float32, CPU), Adapter(r=4, alpha=8.0), seed=0, autocast=False)


def batch(rows, length):
    tokens = torch.randint(3, 259, (rows, length), generator=torch.Generator().manual_seed(0))
    weights = torch.ones(rows, length)
    weights[:, 0] = 0
    return Batch(tokens[0, :0], tokens, weights, torch.full((rows,), length))


def gradient(policy, batch):
    policy.model.train()
    policy(batch).logprobs.sum().backward()
    grads = {name: weight.grad.clone() for name, weight in policy.model.named_parameters() if weight.requires_grad}
    policy.model.zero_grad()
    return grads


@pytest.mark.parametrize("packs", [True, False], ids=["end to end", "padded"])
def test_layers_computed_twice_give_the_same_gradient_to_the_bit(policy, packs):
    policy.packs = packs
    kept = gradient(policy, batch(3, 20))
    for count in (1, 2):
        policy.recompute(count)
        again = gradient(policy, batch(3, 20))
        assert all(torch.equal(again[name], grad) for name, grad in kept.items())


def test_what_a_token_keeps_is_measured_and_grows_with_the_tokens(policy):
    needs = measure(policy)
    assert needs.layers == 2
    # In float32, a layer keeps at least its normed inputs, queries, keys, values, what was attended to, gate and up.
    assert needs.layer > 4 * (3 * 32 + 2 * 16 + 32 + 3 * 64)
    assert needs.kept > 2 * needs.layer
    assert not policy.layers[0].gradient_checkpointing


def test_with_memory_to_spare_nothing_is_computed_twice():
    assert choose(NEEDS, Optim(), 200, 10**9, "cpu") == Room(4096, 0)


def test_with_little_memory_less_is_held_before_anything_is_computed_twice():
    found = choose(NEEDS, Optim(), 200, 30_000_000, "cpu")
    assert found.recompute == 0
    assert 1024 <= found.tokens < 4096
    assert needed(found) <= 0.8 * 30_000_000


def test_with_less_memory_as_few_layers_as_can_be_are_computed_twice():
    found = choose(NEEDS, Optim(), 200, 15_000_000, "cpu")
    assert found.recompute > 0
    assert found.tokens >= 1024
    assert needed(found) <= 0.8 * 15_000_000 < needed(Room(1024, found.recompute - 1))


def test_a_long_row_is_fitted_by_computing_layers_twice():
    found = choose(NEEDS, Optim(), 3000, 30_000_000, "cpu")
    assert found.tokens >= 3000
    assert found.recompute > 0


def needed(found):
    return NEEDS.fixed + found.tokens * NEEDS.token(found.recompute)


def test_a_row_that_cannot_fit_is_said_before_training_with_the_way_out():
    with pytest.raises(FitError, match=r"3,000.*GiB.*data\.longest"):
        choose(NEEDS, Optim(), 3000, 5_000_000, "cpu")
    with pytest.raises(FitError, match=r"optim\.tokens"):
        choose(NEEDS, Optim(tokens=2000), 200, 5_000_000, "cpu")


def test_what_the_recipe_says_is_done():
    assert choose(NEEDS, Optim(tokens=512, recompute=3), 200, 10**9, "cpu") == Room(512, 3)
    assert choose(NEEDS, Optim(recompute=99), 200, 10**9, "cpu") == Room(4096, 10)


def test_a_resumed_run_cuts_its_steps_as_before(policy, tmp_path, monkeypatch):
    run = create("train", "seed: 0\n", tmp_path / "run")
    first = room(policy, Optim(), 40, run)
    monkeypatch.setattr("whet.train.room.free_memory", lambda device: 10**5)
    assert room(policy, Optim(), 40, run) == first


def test_a_containers_limit_counts(tmp_path):
    for name, text in (("memory.max", "5000\n"), ("memory.current", "3000\n"), ("memory.stat", "inactive_file 500\n")):
        (tmp_path / name).write_text(text)
    assert _left_of_container(tmp_path) == 2500
    (tmp_path / "memory.max").write_text("max\n")
    assert _left_of_container(tmp_path) > 2**50
    assert _left_of_container(tmp_path / "none") > 2**50
    assert 0 < free_memory(CPU) < 2**50
