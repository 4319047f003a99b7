"""How many tokens a micro-batch may hold and how many layers are computed twice, from the memory that is there.

Neither changes a gradient. A small pass says what a token keeps for the way back; what a step takes is then known
before the first one is taken.
"""

import math
from dataclasses import asdict, dataclass, replace

import torch

from whet.config.tree import Optim
from whet.errors import FitError, UsageError
from whet.models.batch import collate
from whet.models.policy import Policy
from whet.models.quantized import packed
from whet.models.work import free_memory
from whet.runs.run import Run
from whet.train.optim import moment_bytes
from whet.types import Tokens

SHARE = 0.8  # of the free memory that a step may take
MOST = {"cpu": 4096, "cuda": 16384, "mps": 8192}  # more tokens at a time are no quicker
FEW = 1024  # fewer tokens at a time are slower than layers computed twice
PROBED = 192  # tokens of the small pass
HEAD = 3 * 512  # tokens' worth of logits that the head holds at most
GRADIENT = 4  # bytes for each weight that trains


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


@dataclass(frozen=True, slots=True)
class Rows:
    """What is to be held: tokens of the longest row, and of the largest step."""

    longest: int
    step: int


def room(policy: Policy, optim: Optim, rows: Rows, run: Run) -> Room:
    """Return what fits, measured once for a run: a resumed run must cut its steps as before.

    A recipe that was changed since (which `--allow-drift` allows) is measured again.

    Raises:
        FitError: not even the longest row fits.
        UsageError: something is to be kept elsewhere, and there is no elsewhere.
    """
    if optim.offload and policy.device.type == "cpu":
        raise UsageError("optim.offload: needs a GPU, whose memory it saves; leave it out")
    file = run.path / "room.json"
    asked = {"tokens": optim.tokens, "recompute": optim.recompute, **asdict(rows)}
    asked |= {name: getattr(optim, name) for name in ("moments", "offload") if getattr(optim, name)}
    if any(map(packed, policy.model.modules())):
        asked["packed"] = True
    known = run.read_json(file.name) if file.exists() else {}
    if known.get("asked") == asked:
        found = Room(**known["found"])
    else:
        free, host = free_memory(policy.device), free_memory(torch.device("cpu"))
        needs = measure(policy, optim)
        found = (
            on_host(needs, optim, rows, free, host)
            if optim.offload
            else choose(needs, optim, rows, free, policy.device.type)
        )
        policy.offload = bool(optim.offload)
        if policy.device.type == "cuda":  # on a CPU, what takes too much is killed and cannot be tried
            found = tried(policy, optim, rows, found)
        run.write_json(file.name, {"asked": asked, "found": asdict(found)})
    policy.recompute(found.recompute)
    policy.offload = bool(optim.offload)
    return found


def on_host(needs: Needs, optim: Optim, rows: Rows, free: int, host: int) -> Room:
    """Return how much to hold at a time where what is kept for the way back waits in `host` bytes of another memory.

    Raises:
        FitError: not even the longest row fits.
    """
    fits = math.floor(SHARE * host / needs.kept)
    least = max(rows.longest, min(optim.tokens or 0, rows.step))
    if fits < least:
        raise FitError(
            f"optim.offload: {least:,} tokens at a time keep {least * needs.kept / 2**30:.1f} GiB for the way back and "
            f"the host has {host / 2**30:.1f} GiB free; leave it out, or lower data.max_tokens (with data.overlong)"
        )
    found = choose(replace(needs, kept=0.0, layers=0), optim, rows, free, "cuda")
    return Room(min(found.tokens, fits), 0)


