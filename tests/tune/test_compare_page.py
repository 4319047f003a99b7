"""A comparison of models as a page."""

import json

import command
import pytest
from conftest import write_rows
from reading import HOSTILE, Reader

from whet.tune.compare_page import compare_page

QUICK = ["model.dtype=float32", "eval.resamples=400", "eval.max_tokens=8", "eval.limit=12"]


def around(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.03}


@pytest.fixture
def report():
    def one(value):
        return {
            "metrics": {"f1": around(value)}, "seconds_per_answer": {"median": 0.2, "p95": 0.3}, "prompt_tokens": 31.0,
            "completion_tokens": 9.0, "ended": 1.0, "remarks": [],
        }  # fmt: skip

    gap = {"metric": "f1", "difference": 0.2, "low": 0.1, "high": 0.3, "p_value": 0.001, "rows": 60}
    row = {
        "question": f"user: why? {HOSTILE}", "source": "rows.jsonl:9", "targets": [HOSTILE], "difference": 0.4,
        "replies": {"runs/a": f"this {HOSTILE}", "base": "that"}, "scores": {"runs/a": 0.9, "base": 0.5},
    }  # fmt: skip
    return {
        "data": "rows.jsonl", "rows": 60, "decides": "f1", "seconds": 12.0, "notes": [f"a note {HOSTILE}"],
        "contenders": {"runs/a": one(0.7), "base": one(0.5)}, "comparisons": [{**gap, "against": "base"}],
        "verdict": {**gap, "status": "better", "sentence": "runs/a is better than base.", "baseline": "base"},
        "examples": {"won": [row], "lost": []}, "judged": {"sentences": ["The judge prefers runs/a."]},
    }  # fmt: skip


def test_the_verdict_comes_first_and_the_first_model_is_the_one_it_speaks_of(report):
    text = compare_page(report, 0.9)
    assert '<h1 class="better"><span class="word">Better</span> runs/a is better than base.</h1>' in text
    shown = Reader(text).all()
    for said in (
        "the first better",
        "90 % interval",
        "Where the first won",
        "The judge prefers runs/a.",
        "rows.jsonl:9",
    ):
        assert said in shown


def test_nothing_that_users_or_models_wrote_becomes_markup_and_nothing_is_loaded(report):
    text = compare_page(report, 0.95)
    reader = Reader(text)
    assert not reader.wrong + reader.open
    assert "<script" not in text
    assert "<img" not in text


def test_models_that_tell_no_time_are_compared_without_a_plot_of_it(report):
    for one in report["contenders"].values():
        one["seconds_per_answer"] = {"median": 0.0, "p95": 0.0}
    assert compare_page(report, 0.95).count('role="img"') == 1


def test_the_command_writes_the_page_beside_what_it_prints(tiny, tmp_path):
    rows, page = write_rows(tmp_path / "rows.jsonl", 40), tmp_path / "page.html"
    done = command.whet("compare", tiny, tiny, "--data", rows, "--html", page, "--json", *QUICK)
    assert json.loads(done.stdout)["verdict"]["sentence"] in Reader(page.read_text()).all()
    lost = command.run("compare", tiny, tiny, "--data", rows, "--html", tmp_path / "no" / "page.html", *QUICK)
    assert lost.returncode == 2
    assert "--html" in lost.stderr
