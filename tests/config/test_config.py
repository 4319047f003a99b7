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
