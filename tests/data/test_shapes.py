"""What the rows of a file look like."""

import pytest

from whet.config.tree import Data
from whet.data.shapes import Reading, Table, Unusable
from whet.plugins import find, names
from whet.types import Message

SHAPES = [
    "alpaca", "fields", "messages", "prompt_completion", "question_answer", "sharegpt", "text", "text_label",
]  # fmt: skip


def reading(shape, *rows, **settings) -> Reading:
    result = find("data.shapes", shape)(Table(rows), Data(**settings))
    assert result is not None
    return result


def turns(shape, row, **settings):
    (example,) = reading(shape, row, **settings).convert(row)
    return [(message.role, message.content) for message in example.messages]


def test_every_shape_is_found_by_its_file_name():
    assert [name for name in names("data.shapes") if name in SHAPES] == SHAPES


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_says_what_it_needs_and_knows_rows_that_are_not_its_own(shape):
    function = find("data.shapes", shape)
    assert function.__name__ == shape
    assert function.__doc__.strip().splitlines()[0].endswith((".", "):"))
    assert function(Table(({"foo": 1, "bar": "x"},)), Data()) is None


def test_messages_keep_names_tool_calls_and_weights():
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    row = {
        "messages": [
            {"role": "developer", "content": "s"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "q"}, {"type": "text", "text": "?"}],
                "name": "Ann",
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "", "tool_call_id": "1"},
            {"role": "assistant", "content": "no", "weight": 0},
            {"role": "assistant", "content": "yes", "weight": 1},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "parallel_tool_calls": False,
    }
    plan = reading("messages", row)
    (chat,) = plan.convert(row)
    assert chat.messages == (
        Message("system", "s"),
        Message("user", "q?", name="Ann"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "", tool_call_id="1"),
        Message("assistant", "no", 0.0),
        Message("assistant", "yes", 1.0),
    )
    assert chat.tools == ({"type": "function", "function": {"name": "f"}},)
    assert plan.note.endswith("columns not used: parallel_tool_calls")


def test_the_older_function_call_becomes_a_tool_call():
    call = {"name": "f", "arguments": "{}"}
    row = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": None, "function_call": call},
        ]
    }
    (chat,) = reading("messages", row).convert(row)
    assert chat.messages[-1].tool_calls == ({"type": "function", "function": call},)


def test_message_keys_that_are_not_used_are_announced():
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "refusal": "no"}]}
    assert "keys of messages not used: refusal" in reading("messages", row).note


def test_every_bad_message_of_a_row_is_reported():
    row = {"messages": [{"role": "wizard", "content": "q"}, {"role": "assistant", "content": 5}]}
    with pytest.raises(Unusable) as caught:
        reading("messages", row).convert(row)
    assert [what[:10] for what in caught.value.whats] == ["message 1:", "message 2:"]


def test_a_conversation_may_open_with_the_assistant_and_repeat_a_role():
    roles = ["assistant", "assistant", "user", "user", "assistant"]
    row = {"messages": [{"role": role, "content": "x"} for role in roles]}
    assert [role for role, _ in turns("messages", row)] == roles


def test_messages_may_be_json_inside_a_cell():
    row = {"messages": '[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]'}
    assert turns("messages", row) == [("user", "q"), ("assistant", "a")]


@pytest.mark.parametrize("completion", ["completion", "response"])
def test_a_prompt_and_a_completion_are_an_exchange(completion):
    row = {"prompt": "p", completion: "c", "system": "s"}
    assert turns("prompt_completion", row) == [("system", "s"), ("user", "p"), ("assistant", "c")]


def test_only_the_completion_of_a_conversational_prompt_trains():
    row = {
        "prompt": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
        "completion": [{"role": "assistant", "content": "d"}],
    }
    (chat,) = reading("prompt_completion", row).convert(row)
    assert [message.weight for message in chat.messages if message.role == "assistant"] == [0.0, 1.0]
    assert chat.messages[-1].content == "d"


@pytest.mark.parametrize(
    ("given", "user"), [("x", "do\n\nx"), ("", "do"), (None, "do"), ("<noinput>", "do"), ("  ", "do")]
)
def test_an_alpaca_input_follows_the_instruction(given, user):
    assert turns("alpaca", {"instruction": "do", "input": given, "output": "o"}) == [
        ("user", user),
        ("assistant", "o"),
    ]


def test_every_self_instruct_instance_is_a_conversation():
    row = {"instruction": "do", "instances": [{"input": "x", "output": "1"}, {"input": "", "output": "2"}]}
    chats = reading("alpaca", row).convert(row)
    assert [[message.content for message in chat.messages] for chat in chats] == [
        ["do\n\nx", "1"],
        ["do", "2"],
    ]
    with pytest.raises(Unusable, match="empty list"):
        reading("alpaca", row).convert({"instruction": "do", "instances": []})


def test_dolly_rows_count_as_alpaca():
    row = {"instruction": "do", "context": "x", "response": "o", "category": "qa"}
    assert turns("alpaca", row) == [("user", "do\n\nx"), ("assistant", "o")]


def test_sharegpt_turns_become_messages_tool_calls_and_tools():
    row = {
        "conversations": [
            {"from": "system", "value": "s"},
            {"from": "human", "value": "q"},
            {"from": "function_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
            {"from": "observation", "value": "42"},
            {"from": "gpt", "value": "a"},
        ],
        "tools": '[{"name": "f"}]',
    }
    (chat,) = reading("sharegpt", row).convert(row)
    assert [message.role for message in chat.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert chat.messages[2].tool_calls == ({"type": "function", "function": {"name": "f", "arguments": {"x": 1}}},)
    assert chat.tools == ({"type": "function", "function": {"name": "f"}},)


def test_a_function_call_that_does_not_parse_stays_text():
    row = {"conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": "f(1)"}]}
    assert turns("sharegpt", row) == [("user", "q"), ("assistant", "f(1)")]


