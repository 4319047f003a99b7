"""Intervals and tests against hand-worked values, oracles and their own promises."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from whet.evals.stats import (
    confusion,
    label_scores,
    macro_f1,
    macro_f1_interval,
    mcnemar,
    mean_interval,
    minimum_detectable_effect,
    paired_difference,
    rows_needed,
    sign_flip,
    wilson,
)

scores = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=25)


def overlap_like(rng, size):
    """Half zeros, a tenth ones, the rest in between, as token F1 is. The mean is 0.1 + 0.4 * 0.4."""
    kind = rng.random(size)
    return np.where(kind < 0.5, 0.0, np.where(kind < 0.6, 1.0, rng.beta(2, 3, size)))


@pytest.mark.parametrize(("right", "total"), [(0, 7), (3, 10), (59, 60), (60, 60), (1, 1), (500, 2000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_is_that_of_scipy(right, total, confidence):
    oracle = binomtest(right, total).proportion_ci(confidence, method="wilson")
    found = wilson(right, total, confidence)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high))
    assert found.value == right / total


@pytest.mark.parametrize(("right", "total"), [(0, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_what_is_no_share(right, total):
    with pytest.raises(ValueError, match="not a share"):
        wilson(right, total)


def test_the_mean_of_zeros_and_ones_has_the_wilson_interval():
    assert mean_interval([1, 0, 1, 1]) == wilson(3, 4)


def test_the_mean_of_one_row_may_be_anything():
    found = mean_interval([0.4])
    assert (found.value, found.low, found.high) == (0.4, 0, 1)


def test_the_interval_of_a_mean_is_near_students_for_many_rows():
    values = np.random.default_rng(0).normal(5, 2, 400)
    half = 1.96 * values.std(ddof=1) / 20  # the square root of 400 is 20
    found = mean_interval(values)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


@pytest.mark.parametrize("rows", [20, 60])
def test_the_interval_of_a_skewed_mean_covers_it(rows):
    rng, held = np.random.default_rng(1), 0
    for seed in range(400):
        found = mean_interval(overlap_like(rng, rows), resamples=400, seed=seed)
        held += found.low <= 0.26 <= found.high
    assert held / 400 >= 0.94


def test_plain_percentiles_would_miss_a_skewed_mean_too_often():
    rng, held = np.random.default_rng(2), 0
    for _ in range(400):
        values = rng.beta(0.3, 3, 20)
        ends = np.quantile(values[rng.integers(0, 20, (400, 20))].mean(1), [0.025, 0.975])
        held += ends[0] <= 0.3 / 3.3 <= ends[1]
    assert held / 400 < 0.92  # why mean_interval also studentizes


def test_the_interval_of_a_very_skewed_mean_covers_it_better_than_percentiles():
    rng, held = np.random.default_rng(2), 0
    for seed in range(400):
        found = mean_interval(rng.beta(0.3, 3, 20), resamples=400, seed=seed)
        held += found.low <= 0.3 / 3.3 <= found.high
    assert held / 400 >= 0.92


def test_copies_of_a_row_in_one_group_do_not_narrow_the_interval():
    values = overlap_like(np.random.default_rng(3), 30)
    alone = mean_interval(values)
    copied = mean_interval(np.repeat(values, 10), np.repeat(np.arange(30), 10).tolist())
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))
    assert mean_interval(np.repeat(values, 10)).low > copied.low


def test_groups_of_unequal_size_weigh_by_their_rows():
    assert mean_interval([0.5, 0.5, 0.2], ["a", "a", "b"]).value == pytest.approx(0.4)


def test_groups_must_match_the_values():
    with pytest.raises(ValueError, match="2 groups for 3 values"):
        mean_interval([0.1, 0.2, 0.3], ["a", "b"])


def test_paired_difference_is_worked_by_hand():
    # differences +0.5, +0.1, -0.2: mean 0.4 / 3. The 8 sums of signs are +-0.4, +-0.8, +-0.2, +-0.6;
    # 6 of 8 are at least 0.4 away from 0
    found = paired_difference([0.9, 0.4, 0.3], [0.4, 0.3, 0.5])
    assert found.value == pytest.approx(0.4 / 3)
    assert found.p_value == pytest.approx(6 / 8)
    assert found.low <= 0 <= found.high
    assert found.rows == 3


def test_no_difference_at_all_is_no_difference():
    found = paired_difference([0.2, 0.7], [0.2, 0.7])
    assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_sign_flip_agrees_with_scipy():
    values = np.random.default_rng(4).normal(0.3, 1, 40)
    oracle = permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(5)
    )
    assert sign_flip(values, resamples=20_000) == pytest.approx(oracle.pvalue, abs=0.012)


def test_sign_flip_of_equal_rows_is_1():
    assert sign_flip([0.0, 0.0]) == 1


def test_sign_flip_never_says_0():
    assert sign_flip(np.full(50, 0.1), resamples=999) == 1 / 1000


def test_sign_flip_of_drawn_patterns_agrees_with_all_of_them():
    values = np.random.default_rng(6).normal(0.4, 1, 12)
    assert sign_flip(values, resamples=4000) == pytest.approx(sign_flip(values, resamples=4096), abs=0.02)


@settings(max_examples=50, deadline=None)
@given(scores)
def test_swapping_the_sides_mirrors_the_difference(rows):
    a, b = zip(*rows, strict=True)
    one, other = (paired_difference(x, y, resamples=300) for x, y in ((a, b), (b, a)))
    assert one.value == pytest.approx(-other.value)
    assert one.p_value == other.p_value
    assert -1 <= one.low <= one.value + 1e-12
    assert one.value - 1e-12 <= one.high <= 1


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(7)
    a, b = rng.random(80), rng.random(80)
    assert paired_difference(a, b, seed=3) == paired_difference(a, b, seed=3)
    assert paired_difference(a, b, seed=3) != paired_difference(a, b, seed=4)


@pytest.mark.parametrize(
    ("a", "b"), [([], []), ([1.0], [1.0, 0.0]), ([math.nan], [0.0]), ([math.inf], [0.0]), ([[1.0]], [[1.0]])]
)
def test_columns_that_cannot_be_paired_are_refused(a, b):
    with pytest.raises(ValueError, match=r"column|same rows|finite"):
        paired_difference(a, b)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (3, 9), (12, 12), (40, 20), (700, 600)])
def test_mcnemar_is_the_exact_binomial_test(won, lost):
    a = [1] * won + [0] * lost + [1, 0]
    b = [0] * won + [1] * lost + [1, 0]
    oracle = binomtest(won, won + lost).pvalue if won + lost else 1
    assert mcnemar(a, b) == pytest.approx(oracle)
    assert mcnemar(b, a) == mcnemar(a, b)


def test_mcnemar_refuses_shares():
    with pytest.raises(ValueError, match="0 and 1"):
        mcnemar([0.5], [1])


def test_the_sign_flip_test_is_mcnemars_for_right_and_wrong():
    a, b = [1] * 9 + [0] * 2 + [1] * 5, [0] * 9 + [1] * 2 + [1] * 5
    assert paired_difference(a, b).p_value == pytest.approx(mcnemar(a, b))  # 11 rows differ: all patterns are tried


def test_effects_and_rows_are_worked_by_hand():
    spread = [0.2, -0.2] * 8  # variance 16 * 0.04 / 15
    reach = (2.131450 + 0.866245) * math.sqrt(0.64 / 15)  # Student's t of 15 degrees
    assert minimum_detectable_effect(spread) == pytest.approx(reach / 4, rel=1e-5)
    reach = (1.977692 + 0.844349) * math.sqrt(0.64 / 15)  # of 135
    assert rows_needed(spread, effect=0.05) == math.ceil((reach / 0.05) ** 2) == 136
    assert rows_needed(spread, effect=minimum_detectable_effect(spread)) == 16


def test_rows_are_by_default_for_the_observed_difference():
    assert rows_needed([0.3, 0.1, 0.2]) == rows_needed([0.3, 0.1, 0.2], effect=0.2)
    with pytest.raises(ValueError, match="difference of 0"):
        rows_needed([0.1, -0.1])
    with pytest.raises(ValueError, match="at least two"):
        minimum_detectable_effect([0.1])


def test_the_minimum_effect_is_found_four_times_in_five():
    rng, found = np.random.default_rng(8), 0
    effect = (1.959964 + 0.841621) * 0.2 / math.sqrt(60)
    for seed in range(400):
        drawn = paired_difference(rng.normal(effect, 0.2, 60), np.zeros(60), resamples=400, seed=seed)
        found += drawn.low > 0
    assert 0.72 <= found / 400 <= 0.86


def drawn_labels(rows=200, seed=9):
    rng = np.random.default_rng(seed)
    targets = rng.choice(list("abcd"), rows, p=[0.6, 0.25, 0.1, 0.05])
    wrong = rng.random(rows) < 0.3
    return targets.tolist(), np.where(wrong, rng.choice(list("abcdz"), rows), targets).tolist()


def test_macro_f1_and_the_label_table_are_those_of_sklearn():
    targets, said = drawn_labels()
    labels = list("abcd")
    assert macro_f1(targets, said, labels) == pytest.approx(f1_score(targets, said, labels=labels, average="macro"))
    oracle = precision_recall_fscore_support(targets, said, labels=labels, zero_division=0)
    rows = label_scores(targets, said, labels)
    assert [(row.precision, row.recall, row.f1, row.rows) for row in rows] == [
        pytest.approx(column) for column in zip(*oracle, strict=True)
    ]


def test_macro_f1_is_worked_by_hand():
    # a: 1 hit, 2 wanted, 1 said -> 2/3. b: 1 hit, 1 wanted, 1 said -> 1. The "?" is nobody's. c never occurs.
    assert macro_f1(["a", "a", "b"], ["a", "?", "b"], ["a", "b", "c"]) == pytest.approx((2 / 3 + 1) / 2)


def test_confusion_counts_what_is_off_the_list_in_its_last_column():
    targets, said = drawn_labels()
    table = confusion(targets, said, list("abcd"))
    assert (table == confusion_matrix(targets, said, labels=list("abcdz"))[:4]).all()


@pytest.mark.parametrize(
    ("targets", "said", "labels"),
    [([], [], ["a"]), (["a"], [], ["a"]), (["b"], ["a"], ["a"]), (["a"], ["a"], ["a", "a"])],
)
def test_labels_that_make_no_table_are_refused(targets, said, labels):
    with pytest.raises(ValueError, match=r"table|not among"):
        macro_f1(targets, said, labels)


def test_the_macro_f1_interval_is_that_of_resampled_rows():
    targets, said = drawn_labels()
    found = macro_f1_interval(targets, said, list("abcd"), resamples=4000)
    rng, drawn = np.random.default_rng(10), []
    for _ in range(300):
        rows = rng.integers(0, 200, 200)
        pair = [targets[row] for row in rows], [said[row] for row in rows]
        drawn.append(f1_score(*pair, labels=sorted(set(pair[0])), average="macro"))
    assert found.value == pytest.approx(macro_f1(targets, said, list("abcd")))
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.03)


def test_the_smallest_effect_of_right_and_wrong_has_a_step_more():
    changed = [1.0, -1.0, 0.0, 0.0] * 5  # variance 10 / 19; a row turned from lost to won moves the mean by 2 / 20
    reach = (2.093024 + 0.860951) * math.sqrt(10 / 19)  # Student's t of 19 degrees
    effect = minimum_detectable_effect(changed)
    assert effect == pytest.approx(reach / math.sqrt(20) + 1 / 20, rel=1e-5)
    assert rows_needed(changed, effect=effect) == 20


def test_no_change_at_all_has_no_step():
    assert minimum_detectable_effect([0.0] * 9) == 0
