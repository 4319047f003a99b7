"""Training speed of whet against TRL: same base weights, rows, LoRA shape, rows a step and steps, in one run.

python bench/run.py [--steps 6] [--rows 64]

Prints a table and writes bench/results.json. TRL trains in the precision that whet measured to be the quicker one.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from whet.config.tree import Adapter, Data, Optim
from whet.data.preflight import render_all
from whet.data.read import read
from whet.data.render import Renderer
from whet.methods.sft import SFT
from whet.models.adapt import trainable
from whet.models.load import load, quick_dtype
from whet.models.policy import Policy
from whet.models.source import resolve
from whet.runs.lineage import environment
from whet.train.fit import Pace, fit
from whet.train.optim import build_optimizer

CPU = torch.device("cpu")
EXAMPLE = Path(__file__).parents[1] / "examples/support/conversations.jsonl"
PER_STEP = 8


class Clock(TrainerCallback):
    """Notes the time after every step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_begin(self, *_: object, **__: object) -> None:
        self.times.append(time.perf_counter())

    def on_step_end(self, *_: object, **__: object) -> None:
        self.times.append(time.perf_counter())


def with_whet(folder: Path, rows: list, steps: int, dtype: torch.dtype) -> tuple[float, list[float]]:
    policy = Policy.trained(load(folder, dtype, CPU), Adapter(), seed=0, autocast=False)
    parameters = trainable(policy.model)
    optimizer = build_optimizer(parameters, Optim(), 2e-4)
    method = SFT(rows, PER_STEP, 4096, 0, packs=policy.packs)
    made = (method.batches(rows[at : at + PER_STEP]) for at in range(0, steps * PER_STEP, PER_STEP))
    losses, tokens, start = [], 0, time.perf_counter()
    for record in fit(policy, method, made, optimizer, parameters, Pace(0, lambda _: 2e-4, 1.0)):
        if record.step == 1:  # the first step warms up
            start, tokens = time.perf_counter(), 0
            losses.append(record.loss)
            continue
        losses.append(record.loss)
        tokens += record.tokens
    return tokens / (time.perf_counter() - start), losses


def with_trl(folder: Path, rows: list, steps: int, dtype: torch.dtype) -> tuple[float, list[float]]:
    data = Dataset.from_list(
        [{"input_ids": list(row.ids), "completion_mask": [int(w > 0) for w in row.weights]} for row in rows]
    )
    clock = Clock()
    with tempfile.TemporaryDirectory() as place:
        settings = SFTConfig(
            output_dir=place, per_device_train_batch_size=PER_STEP, max_steps=steps, learning_rate=2e-4,
            lr_scheduler_type="constant", adam_beta2=0.99, bf16=dtype == torch.bfloat16, use_cpu=True, report_to=[],
            gradient_checkpointing=False, completion_only_loss=True, max_length=None, logging_steps=1,
            train_sampling_strategy="sequential", save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = SFTTrainer(
            AutoModelForCausalLM.from_pretrained(folder, dtype=dtype), settings, train_dataset=data,
            processing_class=AutoTokenizer.from_pretrained(folder), callbacks=[clock],
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        )  # fmt: skip
        trainer.train()
    tokens = sum(len(row.ids) for row in rows[PER_STEP : steps * PER_STEP])
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return tokens / (clock.times[-1] - clock.times[2]), losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=2)
    asked = parser.parse_args()
    base = resolve("smollm2-135m", print)
    renderer = Renderer(base.folder)
    rows = list(render_all(read(EXAMPLE).examples, renderer, Data(), 2048).rows)[: asked.steps * PER_STEP]
    dtype = quick_dtype(CPU)
    speeds: dict[str, list[float]] = {"whet": [], "trl": []}
    losses: dict[str, list[float]] = {}
    for _ in range(asked.repeats):  # A B A B
        for name, train in (("whet", with_whet), ("trl", with_trl)):
            speed, losses[name] = train(base.folder, rows, asked.steps, dtype)
            speeds[name].append(speed)
            print(f"{name:5} {speed:7.1f} tokens/s   loss {losses[name][0]:.4f} -> {losses[name][-1]:.4f}", flush=True)
    ratios = [ours / theirs for ours, theirs in zip(speeds["whet"], speeds["trl"], strict=True)]
    result = {
        "workload": "instructions, LoRA r=16, examples/support",
        "peer": "trl",
        "ratio": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
        "tokens_per_second": speeds,
        "losses": losses,
        "dtype": str(dtype),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "hardware": environment(),
    }
    (Path(__file__).parent / "results.json").write_text(json.dumps([result], indent=2) + "\n")
    print(f"whet / trl: {result['ratio']['median']:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
