"""Low-rank adapters on linear layers in one pass: the frozen product, the adapter added in place, little kept."""

from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear as PeftLinear
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from whet.models.kernels import Kernels, kernels
from whet.models.quantized import packed, weight_of


class _LowRank(torch.autograd.Function):
    """y = x W' + b + s (x A') B', with W and b frozen.

    LoRA (arXiv:2106.09685, equation 3). Kept for the way back: x, and x A', which is r wide. The adapter's own
    weights stay in the precision they train in; its products are made in that of x.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Linear, down: Tensor, up: Tensor, scale: float) -> Tensor:
        flat = x.flatten(0, -2)
        low = flat @ down.to(x.dtype).T
        said = nn.functional.linear(flat, weight_of(layer).to(x.dtype), layer.bias)
        said.addmm_(low, up.to(x.dtype).T, alpha=scale)
        ctx.save_for_backward(flat, low, down, up)
        ctx.layer, ctx.scale, ctx.shape = layer, scale, x.shape
        return said.unflatten(0, x.shape[:-1])  # type: ignore[no-untyped-call, no-any-return]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, None]:
        flat, low, down, up = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])
        to_low = (grad @ up.to(grad.dtype)).mul_(ctx.scale)
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = (grad @ weight_of(ctx.layer).to(grad.dtype)).addmm_(to_low, down.to(grad.dtype)).view(ctx.shape)
        to_up = (low.T @ grad).T.mul(ctx.scale)
        return to_x, None, (to_low.T @ flat).to(down.dtype), to_up.to(up.dtype), None


class _LowRankOfGate(torch.autograd.Function):
    """The same with x = silu(gate) * up, which is made again on the way back instead of being kept."""

    @staticmethod
    def forward(
        ctx: Any, gate: Tensor, up: Tensor, layer: nn.Linear, down: Tensor, rise: Tensor, scale: float, own: Kernels
    ) -> Tensor:
        gate, up = gate.contiguous(), up.contiguous()
        x = own.gate(gate, up).flatten(0, -2)
        low = x @ down.to(x.dtype).T
        said = nn.functional.linear(x, weight_of(layer).to(x.dtype), layer.bias)
        said.addmm_(low, rise.to(x.dtype).T, alpha=scale)
        ctx.save_for_backward(gate, up, low, down, rise)
        ctx.layer, ctx.scale, ctx.own = layer, scale, own
        return said.unflatten(0, gate.shape[:-1])  # type: ignore[no-untyped-call, no-any-return]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        gate, up, low, down, rise = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])
        to_low = (grad @ rise.to(grad.dtype)).mul_(ctx.scale)
        to_down = (to_low.T @ ctx.own.gate(gate, up).flatten(0, -2)).to(down.dtype)
        to_rise = (low.T @ grad).T.mul(ctx.scale).to(rise.dtype)
        to_x = (grad @ weight_of(ctx.layer).to(grad.dtype)).addmm_(to_low, down.to(grad.dtype))
        return *ctx.own.gate_back(gate, up, to_x.view(gate.shape)), None, to_down, to_rise, None, None


def of_gate(layer: Any, gate: Tensor, up: Tensor) -> Tensor | None:
    """Return what a layer makes of silu(gate) * up without keeping that product; None where it cannot."""
    own = kernels(gate, up)
    plain = own is not None and getattr(layer.forward, "__func__", None) is _forward and _plain(layer, gate)
    if not plain or packed(layer.base_layer):
        return None
    return _LowRankOfGate.apply(gate, up, layer.base_layer, *_adapter(layer), own)  # type: ignore[no-any-return, no-untyped-call]


def fuse(model: nn.Module) -> None:
    """Make every plain LoRA layer of a PEFT model run in one pass; where it cannot, PEFT's own forward runs."""
    for module in model.modules():
        plain = type(module) is PeftLinear and type(module.base_layer) is nn.Linear
        svd = hasattr(module, "lora_E")  # AdaLoRA's, a LoraLayer of another form
        if plain or (isinstance(module, LoraLayer) and not svd and packed(module.base_layer)):
            module.forward = MethodType(_forward, module)


def _forward(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    if args or kwargs or not _plain(self, x):
        return type(self).forward(self, x, *args, **kwargs)  # type: ignore[no-any-return]
    return _LowRank.apply(x, self.base_layer, *_adapter(self))  # type: ignore[no-any-return, no-untyped-call]


def _adapter(layer: Any) -> tuple[Tensor, Tensor, float]:
    """Return a layer's matrices and their scale; those of two adapters of one scale as one of both their ranks."""
    names = layer.active_adapters
    down, up = ([part[name].weight for name in names] for part in (layer.lora_A, layer.lora_B))
    scale = layer.scaling[names[0]]
    return (down[0], up[0], scale) if len(names) == 1 else (torch.cat(down), torch.cat(up, 1), scale)


def _plain(layer: Any, x: Tensor) -> bool:
    """Say whether a layer has adapters of the plain kind and of one scale, in force, and nothing else to do."""
    names = layer.active_adapters
    if layer.disable_adapters or layer.merged or not names:
        return False
    return (
        all(name in layer.lora_A and name not in layer.lora_variant and not layer.lora_bias[name] for name in names)
        and len({layer.scaling[name] for name in names}) == 1
        and (not layer.training or all(isinstance(layer.lora_dropout[name], nn.Identity) for name in names))
        and not layer.base_layer.weight.requires_grad
        and not torch.is_autocast_enabled(x.device.type)
        and (packed(layer.base_layer) or x.dtype == layer.base_layer.weight.dtype)
    )
