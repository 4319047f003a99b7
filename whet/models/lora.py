"""Low-rank adapters on linear layers in one pass: the frozen product, the adapter added in place, little kept."""

from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear as PeftLinear
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

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


def fuse(model: nn.Module) -> None:
    """Make every plain LoRA layer of a PEFT model run in one pass; where it cannot, PEFT's own forward runs."""
    for module in model.modules():
        plain = type(module) is PeftLinear and type(module.base_layer) is nn.Linear
        if plain or (isinstance(module, LoraLayer) and packed(module.base_layer)):
            module.forward = MethodType(_forward, module)


def _forward(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    names = self.active_adapters
    if self.disable_adapters or self.merged or args or kwargs or len(names) != 1:
        return type(self).forward(self, x, *args, **kwargs)  # type: ignore[no-any-return]
    (name,) = names
    plain = (
        name in self.lora_A
        and name not in self.lora_variant
        and not self.lora_bias[name]
        and (isinstance(self.lora_dropout[name], nn.Identity) or not self.training)
        and not self.base_layer.weight.requires_grad
        and not torch.is_autocast_enabled(x.device.type)
        and (packed(self.base_layer) or x.dtype == self.base_layer.weight.dtype)
    )
    if not plain:
        return type(self).forward(self, x)  # type: ignore[no-any-return]
    down, up, scale = self.lora_A[name].weight, self.lora_B[name].weight, self.scaling[name]
    return _LowRank.apply(x, self.base_layer, down, up, scale)  # type: ignore[no-any-return, no-untyped-call]
