"""Answers in batches are the answers of transformers one by one."""

import random

import pytest
import torch
from transformers import AutoModelForCausalLM

from whet.config.tree import Model
from whet.engines.fewshot import FewShot
from whet.engines.local import Local, Row, _draw
from whet.engines.open import open_model
from whet.errors import ModelError, UsageError
from whet.models.load import load
from whet.models.policy import Policy
from whet.types import Chat, Message, Prompt, Sampling

SYSTEM = Message("system", "Repeat after me, as well as you can.")
ASKED = [
    Prompt((SYSTEM, Message("user", text)), (f"{text}!", "no"), f"f:{at}")
    for at, text in enumerate(["a", "bb", "how long is this one?", "short", "zzzzzz " * 9, "q"])
]


@pytest.fixture(scope="module", params=["kernels", "torch"])
def engine(tiny, request):
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "torch":
            patch.setattr("whet.models.kernels._kernels", lambda: None)
        yield open_model(str(tiny), Model(dtype="float32")).engine  # as the oracle


@pytest.fixture(scope="module")
def oracle(tiny):
    return AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()


def ordered(pairs):
    return [reply for _, reply in sorted(pairs, key=lambda pair: pair[0])]


def test_greedy_answers_are_those_of_transformers_generate(engine, oracle):
    replies = ordered(engine.complete(ASKED, Sampling(max_tokens=24)))
    for prompt, reply in zip(ASKED, replies, strict=True):
        ids = torch.tensor([engine.prompt_ids(prompt)])
        made = oracle.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False,
            eos_token_id=sorted(engine.renderer.stops), pad_token_id=0,
        )  # fmt: skip
        assert reply.text == engine.renderer.decode(made[0, ids.shape[1] :].tolist())


def test_an_answer_does_not_depend_on_its_company(engine):
    together = ordered(engine.complete(ASKED, Sampling(max_tokens=24)))
    alone = [next(engine.complete([prompt], Sampling(max_tokens=24)))[1].text for prompt in ASKED]
    assert [reply.text for reply in together] == alone


def test_rows_that_enter_while_others_answer_change_no_answer(engine, monkeypatch):
    sampling = Sampling(1.5, max_tokens=200, seed=1)
    together = ordered(engine.complete(ASKED * 3, sampling, log_loss=True))
    assert {reply.finish for reply in together} == {"stop", "length"}
    monkeypatch.setattr("whet.engines.local.MOST", 3)
    monkeypatch.setattr("whet.engines.local.READ", 40)
    for one, other in zip(ordered(engine.complete(ASKED * 3, sampling, log_loss=True)), together, strict=True):
        assert (one.text, one.finish) == (other.text, other.finish)
        assert one.log_loss == pytest.approx(other.log_loss, abs=1e-4)


def test_replies_come_as_they_end_not_when_all_have_ended(engine):
    sampling = Sampling(1.5, max_tokens=200, seed=1)
    lengths = [reply.completion_tokens for _, reply in engine.complete(ASKED * 3, sampling)]
    assert len(set(lengths)) > 3
    assert lengths == sorted(lengths)


def test_what_is_drawn_does_not_depend_on_its_company(engine):
    sampling = Sampling(1.0, 0.9, 16, 3)
    together = ordered(engine.complete(ASKED, sampling))
    assert ordered(engine.complete(ASKED[:2], sampling))[1].text == together[1].text


def test_tokens_are_drawn_as_often_as_they_are_likely():
    likely = torch.tensor([0.4, 0.05, 0.3, 0.0, 0.25])
    rows = [Row(0, [], [], (), 0, random.Random(0))] * 4000
    for top_p, expected in ((1.0, likely), (0.8, torch.tensor([0.4, 0, 0.3, 0, 0.25]) / 0.95)):
        drawn = _draw(likely.log().expand(4000, -1), rows, Sampling(1.0, top_p))
        assert drawn.bincount(minlength=5) / 4000 == pytest.approx(expected, abs=0.03)
        assert not (expected[drawn] == 0).any()


def test_a_stream_says_what_complete_says(engine):
    for prompt in ASKED[:3]:
        pieces = list(engine.stream(prompt, Sampling(max_tokens=24)))
        ((_, reply),) = engine.complete([prompt], Sampling(max_tokens=24))
        assert "".join(piece.text for piece in pieces) == reply.text
        assert pieces[-1].finish == reply.finish


def test_log_loss_is_the_mean_over_targets_of_transformers_loss(engine, oracle):
    replies = ordered(engine.complete(ASKED, Sampling(max_tokens=2), log_loss=True))
    for prompt, reply in zip(ASKED, replies, strict=True):
        losses = []
        for target in prompt.targets:
            ids, start = engine.renderer.answer(prompt, target)
            labels = torch.tensor([[-100] * start + ids[start:]])
            with torch.no_grad():
                losses.append(float(oracle(input_ids=torch.tensor([ids]), labels=labels).loss))
        assert reply.log_loss == pytest.approx(sum(losses) / len(losses), abs=1e-4)


