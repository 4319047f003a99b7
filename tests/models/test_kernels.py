"""The processor's own kernels: as exact as torch in bfloat16, and left out where they cannot be made."""

import shutil
import subprocess
import sys

import pytest
import torch
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

from whet.config.tree import Adapter
from whet.methods.sft import SFT
from whet.models import kernels as module
from whet.models.adapt import trainable
from whet.models.attention import Tasks
from whet.models.kernels import kernels
from whet.models.load import load
from whet.models.logprobs import chosen
from whet.models.policy import Policy
from whet.types import Tokens

ONE = torch.zeros(1, dtype=torch.bfloat16)
OWN = kernels(ONE)
needs = pytest.mark.skipif(OWN is None, reason="no compiler here")
tiles = pytest.mark.skipif(OWN is None or not OWN.tiles, reason="this processor multiplies no tiles of bfloat16")


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape))).bfloat16()


def error(found, true):
    """Return how far off, relative to how large."""
    return float(((found.double() - true.double()).norm() / true.double().norm()).detach())


@needs
@pytest.mark.parametrize("width", [1, 15, 16, 33, 576])
@pytest.mark.parametrize("threads", [1, 2])
def test_norms_gates_and_their_way_back_are_rounded_once_or_twice(width, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    x, up, weight, grad = random(7, width), random(7, width, seed=1), random(width), random(7, width, seed=2)
    wide, second = x.double().requires_grad_(), up.double().requires_grad_()
    normed = rms_norm(wide, (width,), weight.double(), 1e-5)
    (by_x,) = torch.autograd.grad(normed, wide, grad.double())
    gated = silu(wide) * second
    by_gate, by_up = torch.autograd.grad(gated, (wide, second), grad.double())
    ours, scale = OWN.norm(x, weight, 1e-5)
    assert error(ours, normed) < 0.006
    if width > 1:  # of one number alone, the slope is nearly 0
        assert error(OWN.norm_back(grad, x, weight, scale), by_x) < 0.006
    assert error(OWN.gate(x, up), gated) < 0.006
    for mine, true in zip(OWN.gate_back(x, up, grad), (by_gate, by_up), strict=True):
        assert error(mine, true) < 0.006
    torch.set_num_threads(before)


@needs
def test_extreme_gates_neither_overflow_nor_vanish_wrongly():
    gate = torch.tensor([-300.0, -90.0, 0.0, 90.0, 300.0]).bfloat16()
    one = torch.ones_like(gate)
    assert OWN.gate(gate, one).tolist() == pytest.approx([0, 0, 0, 90, 300], abs=1e-30)
    to_gate, _ = OWN.gate_back(gate, one, one)
    assert to_gate.float().tolist() == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-6)


@needs
def test_a_head_turned_and_turned_back_is_itself():
    x = random(1, 50, 3, 64).transpose(1, 2)
    angle = torch.rand(50, 32, generator=torch.Generator().manual_seed(0)).repeat(1, 2)
    cos, sin = angle.cos().bfloat16(), angle.sin().bfloat16()
    turned = OWN.turn(x, cos, sin)
    half = torch.cat([-x[..., 32:], x[..., :32]], -1)
    assert error(turned, x.double() * cos.double() + half.double() * sin.double()) < 0.004
    assert error(OWN.turn(turned, cos, sin, back=True), x) < 0.01


@needs
def test_chosen_log_probabilities_are_those_of_float32_on_the_same_logits():
    hidden, weight, targets = random(700, 24), random(301, 24), torch.randint(0, 301, (700,))
    logits = hidden @ weight.T
    true = logits.float().log_softmax(-1).gather(1, targets[:, None])[:, 0]
    kept = logits.clone()
    assert OWN.choose(logits, targets, keep=False).tolist() == pytest.approx(true.tolist(), abs=1e-5)
    assert torch.equal(logits, kept)
    OWN.choose(logits, targets, keep=True)
    assert error(logits, kept.double().softmax(-1)) < 0.003


@needs
def test_what_is_no_number_stays_none():
    bad = random(3, 40)
    bad[1, 7] = float("nan")
    fine = random(3, 40, seed=1)
    found = [OWN.norm(bad, fine[0], 1e-5)[0], OWN.gate(bad, fine), OWN.gate(fine, bad), *OWN.gate_back(fine, fine, bad)]
    for one in found:
        assert one[1].isnan().any()
        assert not one[0].isnan().any()
    assert OWN.choose(bad.clone(), torch.tensor([0, 0, 0]), keep=True).isnan().tolist() == [False, True, False]


