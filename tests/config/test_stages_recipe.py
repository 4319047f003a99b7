"""What a recipe of several trainings says of each of them."""

import pytest

from whet.config.stages import saved_stages, stages
from whet.errors import ConfigError

FIRST = "  - {name: first, data: {train: rows.jsonl}}\n"
SECOND = "  - {name: second, data: {train: rows.jsonl}}\n"


@pytest.fixture
def recipe(tmp_path):
    def write(listed: str, shared: str = "model: {name: tiny}"):
        file = tmp_path / "s.yaml"
        file.write_text(f"{shared}\nstages:\n{listed}")
        return file

    return write


def begins(found):
    return [stage.tree["model"]["name"] for stage in found]


def test_the_command_line_names_what_a_later_stage_begins_with(recipe):
    assert begins(stages(recipe(FIRST + SECOND), ["second.model.name=other"])) == ["tiny", "other"]


def test_a_base_model_on_the_command_line_is_the_first_stages_alone(recipe):
    file = recipe(FIRST + SECOND)
    assert begins(stages(file, ["model.name=other"])) == ["other", "{first}"]
    assert begins(stages(file, (), {"model.name": "other"})) == ["other", "{first}"]


@pytest.mark.parametrize("model", ["other", "5", "null"])
def test_a_malformed_model_section_is_told(recipe, model):
    with pytest.raises(ConfigError, match="second: model: Input should be a valid"):
        stages(recipe(f"{FIRST}  - {{name: second, data: {{train: rows.jsonl}}, model: {model}}}\n"))
    with pytest.raises(ConfigError, match="first: model: Input should be a valid"):
        stages(recipe(FIRST + SECOND, shared=f"model: {model}"))


def test_only_what_names_a_model_may_stand_for_an_earlier_run(recipe):
    said = "data: {train: rows.jsonl, instruction: 'Fill in {first}'}, eval: {judge: '{first}'}"
    second = stages(recipe(f"{FIRST}  - {{name: second, {said}}}\n"))[1].config({"first": "RUN/1-first"})
    assert second.data.instruction == "Fill in {first}"
    assert second.eval.judge == second.model.name == "RUN/1-first"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("model: {name: '{third}'}", "second: model.name: {third} is no stage before it"),
        (
            "model: {name: tiny}, method: {name: ppo, rewards: 'run:{first}'}",
            "second: method.rewards: first scores no replies",
        ),
        ("model: {name: '{judge}'}", "second: model.name: judge scores replies and says none"),
        ("model: {name: '{soft}'}", "second: model.name: soft trains virtual tokens"),
    ],
)
def test_a_stage_that_cannot_use_another_is_told_at_once(recipe, said, problem):
    soft = "  - {name: soft, data: {train: rows.jsonl}, model: {name: tiny}, adapter: {kind: prompt}}\n"
    judge = "  - {name: judge, data: {train: pairs.jsonl}, model: {name: tiny}, method: {name: reward}}\n"
    second = f"  - {{name: second, data: {{train: rows.jsonl}}, {said}}}\n"
    third = "  - {name: third, data: {train: rows.jsonl}}\n"
    with pytest.raises(ConfigError) as told:
        stages(recipe(FIRST + judge + soft + second + third))
    assert problem in str(told.value)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["stages: [", "model: {name: tiny}", "stages: 5", "stages: [{name: first, optm: {}}]"])
def test_a_damaged_recipe_of_a_run_is_told(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError):
        saved_stages(tmp_path / "config.yaml")


def test_stages_that_share_a_section_of_yaml_are_apart(recipe, tmp_path, monkeypatch):
    file = recipe("  - {name: first, data: &rows {train: rows.jsonl}}\n  - {name: second, data: *rows}\n")
    monkeypatch.chdir(tmp_path.parent)
    found = stages(file.relative_to(tmp_path.parent))
    assert [one.tree["data"]["train"] for one in found] == [f"{tmp_path.name}/rows.jsonl"] * 2
