"""Every kind of adapter, laid out our way, says and learns what it does in PEFT's own forward pass."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM

from whet.config.load import load as load_config
from whet.config.tree import Adapter
from whet.data.render import Renderer
from whet.engines.local import Local
from whet.errors import ConfigError, ModelError, UsageError
from whet.methods.sft import SFT
from whet.models import batch as batches
from whet.models.adapt import adapter_files, causal, learned, load_adapter, merged, switched_off, trainable
from whet.models.batch import collate
from whet.models.load import load
from whet.models.policy import Policy
from whet.models.ranks import regulariser
from whet.models.which import chosen_layers
from whet.types import Chat, Message, Prompt, Sampling, Tokens

CPU = torch.device("cpu")
KINDS = {
    "lora": Adapter(r=4, alpha=8.0),
    "rslora": Adapter(r=4, alpha=8.0, rslora=True),
    "gaussian": Adapter(r=4, alpha=8.0, init="gaussian"),
    "pissa": Adapter(r=4, alpha=8.0, init="pissa"),
    "olora": Adapter(r=4, alpha=8.0, init="olora", rslora=True),
    "some": Adapter(r=4, alpha=8.0, layers=("last:1",), modules=("q_proj", "down_proj")),
    "dora": Adapter(kind="dora", r=4, alpha=8.0),
    "vera": Adapter(kind="vera", r=16),
    "oft": Adapter(kind="oft", block=8),
    "ia3": Adapter(kind="ia3"),
    "adalora": Adapter(kind="adalora", r=4),
    "prompt": Adapter(kind="prompt", virtual_tokens=5),
    "prefix": Adapter(kind="prefix", virtual_tokens=5),
}
FUSED = ("lora", "rslora", "gaussian", "pissa", "olora", "some")
VIRTUAL = ("prompt", "prefix")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def rows(tiny) -> list[Tokens]:
    said = [("short?", "yes"), ("a longer question, is it?", "no, not at all"), ("hm", "a very long answer indeed")]
    talks = [Chat((Message("system", "Answer."), Message("user", q), Message("assistant", a))) for q, a in said]
    renderer = Renderer(tiny)
    return [row for talk in talks for row in renderer.render(talk)]


@pytest.fixture(autouse=True)
def _sharing_pays_at_once(monkeypatch):
    monkeypatch.setattr(batches, "PAYS", 1)


def stirred(model: nn.Module) -> nn.Module:
    """Move what trains off where it begins, as much of which is zero and would hide a gradient."""
    generator = torch.Generator().manual_seed(1)
    for weight in trainable(model).values():
        weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
    return model


def policy(tiny, adapter, dtype=torch.float32) -> Policy:
    made = Policy.trained(load(tiny, dtype, CPU), adapter, seed=0, autocast=False, steps=20)
    stirred(made.model)
    return made


def ours(made: Policy, rows) -> tuple[float, dict]:
    batch = collate(rows, share=made.packs)
    loss = SFT([], 1, 1, 0).loss(made(batch), batch).total / batch.count
    return told(loss, made.model)


def theirs(model, rows) -> tuple[float, dict]:
    """PEFT's own forward pass: padded rows, labels of -100 where nothing trains."""
    width = max(len(row.ids) for row in rows)
    ids, mask = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(2))
    labels = torch.full((len(rows), width), -100)
    for at, row in enumerate(rows):
        ids[at, : len(row.ids)] = torch.tensor(row.ids)
        mask[at, : len(row.ids)] = 1
        labels[at, : len(row.ids)] = torch.where(torch.tensor(row.weights) > 0, ids[at, : len(row.ids)], -100)
    ours = {module: vars(module).pop("forward") for module in model.modules() if "forward" in vars(module)}
    model.train()
    loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    for module, forward in ours.items():
        module.forward = forward
    more = regulariser(model)  # PEFT adds it to every loss
    return told(loss if more is None else loss - more, model)


def told(loss, model) -> tuple[float, dict]:
    loss.backward()
    grads = {name: weight.grad.clone() for name, weight in trainable(model).items()}
    model.zero_grad()
    return float(loss.detach()), grads


def assert_same(one, other):
    assert one[0] == pytest.approx(other[0], abs=1e-5)
    for name, grad in one[1].items():
        assert torch.allclose(grad, other[1][name], atol=1e-4, rtol=1e-3), name


def test_loss_and_gradients_are_those_of_peft(tiny, rows, kind):
    made = policy(tiny, KINDS[kind])
    assert made.packs
    found = ours(made, rows)
    assert all(grad.abs().sum() > 0 for grad in found[1].values())
    assert_same(found, theirs(made.model, rows))


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_an_adapter_that_begins_with_a_part_of_the_weights_learns_as_in_peft_which_changes_the_base(tiny, rows, init):
    made = Policy.trained(load(tiny, torch.float32, CPU), KINDS["pissa"].model_copy(update={"init": init}), seed=0,
                          autocast=False)  # fmt: skip
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=init, task_type="CAUSAL_LM")
    changed = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32), config)
    for model in (made.model, changed):
        stirred(model)
    assert_same(ours(made, rows), theirs(changed, rows))