def seen(rows, start, count):
    """Return which token of a flat sequence sees which. Shapes: (N, N)."""
    sees = torch.zeros(count, count, dtype=torch.bool)
    for begin, end, stem in [(0, start, None), *rows]:
        sees[begin:end, begin:end] = torch.ones(end - begin, end - begin).tril().bool()
        sees[begin:end, :start] |= begin > 0
        if stem:
            sees[begin:end, stem] = True
    return sees


def attended(query, key, value, grad, sees, dtype):
    """Return what torch attends to, and its slopes."""
    given = [one.to(dtype, copy=True).requires_grad_() for one in (query, key, value)]
    out = scaled_dot_product_attention(*given, attn_mask=sees, scale=0.2, enable_gqa=True)
    return out, *torch.autograd.grad(out, given, grad.to(dtype))


STEM = slice(40, 75)
FLAT = {
    "one token": ([(0, 1, None)], 0),
    "rows alone": ([(0, 31, None), (31, 96, None), (96, 97, None), (97, 290, None)], 0),
    "rows behind a start": ([(37, 40, None), (40, 140, None), (140, 205, None)], 37),
    "a start alone": ([], 33),
    "rows behind a start and a stem": ([(7, 40, None), (40, 75, None), (75, 80, STEM), (80, 150, STEM)], 7),
    "rows behind two stems": (
        [(0, 40, None), (40, 75, None), (75, 90, slice(0, 40)), (90, 100, slice(0, 40)), (100, 164, STEM)], 0
    ),
}  # fmt: skip


@tiles
@pytest.mark.parametrize("case", FLAT)
@pytest.mark.parametrize(("heads", "kept", "width"), [(1, 1, 32), (4, 2, 64), (3, 3, 96), (6, 1, 64)])
@pytest.mark.parametrize("threads", [1, 2])
def test_attention_and_its_way_back_are_no_less_exact_than_those_of_torch(case, heads, kept, width, threads):
    rows, start = FLAT[case]
    count = rows[-1][1] if rows else start
    query, key, value, grad = (
        random(1, count, number, width, seed=at).transpose(1, 2) for at, number in enumerate((heads, kept, kept, heads))
    )
    sees = seen(rows, start, count)
    true = attended(query, key, value, grad, sees, torch.float64)
    theirs = attended(query, key, value, grad, sees, torch.bfloat16)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    tasks = Tasks(rows, start)
    out, sums = OWN.attend(query, key, value, tasks.forth, 0.2)
    slopes = OWN.attend_back((query, key, value, out, sums, grad), tasks.back, tasks.ends, 0.2)
    torch.set_num_threads(before)
    for mine, other, exact in zip((out, *slopes), theirs, true, strict=True):
        assert error(mine.transpose(0, 1)[None], exact) < 0.004 + 1.1 * error(other, exact) or exact.abs().max() < 1e-9


