"""A step takes the memory that is there and no more, and says so before it is taken."""

import math
from functools import partial

import pytest
import torch

from whet.config.tree import Adapter, Optim
from whet.errors import FitError, UsageError
from whet.models.batch import Batch
from whet.models.load import load
from whet.models.offload import kept_on_host
from whet.models.policy import Policy
from whet.models.work import free_memory, left_of_container
from whet.runs.store import create
from whet.train.room import Needs, Room, Rows, choose, measure, on_host, room, tried

CPU = torch.device("cpu")
NEEDS = Needs(fixed=1e6, kept=10_000, layer=900, layers=10)
SHORT, LONG = Rows(200, 4800), Rows(3000, 24_000)


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
    needs = measure(policy, Optim())
    assert needs.layers == 2
    # In float32, a layer keeps at least its normed inputs, queries, keys, values, what was attended to, gate and up.
    assert needs.layer > 4 * (3 * 32 + 2 * 16 + 32 + 3 * 64)
    assert needs.kept > 2 * needs.layer
    assert not policy.layers[0].gradient_checkpointing


def test_with_memory_to_spare_nothing_is_computed_twice():
    assert choose(NEEDS, Optim(), SHORT, 10**9, "cpu") == Room(4096, 0)


def test_with_little_memory_less_is_held_before_anything_is_computed_twice():
    found = choose(NEEDS, Optim(), SHORT, 30_000_000, "cpu")
    assert found.recompute == 0
    assert 1024 <= found.tokens < 4096
    assert needed(found) <= 0.8 * 30_000_000


def test_with_less_memory_as_few_layers_as_can_be_are_computed_twice():
    found = choose(NEEDS, Optim(), SHORT, 15_000_000, "cpu")
    assert found.recompute > 0
    assert found.tokens >= 1024
    assert needed(found) <= 0.8 * 15_000_000 < needed(Room(1024, found.recompute - 1))


def test_a_long_row_is_fitted_by_computing_layers_twice():
    found = choose(NEEDS, Optim(), LONG, 30_000_000, "cpu")
    assert found.tokens >= 3000
    assert found.recompute > 0


def needed(found):
    return NEEDS.fixed + found.tokens * NEEDS.token(found.recompute)


def test_a_row_that_cannot_fit_is_said_before_training_with_the_way_out():
    with pytest.raises(FitError, match=r"3,000.*GiB.*data\.max_tokens"):
        choose(NEEDS, Optim(), LONG, 5_000_000, "cpu")
    with pytest.raises(FitError, match=r"optim\.tokens"):
        choose(NEEDS, Optim(tokens=2000), SHORT, 5_000_000, "cpu")


def test_what_the_recipe_says_is_done():
    assert choose(NEEDS, Optim(tokens=512, recompute=3), SHORT, 10**9, "cpu") == Room(512, 3)
    assert choose(NEEDS, Optim(recompute=99), SHORT, 10**9, "cpu") == Room(4096, 10)


def test_a_step_that_is_small_needs_no_layer_computed_twice():
    assert choose(NEEDS, Optim(), Rows(60, 480), 10_000_000, "cpu").recompute == 0
    assert choose(NEEDS, Optim(tokens=4096), Rows(60, 480), 10_000_000, "cpu") == Room(4096, 0)


def test_a_resumed_run_cuts_its_steps_as_before_unless_its_recipe_was_changed(policy, tmp_path, monkeypatch):
    run = create("train", "seed: 0\n", tmp_path / "run")
    first = room(policy, Optim(), SHORT, run)
    monkeypatch.setattr("whet.train.room.free_memory", lambda device: 2**24)
    assert room(policy, Optim(), SHORT, run) == first
    assert room(policy, Optim(recompute=1), SHORT, run).recompute == 1
    assert policy.layers[0].gradient_checkpointing


def test_copies_of_weights_that_autocast_makes_are_no_memory_of_a_token(tiny):
    full = Policy.trained(load(tiny, torch.float32, CPU), Adapter(kind="full"), seed=0, autocast=True)
    plain = Policy.trained(load(tiny, torch.float32, CPU), Adapter(kind="full"), seed=0, autocast=False)
    copied, needs = measure(full, Optim()), measure(plain, Optim())
    assert copied.kept < needs.kept
    layers = [module for layer in full.layers for module in layer.modules() if isinstance(module, torch.nn.Linear)]
    assert copied.fixed - needs.fixed == 2 * sum(layer.weight.numel() for layer in layers)