def test_only_plain_lora_takes_the_quick_way(tiny, kind, monkeypatch):
    taken = []
    made = policy(tiny, KINDS[kind])
    monkeypatch.setattr("whet.models.lora._LowRank.apply", lambda x, *rest: taken.append(1) or rest[0](x))
    with torch.no_grad():
        made.model(input_ids=torch.zeros(1, 4, dtype=torch.long))
    assert bool(taken) == (kind in FUSED)


def test_switched_off_is_the_base_to_the_bit(tiny, rows, kind):
    batch = collate(rows)
    with torch.no_grad():
        before = Policy(load(tiny, torch.float32, CPU))(batch).logprobs
        made = policy(tiny, KINDS[kind])
        made.model.eval()
        with switched_off(made.model):
            assert torch.equal(made(batch).logprobs, before)
        assert not torch.allclose(made(batch).logprobs, before, atol=1e-3)


def test_what_trains_is_the_same_after_the_adapter_was_switched_off(tiny, kind):
    made = policy(tiny, KINDS[kind])
    before = list(trainable(made.model))
    with switched_off(made.model):
        pass
    assert list(trainable(made.model)) == before


def test_a_saved_adapter_says_the_same_in_plain_peft_on_the_plain_base(tiny, tmp_path, kind):
    from peft import PeftModel

    made = policy(tiny, KINDS[kind])
    made.model.eval()
    adapter_files(made.model, tmp_path, "base")
    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    plain = PeftModel.from_pretrained(base, tmp_path).eval()
    ids = torch.randint(3, 250, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = made.model(input_ids=ids).logits
        assert torch.allclose(plain(input_ids=ids).logits, wanted, atol=1e-4)
        if kind not in VIRTUAL:
            again = load_adapter(load(tiny, torch.float32, CPU), tmp_path)
            assert torch.allclose(merged(again)(input_ids=ids).logits, wanted, atol=1e-3)


def test_greedy_answers_are_those_of_peft_generate(tiny, renderer, kind):
    made = policy(tiny, KINDS[kind])
    made.model.eval()
    engine = Local(made.model, renderer, 200, packs=made.packs)
    asked = [
        Prompt((Message("system", "Say it."), Message("user", text))) for text in ("cat", "a dog?", "the elk", "x")
    ]
    said = dict(engine.complete(asked, Sampling(0.0, max_tokens=12)))
    streamed = "".join(delta.text for delta in engine.stream(asked[1], Sampling(0.0, max_tokens=12)))
    assert streamed == said[1].text
    for at, prompt in enumerate(asked):
        ids = torch.tensor([engine.prompt_ids(prompt)])
        reply = made.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, pad_token_id=0,
            eos_token_id=sorted(renderer.stops),
        )  # fmt: skip
        own = reply[0, ids.shape[1] :].tolist()
        assert said[at].text == renderer.decode([token for token in own if token not in renderer.stops])


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
def test_virtual_tokens_are_switched_off_in_answers_and_log_losses_too(tiny, renderer, kind):
    made = policy(tiny, KINDS[kind])
    engine = Local(made.model.eval(), renderer, 200, packs=True)
    model = load(tiny, torch.float32, CPU)
    bare = Local(model, renderer, 200, packs=Policy(model).packs)
    asked = [Prompt((Message("user", text),), targets=("yes", "no")) for text in ("cat", "dog?")]
    greedy = Sampling(0.0, max_tokens=8)
    on = [reply.log_loss for _, reply in sorted(engine.complete(asked, greedy, log_loss=True), key=lambda one: one[0])]
    with switched_off(engine.model):
        off = sorted(engine.complete(asked, greedy, log_loss=True), key=lambda one: one[0])
    plain = sorted(bare.complete(asked, greedy, log_loss=True), key=lambda one: one[0])
    assert [(at, r.text) for at, r in off] == [(at, r.text) for at, r in plain]
    assert [r.log_loss for _, r in off] == pytest.approx([r.log_loss for _, r in plain], abs=1e-5)
    assert on != pytest.approx([r.log_loss for _, r in plain], abs=1e-3)


def test_in_bfloat16_every_kind_trains_in_float32(tiny, rows, kind):
    made = policy(tiny, KINDS[kind], torch.bfloat16)
    loss, grads = ours(made, rows)
    assert {weight.dtype for weight in trainable(made.model).values()} == {torch.float32}
    exact = ours(policy(tiny, KINDS[kind]), rows)[0]
    assert loss == pytest.approx(exact, rel=0.05)
    assert all(bool(grad.isfinite().all()) for grad in grads.values())


