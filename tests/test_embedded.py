"""The embedded default model: resolved from nothing, it answers, and its masks are right."""

import pytest
from transformers import AutoTokenizer

from whet.engines.open import open_model
from whet.models.source import resolve
from whet.types import Chat, Message, Prompt, Sampling

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def opened():
    return open_model("smollm2-135m")


def test_it_knows_the_capital_of_france(opened):
    asked = Prompt((Message("user", "What is the capital of France?"),), ("The capital of France is Paris.",))
    ((_, reply),) = opened.engine.complete([asked], Sampling(max_tokens=24), log_loss=True)
    assert reply.text == "The capital of France is Paris."
    assert reply.finish == "stop"
    assert reply.log_loss is not None
    assert reply.log_loss < 0.5


def test_its_tokens_are_those_of_transformers(opened):
    talk = (
        Message("user", "Hi, there"),
        Message("assistant", "Hello!\n\nHow?"),
        Message("user", "  ok"),
        Message("assistant", "Bye."),
    )
    oracle = AutoTokenizer.from_pretrained(resolve("smollm2-135m").folder)
    whole = oracle.apply_chat_template([m.as_dict() for m in talk], tokenize=True, return_dict=True)["input_ids"]
    (row,) = opened.engine.renderer.render(Chat(talk))
    assert list(row.ids) == whole[: len(row.ids)]
    trained = [text for trains, text in opened.engine.renderer.spans(row) if trains]
    assert trained == ["Hello!\n\nHow?<|im_end|>", "Bye.<|im_end|>"]


def test_its_rows_can_be_laid_end_to_end(opened):
    assert opened.engine.packs
