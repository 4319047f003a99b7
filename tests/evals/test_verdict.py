"""The verdict: what it says, and how often it is wrong when there is nothing to find."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whet.evals.verdict import Measure, judge

DRAWS = {
    "right or wrong": lambda rng, rows: (rng.random(rows) < 0.3).astype(float),
    "overlap": lambda rng, rows: np.where(rng.random(rows) < 0.5, 0.0, rng.beta(2, 3, rows)),
    "very skewed": lambda rng, rows: rng.beta(0.3, 3, rows),
    "nearly always right": lambda rng, rows: (rng.random(rows) < 0.95).astype(float),
}


def steady(gain, rows=60, spread=0.1):
    """Return scores that differ by exactly `gain` in the mean, with plus and minus `spread` in turn."""
    base = np.tile([0.3, 0.5], rows // 2)
    return base + gain + np.tile([spread, spread, -spread, -spread], rows // 4), base


def test_a_clear_gain_is_better():
    tuned, base = steady(0.1)
    found = judge("rouge_l", tuned, {"few_shot": base})
    assert (found.status, found.baseline, found.rows, found.rows_needed) == ("better", "few_shot", 60, None)
    assert found.difference == pytest.approx(0.1)
    assert found.low > 0
    assert found.sentence.startswith(
        "Tuning helped: rouge_l 0.500 against 0.400 for few_shot, a difference of +0.100 (95 % interval +0.0"
    )
    assert found.sentence.endswith(", 60 questions).")


def test_a_clear_loss_is_not_better():
    tuned, base = steady(-0.1)
    found = judge("f1", tuned, {"zero_shot": base})
    assert found.status == "not_better"
    assert found.sentence.startswith("Do not tune: f1 0.300 against 0.400 for zero_shot, a difference of -0.100 (")


def test_a_tie_on_every_one_of_many_rows_is_not_better():
    found = judge("label", [1.0, 0.0, 1.0] * 20, {"few_shot": [1.0, 0.0, 1.0] * 20})
    assert (found.status, found.difference, found.p_value) == ("not_better", 0, 1)
    assert found.sentence == (
        "Do not tune: label 0.667 against 0.667 for few_shot, the same score on each of 60 questions."
    )


def test_a_tie_on_every_one_of_few_rows_cannot_be_told():
    # 0.95 ** 58 is 0.051, so one question in twenty may still differ; 0.95 ** 59 is 0.048
    for rows, status, needed in ((1, "cannot_tell", 59), (58, "cannot_tell", 59), (59, "not_better", None)):
        found = judge("label", [1.0] * rows, {"few_shot": [1.0] * rows})
        assert (found.status, found.rows_needed, found.minimum_effect) == (status, needed, None)
    found = judge("label", [1.0], {"few_shot": [1.0]})
    assert found.sentence == (
        "Cannot tell with 1 question: label 1.000 against 1.000 for few_shot, the same score on each; "
        "about 59 would be needed."
    )


def test_a_tie_rules_a_small_gain_out_only_with_more_rows():
    status = [judge("f1", [0.5] * rows, {"a": [0.5] * rows}, margin=0.01).status for rows in (100, 299)]
    assert status == ["cannot_tell", "not_better"]  # 0.99 ** 298 is 0.0500, 0.99 ** 299 is 0.0495


@pytest.mark.parametrize("rows", [1, 20, 400])
def test_a_metric_that_is_0_for_everybody_tells_nothing(rows):
    measure = Measure("f1", telling=("chrf", "log_loss"))
    found = judge(measure, [0.0] * rows, {"a": [0.0] * rows, "b": [0.0] * rows})
    assert (found.status, found.rows_needed, found.minimum_effect) == ("cannot_tell", None, None)
    assert found.sentence.endswith(": f1 is 0 for everybody, so it tells nothing here; look at chrf and log_loss.")


def test_of_a_loss_less_is_better_and_the_difference_is_the_gain():
    tuned, base = steady(-0.1)
    measure = Measure("log_loss", lower=True, unit="passage")
    found = judge(measure, tuned, {"zero_shot": base, "worse": base + 1})
    assert (found.status, found.metric, found.baseline, found.unit) == ("better", "log_loss", "zero_shot", "passage")
    assert found.difference == pytest.approx(0.1)
    assert 0 < found.low < found.high
    assert found.sentence.startswith(
        "Tuning helped: log_loss 0.300 against 0.400 for zero_shot (lower is better), a gain of +0.100 (95 % interval"
    )
    assert found.sentence.endswith(", 60 passages).")
    assert judge(measure, base, {"zero_shot": tuned}).status == "not_better"


def test_one_row_of_a_loss_has_no_interval():
    found = judge(Measure("log_loss", lower=True, unit="passage"), [2.0], {"zero_shot": [3.0]})
    assert (found.status, found.difference, found.low, found.high) == ("cannot_tell", 1.0, None, None)
    assert "a gain of +1.000 (no interval); about 6 would be needed." in found.sentence


def test_without_any_spread_no_smallest_difference_is_claimed():
    assert judge("f1", [0.3, 0.4, 0.5], {"a": [0.2, 0.3, 0.4]}).minimum_effect is None
    assert judge("f1", [0.3, 0.4, 0.6], {"a": [0.2, 0.3, 0.4]}).minimum_effect > 0


def test_a_tie_in_the_mean_cannot_be_told():
    tuned, base = steady(0.0)
    found = judge("f1", tuned, {"few_shot": base})
    assert found.status == "cannot_tell"
    # nothing was observed, so the rows are those that show half of the minimum effect: four times as many
    assert found.rows_needed == 235  # Student says a little less, as it is surer with more rows
    assert "about 240 would be needed" in found.sentence


def test_the_rows_needed_are_for_the_gain_observed():
    tuned, base = steady(0.01)
    found = judge("f1", tuned, {"few_shot": base})
    assert found.status == "cannot_tell"
    spread = 0.1 * math.sqrt(60 / 59)
    assert found.minimum_effect == pytest.approx((2.000995 + 0.847793) * spread / math.sqrt(60), rel=1e-4)
    assert found.rows_needed == math.ceil(((1.962944 + 0.842054) * spread / 0.01) ** 2)  # 801, said as 810
    assert found.sentence.startswith("Cannot tell with 60 questions: f1 0.410 against 0.400 for few_shot, ")
    assert found.sentence.endswith("; about 810 would be needed.")


def test_the_strongest_baseline_is_the_one_to_beat():
    tuned, base = steady(0.1)
    found = judge("f1", tuned, {"zero_shot": base - 0.2, "few_shot": base + 0.2, "other": base})
    assert (found.baseline, found.status) == ("few_shot", "not_better")


def test_of_equal_baselines_the_first_counts():
    assert judge("f1", [0.2, 0.4], {"a": [0.1, 0.3], "b": [0.3, 0.1]}).baseline == "a"


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
def test_a_handful_of_rows_cannot_win_or_lose(rows):
    for gain in (0.5, -0.5):
        found = judge("f1", [0.5 + gain / 2] * rows, {"few_shot": [0.5 - gain / 2] * rows})
        assert (found.status, found.rows_needed) == ("cannot_tell", 6)
        assert found.low <= 0 <= found.high


def test_six_rows_can_win():
    assert judge("f1", [0.9] * 6, {"few_shot": [0.2] * 6}).status == "better"  # p = 2 / 64


def test_a_few_lost_rows_among_ties_prove_nothing():
    tuned, base = [0.0] * 3 + [1.0] * 57, [1.0] * 60
    found = judge("label", tuned, {"few_shot": base})
    assert (found.status, found.p_value) == ("cannot_tell", 0.25)


def test_a_gain_below_the_margin_is_not_worth_having():
    tuned, base = steady(0.05, spread=0.02)
    assert judge("f1", tuned, {"few_shot": base}).status == "better"
    found = judge("f1", tuned, {"few_shot": base}, margin=0.1)
    assert found.status == "not_better"
    assert found.sentence.endswith("; a gain of 0.100 or more is ruled out.")


def test_a_gain_that_may_reach_the_margin_is_better():
    tuned, base = steady(0.1)
    assert judge("f1", tuned, {"few_shot": base}, margin=0.1).status == "better"


@pytest.mark.parametrize(
    ("tuned", "baselines", "margin", "match"),
    [
        ([0.1], {}, 0, "no baseline"),
        ([], {"a": []}, 0, "no f1 scores"),
        ([0.1], {"a": [0.1, 0.2]}, 0, "same rows"),
        ([math.nan], {"a": [0.1]}, 0, "tuned is not finite on row 0"),
        ([0.1, 0.2], {"a": [0.1, 0.2], "b": [0.1, math.inf]}, 0, "b is not finite on row 1"),
        ([0.1], {"a": [0.1]}, -0.1, "margin"),
        ([0.1], {"a": [0.1]}, math.nan, "margin"),
    ],
)
def test_scores_that_cannot_be_judged_are_refused(tuned, baselines, margin, match):
    with pytest.raises(ValueError, match=match):
        judge("f1", tuned, baselines, margin=margin)


@pytest.mark.parametrize("shape", DRAWS)
@pytest.mark.parametrize("rows", [20, 60, 200])
def test_two_equal_models_are_hardly_ever_told_apart(shape, rows):
    rng = np.random.default_rng(rows)
    found = [
        judge("f1", DRAWS[shape](rng, rows), {"same": DRAWS[shape](rng, rows)}, resamples=400, seed=seed)
        for seed in range(400)
    ]
    wins, losses = sum(one.status == "better" for one in found), sum(one.high < 0 for one in found)
    # 2.5 % a side; 4.5 % is two and a half standard errors of 400 draws above that, 7.5 % the same above 5 %
    assert wins / 400 <= 0.045
    assert (wins + losses) / 400 <= 0.075


def test_equal_models_are_called_better_at_most_once_in_forty_over_all_shapes():
    rng, wins = np.random.default_rng(0), 0
    for seed in range(1200):
        draw, rows = list(DRAWS.values())[seed % 4], (20, 60)[seed // 4 % 2]
        wins += judge("f1", draw(rng, rows), {"same": draw(rng, rows)}, resamples=300, seed=seed).status == "better"
    assert wins / 1200 <= 0.025


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_a_win_is_never_also_a_win_for_the_other_side(rows):
    a, b = zip(*rows, strict=True)
    one, other = judge("f1", a, {"b": b}, resamples=300), judge("f1", b, {"a": a}, resamples=300)
    assert not (one.status == other.status == "better")
    assert one.status != "better" or (one.difference > 0 and one.low > 0 and one.p_value < 0.05)
    silent = not any(a) and not any(b)  # more rows would tell no more
    assert (one.rows_needed is None) == (one.status != "cannot_tell" or silent)
