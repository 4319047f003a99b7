"""Greedy replies by whet's local engine, as `whet generate` makes them."""

import time

from measured import read, write

from whet.config.tree import Model
from whet.engines.open import open_model
from whet.types import Message, Prompt, Sampling

work = read()
engine = open_model(work.base, Model(dtype=work.dtype)).engine
prompts = [Prompt(tuple(Message(**message) for message in prompt["messages"])) for prompt in work.prompts]
assert [engine.prompt_ids(prompt) for prompt in prompts] == [prompt["ids"] for prompt in work.prompts]
sampling = Sampling(max_tokens=work.new_tokens)
list(engine.complete(prompts[:2], Sampling(max_tokens=4)))  # warms up
start = time.perf_counter()
replies = [reply for _, reply in sorted(engine.complete(prompts, sampling), key=lambda pair: pair[0])]
seconds = time.perf_counter() - start
write(
    [seconds],
    packages=["whet-llm"],
    new_tokens=sum(reply.completion_tokens for reply in replies),
    replies=[reply.text for reply in replies],
)
