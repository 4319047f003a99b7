"""The model that is learned from: whether it can be, and how it is opened beside the one that learns."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from whet.config.tree import Config, Method, Model
from whet.data.render import Renderer
from whet.engines.endpoint import from_name
from whet.engines.open import Located, locate, open_model
from whet.errors import FitError, UsageError
from whet.models.kl import Gap
from whet.models.policy import Policy
from whet.models.source import weights_digest
from whet.models.work import free_memory
from whet.types import Progress

SHARE = 0.8  # of the free memory that a teacher's weights may take
PACKED = 0.6  # bytes of a weight in 4 bits, with what is kept about it
WAY_OUT = (
    "have it answer instead: `whet data make distil PATH --with TEACHER --out FILE.jsonl`, then tune on FILE.jsonl"
)


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model that can be learned from; `context` is the longest row that it reads, in tokens."""

    name: str
    context: int
    digest: str


def teacher_of(config: Config, renderer: Renderer, show: Progress) -> Teacher:
    """Return the teacher that the recipe names, before its weights are loaded.

    Raises:
        UsageError: none is named, a server is, or it has other tokens. ModelError: nothing of that name.
    """
    name = config.method.teacher
    if not name:
        raise UsageError("method.teacher: name whom to learn from: a base model, a run or a model's folder")
    if from_name(name) is not None:
        raise UsageError(f"method.teacher: a server does not tell how likely every token is; {WAY_OUT}")
    found = locate(name, show.say)
    if why := _differ(renderer, found.renderer):
        raise UsageError(f"method.teacher: {name} has other tokens than {config.model.name} ({why}); {WAY_OUT}")
    if found.renderer.digest != renderer.digest:
        show.say(f"the teacher {name} has another chat template or tokenizer file; it reads rows as the student does")
    return Teacher(name, found.context, _digest(found))


def _differ(ours: Renderer, theirs: Renderer) -> str:
    """Return in what two vocabularies differ; nothing if they do not."""
    both = ours, theirs
    mine, other = (one.tokenizer.get_vocab(with_added_tokens=True) for one in both)
    if len(mine) != len(other):
        return f"{len(other):,} of them, not {len(mine):,}"
    if strange := next((token for token, number in mine.items() if other.get(token) != number), None):
        return f"{strange!r} is {other.get(strange, 'unknown')}, not {mine[strange]}"
    ends, others = (" or ".join(str(one.tokenizer.id_to_token(stop)) for stop in sorted(one.stops)) for one in both)
    return "" if ends == others else f"its answers end with {others}, not with {ends}"


def _digest(found: Located) -> str:
    folders = dict.fromkeys((found.base, found.folder)) if found.adapted else (found.base,)
    return hashlib.sha256("".join(map(weights_digest, folders)).encode()).hexdigest()


def gap_of(options: Method) -> Gap:
    """Return what the recipe takes distance to be."""
    return Gap(options.divergence, options.mix, options.softmax_temperature, learns=bool(options.sft))


def open_teacher(teacher: Teacher, device: torch.device, dtype: torch.dtype) -> Policy:
    """Return the teacher's weights, which never change, in the precision of the student's products.

    A run whose weights were packed in training is opened as it was; no other teacher is packed.

    Raises:
        FitError: there is no room for them.
    """
    found = locate(teacher.name)
    size = PACKED if found.about.get("quantize") else dtype.itemsize
    demand_room(teacher.name, size * _weights(found.base), free_memory(device))
    settings = Model(device=device.type, dtype=str(dtype).removeprefix("torch."))
    return Policy(open_model(teacher.name, settings).engine.model.requires_grad_(False))


def demand_room(name: str, needed: float, free: int) -> None:
    """Make sure that a teacher's weights fit beside the student's.

    Raises:
        FitError: they do not.
    """
    if needed > SHARE * free:
        raise FitError(
            f"method.teacher: the weights of {name} take {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free; "
            f"use a smaller teacher or model, or model.dtype=bfloat16, or {WAY_OUT}"
        )


def _weights(folder: Path) -> int:
    """Return how many weights a folder's files have."""
    count = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as saved:
            for name in saved.keys():  # noqa: SIM118 - no mapping
                size = 1
                for side in saved.get_slice(name).get_shape():
                    size *= side
                count += size
    return count
