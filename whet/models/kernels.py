"""The C of native/, compiled for this processor when first needed; without a compiler, torch's own operations run.

The compiled file lies in the cache, named by what made it. Each kernel is held against torch on random numbers before
any is used. WHET_KERNELS=off leaves them out.
"""

import ctypes
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any

import torch
from torch import Tensor, nn

from whet.config.places import cache_folder

SOURCES = Path(__file__).with_name("native")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fopenmp")
KINDS: dict[type, Any] = {int: ctypes.c_long, float: ctypes.c_float, type(None): ctypes.c_void_p}
WIDEST = 512  # numbers of a head that `attend_back` knows
TILE = 16  # rows of a tile
WIDE = ("-mprefer-vector-width=512",)  # of x86 only


class Kernels:
    """The functions of native/ on tensors: bfloat16 on a processor, without gaps where not said otherwise."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def _call(self, name: str, *args: Tensor | int | float | None) -> int:
        given = [ctypes.c_void_p(one.data_ptr()) if isinstance(one, Tensor) else KINDS[type(one)](one) for one in args]
        return int(getattr(self._library, name)(*given, ctypes.c_int(torch.get_num_threads())))

    def norm(self, x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """Return x / sqrt(mean(x^2) + eps) * weight, and 1 / sqrt(...). Shapes: x (..., H); (..., H), (..., 1)."""
        out, scale = torch.empty_like(x), x.new_empty(*x.shape[:-1], 1, dtype=torch.float32)
        self._call("norm_forward", x, weight, eps, out, scale, scale.numel(), x.shape[-1])
        return out, scale

    def norm_back(self, grad: Tensor, x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
        """Return the slope by x."""
        out = torch.empty_like(x)
        self._call("norm_backward", grad, x, weight, scale, out, scale.numel(), x.shape[-1])
        return out

    def gate(self, gate: Tensor, up: Tensor) -> Tensor:
        """Return silu(gate) * up."""
        out = torch.empty_like(gate)
        self._call("gate_forward", gate, up, out, gate.numel())
        return out

    def gate_back(self, gate: Tensor, up: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return the slopes by gate and up."""
        to_gate, to_up = torch.empty_like(gate), torch.empty_like(up)
        self._call("gate_backward", gate, up, grad, to_gate, to_up, gate.numel())
        return to_gate, to_up

    def turn(self, x: Tensor, cos: Tensor, sin: Tensor, *, back: bool = False) -> Tensor:
        """Return the heads of each token turned by its angle. Shapes: x (1, heads, N, D), any strides; cos, sin (N, D).

        The result lies token by token.
        """
        _, heads, count, width = x.shape
        out = x.new_empty(count, heads, width)
        self._call("rotate", x, cos, sin, out, count, heads, width, x.stride(2), x.stride(1), int(back))
        return out.transpose(0, 1)[None]

    def choose(self, logits: Tensor, targets: Tensor, *, keep: bool) -> Tensor:
        """Return the log-probability of each target; with `keep`, `logits` become probabilities.

        Shapes: (N, V), (N,).
        """
        out = torch.empty(len(targets), dtype=torch.float32)
        self._call("choose", logits, targets, out, len(targets), logits.shape[-1], int(keep))
        return out

    @property
    def tiles(self) -> bool:
        """Whether this processor multiplies tiles of bfloat16, which `attend_back` needs."""
        return bool(self._library.multiplies_tiles())

    def attend(self, query: Tensor, key: Tensor, value: Tensor, tasks: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Return what the tokens of a flat sequence attend to, and the logarithm of what their weights sum up to.

        A task is nine numbers: its first query, how many, at which place of the keys the first stands, and three
        stretches of keys, first and end. Shapes: query (1, heads, N, D), key, value (1, key heads, N, D), D a multiple
        of 32; (N, heads, D), (N, heads) float32.

        Raises:
            MemoryError: there is none.
        """
        heads, count, width = query.shape[1:]
        out, sums = query.new_empty(count, heads, width), torch.empty(count, heads)
        given = query, key, value, _strides(query, key, value), tasks, out, sums
        if self._call("attend_forward", *given, len(tasks), heads, key.shape[1], width, scale):
            raise MemoryError
        return out, sums

    def attend_back(
        self, tensors: tuple[Tensor, ...], tasks: Tensor, ends: Tensor, scale: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the slopes by query, key and value, in float32. Shapes: (N, heads, D), (N, key heads, D) twice.

        Args:
            tensors: query, key and value as above, out and sums as returned, the slope by out: (1, heads, N, D).
            tasks: as above, with one stretch of keys each, those of a later turn without a query or key in common.
            ends: of each turn; in the first, every token is a query once and a key once.
            scale: of the scores.

        Raises:
            MemoryError: there is none.
        """
        query, key, value, out, sums, grad = tensors
        heads, count, width = query.shape[1:]
        slopes = [torch.empty(count, one.shape[1], width) for one in (query, key, value)]
        given = query, key, value, grad, out, _strides(query, key, value, grad), tasks, ends, sums, *slopes
        if self._call("attend_backward", *given, len(ends), heads, key.shape[1], width, scale):
            raise MemoryError
        return slopes[0], slopes[1], slopes[2]

    def attend_once(
        self,
        query: Tensor,
        pages: tuple[Tensor, Tensor, Tensor, Tensor],
        first: tuple[Tensor, Tensor] | None,
        window: int,
        scale: float,
    ) -> Tensor:
        """Return what one query per row attends to, in float32, or in bfloat16 with D a multiple of 32.

        Args:
            query: without gaps in its last dimension. Shapes: (1, heads, B, D); result (B, heads, D).
            pages: the keys and values of all slots, (slots, key heads, D); the pages, of 16 slots, of each row, (B or
                more, most); how many tokens each row has, (B,).
            first: what the rows got from elsewhere, (B, heads, D), and the logarithm of what the weights there sum up
                to, (B, heads) in float32.
            window: how many tokens a query sees at most; 0 for all.
            scale: of the scores.
        """
        keys, values, table, lengths = pages
        heads, rows, width = query.shape[1:]
        out = query.new_empty(rows, heads, width)
        before, sums = (one.contiguous() for one in first) if first else (None, None)
        plain, longest = query.dtype == torch.float32, int(lengths.max()) + 32  # a page and a half may come to it
        size = heads * (2 * width + longest) if plain else TILE * TILE + TILE * (3 * longest + 5 * width) // 2
        room = torch.empty(torch.get_num_threads(), size)
        name = "attend_once_float" if plain else "attend_once_bf16"
        given = query, query.stride(1), query.stride(2), keys, values, table, lengths, before, sums, out, room
        sizes = size, rows, table.shape[1], heads, keys.shape[1], width, window
        self._call(name, *given, *sizes, scale)
        return out


def _strides(*tensors: Tensor) -> Tensor:
    return torch.tensor([one.stride()[1:3] for one in tensors])


def kernels(*tensors: Tensor, kinds: Collection[torch.dtype] = (torch.bfloat16,)) -> Kernels | None:
    """Return the kernels if they can work on these tensors."""
    for one in tensors:
        if one.dtype not in kinds or one.device.type != "cpu":
            return None
    return _kernels()


@cache
def _kernels() -> Kernels | None:
    compiler = which("gcc")
    if sys.platform != "linux" or compiler is None or os.environ.get("WHET_KERNELS") == "off":
        return None
    try:
        found = Kernels(ctypes.CDLL(str(_compiled(compiler))))
        with torch.inference_mode(False), torch.enable_grad():
            return found if _right(found) else None
    except (OSError, subprocess.SubprocessError):
        return None


def _compiled(compiler: str) -> Path:
    """Return the library, made anew where source, compiler or processor are others."""
    flags = [*FLAGS, *(WIDE if platform.machine() == "x86_64" else ())]
    processor = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("flags", "Feat"))]
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=30).stdout
    made_by = [
        *(file.read_bytes() for file in sorted(SOURCES.iterdir())),
        repr(flags).encode(),
        "".join(processor[:1]).encode(),
        version,
    ]
    library = cache_folder() / "kernels" / f"{hashlib.sha256(b'-'.join(made_by)).hexdigest()[:24]}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent) as place:
            made = Path(place) / library.name
            sources = [str(file) for file in sorted(SOURCES.glob("*.c"))]
            command = [compiler, *flags, "-shared", "-fPIC", *sources, "-o", str(made), "-lm"]
            subprocess.run(command, capture_output=True, check=True, timeout=120)
            made.replace(library)
    return library


