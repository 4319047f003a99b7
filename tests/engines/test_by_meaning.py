"""Texts found by meaning: a tiny random model of sentence-transformers, on disk."""

import pytest
from conftest import make_tokenizer
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import BertConfig, BertModel

from whet.engines.embedded import Embedder
from whet.engines.rag import Rag, Source
from whet.errors import UsageError
from whet.types import Message, Prompt

TEXTS = ["the cat sat", "a kettle boils", "rain in may", "the cat slept"]


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedding")
    config = BertConfig(
        vocab_size=259, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder / "bert")
    make_tokenizer(folder / "bert")
    inner = Transformer(str(folder / "bert"))
    whole = SentenceTransformer(modules=[inner, Pooling(32)], device="cpu")
    whole.save(str(folder / "whole"))
    return folder / "whole"


def test_the_nearest_are_those_that_sentence_transformers_finds_most_similar(embedding):
    index = Embedder(str(embedding))(TEXTS)
    model = SentenceTransformer(str(embedding), device="cpu")
    likeness = model.similarity(model.encode(["the cat sat"]), model.encode(TEXTS))[0]
    wanted = likeness.argsort(descending=True).tolist()
    assert index.find(["the cat sat"], 9) == [wanted]
    assert index.find(["the cat sat"], 2)[0][0] == 0
    assert index.find([], 2) == []


def test_passages_are_found_by_an_index_of_ones_choice(embedding):
    rag = Rag([Source(text, f"{at}") for at, text in enumerate(TEXTS)], 1, lambda _: True, Embedder(str(embedding)))
    rag.extend([Prompt((Message("user", "a kettle boils"),))])
    assert rag.shown == [["1"]]


def test_a_model_that_is_none_is_told_in_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"eval\.embedder: .* is no model of sentence-transformers"):
        Embedder(str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="no texts"):
        Embedder.__call__(object.__new__(Embedder), [])