def test_the_largest_micro_batch_is_tried_and_what_fails_is_made_smaller(policy, monkeypatch):
    taken = []

    def small_device(policy, optim, room, longest):
        taken.append((room.tokens, room.recompute))
        if room.tokens * (3 - room.recompute) > 6000:
            raise torch.OutOfMemoryError

    monkeypatch.setattr("whet.train.room._take", small_device)
    assert tried(policy, Optim(), SHORT, Room(4096, 0)) == Room(1728, 0)  # less is held first
    assert taken == [(4096, 0), (3072, 0), (2304, 0), (1728, 0)]
    assert tried(policy, Optim(), LONG, Room(4096, 0)) == Room(3072, 2)  # a long row has its layers computed twice
    assert tried(policy, Optim(tokens=4096), SHORT, Room(4096, 0)) == Room(4096, 2)  # so has what the recipe asks for
    with pytest.raises(FitError, match=r"data\.max_tokens"):
        tried(policy, Optim(), Rows(9000, 9000), Room(9000, 0))


def test_trying_a_micro_batch_leaves_no_trace(policy):
    policy.model.eval()
    state = torch.get_rng_state()
    weights = {name: weight.clone() for name, weight in policy.model.named_parameters()}
    assert tried(policy, Optim(), Rows(50, 300), Room(120, 1)) == Room(120, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert not policy.model.training
    for name, weight in policy.model.named_parameters():
        assert weight.grad is None
        assert torch.equal(weight, weights[name])


def test_what_waits_in_another_memory_gives_the_same_gradient_to_the_bit(policy, monkeypatch):
    kept = gradient(policy, batch(3, 20))
    moved, empty = [], torch.empty

    def noted(*shape, **options):
        if "pin_memory" in options:
            moved.append(empty(*shape, **options))
            return moved[-1]
        return empty(*shape, **options)

    monkeypatch.setattr(torch, "empty", noted)
    monkeypatch.setattr("whet.models.policy.kept_on_host", partial(kept_on_host, least=0))
    policy.offload = True
    again = gradient(policy, batch(3, 20))
    assert all(torch.equal(again[name], grad) for name, grad in kept.items())
    assert len(moved) > 20
    weights = [weight for weight in policy.model.parameters() if weight.ndim == 2]
    assert not any(torch.equal(one, weight) for one in moved for weight in weights if one.shape == weight.shape)


def test_what_waits_in_the_hosts_memory_is_bounded_by_it():
    fits = on_host(NEEDS, Optim(offload=True), LONG, 20_000_000, 100_000_000)
    assert fits == Room(min(math.floor(0.8 * 100_000_000 / 10_000), 4166), 0)
    with pytest.raises(FitError, match="host"):
        on_host(NEEDS, Optim(offload=True), LONG, 20_000_000, 10_000_000)


def test_a_processor_has_no_other_memory(policy, tmp_path):
    with pytest.raises(UsageError, match=r"optim\.offload"):
        room(policy, Optim(offload=True), SHORT, create("train", "seed: 0\n", tmp_path / "run"))


V2 = ("", "memory.max", "memory.current", "inactive_file")
V1 = ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@pytest.mark.parametrize("group", ["", "jobs/7"])
@pytest.mark.parametrize(("kind", "limit", "used", "cached"), [V2, V1])
def test_a_containers_limit_counts(tmp_path, kind, limit, used, cached, group):
    own = tmp_path / "own"
    own.write_text(f"5:{kind}:/{group}\n")
    folder = tmp_path / kind / group
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ((limit, "5000\n"), (used, "3000\n"), ("memory.stat", f"{cached} 500\n")):
        (folder / name).write_text(text)
    assert left_of_container(tmp_path, own) == 2500
    (folder / limit).write_text("max\n")
    assert left_of_container(tmp_path, own) == 2**60
    assert left_of_container(tmp_path / "none", tmp_path / "none") == 2**60
    assert 0 < free_memory(CPU) < 2**50
