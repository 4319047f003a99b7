"""A decision keeps to its minutes where answers are slow."""

import json

import pytest
from command import whet
from conftest import write_rows

from whet.tune.pace import FEWEST, afforded


def test_quick_answers_leave_time_for_all_questions_and_all_ways():
    found = afforded(0.05, 100, 240)
    assert (found.judge, found.choosing) == (100, True)
    assert found.settings() == {"limit": 100}


def test_slow_answers_take_questions_away_and_very_slow_ones_the_choice_of_ways():
    slower = afforded(0.2, 100, 240)
    assert slower.choosing
    assert 2 * FEWEST <= slower.judge < 100
    slow = afforded(1.0, 100, 240)
    assert (slow.judge, slow.choosing) == (28, False)  # 144 s for answers, each asked in five ways' time
    assert slow.settings() == {"limit": 28, "shots": 3, "passages": 1}
    assert afforded(60.0, 100, 240).judge == FEWEST
    assert afforded(60.0, 7, 240).judge == 7


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.9, 2.0])
def test_what_is_asked_fits_the_time_unless_it_is_the_least_that_says_something(seconds):
    found = afforded(seconds, 100, 240)
    cost = seconds * (375 + 7 * found.judge if found.choosing else 5 * found.judge)
    assert cost <= 0.6 * 240 or found.judge == FEWEST


def test_what_there_is_no_time_for_is_said_and_kept_for_the_trials(tiny, tmp_path):
    rows = write_rows(tmp_path / "rows.jsonl", 120)
    quick = ["model.dtype=float32", "adapter.r=4", "optim.steps=2", "eval.resamples=400", "eval.max_tokens=6"]
    done = whet("decide", rows, "--base", tiny, "--out", tmp_path / "run", "--minutes", "0.0001", "--json", *quick)
    found = json.loads(done.stdout.splitlines()[-1])
    assert "no other wordings, numbers of examples or passages are tried; --minutes gives more" in done.stderr
    assert set(found["contenders"]) >= {"zero_shot", "few_shot", "rag"}
    assert "prompted" not in found["contenders"]
    (trial, *_) = (tmp_path / "run" / "trials").iterdir()
    assert len(json.loads((trial / "report.json").read_text())["sources"]) == FEWEST
