"""Data by URL is fetched whole or not at all, known by its URL alone, and read again when nobody can be asked."""

import json
import os

import fsspec
import pytest
from command import run as whet
from elsewhere import Elsewhere

from whet.config.load import build, load
from whet.config.tree import Data
from whet.data.convert import convert
from whet.data.fix import Wanted, plan
from whet.data.fix import write as write_fixed
from whet.data.parted import parting, write
from whet.data.prompts import read_prompts
from whet.data.read import read
from whet.data.sources import files
from whet.data.trail import digest, trail_of
from whet.errors import ConfigError, DataError, DriftError, RunError, UsageError
from whet.runs.run import Run

KEY = "k3y"


def lines(*numbers):
    return "".join(f'{{"question": "q{n}", "answer": "a{n}"}}\n' for n in numbers).encode()


def answers(dataset):
    return [row.messages[-1].content for row in dataset.examples]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def elsewhere():
    server = Elsewhere()
    yield server
    server.close()


@pytest.fixture
def bucket():
    """A store in memory, which is emptied afterwards."""
    store = fsspec.filesystem("memory")
    store.pipe("/bucket/b.jsonl", lines(1))
    store.pipe("/bucket/deep/c=1/a.csv", b"question,answer\nq2,a2\n")
    store.pipe("/bucket/picture.png", b"?")
    yield store
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def parts(cache):
    return [path for path in cache.rglob("*") if ".part-" in path.name]


def test_a_file_folder_or_pattern_of_a_store_is_read_and_called_by_its_url(bucket, cache):
    assert answers(read("memory://bucket/b.jsonl")) == ["a1"]
    folder = read("memory://bucket")
    assert answers(folder) == ["a1", "a2"]
    assert answers(read("memory://bucket/*/*/*.csv")) == ["a2"]
    assert [row.source for row in folder.examples] == [
        "memory://bucket/b.jsonl:1", "memory://bucket/deep/c=1/a.csv:2"
    ]  # fmt: skip
    assert list(folder.digests) == ["memory://bucket/b.jsonl", "memory://bucket/deep/c=1/a.csv"]
    assert str(cache) not in repr(folder)
    assert not parts(cache)


def test_what_is_in_the_cache_is_not_fetched_again_until_the_store_has_another(elsewhere):
    elsewhere.files["/rows.jsonl"] = lines(1)
    url = f"{elsewhere.url}/rows.jsonl"
    first = files(url, [])[0]
    asked = len(elsewhere.asked)
    assert files(url, [])[0] == first
    assert len(elsewhere.asked) == asked + 1  # its mark alone
    elsewhere.files["/rows.jsonl"] = lines(2)
    assert answers(read(url)) == ["a2"]
    assert read(url).digests[url] != digest(first.path)


def test_a_store_that_cannot_be_reached_leaves_the_copy_of_before_and_says_so(elsewhere):
    elsewhere.files["/rows.jsonl"] = lines(1)
    url = f"{elsewhere.url}/rows.jsonl"
    read(url)
    elsewhere.status = 503
    assert "cannot be reached (HTTP 503); the copy fetched on" in read(url).notes[-1]
    elsewhere.close()
    assert answers(read(url)) == ["a1"]


def test_a_store_that_cannot_be_reached_without_a_copy_is_an_error_with_the_way_out(elsewhere):
    elsewhere.close()
    with pytest.raises(DataError, match="and the cache holds no copy; check the connection"):
        read(f"{elsewhere.url}/rows.jsonl")


def test_what_comes_only_in_part_is_refused_and_not_kept(elsewhere, cache):
    elsewhere.files["/rows.jsonl"] = lines(*range(100))
    elsewhere.cut = True
    with pytest.raises(DataError, match=r"rows\.jsonl: (came only in part|broke off)"):
        read(f"{elsewhere.url}/rows.jsonl")
    assert not [path for path in cache.rglob("*") if path.is_file()]
    elsewhere.cut = False
    assert len(answers(read(f"{elsewhere.url}/rows.jsonl"))) == 100


