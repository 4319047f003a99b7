"""The optimizer's moments in 8 bits: a quarter of the memory, the same way down, and resumable to the bit."""

import pytest
import torch
from torch import nn

from whet.config.tree import Adapter, Optim
from whet.errors import RunError, UsageError
from whet.models.checkpoint import Checkpoint, optimizer_tensors, read, restore_optimizer, save
from whet.train.optim import build_optimizer, default_lr, moment_bytes

PACKED = Optim(moments="8bit", weight_decay=0.1)


def problem():
    """Return weights of two blocks and a bias, and the loss that they are to bring down."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(96, 96), nn.Tanh(), nn.Linear(96, 8))
    x, y = torch.randn(64, 96), torch.randn(64, 8)
    return dict(net.named_parameters()), lambda: (net(x) - y).square().mean()


def descend(parameters, loss, optimizer, steps):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def test_moments_in_8_bits_take_the_way_of_those_in_float32():
    curves, held = {}, {}
    for moments in (None, "8bit"):
        parameters, loss = problem()
        optimizer = build_optimizer(parameters, Optim(moments=moments), 1e-3)
        curves[moments] = descend(parameters, loss, optimizer, 60)
        state = optimizer.state[parameters["0.weight"]]
        held[moments] = sum(v.nbytes for k, v in state.items() if k != "step" and "qmap" not in k) / (96 * 96)
    assert curves[None][-1] < 0.1 * curves[None][0]
    assert all(abs(a - b) < 0.02 for a, b in zip(*curves.values(), strict=True))
    assert held[None] == moment_bytes(Optim()) == 8
    assert held["8bit"] == pytest.approx(moment_bytes(PACKED), rel=0.01)
    assert held["8bit"] < 2.1


@pytest.mark.parametrize("optim", [Optim(), PACKED], ids=["float32", "8bit"])
def test_ten_steps_are_five_and_a_checkpoint_and_five(tmp_path, optim):
    parameters, loss = problem()
    straight = descend(parameters, loss, build_optimizer(parameters, optim, 1e-2), 10)
    first, loss = problem()
    optimizer = build_optimizer(first, optim, 1e-2)
    losses = descend(first, loss, optimizer, 5)
    weights = {name: weight.detach() for name, weight in first.items()}
    kept = read(save(tmp_path, Checkpoint(5, weights, optimizer_tensors(optimizer, first), {}, {})))
    second, loss = problem()
    for name, weight in second.items():
        weight.data.copy_(kept.weights[name])
    optimizer = build_optimizer(second, optim, 1e-2)
    restore_optimizer(optimizer, second, kept.optimizer)
    assert losses + descend(second, loss, optimizer, 5) == straight
    assert all(torch.equal(weight, parameters[name]) for name, weight in second.items())


@pytest.mark.parametrize(("before", "after"), [(Optim(), PACKED), (PACKED, Optim())], ids=["to 8bit", "from 8bit"])
def test_moments_of_another_kind_are_refused(before, after):
    parameters, loss = problem()
    optimizer = build_optimizer(parameters, before, 1e-2)
    descend(parameters, loss, optimizer, 1)
    kept = optimizer_tensors(optimizer, parameters)
    with pytest.raises(RunError, match=r"optim\.moments"):
        restore_optimizer(build_optimizer(parameters, after, 1e-2), parameters, kept)


def test_what_is_missing_for_packed_moments_is_told(monkeypatch):
    parameters, _ = problem()
    with pytest.raises(UsageError, match="NVIDIA"):
        build_optimizer(parameters, Optim(moments="paged"), 1e-3)
    monkeypatch.setattr("whet.train.optim.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"whet-llm\[quant\]"):
        build_optimizer(parameters, PACKED, 1e-3)


def test_b_learns_so_many_times_faster_with_lora_plus():
    weights = {f"layer.lora_{name}.default.weight": nn.Parameter(torch.ones(2, 2)) for name in "AB"}
    weights["frozen"] = nn.Parameter(torch.ones(2, 2), requires_grad=False)
    groups = build_optimizer(weights, Optim(), 0.01, 16.0).param_groups
    assert [(group["lr"], group["times"], len(group["params"])) for group in groups] == [(0.01, 1, 1), (0.16, 16, 1)]
    assert groups[1]["params"][0] is weights["layer.lora_B.default.weight"]
    plain, plus = (default_lr(Adapter(lora_plus=times), 576) for times in (None, 16))
    assert plus == pytest.approx(plain / 4, rel=0.05)  # A's rate: a quarter, B's four times it