def _right(ours: Kernels) -> bool:
    """Say whether each kernel gives what torch gives, on random numbers of a length that fills no vector."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).bfloat16()

    x, up, weight, grad = random(3, 70), random(3, 70), random(70), random(3, 70)
    wide, second = x.float().requires_grad_(), up.float().requires_grad_()
    normed = nn.functional.rms_norm(wide, (70,), weight.float(), 1e-5)
    gated = nn.functional.silu(wide) * second
    mine, scale = ours.norm(x, weight, 1e-5)
    (by_norm,) = torch.autograd.grad(normed, wide, grad.float())
    pairs = [(mine, normed), (ours.gate(x, up), gated), (ours.norm_back(grad, x, weight, scale), by_norm)]
    pairs += zip(ours.gate_back(x, up, grad), torch.autograd.grad(gated, (wide, second), grad.float()), strict=True)

    logits, targets = random(3, 70), torch.tensor([0, 69, 33])
    likely = logits.float().log_softmax(-1)
    pairs.append((ours.choose(logits, targets, keep=True), likely.gather(1, targets[:, None])[:, 0]))
    pairs.append((logits, likely.exp()))

    heads, angle = random(1, 4, 2, 70).transpose(1, 2), random(4, 70)
    half = torch.cat([-heads[..., 35:], heads[..., :35]], -1)
    pairs.append((ours.turn(heads, angle, angle), heads.float() * angle + half.float() * angle))
    for kind in (torch.float32, *([torch.bfloat16] if ours.tiles else [])):
        asked, keys, values = (random(*shape, 32).to(kind) for shape in ((1, 2, 2), (48, 1), (48, 1)))
        pages = keys, values, torch.tensor([[2, 0], [1, 0]]), torch.tensor([19, 3])
        said = ours.attend_once(asked, pages, None, 0, 1.0)
        for row, seen in enumerate(([*range(32, 48), 0, 1, 2], [16, 17, 18])):
            likely = (asked[0, :, row].float() @ keys[seen, 0].float().T).softmax(-1)
            pairs.append((said[row], likely @ values[seen, 0].float()))
    if ours.tiles:
        pairs += _pairs_of_tiles(ours, random)
    checked = [(one.float(), other.detach().float()) for one, other in pairs]
    return all(torch.allclose(one, other, rtol=3e-2, atol=3e-2 * float(other.abs().max())) for one, other in checked)


def _pairs_of_tiles(ours: Kernels, random: Callable[..., Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Return what tiles give of attention, forth and back, and what torch does."""
    asked, keys, values, back = random(1, 2, 5, 32), random(1, 1, 5, 32), random(1, 1, 5, 32), random(1, 2, 5, 32)
    query, key, value = (one.float().requires_grad_() for one in (asked, keys, values))
    scores = (query @ key.mT).masked_fill(torch.ones(5, 5).triu(1).bool(), float("-inf"))
    said = scores.softmax(-1) @ value
    slopes = torch.autograd.grad(said, (query, key, value), back.float())
    tasks = torch.tensor([[0, 5, 0, 0, 5, 0, 0, 0, 0]])
    out, sums = ours.attend(asked, keys, values, tasks, 1.0)
    found = ours.attend_back((asked, keys, values, out, sums, back), tasks, torch.tensor([1]), 1.0)
    pairs = [(out, said[0].transpose(0, 1)), (sums, scores.logsumexp(-1)[0].T)]
    return pairs + [(one, other[0].transpose(0, 1)) for one, other in zip(found, slopes, strict=True)]
