"""Norms, gates and rotations in few passes over memory, with their own way back.

On a processor these are bound by memory: what transformers writes as five or six operations is read and written as
often. Each is put in place of a model's own only where both say the same about random numbers.
"""

import sys
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from whet.models.kernels import kernels
from whet.models.lora import of_gate
from whet.models.quantized import weight_of


class _RMSNorm(torch.autograd.Function):
    """x / sqrt(mean(x^2) + eps) * w (arXiv:1910.07467, equation 4). Kept for the way back: x and one number a row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        if own := kernels(x, weight):
            x = x.contiguous()
            normed, scale = own.norm(x, weight, eps)
            ctx.save_for_backward(x, weight, scale)
            return normed
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        said: Tensor = (x * scale).to(x.dtype)
        return said.mul_(weight) if weight.dtype == x.dtype else said * weight

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight, scale = ctx.saved_tensors
        to_x = to_weight = None
        if ctx.needs_input_grad[1]:
            to_weight = (grad * (x * scale).to(x.dtype)).flatten(0, -2).sum(0).to(weight.dtype)
        own = kernels(x, weight, grad)
        if ctx.needs_input_grad[0] and own:
            to_x = own.norm_back(grad.contiguous(), x, weight, scale)
        elif ctx.needs_input_grad[0]:
            inner = grad.float() * weight
            along = torch.linalg.vecdot(inner, x.float())[..., None] * scale.pow(3) / -x.shape[-1]
            to_x = inner.mul_(scale).addcmul_(x.float(), along).to(x.dtype)
        return to_x, to_weight, None


class _SwiGLU(torch.autograd.Function):
    """silu(gate) * up (arXiv:2002.05202, equation 6). Kept for the way back: gate and up."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        own = kernels(gate, up)
        if own:
            gate, up = gate.contiguous(), up.contiguous()
        ctx.save_for_backward(gate, up)
        return own.gate(gate, up) if own else nn.functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        if own := kernels(gate, up, grad):
            return own.gate_back(gate, up, grad.contiguous())
        to_up = nn.functional.silu(gate).mul_(grad)
        return torch.ops.aten.silu_backward(grad * up, gate), to_up


class _Rotation(torch.autograd.Function):
    """Pairs (x[i], x[i + D / 2]) turned by an angle (arXiv:2104.09864, equation 34). Its way back turns them back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        if len(x) == 1 and (own := kernels(x, cos, sin)):
            return own.turn(x, cos[0, 0], sin[0, 0])
        half = x.shape[-1] // 2
        sin = torch.cat([-sin[..., :half], sin[..., half:]], -1)
        return _turned(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        if len(grad) == 1 and (own := kernels(grad, cos, sin)):
            return own.turn(grad, cos[0, 0], sin[0, 0], back=True), None, None
        half = grad.shape[-1] // 2
        sin = torch.cat([sin[..., half:], -sin[..., :half]], -1)
        return _turned(grad, cos, sin), None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return x cos + (x with its halves swapped) sin."""
    half = x.shape[-1] // 2
    said = x * cos
    said[..., :half].addcmul_(x[..., half:], sin[..., :half])
    said[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return said


def fuse(model: nn.Module) -> None:
    """Make every norm and gate of a known kind, and the model's rotation, run in few passes."""
    kinds: dict[type, bool] = {}
    for module in model.modules():
        forward = _forward_of(module)
        if forward is None:
            continue
        if type(module) not in kinds:
            kinds[type(module)] = _same_layer(module, forward)
        if kinds[type(module)]:
            module.forward = MethodType(forward, module)
    home: Any = sys.modules[type(model).__module__]
    plain = getattr(home, "apply_rotary_pos_emb", None)
    if plain is not None and not isinstance(plain, _Rotate) and _same_rotation(plain):
        home.apply_rotary_pos_emb = _Rotate(plain)  # the layers of an architecture look it up in their module


def _forward_of(module: nn.Module) -> Any:
    if type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
        return _norm
    if all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn")):
        return _gated
    return None


def _norm(self: Any, hidden_states: Tensor) -> Tensor:
    return _RMSNorm.apply(hidden_states, self.weight, self.variance_epsilon)  # type: ignore[no-any-return,no-untyped-call]


def _gated(self: Any, x: Tensor) -> Tensor:
    gate, up = self.gate_proj(x), self.up_proj(x)
    said = of_gate(self.down_proj, gate, up)
    return self.down_proj(_SwiGLU.apply(gate, up)) if said is None else said  # type: ignore[no-untyped-call]


class _Rotate:
    """Stands in for an architecture's `apply_rotary_pos_emb`."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def __call__(self, q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs or cos.shape[-1] != q.shape[-1] or cos.dtype != q.dtype or cos.requires_grad:
            return self.plain(q, k, cos, sin, *args, **kwargs)
        cos, sin = cos[:, None], sin[:, None]
        return _Rotation.apply(q, cos, sin), _Rotation.apply(k, cos, sin)  # type: ignore[no-untyped-call]


@torch.no_grad()
def _same_layer(module: Any, forward: Any) -> bool:
    """Say whether `forward` gives what the module's own gives."""
    try:
        weight = module.weight if hasattr(module, "weight") else weight_of(module.gate_proj)
        x = _random(3, weight.shape[-1]).to(weight)
        close = 1e-4 if weight.dtype == torch.float32 else 2e-2
        return torch.allclose(forward(module, x), type(module).forward(module, x), rtol=close, atol=close / 10)
    except (RuntimeError, TypeError, AttributeError):
        return False


@torch.no_grad()
def _same_rotation(plain: Any) -> bool:
    """Say whether `plain` turns heads as we do."""
    given = _random(1, 3, 5, 8), _random(1, 2, 5, 8), *_random(2, 1, 5, 8)
    try:
        pairs = zip(_Rotate(plain)(*given), plain(*given), strict=True)
        return all(torch.allclose(ours, theirs, atol=1e-5) for ours, theirs in pairs)
    except (RuntimeError, TypeError, ValueError, AttributeError):
        return False


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))