def tried(policy: Policy, optim: Optim, rows: Rows, found: Room) -> Room:
    """Return what was seen to fit, `found` or less: the largest micro-batch is taken before the first step.

    Raises:
        FitError: not even the longest row fits.
    """
    layers = len(policy.layers)
    while True:
        try:
            _take(policy, optim, found, rows.longest)
            return found
        except torch.OutOfMemoryError:
            fewer = found.tokens * 3 // 4
            if not optim.tokens and fewer >= max(rows.longest, FEW):
                found = Room(fewer, found.recompute)
            elif optim.recompute is None and found.recompute < layers:
                found = Room(found.tokens, min(layers, found.recompute + max(1, layers // 4)))
            elif not optim.tokens and fewer >= rows.longest:
                found = Room(fewer, found.recompute)
            else:
                raise FitError(
                    f"training on {found.tokens:,} tokens at a time (the longest row has {rows.longest:,}) takes more "
                    "memory than this device has free; lower data.max_tokens (with data.overlong) or optim.tokens, use "
                    "a smaller model, model.quantize=nf4, or adapter.kind=lora"
                ) from None


def _take(policy: Policy, optim: Optim, room: Room, longest: int) -> None:
    """Take a micro-batch of random rows forward and back beside the memory that the optimizer will hold."""
    policy.recompute(room.recompute)
    training = [weight for weight in policy.model.parameters() if weight.requires_grad]
    was_training = policy.model.training
    policy.model.train()
    generator = torch.Generator().manual_seed(0)
    try:
        with torch.random.fork_rng(devices=[policy.device] if policy.device.type == "cuda" else []):
            bytes_ = int(moment_bytes(optim) * sum(weight.numel() for weight in training))
            moments = torch.empty(bytes_, dtype=torch.uint8, device=policy.device)
            ids = torch.randint(
                0, policy.config.vocab_size, (max(1, room.tokens // longest), longest), generator=generator
            )
            batch = collate([_row(row) for row in ids.tolist()], share=False)
            said = policy(batch)
            every = (said.logprobs, said.values, said.divergence)
            found = torch.stack([one.sum() for one in every if one is not None and one.requires_grad]).sum()
            found.backward()  # type: ignore[no-untyped-call]
            del moments
    finally:
        policy.model.train(was_training)
        for weight in training:
            weight.grad = None
        if policy.device.type == "cuda":
            torch.cuda.empty_cache()


def _row(ids: list[int]) -> Tokens:
    return Tokens(tuple(ids), (0.0, *[1.0] * (len(ids) - 1)), "")


def choose(needs: Needs, optim: Optim, rows: Rows, free: int, kind: str) -> Room:
    """Return how much to hold at a time; layers are computed twice only where too little fits otherwise.

    Raises:
        FitError: not even the longest row fits.
    """
    budget = SHARE * free - needs.fixed
    most = optim.tokens or MOST[kind]
    least = max(rows.longest, min(most, rows.step) if optim.tokens else 0)
    enough = max(least, min(FEW, rows.step))
    levels = range(needs.layers + 1) if optim.recompute is None else [min(optim.recompute, needs.layers)]
    for recompute in levels:
        fits = math.floor(budget / needs.token(recompute))
        if fits >= enough or (recompute == levels[-1] and fits >= least):
            return Room(most if optim.tokens else min(most, fits), recompute)
    wanted = (needs.fixed + least * needs.token(levels[-1])) / SHARE
    way_out = "data.max_tokens (with data.overlong)" + (" or optim.tokens" if optim.tokens else "")
    raise FitError(
        f"training on {least:,} tokens at a time (the longest row has {rows.longest:,}) takes about "
        f"{wanted / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free; lower {way_out}, use a smaller model, or "
        "adapter.kind=lora, or with it model.quantize=nf4"
    )


def measure(policy: Policy, optim: Optim) -> Needs:
    """Return what a step takes, from small passes with all layers kept and with none.

    Two sizes tell what each token keeps from what a pass keeps whatever its size, as the copies of all weights in
    bfloat16 that autocast makes.
    """
    config, layers = policy.config, len(policy.layers)
    kept: dict[tuple[int, int], int] = {}
    with torch.random.fork_rng(devices=[policy.device] if policy.device.type == "cuda" else []):
        for recompute in (0, layers):
            policy.recompute(recompute)
            for tokens in (PROBED // 2, PROBED):
                kept[recompute, tokens] = _kept(policy, tokens)
    policy.recompute(0)
    whole, bare = ((kept[r, PROBED] - kept[r, PROBED // 2]) / (PROBED // 2) for r in (0, layers))
    always = kept[0, PROBED] - PROBED * whole
    trains = sum(weight.numel() for weight in policy.model.parameters() if weight.requires_grad)
    head = HEAD * config.vocab_size * 4
    state = GRADIENT + moment_bytes(optim)
    return Needs(state * trains + head + always, whole + policy.beside, (whole - bare) / max(layers, 1), layers)


def _kept(policy: Policy, tokens: int) -> int:
    """Return the bytes that a pass over so many tokens keeps for its way back, the weights excluded."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, policy.config.vocab_size, (2, tokens // 2), generator=generator).tolist()
    batch = collate(list(map(_row, rows)), share=False)
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