def test_too_much_is_refused_before_any_of_it_is_fetched(tmp_path, cache):
    with (tmp_path / "large.jsonl").open("wb") as file:
        file.truncate(17 * 2**30)  # a hole: no disk is used
    with pytest.raises(DataError, match=r"stands for 17\.0 GiB, and at most 16 GiB are fetched; name fewer"):
        read(f"file://{tmp_path}/large.jsonl")
    assert not list(cache.rglob("*"))


@pytest.mark.parametrize(
    ("url", "way"),
    [
        ("s3://bucket/rows.jsonl", r"pip install 'whet-llm\[cloud\]'"),
        ("gs://bucket/rows.jsonl", r"pip install 'whet-llm\[cloud\]'"),
        ("abfs://box@account.dfs.core.windows.net/rows.jsonl", r"pip install 'whet-llm\[cloud\]'"),
        ("ftp://host/rows.jsonl", "fetch the file yourself"),
        ("hf://datasets/a/b/rows.jsonl", "hub:OWNER/NAME"),
        ("http://192.0.2.1/rows.jsonl", "use https"),
    ],
)
def test_stores_that_are_not_read_are_refused_with_the_way_out(url, way):
    with pytest.raises(UsageError, match=way):
        read(url)


@pytest.mark.parametrize(
    "url",
    [
        f"s3://id:{KEY}@bucket/rows.jsonl",
        f"s3://id:{KEY}/{KEY}@bucket/rows.jsonl",
        f"https://me:{KEY}@host/rows.jsonl",
        f"https://host/rows.jsonl?sig={KEY}",
        f"az://box/rows.jsonl?sig={KEY}",
        f"abfs://box:{KEY}@account.dfs.core.windows.net/rows.jsonl",
    ],
)
def test_a_url_with_a_secret_is_refused_without_showing_it(url, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({"data": {"train": "rows.jsonl", "mix": [{"path": url, "share": 0.1}]}}))
    said = []
    for attempt in (
        lambda: read(url), lambda: load(recipe), lambda: build({"data": {"test": url}}),
        lambda: build({"data": {"mix": [{"path": url}]}}),
    ):  # fmt: skip
        with pytest.raises((UsageError, ConfigError)) as caught:
            attempt()
        said.append(str(caught.value))
    done = whet("data", "check", url)
    assert done.returncode == 2
    assert KEY not in "".join([*said, done.stdout, done.stderr])


def test_a_web_page_and_a_file_that_is_not_there_are_told_from_data(elsewhere):
    elsewhere.files["/rows.jsonl"], elsewhere.kind = lines(1), "text/html; charset=utf-8"
    with pytest.raises(DataError, match="is a web page"):
        read(f"{elsewhere.url}/rows.jsonl")
    with pytest.raises(DataError, match="there is no such file"):
        read(f"{elsewhere.url}/other.jsonl")
    elsewhere.status = 403
    with pytest.raises(DataError, match=r"may not be read \(HTTP 403\)"):
        read(f"{elsewhere.url}/rows.jsonl")


def test_a_server_is_not_followed_to_plain_http_elsewhere(elsewhere):
    elsewhere.redirects = {"/rows.jsonl": "http://192.0.2.1/rows.jsonl", "/moved.jsonl": "/there.jsonl"}
    elsewhere.files["/there.jsonl"] = lines(1)
    assert answers(read(f"{elsewhere.url}/moved.jsonl")) == ["a1"]
    with pytest.raises(DataError, match="points to plain http"):
        read(f"{elsewhere.url}/rows.jsonl")


def test_a_cache_that_cannot_be_written_is_said_with_the_way_out(bucket, cache):
    cache.write_text("a file")
    with pytest.raises(RunError, match="set WHET_CACHE to a writable folder"):
        read("memory://bucket/b.jsonl")


