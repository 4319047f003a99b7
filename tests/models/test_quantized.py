"""Frozen weights in 4 bits: the step is the library's own, and what is trained on them is served on them."""

import json
import shutil

import pytest
import torch
from conftest import make_model, make_tokenizer
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GPT2Config, GPT2LMHeadModel

from whet.config.load import load as load_config
from whet.config.tree import Adapter, Model
from whet.engines.open import open_model
from whet.errors import ConfigError, ModelError, UsageError
from whet.models.adapt import adapter_files, load_adapter, parameter_counts, trainable
from whet.models.batch import collate
from whet.models.export import export_merged
from whet.models.load import load
from whet.models.policy import Policy
from whet.models.quantized import packed, unpacked, weight_of
from whet.types import Tokens

CPU = torch.device("cpu")
LORA = Adapter(r=4, alpha=8.0)
ROWS = [Tokens(tuple(range(5, 25 + at)), (0.0,) * 10 + (1.0,) * (10 + at)) for at in range(3)]


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A model with layers of several blocks of 64 weights, so that each has scales of its own.

    Its weights are those of a bfloat16 file, as most are: packed alike from either precision.
    """
    folder = tmp_path_factory.mktemp("wide")
    make_tokenizer(folder)
    make_model(folder, hidden_size=64, intermediate_size=128)
    file = folder / "model.safetensors"
    rounded = {name: weight.bfloat16().float() for name, weight in load_file(file).items()}
    save_file(rounded, file, metadata={"format": "pt"})
    return folder


def adapted(model, seed=0):
    torch.manual_seed(seed)
    for name, weight in trainable(model).items():
        weight.data.normal_(0, 0.1 if "lora_B" in name else 0.3)
    return model


def packed_policy(folder, dtype=torch.float32):
    made = Policy.trained(load(folder, dtype, CPU, "nf4"), LORA, seed=0, autocast=False)
    adapted(made.model)
    return made


def test_layers_are_packed_and_the_head_and_the_embeddings_are_not(wide):
    model = load(wide, torch.float32, CPU, "nf4")
    names = {name.rpartition(".")[2] for name, module in model.named_modules() if packed(module)}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    layer = model.model.layers[0].mlp.down_proj
    assert layer.weight.dtype == torch.uint8
    assert layer.weight.numel() == 64 * 128 / 2
    exact = load(wide, torch.float32, CPU).model.layers[0].mlp.down_proj.weight
    assert (weight_of(layer) - exact).abs().mean() < 0.1 * exact.abs().mean()
    assert parameter_counts(model)[1] == parameter_counts(load(wide, torch.float32, CPU))[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_and_gradients_are_those_of_peft_on_bitsandbytes(wide, dtype):
    made = packed_policy(wide, dtype)
    assert made.packs
    assert all("forward" in vars(layer) for layer in made.model.modules() if isinstance(layer, LoraLayer))
    said = made(collate(ROWS, share=False)).logprobs
    said.sum().backward()
    settings = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    theirs = AutoModelForCausalLM.from_pretrained(
        wide, dtype=dtype, quantization_config=settings, device_map={"": "cpu"}
    )
    lora = LoraConfig(r=4, lora_alpha=8.0, target_modules="all-linear", task_type="CAUSAL_LM")
    theirs = adapted(get_peft_model(theirs, lora)).train()
    total = 0.0
    for row in ROWS:
        ids = torch.tensor([row.ids])
        likely = theirs(input_ids=ids).logits[0, :-1].float().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        total = total + (likely * torch.tensor(row.weights[1:])).sum()
    total.backward()
    near = {"atol": 1e-3, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 0.5, "rtol": 0.1}
    assert torch.allclose(said.sum(), total, **near)
    grads = {name: weight.grad.float() for name, weight in trainable(theirs).items()}
    for name, weight in trainable(made.model).items():
        off = (weight.grad.float() - grads[name]).norm() / grads[name].norm()
        assert off < (1e-5 if dtype == torch.float32 else 0.1), name


def test_gradients_past_layers_without_an_adapter_in_one_pass_are_those_of_the_unpacked_weights(wide):
    grads = []
    for undo in (lambda model: model, unpacked):
        model = undo(load(wide, torch.float32, CPU, "nf4"))
        made = Policy.trained(model, Adapter(r=4, alpha=8.0, dropout=0.3), seed=0, autocast=False)
        adapted(made.model)
        torch.manual_seed(1)
        made(collate(ROWS, share=False)).logprobs.sum().backward()
        grads.append([weight.grad for weight in trainable(made.model).values()])
    for packed_grad, grad in zip(*grads, strict=True):
        assert torch.allclose(packed_grad, grad, rtol=1e-3, atol=1e-4 * float(grad.abs().max()))


def test_what_is_packed_does_not_depend_on_the_processor_or_the_precision(wide, monkeypatch):
    codes = [load(wide, dtype, CPU, "nf4").model.layers[0].mlp.gate_proj for dtype in (torch.float32, torch.bfloat16)]
    assert torch.equal(codes[0].weight, codes[1].weight)
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)  # whose layers repack themselves
    model = load(wide, torch.float32, CPU, "nf4")
    with torch.no_grad():
        model(input_ids=torch.tensor([ROWS[0].ids]))
    assert torch.equal(model.model.layers[0].mlp.gate_proj.weight, codes[0].weight)
    assert all("forward" in vars(module) for module in model.modules() if packed(module))
    assert "forward" in vars(model.model.layers[0].mlp)  # the gate is fused over packed layers too


def test_layers_that_keep_their_weight_turned_are_exported_turned(tmp_path):
    torch.manual_seed(0)
    base = tmp_path / "base"
    GPT2LMHeadModel(GPT2Config(vocab_size=259, n_positions=64, n_embd=64, n_layer=2, n_head=2)).save_pretrained(base)
    make_tokenizer(base)
    made = packed_policy(base)
    folder = tmp_path / "model"
    folder.mkdir()
    adapter_files(made.model, folder, str(base))
    make_tokenizer(folder)
    export_merged(base, folder, tmp_path / "merged", "nf4")
    ids = torch.tensor([ROWS[0].ids])
    with torch.no_grad():
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)(input_ids=ids).logits
        assert torch.allclose(plain, made.model.eval()(input_ids=ids).logits, atol=1e-3)


def test_a_base_that_is_packed_on_disk_is_refused_with_the_way_out(wide, tmp_path):
    shutil.copytree(wide, tmp_path / "model")
    file = tmp_path / "model/config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "quantization_config": {"load_in_4bit": True}}))
    with pytest.raises(ModelError, match=r"model\.quantize=nf4"):
        load(tmp_path / "model", torch.float32, CPU)


def test_an_answer_does_not_depend_on_how_many_rows_there_are(wide):
    model = packed_policy(wide).model.eval()
    ids = torch.randint(0, 259, (4, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together, alone = model(input_ids=ids).logits, model(input_ids=ids[:1, :1]).logits
    assert torch.allclose(together[0, 0], alone[0, 0], atol=1e-5)


def test_an_adapter_is_served_and_exported_on_the_weights_that_it_was_trained_on(wide, tmp_path):
    made = packed_policy(wide)
    folder = tmp_path / "model"
    folder.mkdir()
    adapter_files(made.model, folder, str(wide))
    make_tokenizer(folder)
    (folder / "whet.json").write_text(f'{{"base": "{wide}", "kind": "lora", "quantize": "nf4"}}')
    ids = torch.tensor([ROWS[0].ids])
    with torch.no_grad():
        trained = made.model.eval()(input_ids=ids).logits
        served = open_model(str(folder), Model(dtype="float32")).engine.model(input_ids=ids).logits
        other = load_adapter(load(wide, torch.float32, CPU), folder)(input_ids=ids).logits
    assert torch.equal(served, trained)
    assert (other - trained).abs().max() > 0.01  # the unpacked weights would have answered differently
    export_merged(wide, folder, tmp_path / "merged", "nf4")
    with torch.no_grad():
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)(input_ids=ids).logits
    assert torch.allclose(plain, trained, atol=1e-3)


def test_packing_where_training_did_not_is_refused(wide, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "whet.json").write_text(f'{{"base": "{wide}", "kind": "lora"}}')
    with pytest.raises(UsageError, match=r"model\.quantize"):
        open_model(str(tmp_path), Model(quantize="nf4"))
    with pytest.raises(ConfigError, match=r"adapter\.kind=lora"):
        load_config(None, ["model.quantize=nf4", "adapter.kind=full"])


def test_unpacked_layers_hold_the_weights_that_the_packed_ones_stand_for(wide):
    model = load(wide, torch.float32, CPU, "nf4")
    ids = torch.tensor([ROWS[0].ids])
    with torch.no_grad():
        said = model(input_ids=ids).logits
        plain = unpacked(model)
        assert not any(map(packed, plain.modules()))
        assert torch.allclose(plain(input_ids=ids).logits, said, atol=1e-5)


def test_without_the_library_the_way_to_it_is_told(wide, monkeypatch):
    monkeypatch.setattr("whet.models.quantized.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"whet-llm\[quant\]"):
        load(wide, torch.float32, CPU, "nf4")
