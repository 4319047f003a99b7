"""A data set on the hub is read at one commit, by its data files alone, and again from the cache without the hub."""

import json
import os

import huggingface_hub
import pytest
import yaml
from command import run as whet
from conftest import NAMES
from elsewhere import Elsewhere, commit

from whet.config.tree import Config, Data, Model
from whet.data.remote.hub import pinned
from whet.data.remote.splits import chosen, split_of
from whet.data.sources import files
from whet.errors import DataError, UsageError
from whet.runs.run import Run
from whet.train.prepare import prepare

SHARDS = ["data/test-00000-of-00001.jsonl", "data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl"]
BESIDE = ["README.md", "dataset_infos.json", "load.py", ".gitattributes"]


def lines(*numbers):
    rows = [{"prompt": f"{n}: say {NAMES[n % 16]}", "completion": f"{NAMES[n % 16]}!"} for n in numbers]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch):
    """A hub on this machine with a data set in two splits, and a client that may ask it."""
    server = Elsewhere()
    version = dict.fromkeys(BESIDE, b"raise SystemExit('run')")
    version |= dict(zip(SHARDS, (lines(*range(90, 120)), lines(*range(40)), lines(*range(40, 80))), strict=True))
    server.sets["owner/name"] = [version]
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    yield server
    server.close()


def names(name, side="train"):
    return [file.name for file in files(name, [], side)]


def exact(*paths, number=0):
    return [f"hub:owner/name@{commit(number)}:{path}" for path in paths]


def test_the_split_of_a_side_is_taken_at_a_commit_and_said(hub, cache):
    notes = []
    found = files("hub:owner/name", notes)
    assert [file.name for file in found] == exact(*SHARDS[1:])
    assert [file.path.read_bytes() for file in found] == [lines(*range(40)), lines(*range(40, 80))]
    assert commit(0) in notes[0]
    assert "the train split is taken (2 files); beside it are test (1)" in notes[1]
    assert names("hub:owner/name", "test") == exact(SHARDS[0])
    fetched = hub.fetched()
    assert len(fetched) == 3, "no file is fetched but those that are read"
    assert not any(name in path for path in fetched for name in BESIDE)


def test_a_file_a_pattern_a_folder_and_a_split_are_taken_as_named(hub):
    assert names(f"hub:owner/name:{SHARDS[1]}") == exact(SHARDS[1])
    assert names("hub:owner/name:data/*-00000-*") == exact(*SHARDS[:2])
    assert names("hub:owner/name:data") == exact(*SHARDS[1:])
    assert names("hub:owner/name:test") == exact(SHARDS[0])
    for odd in ("load.py", "none.jsonl", "../../x.jsonl"):
        with pytest.raises(DataError, match=r"the endings are|nothing there is called so"):
            names(f"hub:owner/name:{odd}")


def test_a_revision_is_read_and_a_commit_stays_as_it_was_told(hub):
    hub.sets["owner/name"].append({"train.jsonl": lines(1)})
    assert names("hub:owner/name") == exact("train.jsonl", number=1)
    old = f"hub:owner/name@{commit(0)}"
    assert names(old) == exact(*SHARDS[1:])
    assert pinned("hub:owner/name:train") == f"hub:owner/name@{commit(1)}:train"
    asked = len(hub.asked)
    assert names(old) == exact(*SHARDS[1:])
    assert len(hub.asked) == asked, "nobody need be asked of a commit that is in the cache"


def test_without_the_hub_the_cache_is_read_and_what_it_lacks_is_said(hub):
    names("hub:owner/name")
    hub.close()
    notes = []
    assert [file.name for file in files("hub:owner/name", notes)] == exact(*SHARDS[1:])
    assert "the hub cannot be asked" in notes[0]
    with pytest.raises(DataError, match="the cache holds nothing of it; fetch it once with a connection"):
        names("hub:owner/other")


def test_a_file_that_the_cache_lacks_is_named_where_the_hub_is_switched_off(hub, cache):
    names("hub:owner/name")
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "WHET_CACHE": str(cache)}
    done = whet("data", "check", "hub:owner/name", "--json", env=env)
    assert [one["path"] for one in json.loads(done.stdout)["files"]] == exact(*SHARDS[1:])
    done = whet("data", "check", "test=hub:owner/name", env=env)
    assert done.returncode == 1
    assert f"error: {exact(SHARDS[0])[0]}: is not in the cache, and the hub cannot be asked" in done.stderr


def test_refusals_of_the_hub_are_told_with_the_way_out(hub):
    with pytest.raises(DataError, match=r"no public data set of that name; check it, or log in"):
        names("hub:owner/none")
    with pytest.raises(DataError, match="no such branch, tag or commit"):
        names("hub:owner/name@v9")
    hub.gated = True
    with pytest.raises(DataError, match="asks for consent"):
        names("hub:owner/name")
    for odd in ("hub:name", "hub:", "hub:a/b@", "hub:a/b:", "hub:a/b?x=1"):
        with pytest.raises(UsageError, match="hub:OWNER/NAME@REVISION"):
            names(odd)


