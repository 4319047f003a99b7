"""LitGPT's own fine-tuning loop over our rows, in its quickest settings on this hardware."""

import shutil
import tempfile
from pathlib import Path

import lightning as L
import litgpt.finetune.lora as tuning
import torch
from litgpt.args import EvalArgs, TrainArgs
from litgpt.data import DataModule, get_sft_collate_fn
from litgpt.lora import Config
from litgpt.scripts.convert_hf_checkpoint import convert_hf_checkpoint
from measured import Clock, read, write
from torch.utils.data import DataLoader

work = read()
clock, losses = Clock(), []
COUNT = torch.zeros(1, dtype=torch.int64)
rows = [
    {
        "input_ids": torch.tensor(ids),
        "labels": torch.tensor([i if w > 0 else -100 for i, w in zip(ids, weights, strict=True)]),
        "token_counts": {"raw": COUNT, "raw_plus_prompt_template": COUNT},
    }
    for step in work.steps
    for ids, weights in step
]
per_step = len(work.steps[0])


class Rows(DataModule):
    """Our rows, in our order."""

    prompt_style = "smollm2"

    def connect(self, tokenizer: object = None, batch_size: int = 1, max_seq_length: int | None = None) -> None:
        """See DataModule."""

    def train_dataloader(self) -> DataLoader:
        """See DataModule."""
        return DataLoader(rows, batch_size=per_step, shuffle=False, collate_fn=get_sft_collate_fn())

    def val_dataloader(self) -> DataLoader:
        """See DataModule: one row, as the loop wants to look at some before it begins."""
        return DataLoader(rows[:1], batch_size=1, collate_fn=get_sft_collate_fn())


class Timed:
    """Notes the time of every step; LitGPT tells its loss and time to its logger."""

    def log_dict(self, metrics: dict, step: int | None = None) -> None:
        """Hear of a step."""
        if "iter_time" in metrics:
            clock.begun.append(0.0)
            clock.ended.append(metrics["iter_time"])
            losses.append(metrics["loss"])


fabric = L.Fabric(accelerator="cpu", devices=1, precision="bf16-true" if work.dtype == "bfloat16" else "32-true")
fabric.log_dict = Timed().log_dict
tuning.get_lr_scheduler = lambda optimizer, **_: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
tuning.save_lora_checkpoint = tuning.copy_config_files = tuning.save_hyperparameters = lambda *_, **__: None
tuning.save_prompt_style = tuning.merge_lora = lambda *_, **__: None
tuning.RunningMean = lambda **_: _Last()


class _Last:
    """The loss of a step itself instead of a mean over some."""

    def to(self, _: object) -> "_Last":
        """Stay here."""
        return self

    def update(self, loss: torch.Tensor) -> None:
        """Remember the loss."""
        self.loss = loss

    def compute(self) -> torch.Tensor:
        """Return it."""
        return self.loss


with tempfile.TemporaryDirectory() as place:
    folder = Path(place) / "SmolLM2-135M-Instruct"
    shutil.copytree(work.base, folder)
    convert_hf_checkpoint(folder, model_name=folder.name)
    parts = dict.fromkeys(("query", "key", "value", "projection", "mlp"), True)
    config = Config.from_file(
        folder / "model_config.yaml", lora_r=work.adapter["r"], lora_alpha=work.adapter["alpha"], lora_dropout=0.0,
        lora_head=False, **{f"lora_{part}": on for part, on in parts.items()},
    )  # fmt: skip
    arguments = TrainArgs(
        save_interval=None, log_interval=1, global_batch_size=per_step, micro_batch_size=per_step, lr_warmup_steps=0,
        epochs=9, max_steps=len(work.steps), max_seq_length=None,
    )  # fmt: skip
    tuning.main(
        fabric, 1, 0, config, Rows(), folder, Path(place) / "out", arguments,
        EvalArgs(interval=10**9, max_new_tokens=1, max_iters=1, initial_validation=False, final_validation=False),
        {"class_path": "torch.optim.AdamW", "init_args": {"lr": work.lr, "betas": (0.9, 0.99), "weight_decay": 0.0}},
    )  # fmt: skip
write(clock.seconds, losses=losses, packages=["litgpt", "lightning"])
