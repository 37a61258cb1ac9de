"""Comparison of forecasts: against statsmodels, arch, and integrals of elementary scores."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from risk_core.backtests.comparison import (
    ComparisonZone,
    diebold_mariano_test,
    long_run_variance,
    murphy_diagram,
    newey_west_lags,
    three_zone_comparison,
)
from risk_core.backtests.confidence_set import model_confidence_set
from risk_core.backtests.result import BacktestError
from risk_core.backtests.scores import joint_loss, quantile_loss

RNG = np.random.Generator(np.random.PCG64(7))
FIRST = RNG.standard_normal(400) ** 2
SECOND = FIRST + 0.25 + 0.8 * RNG.standard_normal(400)


@pytest.mark.parametrize("lags", [0, 1, 7])
def test_diebold_mariano_equals_a_regression_on_a_constant(lags: int) -> None:
    import statsmodels.api as sm

    fit = sm.OLS(FIRST - SECOND, np.ones(400)).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    mine = diebold_mariano_test(FIRST, SECOND, lags=lags)
    assert mine.statistic == pytest.approx(fit.tvalues[0])
    assert mine.p_value == pytest.approx(fit.pvalues[0])
    assert diebold_mariano_test(SECOND, FIRST, lags=lags).statistic == pytest.approx(-fit.tvalues[0])


def test_small_sample_correction_and_rectangular_kernel_by_hand() -> None:
    d = (FIRST - SECOND)[:30]
    gamma = [((d - d.mean())[j:] * (d - d.mean())[: 30 - j]).sum() / 30 for j in range(3)]
    variance = gamma[0] + 2 * gamma[1] + 2 * gamma[2]
    assert long_run_variance(d, 2, "rectangular") == pytest.approx(variance)
    plain = d.mean() / np.sqrt(variance / 30)
    mine = diebold_mariano_test(FIRST[:30], SECOND[:30], horizon=3, kernel="rectangular", small_sample=True)
    corrected = plain * np.sqrt((30 + 1 - 6 + 3 * 2 / 30) / 30)
    assert mine.statistic == pytest.approx(corrected)
    assert mine.p_value == pytest.approx(2 * stats.t(29).sf(abs(corrected)))
    assert [newey_west_lags(n) for n in (100, 250, 1000)] == [4, 4, 6]


def test_three_zones() -> None:
    assert three_zone_comparison(FIRST, SECOND).zone is ComparisonZone.GREEN
    assert three_zone_comparison(SECOND, FIRST).zone is ComparisonZone.RED
    noise = RNG.standard_normal((300, 2, 250))
    zones = [three_zone_comparison(a, b).zone for a, b in noise]
    assert np.mean([z is ComparisonZone.RED for z in zones]) == pytest.approx(0.05, abs=0.05)
    same = three_zone_comparison(FIRST, FIRST)
    assert (same.zone, same.status, same.statistic) == (ComparisonZone.YELLOW, "no_variation", None)
    result = three_zone_comparison(FIRST, SECOND)
    assert result.p_value_better is not None
    assert result.p_value_worse is not None
    assert result.p_value_better + result.p_value_worse == pytest.approx(1.0)


def test_quantile_loss_is_the_integral_of_its_murphy_diagram() -> None:
    pnl, var = RNG.standard_normal(50), 1.5 + 0.2 * RNG.random(50)
    grid = np.linspace(-6.0, 6.0, 48_001)
    diagram = murphy_diagram(pnl, var, 0.95, thresholds=grid)
    assert (diagram.score >= 0.0).all()
    assert np.trapezoid(diagram.score, grid) == pytest.approx(quantile_loss(pnl, var, 0.95).mean(), abs=1e-3)


def test_joint_scores_are_mixtures_of_the_murphy_diagram_of_shortfall() -> None:
    """With dG2(t) as weights, differences of scores are integrals of differences of diagrams."""
    pnl, var = RNG.standard_normal(40), np.full(40, 1.6)
    grid = np.linspace(-4.0, -0.01, 60_001)
    diagrams = [murphy_diagram(pnl, k * var, 0.95, 1.25 * k * var, grid).score for k in (1.0, 1.3)]
    for score, weight in (("fz0", 1.0 / grid**2), ("nolde_ziegel", 0.25 * (-grid) ** -1.5)):
        losses = [joint_loss(pnl, k * var, 1.25 * k * var, 0.95, score).mean() for k in (1.0, 1.3)]
        inside = np.trapezoid((diagrams[1] - diagrams[0]) * weight, grid)
        below = 0.25 * (diagrams[1][0] - diagrams[0][0])  # differences are constant below -4, where both weights sum to 1/4
        assert inside + below == pytest.approx(losses[1] - losses[0], abs=2e-4)
    assert murphy_diagram(pnl, var, 0.95).thresholds.size == 200


@pytest.mark.parametrize(("statistic", "method"), [("range", "R"), ("max", "max")])
def test_model_confidence_set_equals_arch(statistic: str, method: str) -> None:
    from arch.bootstrap import MCS

    rng = np.random.default_rng(1)
    losses = rng.standard_normal((300, 5)) + 0.5 * rng.standard_normal((300, 1)) + np.array([0.0, 0.02, 0.12, 0.2, 0.4])
    other = MCS(losses, 0.1, reps=3_000, block_size=8, method=method, bootstrap="stationary", seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.compute()
    mine = model_confidence_set(losses, block_length=8, simulations=3_000, statistic=statistic)
    theirs = {str(name): float(p) for name, p in zip(other.pvalues.index, other.pvalues["Pvalue"], strict=True)}
    assert set(mine.included) == {str(i) for i in other.included}
    for name, p in mine.p_values.items():
        assert p == pytest.approx(theirs[name], abs=0.05)  # four standard errors of the two simulations


def test_model_confidence_set_keeps_the_best_and_names() -> None:
    kept = 0
    for seed in range(40):
        losses = np.random.default_rng(seed).standard_normal((120, 3)) + np.array([0.0, 0.0, 1.0])
        result = model_confidence_set(losses, ["a", "b", "c"], simulations=200, seed=seed)
        kept += {"a", "b"} <= set(result.included)
        assert result.excluded == ("c",) or result.excluded[0] == "c"
    assert kept >= 32
    same = np.repeat(RNG.standard_normal((50, 1)), 2, axis=1)
    assert model_confidence_set(same, simulations=50).included == ("0", "1")
    better = same + np.array([0.0, 1.0])
    assert model_confidence_set(better, simulations=50).excluded == ("1",)
    assert model_confidence_set(FIRST.reshape(-1, 4), seed=3) == model_confidence_set(FIRST.reshape(-1, 4), seed=3)
    for bad in (FIRST, [[1.0, np.nan], [1.0, 2.0]], [[1.0], [2.0]]):
        with pytest.raises(BacktestError):
            model_confidence_set(bad)
    with pytest.raises(BacktestError, match="different names"):
        model_confidence_set(same, ["a", "a"])


def test_degenerate_losses() -> None:
    assert diebold_mariano_test([1.0], [2.0]).status == "too_few_observations"
    assert diebold_mariano_test(FIRST, FIRST + 2.0).status == "no_variation"
    zigzag = np.array([1.0, -1.0] * 20)
    assert diebold_mariano_test(zigzag, np.zeros(40), lags=1, kernel="rectangular").status == "negative_variance"
    with pytest.raises(BacktestError, match="align"):
        diebold_mariano_test(FIRST, SECOND[1:])
    with pytest.raises(BacktestError):
        diebold_mariano_test([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(BacktestError, match="lags"):
        long_run_variance([1.0, 2.0], 2)
