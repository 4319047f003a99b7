"""What training begins with, where the model was trained before."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from conftest import Quiet, write_rows

from whet.config.load import dump, load
from whet.engines.open import about_of, open_model
from whet.errors import ModelError
from whet.models.source import weights_digest
from whet.models.start import start_from
from whet.runs.store import create
from whet.train.prepare import prepare
from whet.train.stop import Stop
from whet.train.train import train


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    learn(folder / "first", tiny, "data.instruction=Be brief.")
    return folder / "first"


@pytest.fixture
def before(made, tmp_path):
    return shutil.copytree(made, tmp_path / "box" / "first")


def learn(folder, model, *settings):
    folder.parent.mkdir(parents=True, exist_ok=True)
    rows = write_rows(folder.parent / "rows.jsonl", 20)
    asked = [f"data.train={rows}", f"model.name={model}", "model.dtype=float32", "adapter.r=2", "optim.steps=1"]
    config = load(None, [*asked, "optim.rows=2", "eval.validation_limit=2", *settings])
    run = create("train", dump(config), folder)
    train(config, run, prepare(config, Quiet()), Quiet(), Stop())


def test_what_is_copied_into_a_folded_model_is_a_part_of_its_key(before):
    was = start_from(str(before)).folder
    file = before / "model/whet.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"instruction": "Be long."}))
    now = start_from(str(before)).folder
    assert json.loads((now / "whet.json").read_text())["instruction"] == "Be long."
    (before / "model/tokenizer_config.json").write_text("{}")
    assert len({was, now, start_from(str(before)).folder}) == 3


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "whole.json"])
def test_a_damaged_folded_model_is_folded_again(before, name):
    base = start_from(str(before))
    sound = weights_digest(base.folder), (base.folder / "tokenizer.json").read_bytes()
    file = base.folder / name
    file.write_bytes(file.read_bytes()[:-40] + b"0" * 40)
    said = []
    again = start_from(str(before), said.append)
    assert "folding" in said[0]
    assert (weights_digest(again.folder), (again.folder / "tokenizer.json").read_bytes()) == sound


def test_runs_that_begin_at_once_with_the_same_model_fold_it_once(before):
    meet, said = threading.Barrier(3), list[str]()

    def say(text):
        said.append(text)
        with suppress(threading.BrokenBarrierError):
            meet.wait(0.3)

    with ThreadPoolExecutor(3) as pool:
        found = [one.result() for one in [pool.submit(start_from, str(before), say) for _ in range(3)]]
    assert len({one.folder for one in found}) == len(said) == 1


def test_a_run_and_the_one_that_it_began_with_may_be_moved_together(before, tmp_path):
    learn(tmp_path / "box/second", before)
    (tmp_path / "box").rename(tmp_path / "moved")
    assert open_model(str(tmp_path / "moved/second")).about["base_beside"] == "../../first"
    (tmp_path / "moved/first").rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="is no directory here"):
        open_model(str(tmp_path / "moved/second"))


def test_a_run_of_the_home_folder_is_a_beginning(before, monkeypatch):
    monkeypatch.setenv("HOME", str(before.parent))
    assert start_from("~/first").folder == start_from(str(before)).folder
    assert about_of("~/first")["instruction"] == "Be brief."
