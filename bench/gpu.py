"""Training speed on a GPU: a random Llama of about 1.2 billion weights, bfloat16, LoRA and full, 2k and 8k rows.

python bench/gpu.py [--layers 22] [--width 2048] [--lengths 2048 8192] [--tokens 16384] [--steps 6] [--repeats 2]

The peer is TRL without padding (all rows are of one length), without checkpointing, with Liger's kernels where they are
installed. Prints a table and writes bench/gpu.json; whet's figures hold its share of the measured matrix rate.
"""

import argparse
import json
import random
import shutil
import tempfile
from pathlib import Path

import torch
from measured import Workload
from run import HERE, TRAINERS, Peer, against, line
from transformers import LlamaConfig, LlamaForCausalLM
from workloads import LORA, as_fields

from whet.models.load import quick_dtype
from whet.models.source import resolve


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=22)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--lengths", type=int, nargs="+", default=[2048, 8192])
    parser.add_argument("--tokens", type=int, default=16384, help="tokens of an optimizer step")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--limit", type=float, default=600)
    parser.set_defaults(gpu=True)
    asked = parser.parse_args()
    dtype = str(quick_dtype(torch.device("cuda" if torch.cuda.is_available() else "cpu"))).removeprefix("torch.")
    results = []
    with tempfile.TemporaryDirectory() as place:
        base = _random_model(Path(place) / "model", asked.layers, asked.width)
        for adapter, length in ((adapter, length) for adapter in (LORA, None) for length in asked.lengths):
            name = f"{'lora' if adapter else 'full'}, {length} tokens"
            rows = _rows(asked.steps, max(1, asked.tokens // length), length)
            work = Workload(name, str(base), dtype, adapter, 1e-4, rows)
            file = Path(place) / "workload.json"
            file.write_text(json.dumps(as_fields(work)))
            title = "trl, its best"
            results.append(against(work, file, Peer("whet_trains"), title, TRAINERS[title], asked))
            print(line(results[-1]), flush=True)
    (HERE / "gpu.json").write_text(json.dumps(results, indent=2) + "\n")


def _random_model(folder: Path, layers: int, width: int) -> Path:
    """Write a random Llama with the tokenizer of the embedded model."""
    torch.manual_seed(0)
    heads = width // 64
    config = LlamaConfig(
        vocab_size=49152, hidden_size=width, intermediate_size=width * 11 // 4, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=max(1, heads // 4), max_position_embeddings=16384,
        bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    for file in resolve("smollm2-135m", print).folder.iterdir():
        if file.name.startswith(("tokenizer", "special_tokens", "chat_template")):
            shutil.copy(file, folder)
    return folder


def _rows(steps: int, per_step: int, length: int) -> list:
    draw = random.Random(0)
    weights = [0.0] * (length // 4) + [1.0] * (length - length // 4)
    return [
        [([draw.randrange(100, 49000) for _ in range(length)], weights) for _ in range(per_step)] for _ in range(steps)
    ]


if __name__ == "__main__":
    main()
