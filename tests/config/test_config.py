"""One tree: strict, frozen, the same from YAML, the command line and Python; all problems at once."""

from pathlib import Path

import pytest
import yaml

from whet.config.load import build, digest, dump, load, load_saved
from whet.config.reference import reference
from whet.config.tree import Config
from whet.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_overrides_are_paths_in_the_tree(tmp_path):
    (tmp_path / "r.yaml").write_text("optim: {lr: 1e-3, rows: 4}\ndata: {train: rows.jsonl}\n")
    config = load(tmp_path / "r.yaml", ["optim.lr=1e-4", "eval.scorers=[f1, chrf]", "seed=3"])
    assert (config.optim.lr, config.optim.rows, config.seed) == (1e-4, 4, 3)
    assert config.eval.scorers == ("f1", "chrf")
    assert config.data.train == str(tmp_path / "rows.jsonl")


def test_every_problem_is_told_at_once_with_its_key():
    with pytest.raises(ConfigError) as caught:
        load(None, ["optim.lrr=1", "optim.clip=0", "adapter.kind=half", "nothing.at=1"])
    for word in ("optim.lrr: no such key; did you mean lr", "optim.clip", "adapter.kind", "nothing"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.instruction=Reply to issue #5 # now", "Reply to issue #5 # now"),
        ("data.instruction=Answer: yes", "Answer: yes"),
        ("data.instruction=2020-13-45", "2020-13-45"),
        ("data.instruction=1e5", "1e5"),
        ("data.instruction='it: is'", "it: is"),
        ('data.instruction="a" or "b"', '"a" or "b"'),
        ("data.instruction=" + "[" * 2000, "[" * 2000),
        ("data.instruction=''", ""),
        ("data.instruction=null", None),
        ("data.instruction=", None),
    ],
)
def test_text_on_the_command_line_is_taken_as_it_stands(override, said):
    assert load(None, [override]).data.instruction == said


def test_columns_are_text_too():
    assert load(None, ["data.columns.prompt=no # 1"]).data.columns == {"prompt": "no # 1"}
    assert load(None, ["data.columns={label: x}"]).data.columns == {"label": "x"}


@pytest.mark.parametrize("text", ["optim: {lr: 1}\nseed: 1\noptim: {rows: 2}\n", "optim:\n  lr: 1\n  lr: 2\n"])
def test_a_key_that_stands_twice_is_refused_with_its_lines(tmp_path, text):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"stands twice, on line [12] and on line 3"):
        load(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    "override",
    [
        "optim.epochs=inf", "optim.lr=.inf", "optim.lr=inf", "optim.lr=nan", "optim.epochs=1e300", f"seed={2**70}",
        f"optim.steps={2**70}", "data.shares=[-0.1,0.2]", "data.shares=[0.1,2]", "optim.lr=2020-13-45",
        "eval.scorers=" + "[" * 2000, "data.columns={a: b, a: c}",
    ],
)  # fmt: skip
def test_what_no_run_can_be_built_of_is_a_sentence_about_its_key(override):
    with pytest.raises(ConfigError, match=override.partition("=")[0]):
        load(None, [override])


@pytest.mark.parametrize("text", ["- a", "a: [", "optim: 3", "\x00", "optim: {lr: {a: 1}}", "1"])
def test_a_recipe_that_is_not_one_gives_a_sentence(tmp_path, text):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError):
        load(tmp_path / "r.yaml")


def test_yaml_cannot_make_objects(tmp_path):
    (tmp_path / "r.yaml").write_text("seed: !!python/object/apply:os.getpid []\n")
    with pytest.raises(ConfigError):
        load(tmp_path / "r.yaml")


def test_what_is_written_down_builds_the_same_run(tmp_path):
    config = load(None, ["optim.lr=3e-4", "data.train=x.jsonl"])
    (tmp_path / "config.yaml").write_text(dump(config))
    assert load_saved(tmp_path / "config.yaml") == config
    assert digest(load_saved(tmp_path / "config.yaml")) == digest(config)


def test_a_key_that_is_left_open_changes_no_digest():
    assert digest(build({"optim": {"lr": None}})) == digest(build({}))
    assert digest(build({"optim": {"lr": 0.1}})) != digest(build({}))


def test_nothing_changes_after_it_is_built():
    with pytest.raises(ValueError, match="frozen"):
        build({}).optim.lr = 1.0


def test_the_reference_is_up_to_date():
    assert (ROOT / "docs/config.md").read_text() == reference()


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/recipe.yaml")), ids=lambda p: p.parent.name)
def test_every_recipe_loads_and_its_data_is_there(path):
    config = load(path)
    assert isinstance(config, Config)
    assert Path(config.data.train).is_file()
    assert yaml.safe_load(path.read_text())


def test_graders_in_a_recipe_are_beside_it(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("method: {rewards: 'g.json*0.5, number*0.5'}\neval: {scorers: [number, judge.yaml]}\n")
    config = load(recipe)
    assert config.method.rewards == (f"{tmp_path}/g.json*0.5", "number*0.5")
    assert config.eval.scorers == ("number", f"{tmp_path}/judge.yaml")
