"""Our numbers held against statsmodels, where it has the same."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as oracle_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

from whet.evals.many import holm
from whet.evals.stats import mcnemar, minimum_detectable_effect, wilson


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_is_that_of_statsmodels_for_every_share_of_thirty(confidence):
    for right in range(31):
        found = wilson(right, 30, confidence)
        oracle = proportion_confint(right, 30, alpha=1 - confidence, method="wilson")
        assert (found.low, found.high) == pytest.approx(oracle, abs=1e-9)


@pytest.mark.parametrize(("won", "lost"), [(0, 3), (5, 1), (12, 12), (30, 14), (200, 260)])
def test_mcnemar_is_that_of_statsmodels(won, lost):
    a, b = [1] * won + [0] * lost + [1, 0], [0] * won + [1] * lost + [1, 0]
    oracle = oracle_mcnemar([[1, won], [lost, 1]], exact=True).pvalue
    assert mcnemar(a, b) == pytest.approx(oracle)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_holm_is_that_of_statsmodels(count):
    rng = np.random.default_rng(count)
    p_values = rng.beta(0.4, 3, count)
    p_values[rng.integers(0, count)] = p_values[0]  # ties
    assert holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


def test_holm_of_nothing_is_nothing():
    assert holm([]) == []


def test_the_smallest_effect_has_the_power_that_statsmodels_says():
    differences = np.random.default_rng(1).normal(0, 0.3, 80)
    effect = minimum_detectable_effect(differences) / differences.std(ddof=1)
    power = TTestPower().power(effect, nobs=80, alpha=0.05, df=79)
    assert power == pytest.approx(0.8, abs=2e-3)  # it takes the noncentral t for the second quantile