def test_urls_in_a_recipe_stay_as_they_are_and_paths_are_beside_it(tmp_path):
    data = {"train": "s3://bucket/a//b.jsonl", "test": "hub:owner/name@v1:test", "validation": "rows.jsonl"}
    mix = [{"path": "gs://bucket/more.jsonl", "share": 0.1}]
    (tmp_path / "recipe.yaml").write_text(json.dumps({"data": {**data, "mix": mix}}))
    found = load(tmp_path / "recipe.yaml").data
    assert (found.train, found.test) == (data["train"], data["test"])
    assert found.validation == str(tmp_path / "rows.jsonl")
    assert found.mix
    assert found.mix[0].path == "gs://bucket/more.jsonl"


def test_what_is_written_from_a_url_names_it_in_its_trail_and_not_the_cache(bucket, cache, tmp_path):
    url = "memory://bucket/b.jsonl"
    bucket.pipe("/bucket/b.jsonl", b'{"question": "q1", "answer": " a1 "}\n' + lines(*range(2, 60)))
    convert(url, "messages", tmp_path / "chats.jsonl")
    write(parting(url, Data()), tmp_path / "sides")
    write_fixed(plan(url, Data(), Wanted(trim=True)), tmp_path / "fixed.jsonl")
    for made in ("chats.jsonl", "sides/train.jsonl", "fixed.jsonl"):
        said = trail_of(tmp_path / made).read_text()
        source = json.loads(said)["sources"][0]
        assert source["file"] == url
        assert source["sha256"] == digest(files(url, [])[0].path)
        assert str(cache) not in said
    assert f"{url}:1" in (tmp_path / "fixed.jsonl.changes.jsonl").read_text()


def test_the_commands_take_urls_and_name_them_in_their_problems(elsewhere, cache, tmp_path):
    elsewhere.files |= {"/a=1/rows.jsonl": lines(1, 2), "/bad.jsonl": lines(1) + b"{\n", "/ask.txt": b"one\ntwo\n"}
    env = {**os.environ, "WHET_CACHE": str(cache)}
    rows, bad = f"{elsewhere.url}/a=1/rows.jsonl", f"{elsewhere.url}/bad.jsonl"
    checked = whet("data", "check", rows, "--json", env=env)
    assert json.loads(checked.stdout)["files"][0]["path"] == rows
    sides = whet("data", "check", f"train={rows}", f"test={rows}", env=env)
    assert f"{rows}:1" in sides.stdout
    refused = whet("data", "check", bad, env=env)
    assert refused.returncode == 1
    assert f"error: {bad}:2: " in refused.stderr
    card = whet("data", "card", rows, env=env)
    assert "# rows\n" in card.stdout
    assert str(cache) not in checked.stdout + sides.stdout + refused.stderr + card.stdout
    assert [prompt.source for prompt in read_prompts(f"{elsewhere.url}/ask.txt")] == [
        f"{elsewhere.url}/ask.txt:1", f"{elsewhere.url}/ask.txt:2"
    ]  # fmt: skip


def test_a_recipe_elsewhere_is_refused_as_a_recipe(tmp_path):
    done = whet("tune", "s3://bucket/recipe.yaml")
    assert done.returncode == 2
    assert "a recipe is a file of this machine" in done.stderr


def test_a_resumed_run_tells_that_the_file_behind_a_url_was_changed(elsewhere, tiny, tmp_path, monkeypatch):
    from whet.cli.journey import resume, start

    url, settings = f"{elsewhere.url}/rows.jsonl", ["model.dtype=float32", "optim.rows=4", "optim.steps=2"]
    elsewhere.files["/rows.jsonl"] = lines(*range(60))
    monkeypatch.chdir(tmp_path)
    start("train", url, [f"model.name={tiny}", *settings], tmp_path / "run", as_json=False)
    Run(tmp_path / "run").status = "interrupted"
    elsewhere.files["/rows.jsonl"] = lines(*range(61))
    with pytest.raises(DriftError, match=f"data file {url}: was "):
        resume("run", as_json=False, allow_drift=False)
