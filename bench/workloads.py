"""The work that is measured: real rows where the data sets lie beside the project, else the project's own examples."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
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
from whet.tune.wordings import listed_labels

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
LORA = {"r": Adapter().r, "alpha": Adapter().alpha}
INSTRUCTIONS = ("dolly_hhrlhf_1k/train.jsonl", "examples/support/conversations.jsonl")  # of every length
LABELS = ("banking77/train.jsonl", "examples/intents/messages.csv")  # behind one prompt that lists the labels
PAIRS = "hh_rlhf_harmless/validation.jsonl"
DOCUMENTS = ("mts_dialog/train.jsonl", "examples/support/conversations.jsonl")  # and their summaries


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
    settings = {"data.train": str(file if file.exists() else ROOT / own)}
    prepared = prepare(load(None, [], settings), Quiet())
    if prepared.labels:
        listing = {"data.instruction": listed_labels(prepared.labels)}
        prepared = prepare(load(None, [], {**settings, **listing}), Quiet())
    return prepared


def training(steps: int, name: str, files: tuple[str, str], per_step: int, adapter: dict | None = LORA) -> Workload:
    """Return the work of so many optimizer steps, the rows of each drawn as `whet train` draws them."""
    prepared = _prepared(*files)
    rows = prepared.train.rows
    taken = islice(order(len(rows), per_step, 0), steps)
    return Workload(
        name,
        str(prepared.base.folder),
        _dtype(),
        adapter,
        default_lr(Adapter(kind="lora" if adapter else "full"), prepared.hidden),
        [[(list(rows[place].ids), list(rows[place].weights)) for place in step] for step in taken],
    )


def pairs(steps: int, per_step: int = 8) -> Workload:
    """Return the work of so many steps on pairs of replies, the better and the worse one in turn."""
    prepared = prepare(load(None, [], {"data.train": str(DATA / PAIRS)}), Quiet())
    groups = [group for group in prepared.judged or () if len(group.rows) == 2]
    taken = islice(order(len(groups), per_step, 0), steps)
    rate = default_lr(Adapter(), prepared.hidden, "dpo")
    rows = [[(list(row.ids), list(row.weights)) for at in step for row in groups[at].rows] for step in taken]
    return Workload("pairs", str(prepared.base.folder), _dtype(), LORA, rate, rows)


def generation(_: int) -> Workload:
    """Return the work of replying greedily to instructions, with at most 64 tokens each."""
    prepared = _prepared(*INSTRUCTIONS)
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
    "instructions": partial(training, name="instructions", files=INSTRUCTIONS, per_step=8),
    "classification": partial(training, name="classification", files=LABELS, per_step=16),
    "documents": partial(training, name="documents", files=DOCUMENTS, per_step=4),
    "full": partial(training, name="full", files=INSTRUCTIONS, per_step=8, adapter=None),
    "pairs": pairs,
    "generation": generation,
}


def as_fields(workload: Workload) -> dict:
    """Return what `measured.read` reads."""
    return asdict(workload)
