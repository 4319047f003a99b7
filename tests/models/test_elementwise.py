"""Work done in few passes gives what transformers' own operations give, and the same gradients."""

import copy

import pytest
import torch
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.glm.modeling_glm import apply_rotary_pos_emb as interleaved
from transformers.models.llama import modeling_llama
from transformers.models.llama.configuration_llama import LlamaConfig

from whet.models.elementwise import _Rotate, _same_rotation, fuse

PLAIN = getattr(modeling_llama.apply_rotary_pos_emb, "plain", modeling_llama.apply_rotary_pos_emb)


def config(**changed):
    return LlamaConfig(hidden_size=24, intermediate_size=40, num_attention_heads=3, num_hidden_layers=1, **changed)


def layers(dtype=torch.float32):
    torch.manual_seed(0)
    norm = modeling_llama.LlamaRMSNorm(24, eps=1e-5)
    torch.nn.init.normal_(norm.weight)
    return {"norm": norm.to(dtype), "gate": modeling_llama.LlamaMLP(config()).to(dtype)}


def with_gradients(layer, x):
    x = x.clone().requires_grad_()
    said = layer(x)
    weighing = torch.linspace(-1, 2, said.numel()).view_as(said).to(said.dtype)
    found = torch.autograd.grad((said * weighing).sum(), [x, *layer.parameters()])
    return [said, *found]


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 5e-2)])
@pytest.mark.parametrize("name", ["norm", "gate"])
def test_a_layer_and_its_gradients_are_those_of_transformers(name, dtype, close):
    plain = layers(dtype)[name]
    ours = copy.deepcopy(plain)
    fuse(ours)
    assert "forward" in vars(ours)
    x = (torch.randn(2, 7, 24) * 3).to(dtype)
    for one, other in zip(with_gradients(ours, x), with_gradients(plain, x), strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=close, atol=close)


def test_a_rotation_and_its_gradients_are_those_of_transformers():
    torch.manual_seed(0)
    q, k = torch.randn(1, 3, 5, 8, requires_grad=True), torch.randn(1, 2, 5, 8, requires_grad=True)
    cos, sin = torch.randn(2, 1, 5, 8)
    found = []
    for rotate in (_Rotate(PLAIN), PLAIN):
        turned = rotate(q, k, cos, sin)
        found.append([*turned, *torch.autograd.grad(sum(one.pow(2).sum() for one in turned), [q, k])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_what_computes_something_else_is_left_alone():
    gated = modeling_llama.LlamaMLP(config(hidden_act="gelu"))
    shifted = GemmaRMSNorm(24)
    for layer in (gated, shifted):
        fuse(layer)
        assert "forward" not in vars(layer)
    assert not _same_rotation(interleaved)
    assert _same_rotation(PLAIN)
