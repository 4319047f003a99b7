"""whet's DPO, as `whet train` runs it; a step's rows are better and worse replies in turn.

What the reference says is asked before the first step; its time is spread over the steps, as others ask in each.
"""

import time
from dataclasses import asdict
from pathlib import Path

from measured import read, write

from whet.config.tree import Adapter, Method, Optim
from whet.data.judged import Judged
from whet.methods._judged import Steps
from whet.methods.dpo import DPO
from whet.models.adapt import switched_off, trainable
from whet.models.load import DTYPES, device_of, load
from whet.models.policy import Policy
from whet.models.work import free_memory
from whet.train.fit import Pace, fit
from whet.train.learn import likelihood
from whet.train.optim import build_optimizer
from whet.train.room import Rows, choose, measure
from whet.types import Tokens

DEVICE = device_of("auto")

work = read()
model = load(Path(work.base), DTYPES[work.dtype], DEVICE)
policy = Policy.trained(model, Adapter(**work.adapter), seed=0, autocast=False)
parameters = trainable(policy.model)
groups = [
    [
        Judged((Tokens(tuple(good[0]), tuple(good[1])), Tokens(tuple(bad[0]), tuple(bad[1]))), (1.0, 0.0))
        for good, bad in zip(step[0::2], step[1::2], strict=True)
    ]
    for step in work.steps
]
every = [group for step in groups for group in step]
room = choose(
    measure(policy, Optim()), Optim(), Rows(max(group.tokens for group in every), max(work.counted)),
    free_memory(DEVICE), DEVICE.type,
)  # fmt: skip
policy.recompute(room.recompute)
begun = time.perf_counter()
with switched_off(policy.model):
    said = iter(likelihood(policy, [row for group in every for row in group.rows]))
asked = (time.perf_counter() - begun) / len(groups)
reference = [[next(said) for _ in group.rows] for group in every]
method = DPO(every, Steps(len(groups[0]), room.tokens, 0, policy.packs), Method(beta=0.1), reference=reference)
steps = (list(method.batches(step)) for step in groups)
seconds, losses = [], []
start = time.perf_counter()
pace = Pace(0, lambda _: work.lr, 1.0)
for record in fit(policy, method, steps, build_optimizer(parameters, Optim(), work.lr), parameters, pace):
    seconds.append(time.perf_counter() - start + asked)
    losses.append(record.loss)
    start = time.perf_counter()
write(seconds, losses=losses, packages=["whet-llm", "peft"], asked=asked, room=asdict(room))
