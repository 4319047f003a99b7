"""One renderer: what is trained is what is served, whatever the template looks like."""

import json
from dataclasses import replace

import pytest
from conftest import CHATML, make_model, make_tokenizer
from transformers import AutoTokenizer

from whet.data.render import Renderer
from whet.errors import ModelError
from whet.types import Chat, Message, Prompt, Text

TALK = (
    Message("system", "Be brief."),
    Message("user", "What is it?"),
    Message("assistant", "A fish."),
    Message("user", "\nWhich one?"),
    Message("assistant", "  A cod. "),
)
TRIMMED = (  # like Llama 3: contents trimmed, every turn in headers, BOS written by the template
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n\n{{ m.content | trim }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}"
)
FORGETFUL = (  # like reasoning models: answers before the last one lose their thoughts
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}{% else %}{{ m.content }}"
    "{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def with_template(folder, template, **options):
    make_tokenizer(folder, template, **options)
    return Renderer(folder)


def trained_text(renderer, row):
    return [text for trains, text in renderer.spans(row) if trains]


def test_every_answer_and_its_end_token_trains_and_nothing_else(renderer):
    (row,) = renderer.render(Chat(TALK))
    assert trained_text(renderer, row) == ["A fish.<|im_end|>", "  A cod. <|im_end|>"]


def test_an_answer_of_weight_zero_is_context(renderer):
    messages = (*TALK[:2], replace(TALK[2], weight=0.0), *TALK[3:])
    (row,) = renderer.render(Chat(messages))
    assert trained_text(renderer, row) == ["  A cod. <|im_end|>"]


def test_train_on_all_trains_every_token_but_the_first(renderer):
    (row,) = renderer.render(Chat(TALK), "all")
    assert row.trained == len(row.ids) - 1


@pytest.mark.parametrize("template", [CHATML, TRIMMED, MARKED], ids=["chatml", "trimmed", "marked"])
def test_tokens_are_those_of_transformers(tmp_path, template):
    renderer = with_template(tmp_path, template, bos="<|endoftext|>")
    oracle = AutoTokenizer.from_pretrained(tmp_path)
    messages = [message.as_dict() for message in TALK]
    (row,) = renderer.render(Chat(TALK))
    whole = oracle.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"]
    assert list(row.ids) == whole[: len(row.ids)]
    assert not oracle.decode(whole[len(row.ids) :]).strip()  # only the line break after the last end token is left
    asked = oracle.apply_chat_template(messages[:-1], tokenize=True, add_generation_prompt=True, return_dict=True)
    assert renderer.prompt(TALK[:-1]) == asked["input_ids"]


@pytest.mark.parametrize("template", [CHATML, TRIMMED, MARKED, FORGETFUL, None])
def test_tokens_trained_are_tokens_served(tmp_path, template):
    renderer = with_template(tmp_path, template, bos="<|endoftext|>")
    for row in renderer.render(Chat(TALK)):
        first = next(at for at, weight in enumerate(row.weights) if weight > 0)
        served = [renderer.prompt(TALK[:end]) for end in (2, 4)]
        assert list(row.ids[:first]) in served


def test_a_template_that_forgets_thoughts_gives_one_row_per_answer(tmp_path):
    renderer = with_template(tmp_path, FORGETFUL)
    talk = (
        TALK[1],
        Message("assistant", "<think>hm</think>A fish."),
        TALK[3],
        Message("assistant", "<think>so</think>Cod."),
    )
    rows = renderer.render(Chat(talk))
    assert [trained_text(renderer, row) for row in rows] == [
        ["<think>hm</think>A fish.<|im_end|>"], ["<think>so</think>Cod.<|im_end|>"]
    ]  # fmt: skip
    assert "hm" not in renderer.tokenizer.decode(list(rows[1].ids))


def test_bos_is_never_written_twice(tmp_path):
    renderer = with_template(tmp_path, TRIMMED, bos="<|endoftext|>")
    (row,) = renderer.render(Chat(TALK))
    assert list(row.ids).count(renderer.id("<|endoftext|>")) == 1


def test_a_model_without_a_template_gets_the_documented_default(tmp_path):
    renderer = with_template(tmp_path, None)
    (row,) = renderer.render(Chat(TALK[1:3]))
    assert not renderer.has_template
    assert renderer.tokenizer.decode(list(row.ids), skip_special_tokens=False) == (
        "User: What is it?\nAssistant: A fish.<|im_end|>"
    )


def test_a_template_that_never_ends_an_answer_is_refused(tmp_path):
    with pytest.raises(ModelError, match="end token"):
        with_template(tmp_path, "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")


def test_tools_and_calls_are_written_out_where_the_template_ignores_them(renderer):
    tool = {"type": "function", "function": {"name": "find_fish", "parameters": {}}}
    call = {"id": "1", "type": "function", "function": {"name": "find_fish", "arguments": '{"kind": "cod"}'}}
    talk = (TALK[1], Message("assistant", "", tool_calls=(call,)))
    (row,) = renderer.render(Chat(talk, tools=(tool,)))
    assert "find_fish" in renderer.tokenizer.decode(list(row.ids[:80]), skip_special_tokens=False)
    assert "find_fish" in trained_text(renderer, row)[0]


def test_raw_text_trains_whole_and_ends(renderer):
    (row,) = renderer.render(Text("to be"))
    assert row.ids[-1] == renderer.id("<|im_end|>")
    assert row.trained == len(row.ids) - 1


def test_an_answer_is_scored_from_its_first_token(renderer):
    ids, start = renderer.answer(Prompt(TALK[:2]), "A fish.")
    assert ids[:start] == renderer.prompt(TALK[:2])
    assert renderer.decode(ids[start:]) == "A fish."


ATTACKS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ lipsum.__globals__['os'].popen('touch CANARY') }}",
    "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__['__builtins__'] }}",
    "{{ raise_exception.__globals__['json'] }}",
    "{{ messages.__class__ }}",
    "{{ messages.append(1) }}",
    "{{ '%s' | format(messages.__class__) }}",
    "{{ '{0.__class__}'.format(messages) }}",
    "{% set x = strftime_now.__globals__ %}{{ x }}",
    "{{ ''['__class__'] }}",
    "{{ (messages | attr('__class__')).__name__ }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", ["jinja", "config"])
def test_a_hostile_template_is_refused_and_runs_nothing(tmp_path, monkeypatch, attack, place):
    monkeypatch.chdir(tmp_path)
    make_tokenizer(tmp_path, None)
    hostile = attack + CHATML
    if place == "jinja":
        (tmp_path / "chat_template.jinja").write_text(hostile)
    else:
        settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": hostile}))
    try:
        text = Renderer(tmp_path).template.render(TALK)
    except ModelError:
        text = ""
    assert not (tmp_path / "CANARY").exists()
    for leak in ("<class", "<module", "root:", "builtins", "0x"):
        assert leak not in text


def test_renderers_of_different_templates_have_different_digests(tmp_path):
    one = with_template(tmp_path / "a", CHATML).digest
    assert with_template(tmp_path / "b", CHATML).digest == one
    assert with_template(tmp_path / "c", TRIMMED).digest != one


def test_a_model_without_a_fast_tokenizer_is_refused(tmp_path):
    make_model(tmp_path)
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        Renderer(tmp_path)
