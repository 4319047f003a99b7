"""whet's own loop, with batches as `whet train` makes them."""

import time
from dataclasses import asdict
from pathlib import Path

import torch
from measured import read, write

from whet.config.tree import Adapter, Optim
from whet.methods.sft import SFT
from whet.models.adapt import trainable
from whet.models.load import DTYPES, device_of, load
from whet.models.policy import Policy
from whet.models.work import free_memory, matrix_rate
from whet.train.fit import Pace, fit
from whet.train.optim import build_optimizer
from whet.train.room import Rows, choose, measure
from whet.types import Tokens

DEVICE = device_of("auto")

work = read()
dtype = DTYPES[work.dtype]
full = work.adapter is None
model = load(Path(work.base), torch.float32 if full else dtype, DEVICE)
adapter = Adapter(kind="full") if full else Adapter(**work.adapter)
policy = Policy.trained(model, adapter, seed=0, autocast=full and dtype == torch.bfloat16)
parameters = trainable(policy.model)
longest = max(len(ids) for step in work.steps for ids, _ in step)
room = choose(measure(policy, Optim()), Optim(), Rows(longest, max(work.counted)), free_memory(DEVICE), DEVICE.type)
policy.recompute(room.recompute)
sft = SFT([], 1, room.tokens, 0, packs=policy.packs)
steps = (sft.batches([Tokens(tuple(ids), tuple(weights), "") for ids, weights in step]) for step in work.steps)
seconds, losses, flop = [], [], []
start = time.perf_counter()
for record in fit(
    policy, sft, steps, build_optimizer(parameters, Optim(), work.lr), parameters, Pace(0, lambda _: work.lr, 1.0)
):
    seconds.append(time.perf_counter() - start)
    losses.append(record.loss)
    flop.append(record.flop)
    start = time.perf_counter()
share = sum(flop[1:]) / sum(seconds[1:]) / matrix_rate(dtype, DEVICE)
write(seconds, losses=losses, packages=["whet-llm", "peft"], matrix_rate_share=round(share, 3), room=asdict(room))
