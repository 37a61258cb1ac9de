"""Conditional calibration: against loops over the paper's formulas, and its size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from risk_core.backtests.es_calibration import conditional_calibration_test, identification, joined_p_value
from risk_core.backtests.es_laws import as_law
from risk_core.backtests.result import BacktestError

LAW = as_law("normal")
VAR, ES = LAW.value_at_risk(0.05), LAW.expected_shortfall(0.05)


def outcomes(days: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    scale = np.exp(0.5 * rng.standard_normal(days))
    return spread * scale * rng.standard_normal(days), scale


def printed(loss: np.ndarray, r1: np.ndarray, r2: np.ndarray, nu: float) -> np.ndarray:
    """The paper's identification function of (VaR, ES) of losses at level nu."""
    beyond = (loss > r1).astype(float)
    return np.array([1.0 - nu - beyond, r1 - r2 + beyond * (loss - r1) / (1.0 - nu)])


def test_two_sided_equals_the_quadratic_form() -> None:
    pnl, scale = outcomes(400, 1)
    v = printed(-pnl, scale * VAR, scale * ES, 0.95)
    moments = sum(np.outer(v[:, t], v[:, t]) for t in range(400)) / 400
    wanted = 400 * v.mean(axis=1) @ np.linalg.inv(moments) @ v.mean(axis=1)
    mine = conditional_calibration_test(pnl, scale * VAR, scale * ES, 0.95, alternative="two-sided")
    assert mine.statistic == pytest.approx(wanted)
    assert mine.p_value == pytest.approx(stats.chi2.sf(wanted, 2))
    h = np.array([scale * (ES - VAR) / 0.05, np.ones(400)]) / scale
    hv = (h * v).sum(axis=0)
    wanted = 400 * hv.mean() ** 2 / (hv**2).mean()
    mine = conditional_calibration_test(pnl, scale * VAR, scale * ES, 0.95, version="general", alternative="two-sided", scale=scale)
    assert mine.statistic == pytest.approx(wanted)
    assert mine.p_value == pytest.approx(stats.chi2.sf(wanted, 1))


@pytest.mark.parametrize("version", ["simple", "general"])
@pytest.mark.parametrize("correction", ["hommel", "bonferroni"])
def test_one_sided_equals_studentised_means(version: str, correction: str) -> None:
    pnl, scale = outcomes(400, 2, 1.1)
    first, second = printed(-pnl, scale * VAR, scale * ES, 0.95)
    parts = [first, -second] if version == "simple" else [first, scale * VAR * first, -second, -second / scale]
    p = np.sort([stats.norm.cdf(20.0 * m.mean() / np.sqrt((m**2).mean())) for m in parts])
    count = len(parts)
    wanted = count * p[0]
    if correction == "hommel":
        wanted = count * sum(1.0 / i for i in range(1, count + 1)) * min(p[i] / (i + 1) for i in range(count))
    mine = conditional_calibration_test(pnl, scale * VAR, scale * ES, 0.95, version=version, scale=scale, correction=correction)
    assert mine.p_value == pytest.approx(min(1.0, wanted))


def test_identification_has_mean_zero_for_the_truth_only() -> None:
    pnl = LAW.sample(np.random.Generator(np.random.PCG64(1)), (400_000,))
    for factor, sign in ((1.0, 0), (0.9, -1), (1.1, 1)):
        first, second = identification(pnl, factor * VAR, factor * ES, 0.95)
        for part in (first, second):
            z = part.mean() / part.std() * np.sqrt(400_000)
            assert (abs(z) < 4.0) if sign == 0 else sign * z > 4.0


def test_size_and_direction() -> None:
    rejected = {"greater": 0, "two-sided": 0}
    for seed in range(300):
        pnl, scale = outcomes(500, seed)
        for alternative in rejected:
            rejected[alternative] += conditional_calibration_test(
                pnl, scale * VAR, scale * ES, 0.95, version="general", alternative=alternative, scale=scale
            ).rejected
    assert rejected["two-sided"] / 300 == pytest.approx(0.05, abs=0.05)
    assert rejected["greater"] / 300 <= 0.1
    pnl, scale = outcomes(500, 1, 1.4)
    small = conditional_calibration_test(pnl, scale * VAR, scale * ES, 0.95)
    assert (small.rejected, small.direction) == (True, "risk too small")
    pnl, scale = outcomes(500, 1, 0.7)
    assert not conditional_calibration_test(pnl, scale * VAR, scale * ES, 0.95).rejected
    assert conditional_calibration_test(pnl, scale * VAR, scale * ES, 0.95, alternative="two-sided").rejected


def test_joined_p_values_by_hand() -> None:
    assert joined_p_value([0.02, 0.5], "bonferroni") == pytest.approx(0.04)
    assert joined_p_value([0.02, 0.5], "hommel") == pytest.approx(2 * 1.5 * 0.02)
    assert joined_p_value([0.9, 0.9]) == 1.0


def test_degenerate_samples() -> None:
    assert conditional_calibration_test([1.0, 2.0], 1.0, 2.0, 0.95).status == "no_exceptions"
    one = conditional_calibration_test([-3.0], 1.0, 2.0, 0.95, alternative="two-sided")
    assert one.status == "singular"
    assert conditional_calibration_test(np.full(50, -3.0), 1.0, 2.0, 0.95).rejected
    with pytest.raises(BacktestError, match="needs scale"):
        conditional_calibration_test([1.0, -2.0], 1.0, 2.0, 0.95, version="general")
    with pytest.raises(BacktestError, match="simple and general"):
        conditional_calibration_test([1.0, -2.0], 1.0, 2.0, 0.95, version="other")
    with pytest.raises(BacktestError, match="alternative"):
        conditional_calibration_test([1.0, -2.0], 1.0, 2.0, 0.95, alternative="less")
