"""Nothing from a model's folder is ever run: no pickle opened, no code imported."""

import json
import pickle
import shutil

import pytest
import torch

from whet.engines.open import open_model
from whet.errors import ModelError
from whet.models.load import check_folder, load, quick_dtype
from whet.models.source import resolve

CPU = torch.device("cpu")
TOO_LONG = ("m" * 5000, f"org/{'m' * 5000}", f"{'m' * 5000}.gguf")


class Canary:
    """A pickle that leaves a trace when it is opened."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def copy(tiny, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    return folder


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.pth"])
def test_a_pickled_model_is_refused_unopened(tiny, tmp_path, name):
    folder = copy(tiny, tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Canary(tmp_path / "canary")))
    with pytest.raises(ModelError, match="safetensors"):
        load(folder, torch.float32, CPU)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ["training_args.bin", "optimizer.pt", "rng_state.pth", "data.npy", "model.joblib"])
def test_pickles_beside_good_weights_are_never_opened(tiny, tmp_path, name):
    folder = copy(tiny, tmp_path)
    (folder / name).write_bytes(pickle.dumps(Canary(tmp_path / "canary")))
    load(folder, torch.float32, CPU)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("entry", ["AutoConfig", "AutoModelForCausalLM"])
def test_code_in_a_model_folder_is_refused_and_not_run(tiny, tmp_path, entry):
    folder = copy(tiny, tmp_path)
    (folder / "code.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nclass Thing: pass\n")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "auto_map": {entry: "code.Thing"}, "trust_remote_code": True})
    )
    for way in (lambda: load(folder, torch.float32, CPU), lambda: open_model(str(folder))):
        with pytest.raises(ModelError, match="auto_map"):
            way()
    assert not (tmp_path / "canary").exists()


def test_code_in_a_tokenizer_is_not_run(tiny, tmp_path):
    folder = copy(tiny, tmp_path)
    (folder / "code.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nclass Thing: pass\n")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["auto_map"] = {"AutoTokenizer": ["code.Thing", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    open_model(str(folder))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[" * 100_000),
        ("config.json", b'{"model_type": "no_such_thing"}'),
        ("config.json", b"{}"),
        ("model.safetensors", b""),
        ("model.safetensors", b"\xff" * 64),
        ("model.safetensors", (10**9).to_bytes(8, "little") + b"{}"),
        ("tokenizer.json", b"{}"),
        ("tokenizer_config.json", b"{"),
        ("tokenizer_config.json", b"[1]"),
        ("tokenizer_config.json", b"[" * 100_000),
        ("tokenizer_config.json", b"\xff\xfe"),
        ("special_tokens_map.json", b"[1]"),
        ("chat_template.jinja", b"{{ '\xff' }}"),
        ("whet.json", b"[" * 100_000),
        ("adapter_config.json", b"{"),
        ("adapter_config.json", b"[1]"),
        ("adapter_config.json", b"[" * 100_000),
        ("adapter_config.json", b'{"base_model_name_or_path": [1]}'),
    ],
)
def test_damaged_files_give_a_sentence(tiny, tmp_path, name, content):
    folder = copy(tiny, tmp_path)
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError):
        open_model(str(folder))


def test_a_template_that_is_a_list_of_numbers_gives_a_sentence(tiny, tmp_path):
    folder = copy(tiny, tmp_path)
    (folder / "chat_template.jinja").unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": [1]}))
    with pytest.raises(ModelError, match="chat_template"):
        open_model(str(folder))


@pytest.mark.parametrize("content", ["[1]", "{", "[" * 100_000, "{}"])
def test_a_damaged_adapter_with_a_known_base_gives_a_sentence(tiny, tmp_path, content):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes())
    (folder / "adapter_config.json").write_text(content)
    (folder / "whet.json").write_text(json.dumps({"base": str(tiny)}))
    with pytest.raises(ModelError, match="adapter"):
        open_model(str(folder))


def test_weights_that_lack_tensors_are_refused(tiny, tmp_path):
    folder = copy(tiny, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3, "layer_types": None}))
    with pytest.raises(ModelError, match="lack"):
        load(folder, torch.float32, CPU)


def test_names_that_mean_nothing_say_what_does(tmp_path):
    for name in ("no-such-model", "./nowhere", str(tmp_path / "no.gguf"), "~nobody-here/model", *TOO_LONG):
        for way in (resolve, open_model):
            with pytest.raises(ModelError, match=r"model\.name") as caught:
                way(name)
            assert len(str(caught.value)) < 1000
    assert resolve(str(tmp_path)).folder == tmp_path
    with pytest.raises(ModelError, match=r"config\.json"):
        check_folder(tmp_path)


def test_the_precision_is_one_this_machine_is_quick_at():
    assert quick_dtype(CPU) in (torch.float32, torch.bfloat16)
