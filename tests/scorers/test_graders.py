"""OpenAI's graders: what each is worth at points worked by hand, and what is told of those that cannot be run."""

import pytest

from whet.errors import EndpointError, UsageError
from whet.scorers._grading.grade import Errors, grade, grade_all, sample_of
from whet.scorers._grading.scorer import Grading, from_file
from whet.scorers._grading.shapes import models, read
from whet.types import Message, Prompt, Reply

CAT, MATS = "the cat sat on the mat", "the cat is on the mats"


def check(operation="eq", said="{{ sample.output_text }}", wanted="{{ item.answer }}", **more):
    return {"type": "string_check", "name": "check", "input": said, "reference": wanted, "operation": operation, **more}


def similar(measure):
    return {
        "type": "text_similarity", "name": "like", "input": "{{sample.output_text}}", "reference": "{{item.answer}}",
        "evaluation_metric": measure,
    }  # fmt: skip


def multi(formula, **graders):
    return {"type": "multi", "name": "all", "graders": graders, "calculate_output": formula}


def judge(text="Rate: {{ sample.output_text }}", **more):
    asked = [{"role": "user", "content": text}]
    return {"type": "score_model", "name": "judge", "model": "big", "input": asked, **more}


def labels(**more):
    asked = [{"role": "user", "content": "{{ sample.output_text }}"}]
    plain = {"type": "label_model", "name": "kind", "model": "big", "input": asked}
    return {**plain, "labels": ["polite", "rude"], "passing_labels": ["polite"], **more}


def graded(value, text, item=None, ask=None):
    grader, faults = read(value)
    assert not faults
    return grade(grader, sample_of(text), item or {}, ask)


def says(*texts):
    """Return what stands for a model that replies with these texts in turn, and what it was asked."""
    left, asked = list(texts), []

    def ask(requests):
        asked.extend(requests)
        return [Reply(left.pop(0), "stop", 10, 5) for _ in requests]

    return ask, asked


@pytest.mark.parametrize(
    ("operation", "said", "wanted", "worth"),
    [
        ("eq", "Paris", "Paris", 1), ("eq", "paris", "Paris", 0), ("eq", "Paris ", "Paris", 0),
        ("ne", "Rome", "Paris", 1), ("neq", "Paris", "Paris", 0), ("like", "in Paris.", "Paris", 1),
        ("like", "Paris", "in Paris.", 0), ("like", "paris", "Paris", 0), ("ilike", "in PARIS.", "Paris", 1),
        ("ilike", "Rome", "Paris", 0),
    ],
)  # fmt: skip
def test_a_string_check_is_one_or_nothing(operation, said, wanted, worth):
    found = graded(check(operation), said, {"answer": wanted})
    assert (found.reward, found.errors) == (worth, Errors())


@pytest.mark.parametrize(
    ("measure", "said", "worth"),
    [
        ("fuzzy_match", CAT, 1.0),
        ("gleu", MATS, 6 / 18),  # shared: 4 of 6 words, 2 of 5 pairs, none of 4 threes and 3 fours
        ("rouge_1", MATS, 4 / 6),
        ("rouge_2", MATS, 2 / 5),
        ("rouge_3", MATS, 0.0),
        ("rouge_5", CAT, 1.0),
        ("rouge_l", MATS, 4 / 6),  # the cat on the
        ("bleu", MATS, (4 / 6 * 2 / 5 * 1 / 8 * 1 / 12) ** 0.25),  # the last two smoothed
        ("bleu", CAT, 1.0),
        ("meteor", MATS, 5 / 6 * (1 - 0.5 * (2 / 5) ** 3)),  # "mats" by its stem; two chunks of five words
        ("meteor", "on the mat the cat sat", 1 - 0.5 * (2 / 6) ** 3),
        ("meteor", "dogs", 0.0),
        ("rouge_1", "THE CAT, sat: on the mat!", 1.0),
    ],
)
def test_similarities_are_those_of_their_papers(measure, said, worth):
    assert graded(similar(measure), said, {"answer": CAT}).reward == pytest.approx(worth)


def test_the_weighted_ratio_of_three_letters_of_which_two_are_equal():
    assert graded(similar("fuzzy_match"), "abd", {"answer": "abc"}).reward == pytest.approx(2 * 2 / 6)


