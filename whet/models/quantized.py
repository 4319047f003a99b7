"""Frozen weights in 4 bits: NF4 with quantised scales, multiplied in the precision of what comes in.

QLoRA (Dettmers et al. 2023, arXiv:2305.14314, sections 3 and 4). bitsandbytes packs and unpacks; the product is made
here, the same way for any number of rows and in training as in answering, from the unpacked weight.
"""

import logging
from importlib.util import find_spec
from types import MethodType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from whet.errors import UsageError

Quantize = Literal["nf4"]

logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)  # it misses a kernel that is not used here


def demand() -> None:
    """Make sure that 4-bit weights can be had here.

    Raises:
        UsageError: bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise UsageError("model.quantize: needs bitsandbytes; install it with pip install 'whet-llm[quant]'")


def packed(module: nn.Module) -> bool:
    """Say whether this is a linear layer whose weight is packed."""
    return isinstance(module, nn.Linear) and getattr(module.weight, "quant_state", None) is not None


def weight_of(layer: nn.Linear) -> Tensor:
    """Return a linear layer's weight as it is multiplied. Shapes: (out, in)."""
    state = getattr(layer.weight, "quant_state", None)
    if state is None:
        return layer.weight
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(layer.weight.data, state)  # type: ignore[no-any-return]


class _Product(torch.autograd.Function):
    """y = x W' + b with W frozen and packed: unpacked again on the way back instead of kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Linear) -> Tensor:
        ctx.layer = layer
        return nn.functional.linear(x, weight_of(layer).to(x.dtype), layer.bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad @ weight_of(ctx.layer).to(grad.dtype), None


def _forward(self: nn.Linear, x: Tensor) -> Tensor:
    return _Product.apply(x, self)  # type: ignore[no-any-return, no-untyped-call]


def multiply_plainly(model: nn.Module, dtype: torch.dtype) -> None:
    """Make every packed layer multiply as described above, and keep what is not packed in `dtype`.

    bitsandbytes' own layer repacks its weight for some processors when it answers, and takes another kernel for a
    single row, so that what it says would depend on both.
    """
    for module in model.modules():
        if packed(module):
            module.forward = MethodType(_forward, module)
            module.weight.quant_state.dtype = dtype  # type: ignore[union-attr]
    for weight in model.parameters():
        if weight.dtype == torch.float32:
            weight.data = weight.data.to(dtype)


def unpacked(model: nn.Module) -> nn.Module:
    """Return the model with plain layers that hold the very weights that the packed ones stand for."""
    for name, module in list(model.named_modules()):
        if packed(module):
            assert isinstance(module, nn.Linear)
            turned = getattr(module, "source_cls", None) is Conv1D  # which keeps its weight as (in, out)
            weight = weight_of(module)
            wide, out = module.in_features, module.out_features
            plain: Any = Conv1D(out, wide) if turned else nn.Linear(wide, out, bias=False)  # type: ignore[no-untyped-call]
            plain.weight = nn.Parameter(weight.T.contiguous() if turned else weight, requires_grad=False)
            if module.bias is not None:
                plain.bias = module.bias
            model.set_submodule(name, plain)
    return model


def count(weight: Tensor) -> int:
    """Return how many numbers a weight stands for."""
    state = getattr(weight, "quant_state", None)
    return weight.numel() if state is None else int(state.shape.numel())
