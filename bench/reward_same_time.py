"""A reward model beside TRL's in the same time: python bench/reward_same_time.py TRAIN TEST FOLDER [KEY=VALUE ...]

whet trains first; TRL's RewardTrainer then has as many seconds of steps, on the same tokens, with the same base, LoRA
shape, rows a step and precision. Both are scored on the same held-out pairs, with a paired test between them.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback
from trl import RewardConfig, RewardTrainer

from whet.config.load import load_saved
from whet.data.judged import pairs
from whet.evals.stats import mean_interval, paired_difference
from whet.train.prepare import prepare
from whet.tune.preferring import scored

TRAIN, TEST, FOLDER, *SETTINGS = sys.argv[1:]


class Silent:
    """Progress that nobody hears."""

    def say(self, text: str) -> None: ...

    def begin(self, task: str, total: float) -> None: ...

    def skip(self, amount: float) -> None: ...

    def advance(self, amount: float = 1.0, note: str = "") -> None: ...


class Until(TrainerCallback):
    """Stops once so many seconds of steps are over."""

    def __init__(self, seconds: float) -> None:
        self.left, self.steps, self._begun = seconds, 0, 0.0

    def on_step_begin(self, *_: object, **__: object) -> None:
        """See TrainerCallback."""
        self._begun = time.perf_counter()

    def on_step_end(self, _args: object, _state: object, control: object, **__: object) -> None:
        """See TrainerCallback."""
        self.left -= time.perf_counter() - self._begun
        self.steps += 1
        control.should_training_stop = self.left <= 0


run = Path(FOLDER) / "whet"
if not (run / "report.json").exists():
    asked = ["tune", TRAIN, "--test", TEST, "method.name=reward", "--out", str(run), *SETTINGS]
    subprocess.run([sys.executable, "-m", "whet", *asked], check=True)
report = json.loads((run / "report.json").read_text())
config = load_saved(run / "config.yaml")
prepared = prepare(config, Silent())
rows = [
    {"chosen_ids": list(group.rows[better].ids), "rejected_ids": list(group.rows[worse].ids)}
    for group in prepared.judged
    for better, worse in pairs(group.grades)
]
dtype = getattr(torch, json.loads((run / "precision.json").read_text()))
torch.manual_seed(0)
model = AutoModelForSequenceClassification.from_pretrained(prepared.base.folder, num_labels=1, dtype=dtype)
model.config.pad_token_id = prepared.renderer.padding()
shape = LoraConfig(
    r=16, lora_alpha=32, target_modules="all-linear", modules_to_save=["score"], task_type=TaskType.SEQ_CLS
)
until = Until(report["training"]["seconds"])
settings = RewardConfig(
    output_dir=str(Path(FOLDER) / "trl"), per_device_train_batch_size=1, gradient_accumulation_steps=8, max_steps=10**6,
    learning_rate=1e-4, lr_scheduler_type="constant", use_cpu=True, bf16=False, report_to=[], max_length=None,
    save_strategy="no", disable_tqdm=True, gradient_checkpointing=False, center_rewards_coefficient=0.01,
)  # fmt: skip
trainer = RewardTrainer(
    get_peft_model(model, shape), args=settings, train_dataset=Dataset.from_list(rows), callbacks=[until],
    processing_class=AutoTokenizer.from_pretrained(prepared.base.folder),
)  # fmt: skip
trainer.train()
trainer.model.eval()


@torch.no_grad()
def value(ids: tuple[int, ...]) -> float:
    """Return TRL's reward of a conversation."""
    return float(trainer.model(input_ids=torch.tensor([ids])).logits.float())


theirs = []
for group in scored(config, prepared):
    said = [value(row.ids) for row in group.rows]
    theirs.append(float(np.mean([float(said[one] > said[other]) for one, other in pairs(group.grades)])))
ours = report["scores"]["tuned"]
if len(ours) != len(theirs):
    sys.exit(f"{len(ours)} pairs of whet's and {len(theirs)} of TRL's: not the same rows")
steps = report["training"]["steps"]
for name, column, taken in (("whet", ours, steps), ("TRL", theirs, until.steps)):
    found = mean_interval(column)
    print(f"{name}: {taken} steps, agreement {found.value:.3f} ({found.low:.3f} to {found.high:.3f})")
apart = paired_difference(ours, theirs)
print(f"difference {apart.value:+.3f} ({apart.low:+.3f} to {apart.high:+.3f})")