@pytest.mark.parametrize("measure", ["fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_l"])
@pytest.mark.parametrize(("said", "wanted"), [("", ""), ("", "a"), ("!?", "!?"), ("\u732b", "\u732b"), ("\ud800", "a")])
def test_similarities_of_odd_texts_are_from_0_to_1(measure, said, wanted):
    assert 0 <= graded(similar(measure), said, {"answer": wanted}).reward <= 1


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ item.a[1].b }}", "deep"), ("{{item.n}}/{{ item.t }}", "4/true"), ("{{ item.a[0] }}", "[1, 2]"),
        ("{{ item.none }}", "null"), ("{{ item.sly }}", "{{ item.n }}"), ("{ {item.n} } {", "{ {item.n} } {"),
        ("{{ sample.output_text }}", "the reply"), ("{{ sample.choices[0].message.content }}", "the reply"),
    ],
)  # fmt: skip
def test_templates_are_filled_in_once(template, text):
    item = {"a": [[1, 2], {"b": "deep"}], "n": 4, "t": True, "none": None, "sly": "{{ item.n }}"}
    assert graded(check(said=template, wanted="{{ item.wanted }}"), "the reply", {**item, "wanted": text}).reward == 1


def test_json_and_calls_of_a_reply_can_be_looked_into():
    assert graded(check(said="{{ sample.output_json.a[0] }}", wanted="1"), '{"a": [1]}').reward == 1
    call = '<tool_call>{"name": "look", "arguments": {"at": 1}}</tool_call>'
    tools = "{{ sample.output_tools[0].function.name }} {{ sample.output_tools[0].function.arguments }}"
    assert graded(check(said=tools, wanted='look {"at": 1}'), call).reward == 1


@pytest.mark.parametrize(
    "path", ["item.gone", "item.a[7]", "item.a.b", "item.__class__", "sample.output_json.x", "sample.a"]
)
def test_a_path_that_is_not_there_is_told(path):
    found = graded(check(said=f"{{{{ {path} }}}}"), "reply", {"a": [1], "answer": "x"})
    assert (found.reward, found.errors) == (0.0, Errors(invalid_variable_error=True))
    assert found.failed == path.startswith("item")  # a reply without the form that is asked for is worth nothing


def test_a_formula_weighs_its_parts():
    both = multi("0.75*right + 0.25*min(like, 1)^2", right=check("like"), like=similar("rouge_1"))
    found = graded(both, "the cat sat on the mat today", {"answer": CAT})
    assert found.sub_rewards == pytest.approx({"right": 1.0, "like": 12 / 13})
    assert found.reward == pytest.approx(0.75 + 0.25 * (12 / 13) ** 2)


def test_a_single_grader_may_stand_in_the_place_of_the_map():
    alone = {**multi("check * 2"), "graders": check()}
    assert graded(alone, "x", {"answer": "x"}).reward == 2


def test_what_fails_in_a_part_fails_the_whole():
    found = graded(multi("1 - a", a=check(said="{{ item.gone }}", wanted="")), "x")
    assert (found.reward, found.sub_rewards, found.errors.invalid_variable_error) == (0.0, {"a": 0.0}, True)
    found = graded(multi("1 / a", a=check()), "x", {"answer": "y"})
    assert (found.reward, found.errors) == (0.0, Errors(formula_parse_error=True))
    assert "division by zero" in found.why


@pytest.mark.parametrize(
    ("reply", "worth"),
    [
        ('{"steps": [{"description": "a", "conclusion": "b"}], "result": 0.7}', 0.7),
        ('```json\n{"steps": [], "result": 1}\n```', 1.0),
        ('<think>3 of 4?</think>Here: {"result": 0.5}', 0.5),
        ('{"steps": [3], "result": "0.5"}', 0.5), ('{"result": 7}', 1.0), ('{"result": -1}', 0.0), ("0.25", 0.25),
        ("I give it 0.5. Yes, 0.5", 0.5),
    ],
)  # fmt: skip
def test_a_models_number_is_read_and_cut_to_the_range(reply, worth):
    ask, asked = says(reply)
    found = graded(judge(sampling_params={"temperature": 0.5, "seed": 3}), "Hello!", ask=ask)
    assert (found.reward, found.errors) == (worth, Errors())
    assert asked[0].messages[-1] == Message("user", "Rate: Hello!")
    assert "from 0 to 1" in asked[0].messages[0].content
    assert (asked[0].sampling.temperature, asked[0].sampling.seed) == (0.5, 3)
    told = found.as_dict()
    assert told["metadata"]["sampled_model_name"] == "big"
    assert told["metadata"]["token_usage"] == 15
    assert told["model_grader_token_usage_per_model"]["big"]["prompt_tokens"] == 10


