"""Looks at a test set are counted, once for each model."""

import multiprocessing

import pytest

from whet.runs.looks import look


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("WHET_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_other_models_are_counted_and_the_same_one_is_not():
    assert look(["a", "b"], "one") == ""
    assert look(["b", "a"], "one") == ""
    assert "has judged 1 other model before" in look(["a", "b"], "two")
    assert "has judged 2 other models before" in look(["b", "a"], "three")
    assert look(["a", "c"], "three") == ""


def test_a_line_torn_by_a_crash_is_passed_over(own_state):
    look(["a"], "one")
    with (own_state / "looks.jsonl").open("a") as file:
        file.write('{"test": "x\n[]\n')
    assert "1 other model " in look(["a"], "two")


def _look(name):
    look(["a"], name)


def test_looks_of_many_processes_are_all_kept():
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.map(_look, map(str, range(40)))
    assert "40 other models" in look(["a"], "last")


def test_where_nothing_can_be_kept_that_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WHET_STATE", str(tmp_path / "file" / "below"))
    assert "are not counted" in look(["a"], "one")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