def test_a_system_column_of_sharegpt_opens_the_conversation():
    row = {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"}
    assert turns("sharegpt", row)[0] == ("system", "s")


def test_a_context_comes_before_its_question():
    row = {"question": "q", "answer": "a", "context": "c"}
    assert turns("question_answer", row)[0] == ("user", "c\n\nQuestion: q")
    assert turns("question_answer", {**row, "context": None})[0] == ("user", "q")


@pytest.mark.parametrize(("label", "name"), [("yes", "yes"), (" yes ", "yes"), (3, "3"), (True, "true"), (0, "0")])
def test_a_label_is_text_whatever_it_was(label, name):
    row = {"text": "t", "label": label}
    (chat,) = reading("text_label", row).convert(row)
    assert (chat.label, chat.messages[-1].content) == (name, name)
    assert reading("text_label", row).instruction is None


def test_text_alone_is_raw_text_and_bookkeeping_beside_it_does_not_matter():
    row = {"text": "t", "id": 1, "url": "u"}
    assert reading("text", row).convert(row)[0].text == "t"
    assert find("data.shapes", "text")(Table(({"text": "t", "spans": []},)), Data()) is None


def test_columns_that_vary_come_before_the_input_and_constant_ones_do_not():
    rows = [{"tone": tone, "lang": "en", "kind": "k", "query": "q", "response": "r"} for tone in ("dry", "warm")]
    plan = reading("fields", *rows)
    assert plan.convert(rows[0])[0].messages[0].content == "tone: dry\nquery:\nq"
    assert plan.instruction == "Given the tone and the query, write the response."
    assert plan.note == "read as fields: tone and query -> user, response -> assistant; columns not used: lang, kind"


def test_a_long_further_column_stands_on_its_own_lines():
    rows = [{"notes": notes, "input": "q", "target": "r"} for notes in ("a\nb", "c")]
    assert reading("fields", *rows).convert(rows[0])[0].messages[0].content == "notes:\na\nb\ninput:\nq"


def test_lists_and_objects_are_written_as_json():
    row = {"text": "t", "slots": {"n": "\u00e9", "m": [1]}}
    plan = reading("fields", row)
    assert plan.convert(row)[0].messages[-1].content == '{"n": "\u00e9", "m": [1]}'
    assert plan.instruction == "Given the text, write the slots as JSON."


@pytest.mark.parametrize("shape", ["question_answer", "alpaca", "prompt_completion"])
def test_shapes_with_words_of_their_own_derive_no_instruction(shape):
    row = {
        "question": "q",
        "answer": "a",
        "instruction": "i",
        "output": "o",
        "prompt": "p",
        "completion": "c",
    }
    assert reading(shape, row).instruction is None


def test_a_history_comes_before_the_instruction():
    row = {"instruction": "do", "output": "o", "system": "s", "history": [["q", "a"], ["r", "b"]]}
    assert turns("alpaca", row) == [
        ("system", "s"), ("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b"), ("user", "do"),
        ("assistant", "o"),
    ]  # fmt: skip
    plan = reading("alpaca", row, {**row, "history": []}, {**row, "history": None}, {**row, "history": '[["q", "a"]]'})
    assert [len(plan.convert({**row, "history": one})[0].messages) for one in ([], None, '[["q", "a"]]')] == [3, 3, 5]
    with pytest.raises(Unusable, match="turn 1 of 'history' is no question with its answer"):
        plan.convert({**row, "history": [["q"]]})


def test_answers_in_a_passage_are_rows_of_their_own():
    row = {"context": "c", "question": "q", "answers": {"text": ["a", "b", "a"], "answer_start": [0, 1, 0]}}
    plan = reading("squad", row)
    chats = plan.convert(row)
    assert [[message.content for message in chat.messages] for chat in chats] == [
        ["c\n\nQuestion: q", "a"],
        ["c\n\nQuestion: q", "b"],
    ]
    assert plan.convert({**row, "answers": {"text": [], "answer_start": []}}) == []
    assert plan.told() == [
        "1 questions have several answers, and each is a row",
        "1 questions that their passage does not answer were left out",
    ]


def test_articles_of_paragraphs_are_all_their_questions():
    qas = [
        {"question": "q", "id": "1", "answers": [{"text": "a", "answer_start": 0}]},
        {"question": "r", "id": "2", "answers": [], "is_impossible": True},
    ]
    row = {"title": "t", "paragraphs": [{"context": "c", "qas": qas}, {"context": "d", "qas": qas[:1]}]}
    chats = reading("squad", row).convert(row)
    assert [chat.messages[0].content for chat in chats] == ["c\n\nQuestion: q", "d\n\nQuestion: q"]


def test_answers_without_their_places_are_not_squad():
    row = {"context": "c", "question": "q", "answers": ["a", "b"]}
    assert find("data.shapes", "squad")(Table((row,)), Data()) is None


def test_functions_as_they_were_before_are_tools():
    function = {"name": "f", "parameters": {}}
    row = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
            {"role": "assistant", "content": "one"},
        ],
        "functions": [function],
    }
    plan = reading("messages", row)
    (chat,) = plan.convert(row)
    assert chat.tools == ({"type": "function", "function": function},)
    assert [message.role for message in chat.messages] == ["user", "assistant", "tool", "assistant"]
    assert chat.messages[1].tool_calls == ({"type": "function", "function": {"name": "f", "arguments": "{}"}},)
    assert "columns not used" not in plan.note
    with pytest.raises(Unusable, match="a function without a name"):
        plan.convert({**row, "functions": [{"parameters": {}}]})
