"""The quick ways give the loss and the gradients of the plain way, of transformers and of TRL."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.models.llama import modeling_llama

from whet.config.tree import Adapter
from whet.methods.sft import SFT
from whet.models import batch as batches
from whet.models.adapt import trainable
from whet.models.batch import collate, cut, flatten, shared_start
from whet.models.heads import Head
from whet.models.load import load
from whet.models.logprobs import chosen
from whet.models.policy import Policy
from whet.types import Chat, Message, Tokens

CPU = torch.device("cpu")
LORA = Adapter(r=4, alpha=8.0)
FULL = Adapter(kind="full")


@pytest.fixture(scope="module")
def rows(renderer_module) -> list[Tokens]:
    said = [
        ("short?", "yes"),
        ("a longer question, is it?", "no, not at all"),
        ("hm", "a very, very long answer indeed"),
    ]
    talks = [
        Chat((Message("system", "Answer the question."), Message("user", q), Message("assistant", a))) for q, a in said
    ]
    return [row for talk in talks for row in renderer_module.render(talk)]


@pytest.fixture(scope="module")
def pairs(renderer_module) -> list[Tokens]:
    """Two prompts with several answers each, one alone, and one that begins another, all after one system message."""
    said = [("Which?", ["this", "that one", "none"]), ("Where is it?", ["here", "over there"]), ("Whi", ["no", "yes"])]
    return [
        row
        for at in range(3)
        for q, answers in [*said, ("When, if ever?", ["now"])]
        for a in answers[at : at + 1]
        for row in renderer_module.render(
            Chat((Message("system", "Say."), Message("user", q), Message("assistant", a)))
        )
    ]


@pytest.fixture(scope="module")
def renderer_module(tiny):
    from whet.data.render import Renderer

    return Renderer(tiny)


@pytest.fixture(autouse=True)
def _sharing_pays_at_once(monkeypatch):
    monkeypatch.setattr(batches, "PAYS", 1)


def policy(tiny, adapter=LORA):
    made = Policy.trained(load(tiny, torch.float32, CPU), adapter, seed=0, autocast=False)
    if adapter.kind == "lora":  # B starts at zero, which would hide A's gradient
        torch.manual_seed(1)
        for name, parameter in trainable(made.model).items():
            if "lora_B" in name:
                parameter.data.normal_(0, 0.1)
    return made


def gradient(made, batches):
    count = sum(batch.count for batch in batches)
    total = 0.0
    for batch in batches:
        loss = SFT([], 1, 1, 0).loss(made(batch), batch).total
        (loss / count).backward()
        total += float(loss.detach())
    grads = {name: parameter.grad.clone() for name, parameter in trainable(made.model).items()}
    made.model.zero_grad()
    return total / count, grads


ROTATION = getattr(modeling_llama.apply_rotary_pos_emb, "plain", modeling_llama.apply_rotary_pos_emb)


def plain(made, rows):
    """Transformers' and PEFT's own loss: labels of -100 where nothing trains."""
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([list(row.ids) + [0] * (width - len(row.ids)) for row in rows])
    labels = torch.tensor([
        [i if w > 0 else -100 for i, w in zip(row.ids, row.weights, strict=True)] + [-100] * (width - len(row.ids))
        for row in rows
    ])  # fmt: skip
    mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows])
    ours = {module: vars(module).pop("forward") for module in made.model.modules() if "forward" in vars(module)}
    rotation, modeling_llama.apply_rotary_pos_emb = modeling_llama.apply_rotary_pos_emb, ROTATION
    loss = made.model(input_ids=ids, attention_mask=mask, labels=labels).loss  # transformers' and PEFT's own layers
    loss.backward()
    for module, forward in ours.items():
        module.forward = forward
    modeling_llama.apply_rotary_pos_emb = rotation
    grads = {name: parameter.grad.clone() for name, parameter in trainable(made.model).items()}
    made.model.zero_grad()
    return float(loss.detach()), grads


def assert_same(one, other, atol=2e-5):
    assert one[0] == pytest.approx(other[0], abs=1e-5)
    for name, grad in one[1].items():
        assert torch.allclose(grad, other[1][name], atol=atol), name


@pytest.mark.parametrize("adapter", [LORA, FULL], ids=["lora", "full"])
@pytest.mark.parametrize("way", ["shared prefix", "end to end", "padded"])
def test_loss_and_gradients_are_those_of_transformers(tiny, rows, adapter, way):
    made = policy(tiny, adapter)
    assert made.packs
    made.packs = way != "padded"
    share = way == "shared prefix"
    batch = collate(rows, share=share)
    assert bool(len(batch.prefix)) == share
    ours = {type(module).__name__ for module in made.model.modules() if "forward" in vars(module)}
    assert ours == {"LlamaRMSNorm", "LlamaMLP"} | ({"Linear"} if adapter is LORA else set())
    assert modeling_llama.apply_rotary_pos_emb is not ROTATION
    assert_same(gradient(made, [batch]), plain(made, rows))


@pytest.mark.parametrize("adapter", [LORA, FULL], ids=["lora", "full"])
def test_compiled_layers_give_the_loss_and_the_gradients_of_transformers(tiny, rows, adapter):
    made = policy(tiny, adapter)
    expected = plain(made, rows)
    graphs = []

    def backend(graph, inputs):  # captured and run as it is: what a compiler would be given
        graphs.append(graph)
        return graph

    for layer in made.layers:
        layer.forward = torch.compile(layer.forward, backend=backend)
    assert_same(gradient(made, [collate(rows)]), expected)
    assert graphs


@pytest.mark.parametrize("adapter", [LORA, FULL], ids=["lora", "full"])
def test_prompts_of_several_answers_are_computed_once_with_the_gradients_of_transformers(tiny, pairs, adapter):
    made = policy(tiny, adapter)
    batch = collate(pairs)
    assert len(batch.prefix)
    assert sorted(len(stem.rows) for stem in batch.stems) == [2, 2, 3]
    assert [len(row.ids) for row in pairs] == (batch.shared + batch.lengths).tolist()
    computed = len(batch.prefix) + sum(len(stem.tokens) for stem in batch.stems) + int(batch.lengths.sum())
    assert computed == len(flatten(batch).ids) < sum(len(row.ids) for row in pairs) / 2
    assert_same(gradient(made, [batch]), plain(made, pairs))
    alone = [row for row in pairs if row.ids[:40] == pairs[0].ids[:40]]
    mixed = [*alone, Tokens((7, 8, 9), (0.0, 1.0, 1.0))]  # no start of all, so that a stem stands at the very front
    assert not len(collate(mixed).prefix)
    assert collate(mixed).stems
    assert_same(gradient(made, [collate(mixed)]), plain(made, mixed))


def test_stems_are_those_that_save_most_and_end_before_what_trains():
    def row(*ids, trains):
        return Tokens(ids, tuple(float(at >= trains) for at in range(len(ids))))

    # The first two share 4, the last two 6; of the second and third, which share 2, nothing is made.
    rows = [
        row(1, 2, 3, 4, 5, 6, 7, 8, trains=6),
        row(1, 2, 9, 9, 9, 9, 9, 9, trains=7),
        row(1, 2, 9, 9, 9, 9, 9, trains=6),
    ]
    rows.insert(1, row(1, 2, 3, 4, 7, 7, trains=5))
    batch = collate(rows)
    assert batch.prefix.tolist() == [1, 2]
    assert [(stem.tokens.tolist(), stem.rows) for stem in batch.stems] == [([3, 4], (0, 1)), ([9, 9, 9, 9], (2, 3))]
    early = [row(1, 2, 3, 4, 5, trains=3), row(1, 2, 3, 4, 6, trains=3), row(1, 2, 7, 7, 7, trains=2)]
    assert [(stem.tokens.tolist(), stem.rows) for stem in collate(early).stems] == [([3], (0, 1))]


@pytest.mark.parametrize("tokens", [16, 120, 4096])
def test_how_a_step_is_cut_into_micro_batches_changes_nothing(tiny, rows, tokens):
    made = policy(tiny)
    method = SFT(rows, 3, tokens, 0)
    assert_same(gradient(made, method.batches(rows)), gradient(made, [collate(rows, share=False)]))


def test_loss_and_gradients_are_those_of_trl(tiny, rows, tmp_path):
    from trl import SFTConfig, SFTTrainer

    settings = SFTConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=3, bf16=False, use_cpu=True, report_to=[],
        gradient_checkpointing=False, completion_only_loss=True, max_length=None,
    )  # fmt: skip
    data = Dataset.from_list([
        {"input_ids": list(row.ids), "completion_mask": [int(w > 0) for w in row.weights]} for row in rows
    ])  # fmt: skip
    made = policy(tiny, FULL)
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32), settings, train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(tiny),
    )  # fmt: skip
    batch = next(iter(trainer.get_train_dataloader()))
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    theirs = {name: p.grad for name, p in trainer.model.named_parameters()}
    ours = gradient(made, [collate(rows)])
    assert ours[0] == pytest.approx(float(loss.detach()), abs=1e-5)
    for name, grad in ours[1].items():
        assert torch.allclose(grad, theirs[name], atol=2e-5), name


def test_chosen_logprobs_and_gradients_are_those_of_log_softmax():
    torch.manual_seed(0)
    hidden, targets = torch.randn(1100, 8), torch.randint(0, 50, (1100,))  # more than two chunks
    head = torch.nn.Linear(8, 50, bias=False)
    ours = Head(SimpleNamespace(get_output_embeddings=lambda: head, config=None))
    ways = []
    for way in (
        lambda h, _, t: chosen(h, ours, t),
        lambda h, head, t: head(h).log_softmax(-1).gather(1, t[:, None])[:, 0],
    ):
        state = hidden.clone().requires_grad_()
        head.zero_grad()
        said = way(state, head, targets)
        (said * torch.linspace(-1, 1, 1100)).sum().backward()
        ways.append((said.detach(), state.grad, head.weight.grad.clone()))
    for one, other in zip(*ways, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_a_shared_start_stops_before_what_trains():
    one = Tokens((5,) * 20 + (1, 2), (0.0,) * 20 + (1.0, 1.0))
    other = Tokens((5,) * 20 + (1, 3), (0.0,) * 20 + (1.0, 1.0))
    assert shared_start([one, other]) == 20
    assert shared_start([one]) == 0


@pytest.mark.parametrize("padded", [False, True])
def test_cutting_keeps_every_row_and_the_budget(padded):
    rows = [Tokens((number,) * (5 + number), (0.0,) + (1.0,) * (4 + number)) for number in range(30)]
    groups = cut(rows, 100, padded=padded)
    assert sorted(row.ids for group in groups for row in group) == sorted(row.ids for row in rows)
    sizes = [[len(row.ids) for row in group] for group in groups]
    assert all((len(size) * max(size) if padded else sum(size)) <= 100 for size in sizes)


def test_a_start_that_rows_share_counts_once_when_they_are_cut():
    start, other = (7,) * 500, (8,) * 500
    rows = [Tokens((*start, *range(9, 19 + at)), (0.0,) * 500 + (1.0,) * (10 + at)) for at in range(8)]
    assert [len(group) for group in cut(rows, 1500)] == [8]
    assert [len(group) for group in cut(rows, 1500, padded=True)] == [2, 2, 2, 2]
    taken = 500 + 7 * 500 / 5 + sum(10 + at for at in range(8))
    assert len(cut(rows, int(taken) - 1)) == 2
    strangers = [Tokens((*first, 9, 10), (0.0,) * 500 + (1.0,) * 2) for first in (start, other)]
    assert [len(group) for group in cut(strangers, 900)] == [1, 1]
    trained = [Tokens((*start, 9, at), (1.0,) * 502) for at in range(2)]  # a start that trains is no start
    assert [len(group) for group in cut(trained, 900)] == [1, 1]


def test_a_model_whose_logits_are_capped_keeps_its_cap(tiny, rows, tmp_path):
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=259, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, sliding_window=8, final_logit_softcapping=0.5,
    )  # fmt: skip
    Gemma2ForCausalLM(config).save_pretrained(tmp_path)
    made = policy(tmp_path, FULL)
    assert not made._head.plain
    assert_same(gradient(made, [collate(rows, share=made.packs)]), plain(made, rows))


def test_a_layer_that_sees_a_window_only_sees_no_farther_when_packed(rows, pairs, tmp_path):
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=259, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, sliding_window=9,
    )  # fmt: skip
    MistralForCausalLM(config).save_pretrained(tmp_path)
    made = policy(tmp_path, FULL)
    assert made.packs
    assert_same(gradient(made, [collate(rows)]), plain(made, rows))
    assert collate(pairs).stems
    assert_same(gradient(made, [collate(pairs)]), plain(made, pairs))


@pytest.mark.parametrize("changed", [{"dropout": 0.5}, {"r": 5, "alpha": 3.0}])
def test_an_adapter_in_one_pass_says_what_peft_says(tiny, rows, changed):
    made = policy(tiny, Adapter(**{"r": 4, "alpha": 8.0, **changed}))
    made.model.eval()
    layer = next(module for module in made.model.modules() if "forward" in vars(module))
    x = torch.randn(3, 5, layer.in_features)
    assert torch.allclose(layer(x), type(layer).forward(layer, x), atol=1e-6)
    with made.model.disable_adapter():
        assert torch.equal(layer(x), layer.base_layer(x))
    made.model.train()
    torch.manual_seed(0)
    ours = layer(x)
    torch.manual_seed(0)
    assert torch.allclose(ours, type(layer).forward(layer, x), atol=1e-6)  # the same places drop out


@pytest.mark.parametrize("way", ["stems", "end to end", "padded"])
def test_the_work_that_is_counted_is_the_work_that_is_done(tiny, rows, pairs, way):
    made = policy(tiny, FULL)
    made.packs = packs = way != "padded"
    batch = collate(pairs if way == "stems" else rows, share=packs)
    with FlopCounterMode(display=False) as counter:
        SFT([], 1, 1, 0).loss(made(batch), batch).total.backward()
    done = {str(op): count for op, count in counter.get_flop_counts()["Global"].items()}
    products = sum(count for op, count in done.items() if "attention" not in op)
    with_pairs = made.work(batch)
    again = 4 * int((batch.weights > 0).sum()) * made._head.linear.weight.numel()  # logits and slope, made twice
    made._work._pair = 0
    assert made.work(batch) == pytest.approx(products - again + again / 2, rel=0.01)
    places = flatten(batch).places if packs else torch.arange(batch.tokens.shape[1]).repeat(len(rows))
    seen = int((places + 1).sum())
    # Two products of the heads' width for a pair that sees each other, twice that on the way back, in both layers.
    assert with_pairs - made.work(batch) == pytest.approx(2 * 3 * 2 * 2 * 32 * seen)


@pytest.mark.parametrize("adapter", [LORA, FULL], ids=["lora", "full"])
def test_in_bfloat16_loss_and_gradients_are_as_near_to_the_exact_ones_as_those_of_transformers(tiny, rows, adapter):
    full = adapter is FULL
    made = Policy.trained(load(tiny, torch.float32 if full else torch.bfloat16, CPU), adapter, seed=0, autocast=full)
    assert made.packs
    ours = gradient(made, [collate(rows)])
    with made._precision():
        theirs = plain(made, rows)
    exact = gradient(policy(tiny, adapter), [collate(rows)])
    assert abs(ours[0] - exact[0]) < 2 * abs(theirs[0] - exact[0]) + 0.01
    for name, true in exact[1].items():
        off, their_off = ((said[1][name].float() - true).norm() for said in (ours, theirs))
        assert off < 2 * their_off + 0.01 * true.norm() + 1e-6, name


@pytest.mark.parametrize("wrong", [False, True])
def test_in_bfloat16_rounding_is_no_reason_to_pad_and_a_wrong_place_is(tiny, monkeypatch, wrong):
    model = load(tiny, torch.bfloat16, torch.device("cpu"))
    with torch.no_grad():  # as sure as a model that was trained for long
        model.lm_head.weight.copy_(model.lm_head.weight * 40)
        for layer in model.model.layers:
            for weight in layer.self_attn.parameters():
                weight.mul_(3)
    if wrong:

        def shifted(batch):
            flat = flatten(batch)
            places = flat.places + (torch.arange(len(flat.places)) >= len(batch.prefix))
            return replace(flat, places=places)

        monkeypatch.setattr("whet.models.policy.flatten", shifted)
    assert Policy(model).packs != wrong
