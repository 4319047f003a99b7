"""The model that a run begins with: what trains of it, in which precision, and what it is compared with on the way."""

import torch

from whet.config.tree import Config
from whet.models.load import DTYPES, device_of, load, quick_dtype
from whet.models.policy import Policy
from whet.models.scoring import Scoring
from whet.models.taught import Taught
from whet.models.valuing import Valuing
from whet.runs.run import Run
from whet.train.kinds import ONLINE
from whet.train.online import asks_the_start
from whet.train.prepare import Prepared
from whet.train.teacher import gap_of, open_teacher

KINDS: dict[str, type[Policy]] = {"reward": Scoring, "ppo": Valuing, "distil": Taught}


def policy_of(config: Config, run: Run, prepared: Prepared, steps: int) -> Policy:
    """Return the policy that a run of so many steps trains."""
    device = device_of(config.model.device)
    dtype = precision(config, run, device)
    full = config.adapter.kind == "full"
    # Weights that train are kept in float32: bfloat16 cannot hold an update a thousand times smaller than itself.
    model = load(prepared.base.folder, torch.float32 if full else dtype, device, config.model.quantize)
    kind, autocast = KINDS.get(prepared.method, Policy), full and dtype == torch.bfloat16
    policy = kind.trained(model, config.adapter, seed=config.seed, autocast=autocast, steps=steps)
    if isinstance(policy, Taught) and prepared.teacher:
        policy.listen(open_teacher(prepared.teacher, device, dtype), gap_of(config.method))
    return policy


def copy_of_start(config: Config, run: Run, prepared: Prepared) -> Policy | None:
    """Return a copy of the model that training begins with, where it is asked on the way and all weights train."""
    if prepared.method not in ONLINE or config.adapter.kind != "full" or not asks_the_start(config, prepared):
        return None
    device = device_of(config.model.device)
    model = load(prepared.base.folder, precision(config, run, device), device, config.model.quantize)
    return Policy(model.requires_grad_(False))


def precision(config: Config, run: Run, device: torch.device) -> torch.dtype:
    """Return the precision of a run: measured once, so that a resumed run cannot measure otherwise."""
    if config.model.dtype != "auto":
        return DTYPES[config.model.dtype]
    file = run.path / "precision.json"
    if not file.exists():
        run.write_json(file.name, str(quick_dtype(device)).removeprefix("torch."))
    return DTYPES[run.read_json(file.name)]
