"""Exceedance residuals: against scipy's t test, a law of one's own, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from risk_core.backtests.es_laws import as_law
from risk_core.backtests.es_residuals import exceedance_residuals, mcneil_frey_test, righi_ceretta_test
from risk_core.backtests.result import BacktestError, Decision

LAW = as_law("t5")
VAR, ES = LAW.value_at_risk(0.05), LAW.expected_shortfall(0.05)


def outcomes(days: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    scale = np.exp(0.5 * rng.standard_normal(days))
    return spread * scale * LAW.sample(rng, (days,)), scale


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_mcneil_frey_equals_a_t_test(alternative: str) -> None:
    pnl, scale = outcomes(600, 1)
    mine = mcneil_frey_test(pnl, scale * VAR, scale * ES, 0.95, scale=scale, alternative=alternative, simulations=20_000)
    residuals = (-pnl - scale * ES)[-pnl > scale * VAR] / scale[-pnl > scale * VAR]
    np.testing.assert_allclose(exceedance_residuals(pnl, scale * VAR, scale * ES, 0.95, scale), residuals)
    other = stats.ttest_1samp(residuals, 0.0, alternative=alternative)
    assert mine.statistic == pytest.approx(other.statistic)
    assert mine.p_value == pytest.approx(other.pvalue)
    assert mine.p_value_exact == pytest.approx(other.pvalue, abs=0.12)
    assert mine.exceptions == residuals.size


def test_bootstrap_of_three_residuals_equals_enumeration() -> None:
    residuals = np.array([-0.5, 0.1, 1.0])
    result = mcneil_frey_test(-(2.0 + residuals), 1.0, 2.0, 0.95, simulations=50_000)
    centred = residuals - residuals.mean()
    samples = np.array(np.meshgrid(*[centred] * 3)).reshape(3, -1).T
    samples = samples[np.ptp(samples, axis=1) > 0]
    students = samples.mean(axis=1) / samples.std(axis=1, ddof=1) * np.sqrt(3)
    assert result.statistic is not None
    assert result.p_value_exact == pytest.approx((students >= result.statistic - 1e-9).mean(), abs=0.01)
    assert result.status == "few_exceptions"


def test_residuals_with_a_unit_do_not_know_it_and_too_small_a_shortfall_is_found() -> None:
    pnl, scale = outcomes(500, 3)
    var, es = scale * VAR, scale * ES
    one, other = (mcneil_frey_test(k * pnl, k * var, k * es, 0.95, simulations=500) for k in (1.0, 1e6))
    assert other.statistic == pytest.approx(one.statistic)
    assert other.p_value_exact == pytest.approx(one.p_value_exact)
    small = mcneil_frey_test(pnl, 0.5 * var, 0.55 * es, 0.95, scale=scale)
    assert small.rejected
    assert small.direction == "losses too large"


def test_righi_ceretta_is_standard_and_sized() -> None:
    found, statistics = [], []
    for seed in range(200):
        pnl, scale = outcomes(250, seed)
        result = righi_ceretta_test(pnl, scale * VAR, scale * ES, 0.95, scale=scale, law="t5", simulations=300, seed=seed)
        statistics.append(result.statistic)
        found.append(result.p_value_exact)
    assert np.mean([p < 0.1 for p in found if p is not None]) == pytest.approx(0.1, abs=0.07)
    assert np.mean([s for s in statistics if s is not None]) == pytest.approx(0.0, abs=0.3)
    pnl, scale = outcomes(500, 4)
    deviation = scale * LAW.shortfall_deviation(0.05)
    by_deviation = righi_ceretta_test(pnl, scale * VAR, scale * ES, 0.95, shortfall_deviation=deviation, law="t5")
    assert by_deviation == righi_ceretta_test(pnl, scale * VAR, scale * ES, 0.95, scale=scale, law="t5")
    assert righi_ceretta_test(2.0 * pnl, scale * VAR, scale * ES, 0.95, scale=scale, law="t5").rejected


def test_one_exception_is_judged_by_its_own_probability() -> None:
    result = righi_ceretta_test([0.0, -6.0, 1.0], VAR, ES, 0.95, scale=1.0, law="t5", simulations=50_000)
    chance = stats.t(5).cdf(-6.0) / 0.05
    assert result.details["largest_p_value"] == pytest.approx(chance)
    assert result.p_value_exact == pytest.approx(chance, abs=0.01)


def test_degenerate_samples() -> None:
    for pnl in ([1.0, 2.0], [1.0, -3.0]):
        assert mcneil_frey_test(pnl, 1.0, 2.0, 0.95).status == "too_few_exceptions"
    alike = mcneil_frey_test([-3.0, -3.0, 1.0], 1.0, 2.0, 0.95)
    assert (alike.decision, alike.status) == (Decision.NOT_APPLICABLE, "no_variation")
    assert righi_ceretta_test([1.0], 1.0, 2.0, 0.95, scale=1.0).status == "no_exceptions"
    with pytest.raises(BacktestError, match="one of the two"):
        righi_ceretta_test([1.0], 1.0, 2.0, 0.95)
    with pytest.raises(BacktestError, match="scale must be positive"):
        mcneil_frey_test([1.0, 2.0], 1.0, 2.0, 0.95, scale=[1.0, 0.0])
