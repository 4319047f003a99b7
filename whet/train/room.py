"""How many tokens a micro-batch may hold and how many layers are computed twice, from the memory that is there.

Neither changes a gradient. A small pass says what a token keeps for the way back; what a step takes is then known
before the first one is taken.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import torch

from whet.config.tree import Optim
from whet.errors import FitError
from whet.models.batch import Batch, collate
from whet.models.policy import Policy
from whet.runs.run import Run
from whet.types import Tokens

SHARE = 0.8  # of the free memory that a step may take
MOST = {"cpu": 4096, "cuda": 16384, "mps": 8192}  # more tokens at a time are no quicker
FEW = 1024  # fewer tokens at a time are slower than layers computed twice
PROBED = 192  # tokens of the small pass
HEAD = 3 * 512  # tokens' worth of logits that the head holds at most
STATE = 12  # bytes of gradient and AdamW for each weight that trains


@dataclass(frozen=True, slots=True)
class Room:
    """Tokens of a micro-batch, and the number of layers that are computed again on the way back."""

    tokens: int
    recompute: int


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes that a step takes: `fixed` whatever it holds; for each token, `kept` by all layers and `layer` by one."""

    fixed: float
    kept: float
    layer: float
    layers: int

    def token(self, recompute: int) -> float:
        """Return the bytes a token takes; a layer on its way back holds about four times what it keeps."""
        return self.kept + self.layer * (4 - recompute)


def room(policy: Policy, optim: Optim, longest: int, run: Run) -> Room:
    """Return what fits, measured once for a run: a resumed run must cut its steps as before.

    Raises:
        FitError: not even the longest row fits.
    """
    file = run.path / "room.json"
    if file.exists():
        found = Room(**run.read_json(file.name))
    else:
        found = choose(measure(policy), optim, longest, free_memory(policy.device), policy.device.type)
        run.write_json(file.name, asdict(found))
    policy.recompute(found.recompute)
    return found


def choose(needs: Needs, optim: Optim, longest: int, free: int, kind: str) -> Room:
    """Return how much to hold at a time; layers are computed twice only where too little fits otherwise.

    Raises:
        FitError: not even the longest row fits.
    """
    budget = SHARE * free - needs.fixed
    most = optim.tokens or MOST[kind]
    enough = max(longest, most if optim.tokens else min(FEW, most))
    levels = range(needs.layers + 1) if optim.recompute is None else [min(optim.recompute, needs.layers)]
    for recompute in levels:
        fits = math.floor(budget / needs.token(recompute))
        if fits >= enough or (recompute == levels[-1] and fits >= longest and not optim.tokens):
            return Room(most if optim.tokens else min(most, fits), recompute)
    wanted = (needs.fixed + enough * needs.token(levels[-1])) / SHARE
    raise FitError(
        f"training on {enough:,} tokens at a time (the longest row has {longest:,}) takes about {wanted / 2**30:.1f} "
        f"GiB and {free / 2**30:.1f} GiB are free; lower data.longest{' or optim.tokens' if optim.tokens else ''}, use "
        "a smaller model, or adapter.kind=lora"
    )


def measure(policy: Policy) -> Needs:
    """Return what a step takes, from a small pass with all layers kept and one with none."""
    config = policy.config
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, config.vocab_size, (2, PROBED // 2), generator=generator).tolist()
    batch = collate([Tokens(tuple(ids), (0.0, *[1.0] * (len(ids) - 1)), "") for ids in rows], share=False)
    layers = len(policy.layers)
    kept = []
    with torch.random.fork_rng(devices=[policy.device] if policy.device.type == "cuda" else []):
        for recompute in (0, layers):
            policy.recompute(recompute)
            kept.append(_kept(policy, batch) / PROBED)
    policy.recompute(0)
    trains = sum(weight.numel() for weight in policy.model.parameters() if weight.requires_grad)
    head = HEAD * config.vocab_size * 4
    return Needs(STATE * trains + head, kept[0], (kept[0] - kept[1]) / max(layers, 1), layers)


def _kept(policy: Policy, batch: Batch) -> int:
    """Return the bytes that a pass keeps for its way back, the weights excluded."""
    weights = {weight.untyped_storage().data_ptr() for weight in policy.model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    was_training = policy.model.training
    policy.model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        said = policy(batch)  # lives until all is counted, so no address is used twice
    policy.model.train(was_training)
    del said
    return sum(kept.values())


def free_memory(device: torch.device) -> int:
    """Return the bytes that this process may still take on the device."""
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + held
    free = int(psutil.virtual_memory().available)
    if device.type == "mps":
        free = min(free, torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    return min(free, _left_of_container())


def _left_of_container(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """Return what the container's limit leaves, or a number beyond all memory where there is none."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return 2**60 if limit == "max" else int(limit) - used + int(stat.get("inactive_file", 0))
    except (OSError, ValueError):
        return 2**60
