"""How much of the way to a goal is gone, and how sure that is."""

import numpy as np
import pytest

from whet.evals.gap import closed


def test_a_share_of_the_way_lies_in_its_interval():
    before, goal = [0.0, 0.0, 1.0, 0.0] * 10, [1.0, 1.0, 1.0, 0.0] * 10
    ours = [1.0, 0.0, 1.0, 0.0] * 10
    found = closed(ours, before, goal)
    # 10 of the 20 that the goal has more are gone.
    assert found.value == pytest.approx(0.5)
    assert 0.2 < found.low < 0.5 < found.high < 0.8


def test_at_an_end_of_the_interval_the_rest_of_the_way_is_at_the_edge_of_chance():
    draw = np.random.default_rng(0)
    before = draw.normal(0, 1, 60)
    goal, ours = before + draw.normal(2, 1, 60), before + draw.normal(1, 1, 60)
    found = closed(ours, before, goal)
    for end in (found.low, found.high):
        rest = (ours - before) - end * (goal - before)
        assert abs(rest.mean()) / (rest.std(ddof=1) / 60**0.5) == pytest.approx(2.001, abs=1e-3)  # Student's t, 59


def test_the_interval_holds_the_truth_as_often_as_it_says():
    draw, held = np.random.default_rng(1), 0
    for _ in range(400):
        before = draw.normal(0, 1, 50)
        goal = before + draw.normal(1, 1, 50)
        found = closed(before + 0.4 * (goal - before) + draw.normal(0, 1, 50), before, goal)
        held += found is not None and found.low <= 0.4 <= found.high
    assert 0.92 * 400 <= held <= 0.98 * 400


def test_without_a_gap_there_is_no_share():
    draw = np.random.default_rng(0)
    before, goal, ours = draw.normal(0, 1, (3, 30))
    assert closed(ours, before, goal) is None
    assert closed([1.0], [0.0], [1.0]) is None


def test_rows_of_a_group_count_once():
    before, goal, ours = ([value] * 40 for value in (0.0, 1.0, 0.5))
    ours[:10], goal[20:30] = [1.0] * 10, [0.2] * 10
    alone, together = closed(ours, before, goal), closed(ours, before, goal, [at // 10 for at in range(40)])
    assert alone.value == pytest.approx(together.value)
    assert together.high - together.low > alone.high - alone.low


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="same rows"):
        closed([1.0, 2.0], [0.0], [1.0])
