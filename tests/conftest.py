"""A tiny random model with a byte tokenizer and a ChatML template, made here: no test downloads anything."""

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; a tiny model gains nothing from threads

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from whet.data.render import Renderer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def make_tokenizer(folder: Path, template: str | None = CHATML, bos: str | None = None) -> None:
    """Write a byte-level tokenizer without merges: every text round-trips."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: at for at, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    if bos:
        fast.bos_token = bos
    fast.chat_template = template
    fast.save_pretrained(folder)


def make_model(folder: Path, seed: int = 0, **changes: object) -> None:
    """Write a random Llama of 45,000 weights as safetensors."""
    torch.manual_seed(seed)
    settings = {
        "vocab_size": 259, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": True, **changes,
    }  # fmt: skip
    model = LlamaForCausalLM(LlamaConfig(**settings))
    with torch.no_grad():  # wider than the usual initialisation, so that answers depend on the prompt
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(4)
    model.save_pretrained(folder)


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep what tests remember about test sets out of the user's own state."""
    folder = tmp_path_factory.mktemp("state")
    os.environ["WHET_STATE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_tokenizer(folder)
    make_model(folder)
    return folder


@pytest.fixture(scope="session")
def renderer(tiny: Path) -> Renderer:
    return Renderer(tiny)


class Quiet:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def begin(self, task: str, total: float) -> None: ...

    def skip(self, amount: float) -> None: ...

    def advance(self, amount: float = 1.0, note: str = "") -> None: ...


@pytest.fixture
def quiet() -> Quiet:
    return Quiet()


NAMES = [
    "ant",
    "bee",
    "cat",
    "dog",
    "elk",
    "fox",
    "gnu",
    "hen",
    "ibis",
    "jay",
    "kiwi",
    "lark",
    "mole",
    "newt",
    "owl",
    "pug",
]


def write_rows(path: Path, count: int = 60, seed: int = 0) -> Path:
    """Write question and answer rows that a tiny model can learn: the answer repeats the animal."""
    draw = random.Random(seed)
    with path.open("w") as file:
        for number in range(count):
            name = draw.choice(NAMES)
            words = " ".join(draw.choice(NAMES) for _ in range(draw.randint(0, 6)))
            row = {"prompt": f"{words} {number}: say {name}", "completion": f"{name}!"}
            file.write(json.dumps(row) + "\n")
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.jsonl")


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of 1 MiB (or as asked), as a full disk can only be had on a disk of one's own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', '1m')}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)