def attended_once(query, pages, first, window):
    """Return the same of one query per row, in float64."""
    keys, values, table, lengths = pages
    times, said = query.shape[1] // keys.shape[1], []
    for row, length in enumerate(lengths.tolist()):
        at = torch.arange(max(0, length - window) if window else 0, length)
        slots = table[row, at // 16] * 16 + at % 16
        key, value = (one[slots].double().repeat_interleave(times, 1) for one in (keys, values))
        scores = torch.einsum("hd,thd->ht", query[0, :, row].double(), key) * 0.2
        scores = torch.cat([scores, first[1][row].double()[:, None]], 1) if first else scores
        likely = scores.softmax(-1)
        said.append(torch.einsum("ht,thd->hd", likely[:, : len(at)], value))
        if first:
            said[-1] += likely[:, -1:] * first[0][row]
    return torch.stack(said)


@needs
@pytest.mark.parametrize("kind", [torch.float32, pytest.param(torch.bfloat16, marks=tiles)])
@pytest.mark.parametrize(("heads", "kept", "width"), [(9, 3, 64), (4, 4, 32), (8, 2, 96), (6, 1, 128)])
@pytest.mark.parametrize("window", [0, 5, 16, 40])
@pytest.mark.parametrize("behind", [False, True])
def test_one_query_per_row_sees_its_own_pages_and_what_came_before(kind, heads, kept, width, window, behind):
    lengths = torch.tensor([1, 15, 16, 17, 33, 100, 64])
    table = torch.randperm(49, generator=torch.Generator().manual_seed(0)).view(7, 7)
    keys, values = (random(49 * 16, kept, width, seed=seed).to(kind) for seed in (0, 1))
    others = torch.ones(49 * 16, dtype=torch.bool)
    for row, length in enumerate(lengths.tolist()):
        at = torch.arange(length)
        others[table[row, at // 16] * 16 + at % 16] = False
    keys[others], values[others] = float("nan"), float("nan")  # what nobody wrote may be anything
    query = random(7, heads, width, seed=2).to(kind).transpose(0, 1)[None]
    first = (random(7, heads, width, seed=3).to(kind), random(7, heads).float()) if behind else None
    pages = keys, values, table, lengths
    found = OWN.attend_once(query, pages, first, window, 0.2)
    assert error(found, attended_once(query, pages, first, window)) < (1e-6 if kind == torch.float32 else 0.004)


def slopes_of(folder, dtype, rows):
    """Return the loss and all gradients of a LoRA step."""
    model = load(folder, dtype, torch.device("cpu"))
    policy = Policy.trained(model, Adapter(r=4), seed=0, autocast=False)
    weights = list(trainable(policy.model).values())
    for at, weight in enumerate(weights):  # up starts at 0, and with it most gradients
        weight.data.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(at)) * 0.05)
    sft = SFT([], 1, 4096, 0, packs=policy.packs)
    (batch,) = sft.batches(rows)
    loss = -policy(batch).logprobs.sum() / batch.count
    loss.backward()
    return float(loss), torch.cat([weight.grad.flatten().double() for weight in weights])


@needs
@pytest.mark.parametrize("shared", [0, 40])
def test_a_step_with_kernels_is_as_near_to_float32_as_one_without(tmp_path, monkeypatch, shared):
    from conftest import make_model, make_tokenizer

    make_tokenizer(tmp_path)
    make_model(
        tmp_path, vocab_size=259, hidden_size=128, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=32,
    )  # fmt: skip
    made = torch.Generator().manual_seed(0)
    start = torch.randint(0, 259, (shared,), generator=made).tolist()
    rows = [
        Tokens((*start, *torch.randint(0, 259, (n,), generator=made).tolist()), (0.0,) * shared + (1.0,) * n, "f:1")
        for n in (3, 17, 64, 70, 150)
    ]
    true_loss, true = slopes_of(tmp_path, torch.float32, rows)
    ours_loss, ours = slopes_of(tmp_path, torch.bfloat16, rows)
    monkeypatch.setattr(module, "_kernels", lambda: None)
    plain_loss, plain = slopes_of(tmp_path, torch.bfloat16, rows)
    assert abs(ours_loss - true_loss) < max(0.01, 2 * abs(plain_loss - true_loss))
    assert error(ours, true) < 1.2 * error(plain, true)
    assert not torch.equal(ours, plain)  # so the kernels did run


@needs
def test_the_head_trains_under_autocast_as_in_float32():
    hidden, weight = random(20, 24).float().requires_grad_(), random(50, 24).float().requires_grad_()
    targets = torch.arange(20)

    class Head:
        plain, temperature = True, 1.0
        linear = torch.nn.Linear(24, 50, bias=False)

    Head.linear.weight = torch.nn.Parameter(weight.detach())
    logits = (hidden @ weight.T).log_softmax(-1).gather(1, targets[:, None])[:, 0]
    by_hidden, by_weight = torch.autograd.grad(logits.square().sum(), (hidden, weight))
    with torch.autocast("cpu", torch.bfloat16):
        found = chosen(hidden, Head, targets)
    found.square().sum().backward()
    assert error(hidden.grad, by_hidden) < 0.02
    assert error(Head.linear.weight.grad, by_weight) < 0.02


def test_without_a_compiler_or_when_told_so_there_are_none(monkeypatch):
    monkeypatch.setattr(module, "which", lambda _: None)
    assert module._kernels.__wrapped__() is None
    monkeypatch.undo()
    monkeypatch.setenv("WHET_KERNELS", "off")
    assert module._kernels.__wrapped__() is None
    assert kernels(ONE, torch.zeros(1)) is None  # float32


@needs
def test_kernels_that_compute_otherwise_are_not_used(monkeypatch, tmp_path):
    shutil.copytree(module.SOURCES, tmp_path / "native")
    source = tmp_path / "native" / "rows.c"
    source.write_text(source.read_text().replace("* wide(up[i]));", "* wide(up[i]) * 1.5f);"))
    monkeypatch.setattr(module, "SOURCES", tmp_path / "native")
    monkeypatch.setenv("WHET_CACHE", str(tmp_path))
    assert module._kernels.__wrapped__() is None
    assert list((tmp_path / "kernels").glob("*.so"))
    source.write_text("this is not C")
    assert module._kernels.__wrapped__() is None


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what a process holds")
def test_freed_memory_stays_with_the_process_until_it_is_given_back():
    script = """
import psutil, torch
import whet.models
from whet.models.pages import give_back
held = lambda: psutil.Process().memory_info().rss >> 20
before = held()
big = torch.ones(400 << 18)
del big
kept = held() - before
give_back()
print(kept, held() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    kept, left = map(int, done.stdout.split())
    assert kept > 390
    assert left < 50
