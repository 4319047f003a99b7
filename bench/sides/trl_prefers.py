"""TRL's DPOTrainer in its quickest settings on this hardware; a step's rows are better and worse replies in turn.

With a third argument, "row by row", a step's pairs are computed one at a time, which pads little.
"""

import sys
import tempfile

import torch
from datasets import Dataset
from measured import Clock, read, write
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

work = read()
singly = sys.argv[3:] == ["row by row"]
clock = Clock()
per_step = len(work.steps[0]) // 2


class Timed(TrainerCallback):
    """Notes the time around every step."""

    def on_step_begin(self, *_: object, **__: object) -> None:
        """See TrainerCallback."""
        clock.begin()

    def on_step_end(self, *_: object, **__: object) -> None:
        """See TrainerCallback."""
        clock.end()


class Tokenized(DPOTrainer):
    """Takes rows that are tokens already."""

    def _prepare_dataset(self, dataset: Dataset, *_: object, **__: object) -> Dataset:
        return dataset


def parted(ids: list[int], weights: list[float]) -> tuple[list[int], list[int]]:
    start = next(at for at, weight in enumerate(weights) if weight > 0)
    return ids[:start], ids[start:]


pairs = [pair for step in work.steps for pair in zip(step[0::2], step[1::2], strict=True)]
rows = [
    {"prompt_ids": parted(*good)[0], "chosen_ids": parted(*good)[1], "rejected_ids": parted(*bad)[1]}
    for good, bad in pairs
]
dtype = getattr(torch, work.dtype)
with tempfile.TemporaryDirectory() as place:
    settings = DPOConfig(
        output_dir=place, per_device_train_batch_size=1 if singly else per_step, beta=0.1,
        gradient_accumulation_steps=per_step if singly else 1, max_steps=len(work.steps), learning_rate=work.lr,
        lr_scheduler_type="constant", adam_beta2=0.99, max_grad_norm=1.0, use_cpu=True, report_to=[], max_length=None,
        logging_steps=1, save_strategy="no", disable_tqdm=True, gradient_checkpointing=False, bf16=False,
        train_sampling_strategy="sequential",
    )  # fmt: skip
    shape = {"r": work.adapter["r"], "lora_alpha": work.adapter["alpha"], "target_modules": "all-linear"}
    torch.manual_seed(0)  # the adapter begins as whet's does
    model = AutoModelForCausalLM.from_pretrained(work.base, dtype=dtype)
    model = get_peft_model(model, LoraConfig(**shape, task_type="CAUSAL_LM"))
    trainer = Tokenized(
        model,
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(work.base),
        callbacks=[Timed()],
    )
    trainer.train()
losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
write(clock.seconds, losses=losses, packages=["trl", "peft", "accelerate"])
