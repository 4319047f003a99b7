"""A GGUF file is read alone: nothing that lies beside it is run, asked about or taken for its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
from conftest import CHATML, make_tokenizer
from safetensors.numpy import load_file

from whet.data.render import Renderer
from whet.errors import ModelError
from whet.models.source import resolve

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
OUTER = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}


def gguf_name(name: str) -> str:
    if name in OUTER:
        return OUTER[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def write_gguf(tiny: Path, path: Path, architecture: str = "llama") -> Path:
    """Write the tiny model as a GGUF file: its words, and one more that is made of two."""
    vocab = json.loads((tiny / "tokenizer.json").read_text())["model"]["vocab"]
    words = [*sorted(vocab, key=vocab.get), "ab"]
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(512)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2 if architecture == "llama" else [2, 2])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(8)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(words))
    if architecture == "lfm2":
        writer.add_uint32("lfm2.shortconv.l_cache", 3)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(words)
    writer.add_token_types([3, 3, 3] + [1] * (len(words) - 3))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHATML)
    for name, weight in load_file(tiny / "model.safetensors").items():
        whole = np.concatenate([weight, weight[:1]]) if name == "model.embed_tokens.weight" else weight
        writer.add_tensor(gguf_name(name), whole.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("architecture", ["llama", "lfm2"])
def test_code_beside_a_gguf_is_not_run_even_if_somebody_says_yes(tiny, tmp_path, architecture):
    folder = write_gguf(tiny, tmp_path / "model" / "m.gguf", architecture).parent
    canary = tmp_path / "canary"
    shadows = ("transformers.py", "whet.py") if architecture == "llama" else ()  # lfm2 has no tokenizer of its own
    for name in ("evil.py", *shadows):
        (folder / name).write_text(f"open({str(canary)!r}, 'w').write('ran')\nclass Tok: pass\n")
    settings = {"auto_map": {"AutoTokenizer": [None, "evil.Tok"]}, "trust_remote_code": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    house = str(Path(__file__).parents[2])
    program = f"import sys; sys.path.insert(0, {house!r}); from whet.models.source import resolve; resolve('m.gguf')"
    asked = subprocess.run(  # -P: as the installed command starts, without the folder that it is called in on the path
        [sys.executable, "-P", "-c", program],
        cwd=folder, input="y\n" * 9, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert not canary.exists()
    assert architecture != "llama" or asked.returncode == 0, asked.stderr


def test_a_gguf_keeps_its_own_tokenizer_and_template_beside_those_of_another_model(tiny, tmp_path):
    folder = write_gguf(tiny, tmp_path / "model" / "m.gguf").parent
    make_tokenizer(folder, "ANOTHER" + CHATML)
    renderer = Renderer(resolve(str(folder / "m.gguf")).folder)
    assert renderer.template.source == CHATML
    assert renderer.tokenizer.token_to_id("ab") == 259


def test_what_an_older_version_cached_of_a_gguf_is_not_used(tiny, tmp_path, cache):
    from whet.models.source import sha256, usable

    file = write_gguf(tiny, tmp_path / "m.gguf")
    old = cache / "models" / f"gguf-{sha256(file)[:16]}"
    old.mkdir(parents=True)
    (old / "DONE").touch()
    found = resolve(str(file)).folder
    assert (found / "tokenizer.json").is_file()
    assert [base.folder for base in usable() if base.origin == "converted from GGUF"] == [found]


def test_a_cache_that_cannot_be_written_gives_a_sentence(tiny, tmp_path, small_disk, monkeypatch):
    file = write_gguf(tiny, tmp_path / "m.gguf")
    monkeypatch.setenv("WHET_CACHE", str(small_disk))
    (small_disk / "models").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(ModelError, match="WHET_CACHE"):
        resolve(str(file))


def test_a_full_cache_gives_a_sentence_and_keeps_nothing(tiny, tmp_path, small_disk, monkeypatch):
    file = write_gguf(tiny, tmp_path / "m.gguf")
    monkeypatch.setenv("WHET_CACHE", str(small_disk))
    (small_disk / "rest").write_bytes(bytes(shutil.disk_usage(small_disk).free - 40_000))
    with pytest.raises(ModelError, match=r"m\.gguf"):
        resolve(str(file))
    assert not list((small_disk / "models").glob("gguf*"))
