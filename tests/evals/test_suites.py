"""A suite is read whole or refused with every line, and scored as transformers finds its choices likely."""

import json

import command
import pytest
import torch
from transformers import AutoModelForCausalLM

from whet.config.tree import Model
from whet.data.render import Renderer
from whet.engines.open import open_model
from whet.errors import DataError
from whet.evals.evaluate import row_logprobs
from whet.evals.likelihood import continuation, scored
from whet.evals.suites import is_suite, load_suite
from whet.models.policy import Policy

ROWS = [
    {"query": "Question: what barks?", "choices": ["a dog", "a cat", "the sea at night"], "gold": 0},
    {"query": "Question: what is wet?", "choices": ["fire", "water"], "gold": 1},
    {"query": "Question: who?", "choices": ["me", "you"], "gold": 1},
]
YAML = 'name: small\nkind: choice\nprompt: "{query}\\nAnswer:"\n'


def suite(folder, rows=ROWS, text=YAML):
    folder.mkdir(exist_ok=True)
    (folder / "suite.yaml").write_text(text)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def likely(model, ids, first):
    """Return the log-probability of the tokens from `first` on, as transformers alone computes it."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(logits[at - 1, ids[at]]) for at in range(first, len(ids)))


def test_choices_are_scored_as_transformers_scores_them(tiny, tmp_path):
    engine = open_model(str(tiny), Model(dtype="float32")).engine
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    found = load_suite(suite(tmp_path / "s"))
    answers = scored(Policy(engine.model), engine.renderer, found, engine.context)
    encode = engine.renderer.encode
    for item, answer in zip(found.items, answers, strict=True):
        head = encode(item.prompt)
        totals = [likely(model, encode(f"{item.prompt} {choice}"), len(head)) for choice in item.choices]
        shares = [total / len(choice) for total, choice in zip(totals, item.choices, strict=True)]
        assert answer.scores["acc"].value == (totals.index(max(totals)) == item.gold)
        assert answer.scores["acc_norm"].value == (shares.index(max(shares)) == item.gold)
        right = encode(f" {item.choices[item.gold]}")
        assert answer.reply.log_loss == pytest.approx(-totals[item.gold] / len(right), rel=1e-4)
    assert list(answers[0].scores) == ["acc_norm", "acc"]  # the first decides


def test_what_is_said_before_does_not_count_and_a_space_belongs_to_what_follows(tiny):
    renderer = Renderer(tiny)
    row = continuation(renderer, "ab ", "c", 100)
    assert renderer.decode(row.ids) == "ab c"
    assert row.weights == (0.0, 0.0, 1.0, 1.0)
    assert continuation(renderer, "ab", " c", 100) == row


def test_an_overlong_prompt_loses_its_beginning_and_no_part_of_what_counts(tiny):
    renderer = Renderer(tiny)
    row = continuation(renderer, "x" * 50, "yz", 10)
    assert renderer.decode(row.ids) == "x" * 8 + "yz"
    assert row.trained == 2


def test_a_text_by_itself_begins_after_the_end_of_another(tiny):
    renderer = Renderer(tiny)
    row = continuation(renderer, "", "abc", 100)
    assert row.ids[0] in renderer.stops
    assert row.trained == 3
    policy = Policy(open_model(str(tiny), Model(dtype="float32")).engine.model)
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()
    assert float(row_logprobs(policy, [row])[0][0].sum()) == pytest.approx(likely(model, list(row.ids), 1), rel=1e-4)


@pytest.mark.parametrize(
    ("text", "rows", "where", "words"),
    [
        ("name: x\nkind: quiz\n", ROWS, "suite.yaml", "kind"),
        ("name: x\nkind: choice\nprompts: y\n", ROWS, "suite.yaml", "prompts"),
        ("- a\n", ROWS, "suite.yaml", "the file"),
        ("name: [\n", ROWS, "suite.yaml", "YAML"),
        (YAML + "rows: ../../x.jsonl\n", ROWS, "suite.yaml", "outside"),
        (YAML + "rows: none.jsonl\n", ROWS, "none.jsonl", ""),
        (YAML, [], "rows.jsonl", "no rows"),
        (YAML, [{**ROWS[0], "gold": 3}], "rows.jsonl", "'gold' is 3, which is no number from 0 to 2"),
        (YAML, [{**ROWS[0], "gold": True}], "rows.jsonl", "'gold' is true"),
        (YAML, [{**ROWS[0], "choices": ["one"]}], "rows.jsonl", "two texts or more"),
        (YAML, [ROWS[0], {"q": "x", "choices": ["a", "b"], "gold": 0}], "rows.jsonl", "no column 'query'"),
        ("name: x\nkind: text\n", [{"text": ""}], "rows.jsonl", "'text' is no text"),
    ],
)
def test_what_is_wrong_with_a_suite_is_said_with_its_file(tmp_path, text, rows, where, words):
    with pytest.raises(DataError) as caught:
        load_suite(suite(tmp_path / "s", rows, text))
    assert caught.value.problems[0].path.endswith(where)
    assert words in caught.value.problems[0].what


def test_every_bad_row_is_named(tmp_path):
    rows = [ROWS[0], {**ROWS[1], "gold": "1"}, ROWS[2], {**ROWS[2], "choices": "me"}]
    with pytest.raises(DataError) as caught:
        load_suite(suite(tmp_path / "s", rows))
    assert [problem.line for problem in caught.value.problems] == [2, 4]


def test_models_are_evaluated_and_compared_on_suites(tiny, tmp_path):
    folder = suite(tmp_path / "s", ROWS * 8)
    assert is_suite(str(folder))
    done = command.run("evaluate", tiny, "--data", folder, "--json", "model.dtype=float32")
    found = json.loads(done.stdout)
    assert set(found["metrics"]) == {"acc", "acc_norm", "log_loss"}
    assert found["rows"] == 24
    texts = suite(tmp_path / "t", [{"text": f"{n} and more of it"} for n in range(12)], "name: t\nkind: text\n")
    found = json.loads(command.run("compare", tiny, tiny, "--data", texts, "--json", "model.dtype=float32").stdout)
    assert found["decides"] == "log_loss"
    assert found["verdict"]["difference"] == 0
    assert "(lower is better)" in found["verdict"]["sentence"]
    done = command.run("evaluate", "http://127.0.0.1:9/v1#x", folder)
    assert done.returncode == 2
    assert "does not tell how likely" in done.stderr


REPLY = 'name: form\nkind: reply\nprompt: "{prompt}"\nscorers: [instructions, exact]\ntarget: right\nmax_tokens: 8\n'


def asked_rows(*rights):
    names = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    return [{"prompt": f"say {right}", "right": right, **names} for right in rights]


def test_replies_are_made_and_scored_by_what_the_rows_ask(tiny, tmp_path):
    folder = suite(tmp_path / "s", asked_rows("one", "two", "three"), REPLY)
    found = json.loads(command.whet("compare", tiny, tiny, "--data", folder, "model.dtype=float32", "--json").stdout)
    assert (found["rows"], found["decides"]) == (3, "instructions")
    first, second = found["contenders"].values()
    assert set(first) == {"instructions", "exact"}
    assert first == second


def test_a_right_answer_that_is_not_given_full_marks_is_refused_with_its_line(tmp_path):
    with pytest.raises(DataError) as told:
        load_suite(suite(tmp_path / "s", asked_rows("one", "two, three", "four, five"), REPLY))
    assert [problem.line for problem in told.value.problems] == [2, 3]
    what = "the right answer has less than full marks (instructions gives it 0: 0 of 1 kept; not punctuation:no_comma)"
    assert told.value.problems[0].what == what


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (REPLY.replace("scorers: [instructions, exact]\n", ""), "nobody judges the replies"),
        (REPLY.replace("exact", "exakt"), "did you mean exact"),
        (REPLY.replace("right", "wrong"), "'wrong' is no text"),
        (
            REPLY.replace("[instructions, exact]", "[regex]").replace("target: right\n", ""),
            "there is no pattern to match",
        ),
    ],
)
def test_a_suite_of_replies_that_cannot_be_judged_is_refused(tmp_path, text, said):
    with pytest.raises(DataError) as told:
        load_suite(suite(tmp_path / "s", asked_rows("one"), text))
    assert said in str(told.value)
