"""Real, openly licensed data sets, each read without an option."""

import os
from pathlib import Path

import pytest

from whet.data.read import read
from whet.errors import DataError
from whet.types import Chat, Text

ROOT = Path(os.environ.get("WHET_DATA") or Path(__file__).parents[3] / "shared" / "data")

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not ROOT.is_dir(), reason="the real data sets are not beside the checkout (WHET_DATA)"),
]

SETS = {  # file: (rows, shape, first note)
    "banking77/train.jsonl": (10003, "text_label", "text -> user, label -> assistant, one of the labels"),
    "banking77/test.jsonl": (3080, "text_label", "text -> user, label -> assistant, one of the labels"),
    "dolly_hhrlhf_1k/train.jsonl": (800, "prompt_completion", "prompt -> user, response -> assistant"),
    "dolly_hhrlhf_1k/validation.jsonl": (100, "prompt_completion", "prompt -> user, response -> assistant"),
    "dolly_hhrlhf_1k/test.jsonl": (100, "prompt_completion", "prompt -> user, response -> assistant"),
    "e2e_nlg/train.jsonl": (3954, "fields", "mr -> user, ref -> assistant"),
    "e2e_nlg/validation.jsonl": (718, "fields", "mr -> user, ref -> assistant"),
    "e2e_nlg/test.jsonl": (4693, "fields", "mr -> user, ref -> assistant"),
    "gsm8k/train.jsonl": (4000, "question_answer", "question -> user, answer -> assistant"),
    "gsm8k/test.jsonl": (660, "question_answer", "question -> user, answer -> assistant"),
    "mts_dialog/train.jsonl": (1201, "fields", "section and dialogue -> user, summary -> assistant"),
    "mts_dialog/validation.jsonl": (100, "fields", "section and dialogue -> user, summary -> assistant"),
    "mts_dialog/test.jsonl": (200, "fields", "section and dialogue -> user, summary -> assistant"),
    "mts_dialog/test2.jsonl": (200, "fields", "section and dialogue -> user, summary -> assistant"),
    "oasst_en_100/chat_train.jsonl": (
        450,
        "messages",
        "messages -> a conversation; columns not used: tree_id",
    ),
    "oasst_en_100/chat_test.jsonl": (
        114,
        "messages",
        "messages -> a conversation; columns not used: tree_id",
    ),
    "policyqa/train.jsonl": (
        2400,
        "question_answer",
        "question -> user, answer -> assistant, context before the question; columns not used: id, title, answer_start",
    ),
    "restaurant8k/train.jsonl": (
        8198,
        "fields",
        "requested_slots and text -> user, slots as JSON -> assistant",
    ),
    "restaurant8k/test.jsonl": (
        3731,
        "fields",
        "requested_slots and text -> user, slots as JSON -> assistant",
    ),
    "self_instruct_human/train.jsonl": (
        175,
        "alpaca",
        "instruction and input -> user, output -> assistant; columns not used: id, name",
    ),
    "self_instruct_human/test.jsonl": (
        252,
        "alpaca",
        "instruction and input -> user, output -> assistant; columns not used: id, motivation_app",
    ),
    "tinyshakespeare/train.txt": (557, "text", "text -> raw text, every token trains"),
    "tinyshakespeare/validation.txt": (60, "text", "text -> raw text, every token trains"),
    "toolcall_300/train.jsonl": (
        260,
        "sharegpt",
        "conversations -> a conversation, tools offered to the model",
    ),
    "toolcall_300/test.jsonl": (
        40,
        "sharegpt",
        "conversations -> a conversation, tools offered to the model",
    ),
}


@pytest.mark.parametrize("name", SETS)
def test_a_real_data_set_is_read_without_options_and_its_shape_is_announced(name):
    rows, shape, how = SETS[name]
    dataset = read(ROOT / name)
    assert (len(dataset.examples), dataset.shape) == (rows, shape)
    assert dataset.notes[0] == f"read as {shape}: {how}"
    assert len(dataset.digests[str(ROOT / name)]) == 64
    for example in dataset.examples:
        if isinstance(example, Chat):
            assert example.messages[-1].role == "assistant"
            assert example.messages[-1].content.strip() or example.messages[-1].tool_calls
        else:
            assert example.text.strip()


def test_a_section_comes_before_its_dialogue_and_the_instruction_names_both():
    dataset = read(ROOT / "mts_dialog" / "train.jsonl")
    system, user, _ = dataset.examples[0].messages
    assert system.content == "Given the section and the dialogue, write the summary."
    assert user.content.startswith("section: GENHX\ndialogue:\nDoctor: What brings you back")


def test_cryptic_columns_are_put_into_words():
    assert read(ROOT / "e2e_nlg" / "train.jsonl").examples[0].messages[0].content == (
        "Given the meaning representation, write a sentence."
    )


def test_slots_are_written_as_json():
    first = read(ROOT / "restaurant8k" / "train.jsonl").examples[0]
    assert first.messages[-1].content == '{"people": "5 adults and 1 child"}'
    assert first.messages[1].content.startswith('requested_slots: ["people"]\ntext:\n')


def test_a_passage_comes_before_its_question():
    user = read(ROOT / "policyqa" / "validation.jsonl").examples[0].messages[0]
    assert user.content.startswith("The Service generally collects")
    assert "\n\nQuestion: " in user.content


def test_seventy_seven_labels_are_found():
    dataset = read(ROOT / "banking77" / "train.jsonl")
    assert len(dataset.labels) == 77
    assert list(dataset.labels) == sorted(dataset.labels)


def test_function_calls_become_tool_calls_and_observations_tool_messages():
    chats = read(ROOT / "toolcall_300" / "train.jsonl").examples
    messages = chats[0].messages
    assert messages[3].tool_calls[0]["function"]["name"] == "search_recipes"
    assert (messages[3].content, messages[4].role) == ("", "tool")
    assert any(tool["function"]["name"] == "search_recipes" for tool in chats[0].tools)


def test_pieces_of_plain_text_are_at_most_two_thousand_characters_and_lose_no_word():
    path = ROOT / "tinyshakespeare" / "validation.txt"
    examples = read(path).examples
    assert all(isinstance(example, Text) and len(example.text) <= 2000 for example in examples)
    assert " ".join(example.text for example in examples).split() == path.read_text().split()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("winogender/test.jsonl", "the columns are occupation, participant"),
        ("pii_synthetic/test.jsonl", "the columns are text, spans"),
    ],
)
def test_a_set_for_another_purpose_is_refused_once_with_the_way_out(name, words):
    with pytest.raises(DataError, match=words) as caught:
        read(ROOT / name)
    assert len(caught.value.problems) == 1