def test_what_is_too_large_is_refused_before_it_is_fetched(hub):
    hub.sizes[SHARDS[1]] = 20 * 2**30
    with pytest.raises(DataError, match=r"stands for 20\.0 GiB, and at most 16 GiB"):
        names("hub:owner/name")
    assert not hub.fetched()


def test_a_file_that_is_cut_off_is_not_kept(hub, cache):
    assert names("hub:owner/name") == exact(*SHARDS[1:])
    hub.cut = True
    with pytest.raises(DataError, match=r"cannot be fetched|only in part"):
        names(f"hub:owner/name@{commit(0)}:test")
    hub.cut = False
    assert files("hub:owner/name:test", [])[0].path.read_bytes() == lines(*range(90, 120))


def test_names_of_files_that_lead_out_of_the_cache_are_not_taken(hub, cache):
    hub.sets["owner/name"] = [{"../../../train.jsonl": lines(1), "/train.jsonl": lines(1), "a\\train.jsonl": lines(1)}]
    with pytest.raises(DataError, match="no file that can be read as data"):
        names("hub:owner/name")


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("data/train-00000-of-00005.parquet", "train"),
        ("main/test.jsonl", "test"),
        ("validation/part1.csv", "validation"),
        ("train/deep/0001.jsonl", "train"),
        ("trained.csv", None),
        ("rows.jsonl", None),
    ],
)
def test_a_file_is_of_the_split_that_it_or_its_nearest_folder_is_called_after(path, split):
    assert split_of(path) == split


def taken(*paths, side="train", pattern=None):
    return chosen("hub:a/b", pattern, side, paths)[0]


def test_what_may_not_belong_together_is_asked_about():
    subsets = ("main/train.jsonl", "main/test.jsonl", "other/train.jsonl")
    with pytest.raises(DataError, match=r"2 sets of files called after train.*as in hub:a/b:main/train\*\.jsonl"):
        taken(*subsets)
    assert taken(*subsets, pattern="main") == ["main/train.jsonl"]
    assert taken(*subsets, pattern="main", side="test") == ["main/test.jsonl"]
    with pytest.raises(DataError, match="2 sets"):
        taken("train_chosen-00000-of-00001.parquet", "train_all-00000-of-00001.parquet")
    with pytest.raises(DataError, match="2 sets"):
        taken("train.csv", "train.jsonl")
    with pytest.raises(DataError, match="several kinds"):
        taken("a.csv", "b.jsonl")
    with pytest.raises(DataError, match=r"no file is called after train; there are test \(1\), validation \(1\)"):
        taken("test.csv", "dev.csv")


def test_what_belongs_together_is_taken():
    assert taken("rows.jsonl", "README.md", "LICENSE.txt") == ["rows.jsonl"]
    assert taken("a.jsonl", "b.jsonl") == ["a.jsonl", "b.jsonl"]
    assert taken("train/a.csv.gz", "train/b.csv.gz", "test/a.csv.gz") == ["train/a.csv.gz", "train/b.csv.gz"]
    assert taken("train_1.jsonl", "train_2.jsonl", "notes.txt") == ["train_1.jsonl", "train_2.jsonl"]
    assert taken("test.jsonl") == ["test.jsonl"], "of a single split there is nothing to choose"


def test_the_digests_of_a_run_name_the_commit(hub, tiny, quiet, cache):
    data = Data(train="hub:owner/name", test="hub:owner/name")
    prepared = prepare(Config(data=data, model=Model(name=str(tiny))), quiet)
    assert list(prepared.digests) == exact(*SHARDS[1:], SHARDS[0])
    assert len(prepared.splits.test) == 30
    assert str(cache) not in repr((prepared.digests, prepared.notes, prepared.splits))


def test_a_run_keeps_the_commit_it_was_begun_with_and_resumes_without_the_hub(hub, tiny, tmp_path, monkeypatch):
    from whet.cli.journey import start
    from whet.cli.plan import foresee

    settings = [f"model.name={tiny}", "model.dtype=float32", "adapter.r=4", "optim.rows=4", "optim.steps=2"]
    monkeypatch.chdir(tmp_path)
    foresee("hub:owner/name", settings)
    start("train", "hub:owner/name", settings, tmp_path / "run", as_json=False)
    recipe = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    assert recipe["data"]["train"] == f"hub:owner/name@{commit(0)}"
    hub.sets["owner/name"].append({"train.jsonl": lines(1)})
    hub.close()
    Run(tmp_path / "run").status = "interrupted"
    done = whet("resume", "run", env={**os.environ, "HF_HUB_OFFLINE": "1"}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
