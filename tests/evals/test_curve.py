"""What more rows would bring is a sum of scores that were measured."""

import numpy as np
import pytest

from whet.evals.clusters import clusters
from whet.evals.curve import Curve
from whet.evals.stats import rows_needed
from whet.types import Message, Prompt


def test_a_line_in_doublings_is_continued_exactly_where_nothing_bounds_it():
    base = np.array([-2.1, -1.3, -2.0])
    curve = Curve.of([400, 100, 200], [base + 0.2, base, base + 0.1])
    assert curve.counts == (100, 200, 400)
    assert curve.per_doubling() == pytest.approx([0.1, 0.1, 0.1])
    assert curve.at(400) == pytest.approx(base + 0.2)
    assert curve.at(1600) == pytest.approx(base + 0.4)
    assert curve.rows_for(0.2) == pytest.approx(1600)


def test_a_share_of_right_answers_is_never_expected_above_1():
    """What is missing, 0.4, shrinks by exp(-0.5) with a doubling of which the curve's line brings 0.2."""
    curve = Curve.of([100, 200, 400], [[0.2, 0.2], [0.4, 0.4], [0.6, 0.6]])
    assert curve.at(800) == pytest.approx([1 - 0.4 * np.exp(-0.5)] * 2)
    assert curve.at(1600) == pytest.approx([1 - 0.4 * np.exp(-1)] * 2)
    assert 0.99 < curve.at(400_000).mean() < 1
    assert curve.rows_for(0.4 - 0.4 * np.exp(-1)) == pytest.approx(1600)
    assert curve.rows_for(0.4) == 400 * 2**20  # never
    few = Curve.of([100, 200, 400], [[0.10], [0.11], [0.12]])
    assert few.at(800) == pytest.approx([0.13], abs=1e-4)  # far from 1 it is the line


def test_the_slope_is_that_of_the_last_points_as_a_curve_flattens():
    curve = Curve.of([10, 20, 40, 80], [[0.0], [0.5], [0.5], [0.5]])
    assert curve.per_doubling() == pytest.approx([0.0])


def test_the_slope_equals_that_of_least_squares():
    draw = np.random.default_rng(0)
    counts, scores = [30, 70, 300], draw.random((3, 8))
    expected = np.polyfit(np.log2(counts), scores, 1)[0]
    assert Curve.of(counts, scores).per_doubling() == pytest.approx(expected)


def test_one_point_promises_nothing():
    curve = Curve.of([50], [[0.4, 0.6]])
    assert curve.at(5000) == pytest.approx([0.4, 0.6])


@pytest.mark.parametrize(("counts", "scores"), [([], []), ([1, 1], [[0.0], [1.0]]), ([1, 2], [[0.0]]), ([0], [[1.0]])])
def test_what_is_no_curve_is_refused(counts, scores):
    with pytest.raises(ValueError, match=r"no curve|empty"):
        Curve.of(counts, scores)


def asked(*groups):
    return Prompt((Message("user", "?"),), ("x",), groups=groups)


def test_questions_of_one_group_are_one_cluster_also_through_others():
    prompts = [asked("user=a"), asked("doc=1"), asked("user=a", "doc=2"), asked(), asked("doc=2")]
    assert clusters(prompts) == [0, 1, 0, 3, 0]
    assert clusters([asked("user=a"), asked("user=b"), asked()]) is None


def test_rows_that_repeat_in_groups_need_as_many_groups_as_they_would_rows():
    spread = [0.3, -0.1, 0.25, 0.05, 0.4, -0.2, 0.15, 0.1]
    alone = rows_needed(spread, effect=0.05)
    assert rows_needed([one for one in spread for _ in range(3)], 0.05, groups=[at // 3 for at in range(24)]) in range(
        3 * alone - 3, 3 * alone + 1
    )
