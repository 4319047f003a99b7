"""LLaMA-Factory's supervised stage over our rows (already tokens), in its quickest settings on this hardware.

With a third argument, "row by row", a step's rows are computed one at a time, which pads nothing.
"""

import json
import shutil
import sys
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

# LLaMA-Factory imports torchaudio for audio alone, and torchaudio's wheel needs CUDA: text trains without it.
sys.modules["torchaudio"] = ModuleType("torchaudio")
sys.modules["torchaudio"].__spec__ = ModuleSpec("torchaudio", None)

from datasets import Dataset, DatasetDict
from llamafactory.train.tuner import run_exp
from measured import Clock, read, write
from transformers import TrainerCallback

work = read()
singly = sys.argv[3:] == ["row by row"]
clock, losses = Clock(), []


class Timed(TrainerCallback):
    """Notes the time around every step, and its loss."""

    def on_step_begin(self, *_: object, **__: object) -> None:
        """See TrainerCallback."""
        clock.begin()

    def on_step_end(self, *_: object, **__: object) -> None:
        """See TrainerCallback."""
        clock.end()

    def on_log(self, *_: object, logs: dict | None = None, **__: object) -> None:
        """See TrainerCallback."""
        if "loss" in (logs or {}):
            losses.append(logs["loss"])


rows = [
    {
        "input_ids": ids,
        "attention_mask": [1] * len(ids),
        "labels": [i if w > 0 else -100 for i, w in zip(ids, weights, strict=True)],
        "images": None,
        "videos": None,
        "audios": None,
    }
    for step in work.steps
    for ids, weights in step
]
with tempfile.TemporaryDirectory() as place:
    # It trains in the precision that the model's configuration names, so that is set to the quicker one.
    base = Path(shutil.copytree(work.base, f"{place}/base"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "torch_dtype": work.dtype, "dtype": work.dtype}))
    DatasetDict({"train": Dataset.from_list(rows)}).save_to_disk(f"{place}/rows")
    adapter = work.adapter and {
        "lora_rank": work.adapter["r"], "lora_alpha": work.adapter["alpha"], "lora_dropout": 0.0, "lora_target": "all",
    }  # fmt: skip
    run_exp(
        {
            "model_name_or_path": str(base), "stage": "sft", "do_train": True, "dataset": "rows", "template": "default",
            "finetuning_type": "lora" if adapter else "full", "tokenized_path": f"{place}/rows",
            "output_dir": str(Path(place) / "out"), "per_device_train_batch_size": 1 if singly else len(work.steps[0]),
            "gradient_accumulation_steps": len(work.steps[0]) if singly else 1, "max_steps": len(work.steps),
            "learning_rate": work.lr, "lr_scheduler_type": "constant", "adam_beta2": 0.99,
            "bf16": work.dtype == "bfloat16", "use_cpu": True,
            "disable_gradient_checkpointing": True, "disable_shuffling": True, "logging_steps": 1,
            "save_strategy": "no", "report_to": "none", **(adapter or {}),
        },
        callbacks=[Timed()],
    )  # fmt: skip
write(clock.seconds, losses=losses, packages=["llamafactory", "peft", "accelerate"])
