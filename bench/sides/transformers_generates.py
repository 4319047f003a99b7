"""Greedy replies by transformers' `generate`, prompts of like length together, in batches of 32."""

import time

import torch
from measured import read, write
from transformers import AutoModelForCausalLM, AutoTokenizer

BATCH = 32

work = read()
model = AutoModelForCausalLM.from_pretrained(work.base, dtype=getattr(torch, work.dtype)).eval()
tokenizer = AutoTokenizer.from_pretrained(work.base)
stops = model.generation_config.eos_token_id
stops = set(stops if isinstance(stops, list) else [stops])
order = sorted(range(len(work.prompts)), key=lambda at: len(work.prompts[at]["ids"]))


@torch.inference_mode()
def answer(places: list[int], most: int) -> dict[int, list[int]]:
    """Return the new tokens of some prompts, padded on the left as `generate` wants it."""
    rows = [work.prompts[at]["ids"] for at in places]
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    seen = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    said = model.generate(ids, attention_mask=seen, max_new_tokens=most, do_sample=False, pad_token_id=0)
    new = {}
    for at, row in zip(places, said[:, longest:].tolist(), strict=True):
        end = next((place for place, token in enumerate(row) if token in stops), len(row))
        new[at] = row[:end]
    return new


answer(order[:2], 4)  # warms up
start = time.perf_counter()
new = {}
for begin in range(0, len(order), BATCH):
    new |= answer(order[begin : begin + BATCH], work.new_tokens)
seconds = time.perf_counter() - start
write(
    [seconds],
    packages=[],
    new_tokens=sum(map(len, new.values())),
    replies=[tokenizer.decode(new[at], skip_special_tokens=True) for at in range(len(new))],
)