@pytest.mark.parametrize(
    "reply",
    [
        "3 of 4",
        "good",
        "",
        '{"result": true}',
        '{"result": NaN}',
        '{"steps": [1], "result": "ok"}',
        "4/5",
        f'{{"result": 1{"0" * 400}}}',
        '{"result": 1e999}',
        "9" * 400,
    ],
    ids=lambda reply: reply[:20],
)
def test_a_reply_that_names_no_number_for_sure_is_told(reply):
    found = graded(judge(), "x", ask=says(reply)[0])
    assert (found.reward, found.failed) == (0.0, True)
    assert found.errors == Errors(model_grader_parse_error=True)


def test_a_model_that_declines_or_cannot_be_had_is_told():
    found = graded(judge(), "x", ask=says("I'm sorry, but I can't help with that.")[0])
    assert found.errors == Errors(model_grader_refusal_error=True)

    def broken(requests):
        raise EndpointError("no connection")

    found = graded(judge(), "x", ask=broken)
    assert found.errors == Errors(model_grader_server_error=True, model_grader_server_error_details="no connection")
    assert graded(judge(), "x").errors.model_grader_server_error


@pytest.mark.parametrize(
    ("reply", "worth", "wrong"),
    [
        ('{"steps": [], "result": "polite"}', 1, False), ("Rude.", 0, False), ("not polite at all", 0, True),
        ('{"result": "loud"}', 0, True),
    ],
)  # fmt: skip
def test_a_models_label_passes_or_not(reply, worth, wrong):
    found = graded(labels(), "x", ask=says(reply)[0])
    assert (found.reward, found.errors.model_grader_parse_error) == (worth, wrong)


def test_what_graders_ask_of_models_is_asked_together():
    grader, _ = read(multi("a + b", a=judge(), b=labels()))
    assert models(grader) == ["big"]
    sizes = []

    def ask(requests):
        sizes.append(len(requests))
        return [Reply("0.5" if len(sizes) == 1 else "polite", "stop", 1, 1) for _ in requests]

    found = grade_all([(grader, sample_of(text), {}) for text in "abc"], ask)
    assert ([one.reward for one in found], sizes) == ([1.5, 1.5, 1.5], [3, 3])
    assert found[0].usage["big"]["total_tokens"] == 4


def test_the_answer_of_the_interface_has_every_flag():
    told = graded(check(), "x", {"answer": "x"}).as_dict()
    assert set(told) == {"reward", "sub_rewards", "model_grader_token_usage_per_model", "metadata"}
    assert set(told["metadata"]) == {
        "name", "type", "errors", "execution_time", "scores", "token_usage", "sampled_model_name",
    }  # fmt: skip
    assert set(told["metadata"]["errors"]) == {
        "formula_parse_error", "sample_parse_error", "truncated_observation_error", "unresponsive_reward_error",
        "invalid_variable_error", "other_error", "python_grader_server_error", "python_grader_server_error_type",
        "python_grader_runtime_error", "python_grader_runtime_error_details", "model_grader_server_error",
        "model_grader_server_error_details", "model_grader_refusal_error", "model_grader_parse_error",
    }  # fmt: skip


def test_a_file_or_the_row_holds_the_grader(tmp_path):
    file = tmp_path / "right.yaml"
    file.write_text("type: string_check\nname: a\ninput: '{{ sample.output_text }}'\n"
                    "reference: '{{ item.reference_answer }}'\noperation: ilike\n")  # fmt: skip
    prompt = Prompt((Message("user", "?"),), ("yes",), "rows:3", item={"answer": "no"}, grader=check())
    assert Grading(from_file(str(file)))(prompt, "Yes!").value == 1
    assert Grading()(prompt, "no").value == 1
    (tmp_path / "wrong.json").write_text('{"type": "string_check"}')
    with pytest.raises(UsageError, match=r"(?s)name: is missing.*input: is missing.*reference: .*operation: "):
        from_file(str(tmp_path / "wrong.json"))
    with pytest.raises(UsageError, match="No such file"):
        from_file(str(tmp_path / "gone.json"))


def test_what_rows_lack_is_told_by_line():
    rows = [
        Prompt((Message("user", "?"),), source="rows:1", item={"answer": "a"}, grader=check()),
        Prompt((Message("user", "?"),), source="rows:2", item={}, grader=check()),
        Prompt((Message("user", "?"),), source="rows:3", item={}),
        Prompt((Message("user", "?"),), source="rows:4", item={}, grader=check("is")),
    ]
    told = [str(one) for one in Grading().problems(rows)]
    assert told[0] == "rows:2: the grader reads {{ item.answer }}, which this row has not"
    assert told[1].startswith('rows:3: the row has no "grader"')
    assert told[2].startswith("rows:4: grader.operation: 'is' should be one of eq")
    assert len(told) == 3