def test_a_checkpoint_holds_what_training_began_with(tiny):
    made = policy(tiny, KINDS["pissa"])
    assert len(learned(made.model)) == 2 * len(trainable(made.model))
    assert list(learned(policy(tiny, KINDS["dora"]).model)) == list(trainable(policy(tiny, KINDS["dora"]).model))


@pytest.mark.parametrize(
    ("layers", "numbers"),
    [(["last:2"], [6, 7]), (["first:3"], [0, 1, 2]), (["0-2", "5"], [0, 1, 2, 5]), (["7", "first:1"], [0, 7])],
)
def test_layers_are_counted_from_both_ends(layers, numbers):
    assert chosen_layers(layers, 8) == numbers


@pytest.mark.parametrize("layers", ["8", "last:9", "3-1", "6-8"])
def test_a_layer_that_is_not_there_is_named(layers):
    with pytest.raises(UsageError, match=f"adapter.layers: {layers}"):
        chosen_layers([layers], 8)


@pytest.mark.parametrize(
    ("adapter", "wanted"),
    [
        (Adapter(kind="full"), {"embed_tokens", "layers.0", "layers.1", "norm", "layernorm"}),
        (Adapter(kind="full", layers=("last:1",)), {"layers.1", "layernorm"}),
        (Adapter(kind="full", layers=("last:1",), parts=()), {"layers.1"}),
        (Adapter(kind="full", parts=("norms",)), {"layers.0", "layers.1", "norm", "layernorm"}),
        (Adapter(kind="full", layers=("0",), parts=("embeddings", "head")), {"layers.0", "embed_tokens"}),
    ],
)
def test_what_is_frozen_does_not_train(tiny, adapter, wanted):
    made = Policy.trained(load(tiny, torch.float32, CPU), adapter, seed=0, autocast=False)
    names = set(trainable(made.model))
    every = dict(made.model.named_parameters())

    def expected(name: str) -> bool:
        if "layernorm" in name:
            return "layernorm" in wanted and any(f"{layer}." in name for layer in wanted if "layers" in layer)
        return any(f".{part}." in name for part in wanted)

    assert names == {name for name in every if expected(name)}


def test_a_head_that_is_the_embeddings_does_not_train_apart(tiny):
    with pytest.raises(UsageError, match=r"adapter\.parts: .*name both or none"):
        Policy.trained(load(tiny, torch.float32, CPU), Adapter(kind="full", parts=("head",)), seed=0, autocast=False)


def test_a_head_of_its_own_trains_apart(tmp_path):
    from conftest import make_model

    make_model(tmp_path, tie_word_embeddings=False)
    adapter = Adapter(kind="full", layers=("1",), parts=("head",))
    made = Policy.trained(load(tmp_path, torch.float32, CPU), adapter, seed=0, autocast=False)
    assert "lm_head.weight" in trainable(made.model)
    assert "model.embed_tokens.weight" not in trainable(made.model)


def test_a_module_that_is_not_there_is_told_with_those_that_are(tiny):
    with pytest.raises(UsageError, match=r"adapter\.modules: nothing is called c_attn; .*q_proj"):
        Policy.trained(load(tiny, torch.float32, CPU), Adapter(modules=("c_attn",)), seed=0, autocast=False)


def test_virtual_tokens_cannot_be_folded(tiny):
    with pytest.raises(ModelError, match=r"adapter\.kind=lora"):
        merged(policy(tiny, KINDS["prompt"]).model)


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
def test_a_model_whose_rows_cannot_be_laid_out_takes_no_virtual_tokens(tiny, kind):
    model = load(tiny, torch.float32, CPU)
    model.config._attn_implementation = "eager"
    with pytest.raises(ModelError, match=r"adapter\.kind=lora"):
        Policy.trained(model, KINDS[kind], seed=0, autocast=False)


def test_settings_that_a_kind_does_not_hear_are_told_all_at_once():
    with pytest.raises(ConfigError) as told:
        load_config(None, ["adapter.kind=ia3", "adapter.r=4", "adapter.virtual_tokens=3", "model.quantize=nf4"])
    for name in ("adapter.r:", "adapter.virtual_tokens:", "model.quantize:"):
        assert name in str(told.value)
    assert load_config(None, ["adapter.kind=full", "adapter.r=16"]).adapter.kind == "full"  # as older runs wrote it
    assert load_config(None, ["adapter.layers=3"]).adapter.layers == ("3",)
    with pytest.raises(ConfigError, match=r"adapter\.layers"):
        load_config(None, ["adapter.layers=some"])


def test_the_base_of_an_adapter_is_what_it_was(tiny, kind):
    before = load(tiny, torch.float32, CPU).state_dict()
    inner = causal(policy(tiny, KINDS[kind]).model)
    now = {name.replace(".base_layer", ""): value for name, value in inner.state_dict().items()}
    assert all(torch.equal(value, now[name]) for name, value in before.items())