def test_sampling_is_repeatable_by_seed_and_varies_with_it(engine):
    def draw(seed):
        return [r.text for r in ordered(engine.complete(ASKED, Sampling(1.0, 0.9, 16, seed)))]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_a_prompt_without_room_for_an_answer_is_an_error_not_a_cut(engine):
    with pytest.raises(UsageError, match=r"f:9.*context"):
        list(engine.complete([Prompt((Message("user", "x" * 600),), source="f:9")], Sampling()))


def test_the_context_is_never_exceeded(engine):
    ((_, reply),) = engine.complete([Prompt((Message("user", "x" * 480),))], Sampling(max_tokens=400))
    assert reply.prompt_tokens + reply.completion_tokens <= 512


def row(asked, said):
    return Chat((SYSTEM, Message("user", asked), Message("assistant", said)))


def test_few_shot_shows_the_nearest_examples_the_nearest_last(engine):
    rows = [row("the red fox", "fox"), row("a blue whale", "whale"), row("the red hen", "hen"), row("green tea", "tea")]
    shower = FewShot(engine, rows, 2, lambda prompt: True)
    (shown,) = shower.extend([Prompt((SYSTEM, Message("user", "the red fox and the red hen and a red fox")))])
    assert [m.content for m in shown.messages[1:5]] == ["the red hen", "hen", "the red fox", "fox"]
    assert shown.messages[0] == SYSTEM
    assert shower.shown == [2]


def test_few_shot_leaves_out_what_does_not_fit_and_counts_it(engine):
    rows = [row("the red fox " * 9, "fox"), row("the red hen", "hen")]
    shower = FewShot(engine, rows, 2, lambda prompt: len(prompt.messages) <= 4)
    shower.extend([Prompt((SYSTEM, Message("user", "red")))])
    assert shower.shown == [1]


def test_a_model_whose_template_changed_after_training_is_refused(tiny, tmp_path):
    import json
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    (folder / "whet.json").write_text(json.dumps({"template": "another"}))
    with pytest.raises(ModelError, match="chat template"):
        open_model(str(folder))


def test_a_stream_that_waits_leaves_its_caller_as_it_was(engine):
    one, other = (engine.stream(prompt, Sampling(max_tokens=24)) for prompt in ASKED[:2])
    for _ in range(3):
        next(one)
        next(other)
        assert not torch.is_inference_mode_enabled()
    list(one)
    list(other)  # still goes on by itself


def test_a_target_that_does_not_fit_the_context_is_an_error_not_a_guess(engine):
    asked = Prompt((Message("user", "x" * 300),), ("y" * 300,), "f:9")
    with pytest.raises(UsageError, match=r"f:9.*with its answer.*context"):
        list(engine.complete([asked], Sampling(max_tokens=4), log_loss=True))


def test_a_context_smaller_than_the_model_is_kept(tiny, renderer):
    model = load(tiny, torch.float32, torch.device("cpu"))
    engine = Local(model, renderer, 80, packs=Policy(model).packs)
    ((_, reply),) = engine.complete([ASKED[0]], Sampling(max_tokens=400))
    assert reply.prompt_tokens + reply.completion_tokens <= 80


def test_a_model_whose_rows_cannot_be_laid_out_answers_the_same_one_by_one(tiny, engine, renderer):
    single = Local(load(tiny, torch.float32, torch.device("cpu")), renderer, engine.context, packs=False)
    sampling = Sampling(max_tokens=24)
    ours = ordered(single.complete(ASKED, sampling, log_loss=True))
    for one, other in zip(ours, ordered(engine.complete(ASKED, sampling, log_loss=True)), strict=True):
        assert one.text == other.text
        assert one.log_loss == pytest.approx(other.log_loss, abs=1e-4)


def test_a_model_that_sees_a_window_only_answers_as_transformers_does(tiny, engine, tmp_path):
    import shutil

    from transformers import MistralConfig, MistralForCausalLM

    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=AutoModelForCausalLM.from_pretrained(tiny).config.vocab_size, hidden_size=32, intermediate_size=64,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8, sliding_window=9,
    )  # fmt: skip
    MistralForCausalLM(config).save_pretrained(tmp_path)
    windowed = open_model(str(tmp_path), Model(dtype="float32")).engine
    assert windowed.packs == engine.packs
    peer = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    for prompt, reply in zip(ASKED, ordered(windowed.complete(ASKED, Sampling(max_tokens=24))), strict=True):
        ids = torch.tensor([windowed.prompt_ids(prompt)])
        made = peer.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False,
            eos_token_id=sorted(windowed.renderer.stops), pad_token_id=0,
        )  # fmt: skip
        assert reply.text == windowed.renderer.decode(made[0, ids.shape[1] :].tolist())
