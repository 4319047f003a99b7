"""A reply chosen from a fixed set is the one that the model finds likeliest as its whole answer."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from conftest import CHATML, make_model, make_tokenizer
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM

from whet.config.tree import Model
from whet.engines.local import Local
from whet.engines.open import open_model
from whet.errors import UsageError
from whet.models.tree import Tree
from whet.types import Message, Prompt, Sampling

LABELS = ("card", "card lost", "card lost abroad", "cash", "x", "y", "v", "w")  # some begin others
ASKED = [
    Prompt((Message("system", "Name the label."), Message("user", text)), ("card lost",), f"f:{at}")
    for at, text in enumerate(["a", "bb", "how is this one to be called?", "short", "zzz " * 9, "q", "r", "s"])
]


@pytest.fixture(scope="module")
def engine(tiny):
    return open_model(str(tiny), Model(dtype="float32")).engine  # as the oracle


def oracle(folder, engine, prompt):
    """Return how likely transformers finds each label as the answer, end token included."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    likely = []
    for label in LABELS:
        whole, begin = engine.renderer.answer(prompt, label)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
        likely.append(sum(float(logits[at - 1, whole[at]]) for at in range(begin, len(whole))))
    return likely


def check(folder, engine, least=2):
    replies = dict(engine.complete(ASKED, Sampling(choices=LABELS), log_loss=True))
    free = dict(engine.complete(ASKED, Sampling(max_tokens=1), log_loss=True))
    for at, prompt in enumerate(ASKED):
        likely = oracle(folder, engine, prompt)
        assert replies[at].text == LABELS[max(range(len(LABELS)), key=likely.__getitem__)]
        assert replies[at].finish == "stop"
        assert replies[at].completion_tokens == len(replies[at].text)  # a byte is a token
        assert replies[at].log_loss == pytest.approx(free[at].log_loss, abs=1e-5)
        (said,) = likelihoods(engine, [prompt])
        assert said == pytest.approx(likely, abs=1e-4)
    assert len({reply.text for reply in replies.values()}) >= least


def likelihoods(engine, prompts):
    """Return what the tree says of every label."""
    seen = []
    plain = Tree.likelihood

    def watched(*given):
        seen.append(plain(*given))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tree, "likelihood", watched)
        list(engine.complete(prompts, Sampling(choices=LABELS)))
    return torch.cat(seen).tolist()


def test_the_reply_is_the_likeliest_choice_by_transformers(tiny, engine):
    check(tiny, engine)


def test_a_model_whose_rows_cannot_be_laid_out_chooses_the_same(tiny, engine, renderer):
    check(tiny, Local(engine.model, renderer, 512, packs=False))


def test_a_model_that_sees_a_window_only_chooses_as_transformers_does(tiny, tmp_path):
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=259, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, sliding_window=9, initializer_range=0.5,
    )  # fmt: skip
    MistralForCausalLM(config).save_pretrained(tmp_path)
    make_tokenizer(tmp_path)
    check(tmp_path, open_model(str(tmp_path), Model(dtype="float32")).engine, least=1)


def test_a_stream_says_the_choice_that_complete_makes(engine):
    sampling = Sampling(choices=LABELS)
    (delta,) = engine.stream(ASKED[2], sampling)
    assert (delta.text, delta.finish) == (next(engine.complete([ASKED[2]], sampling))[1].text, "stop")


def test_common_beginnings_are_computed_once():
    tree = Tree([[1, 2, 9], [1, 2, 3, 9], [1, 4, 9], [5, 9], [9]])
    assert tree.tokens == [1, 2, 3, 4, 5]
    assert tree.depths.tolist() == [0, 1, 2, 1, 0]
    assert tree.sees.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 1, 0],
        [0, 0, 0, 0, 1],
    ]


def test_choices_are_drawn_as_often_as_they_are_likely(engine):
    (said,) = likelihoods(engine, ASKED[:1])
    wanted = (torch.tensor(said) / 20).softmax(0)
    many = [replace(ASKED[0], targets=())] * 400  # the same source, so each is drawn by its number
    drawn = Counter(reply.text for _, reply in engine.complete(many, Sampling(20.0, choices=LABELS)))
    for label, share in zip(LABELS, wanted.tolist(), strict=True):
        assert drawn[label] / 400 == pytest.approx(share, abs=4 * (share / 400) ** 0.5 + 0.01)


def test_a_template_whose_answers_depend_on_the_prompt_is_followed(tmp_path):
    make_model(tmp_path)
    make_tokenizer(
        tmp_path,
        CHATML.replace("{{ m.content }}", "{{ m.content }}{% if m.role == 'assistant' %}{{ loop.index }}{% endif %}"),
    )
    engine = open_model(str(tmp_path), Model(dtype="float32")).engine
    short, long = ASKED[0], replace(ASKED[1], messages=ASKED[1].messages[1:])
    replies = dict(engine.complete([short, long, short], Sampling(choices=LABELS)))
    assert all(
        replies[at].text == LABELS[max(range(len(LABELS)), key=likely.__getitem__)]
        for at, likely in enumerate(oracle(tmp_path, engine, prompt) for prompt in (short, long, short))
    )


def test_a_choice_that_does_not_fit_the_context_is_an_error(engine, renderer):
    small = Local(engine.model, renderer, 60, packs=True)
    with pytest.raises(UsageError, match="with its answer"):
        list(small.complete(ASKED[:1], Sampling(choices=("x", "y" * 60))))
