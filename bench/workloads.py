"""The work that is measured: real rows where the data sets lie beside the project, else the project's own examples."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import torch
from measured import Workload

from whet.config.load import load
from whet.config.tree import Adapter
from whet.data.split import prompts
from whet.methods._base import order
from whet.models.load import quick_dtype
from whet.train.optim import default_lr
from whet.train.prepare import Prepared, prepare

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
LORA = {"r": Adapter().r, "alpha": Adapter().alpha or 2 * Adapter().r}


class Quiet:
    """Hears what preparing has to say."""

    def say(self, text: str) -> None:
        """Be told something."""

    def begin(self, task: str, total: float) -> None:
        """Be told that a task begins."""

    def skip(self, amount: float) -> None:
        """Be told what was done before."""

    def advance(self, amount: float = 1.0, note: str = "") -> None:
        """Be told of progress."""


def _prepared(real: str, own: str) -> Prepared:
    file = DATA / real
    return prepare(load(None, [], {"data.train": str(file if file.exists() else ROOT / own)}), Quiet())


def _training(name: str, prepared: Prepared, per_step: int, steps: int, adapter: dict | None) -> Workload:
    rows = prepared.train.rows
    taken = islice(order(len(rows), per_step, 0), steps)
    return Workload(
        name,
        str(prepared.base.folder),
        _dtype(),
        adapter,
        default_lr("lora" if adapter else "full", prepared.hidden),
        [[(list(rows[place].ids), list(rows[place].weights)) for place in step] for step in taken],
    )


def instructions(steps: int) -> Workload:
    """Instructions and answers of every length, LoRA."""
    prepared = _prepared("dolly_hhrlhf_1k/train.jsonl", "examples/support/conversations.jsonl")
    return _training("instructions", prepared, 8, steps, LORA)


def classification(steps: int) -> Workload:
    """Short messages behind one long system prompt that lists the labels, LoRA."""
    prepared = _prepared("banking77/train.jsonl", "examples/intents/messages.csv")
    return _training("classification", prepared, 16, steps, LORA)


def documents(steps: int) -> Workload:
    """Long documents and their summaries, LoRA."""
    prepared = _prepared("mts_dialog/train.jsonl", "examples/support/conversations.jsonl")
    return _training("documents", prepared, 4, steps, LORA)


def full(steps: int) -> Workload:
    """The instructions again, all weights."""
    prepared = _prepared("dolly_hhrlhf_1k/train.jsonl", "examples/support/conversations.jsonl")
    return _training("full", prepared, 8, steps, None)


def generation(_: int) -> Workload:
    """Greedy replies to instructions, of at most 64 tokens."""
    prepared = _prepared("dolly_hhrlhf_1k/train.jsonl", "examples/support/conversations.jsonl")
    asked = []
    for prompt in islice(_short(prepared), 128):
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        asked.append({"messages": messages, "ids": prepared.renderer.prompt(prompt.messages, prompt.tools)})
    return Workload("generation", str(prepared.base.folder), _dtype(), None, 0.0, prompts=asked, new_tokens=64)


def _short(prepared: Prepared) -> Iterator:
    return (one for one in prompts(prepared.splits.train) if len(str(one.messages)) < 2000)


def _dtype() -> str:
    return str(quick_dtype(torch.device("cpu"))).removeprefix("torch.")


WORKLOADS: dict[str, Callable[[int], Workload]] = {
    made.__name__: made for made in (instructions, classification, documents, full, generation)
}


def as_fields(workload: Workload) -> dict:
    """Return what `measured.read` reads."""
    return asdict(workload)
