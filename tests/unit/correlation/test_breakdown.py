"""Average and extreme correlation, absorption, bets, impact by position, and the alarm's promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from risk_core.correlation import (
    AlarmStatus,
    BreakdownMonitor,
    BreakdownStatistic,
    absorption_ratio,
    absorption_shift,
    average_correlation,
    calibrate_alarm,
    correlation_impact,
    diversification_distribution,
    effective_number_of_bets,
    effective_rank,
    extreme_correlations,
    minimum_torsion,
    rolling_statistic,
)
from risk_core.measures import MeasureError
from tests.unit.correlation.worlds import Floats, equal_correlation


def random_covariance(count: int, seed: int) -> Floats:
    rng = np.random.Generator(np.random.PCG64(seed))
    x = rng.standard_normal((count, count + 3)) * rng.uniform(0.2, 3.0, (count, 1)) + rng.standard_normal(count + 3)
    return np.asarray(x @ x.T)


def test_closed_forms_of_equal_correlation() -> None:
    r = equal_correlation(5, 0.3)
    assert average_correlation(r) == pytest.approx(0.3)
    assert absorption_ratio(r, 1) == pytest.approx((1 + 4 * 0.3) / 5)
    assert absorption_ratio(r) == absorption_ratio(r, 1)  # a fifth of five
    assert absorption_ratio(r, 1.0) == pytest.approx(1.0)
    shares = np.array([2.2, *[0.7] * 4]) / 5
    assert effective_rank(r) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    # an equal book of equally correlated instruments is one principal component, and five torsion bets
    equal = np.ones(5)
    assert effective_number_of_bets(equal, r, "principal_components") == pytest.approx(1.0)
    assert effective_number_of_bets(equal, r) == pytest.approx(5.0)
    assert effective_number_of_bets(equal, np.eye(5), "minimum_torsion") == pytest.approx(5.0)


def test_pairs_by_hand() -> None:
    r = np.array([[1.0, 0.8, -0.2], [0.8, 1.0, 0.1], [-0.2, 0.1, 1.0]])
    assert average_correlation(r) == pytest.approx(0.7 / 3)
    assert average_correlation(r * np.outer([1, 2, 3], [1, 2, 3])) == pytest.approx(0.7 / 3)
    assert average_correlation(r, [1.0, 2.0, 0.0]) == pytest.approx(0.8)
    assert average_correlation(r, [1.0, 2.0, 3.0]) == pytest.approx((2 * 0.8 + 3 * -0.2 + 6 * 0.1) / 11)
    high, low = extreme_correlations(r, 2)
    assert [(p.first, p.second, p.correlation) for p in high] == [(0, 1, 0.8), (1, 2, pytest.approx(0.1))]
    assert (low[0].first, low[0].second, low[0].correlation) == (0, 2, pytest.approx(-0.2))
    path = np.concatenate([np.full(200, 0.5), np.full(50, 0.6)])
    assert absorption_shift(path) == pytest.approx((0.6 - 0.52) / path.std(ddof=1))


@settings(max_examples=30, deadline=None)
@given(count=st.integers(2, 6), seed=st.integers(0, 9_999))
def test_torsion_laws(count: int, seed: int) -> None:
    c = random_covariance(count, seed)
    t = minimum_torsion(c)
    factors = t @ c @ t.T
    scale = np.sqrt(np.diag(factors))
    np.testing.assert_allclose(factors / np.outer(scale, scale), np.eye(count), atol=1e-7)
    held = np.random.Generator(np.random.PCG64(seed + 1)).standard_normal(count)
    for bets in ("minimum_torsion", "principal_components"):
        shares = diversification_distribution(held, c, bets)
        assert shares.sum() == pytest.approx(1.0)
        assert 1.0 - 1e-9 <= effective_number_of_bets(held, c, bets) <= count + 1e-9
    unit = np.random.Generator(np.random.PCG64(seed + 2)).uniform(0.1, 10.0, count)
    other = effective_number_of_bets(held / unit, c * np.outer(unit, unit))
    assert other == pytest.approx(effective_number_of_bets(held, c), rel=1e-6)  # units do not matter


def test_torsion_is_the_nearest_of_all_uncorrelated_factors() -> None:
    """Brute force over rotations and scales of three instruments."""
    c = random_covariance(3, 5)
    sigma = np.sqrt(np.diag(c))
    root = np.linalg.cholesky(c)

    def distance(t: Floats) -> float:
        away = (t - np.eye(3)) @ c @ (t - np.eye(3)).T
        return float(np.sum(np.diag(away) / sigma**2))

    def made(x: Floats) -> Floats:
        skew = np.array([[0.0, x[0], x[1]], [-x[0], 0.0, x[2]], [-x[1], -x[2], 0.0]])
        rotation = np.linalg.solve(np.eye(3) + skew, np.eye(3) - skew)
        return np.asarray(np.diag(x[3:]) @ rotation @ np.linalg.inv(root))

    rng = np.random.Generator(np.random.PCG64(1))
    found = [minimize(lambda x: distance(made(x)), np.r_[rng.standard_normal(3), sigma], method="BFGS").fun for _ in range(8)]
    assert distance(minimum_torsion(c)) == pytest.approx(min(found), rel=1e-6)


def test_impact_by_position() -> None:
    positions, sigma = np.array([100.0, -50.0, 80.0, 10.0]), np.array([0.01, 0.02, 0.015, 0.03])
    calm, broken = equal_correlation(4, 0.2), equal_correlation(4, 0.8)
    found = correlation_impact(positions, sigma, calm, broken)
    for total, r in ((found.before, calm), (found.after, broken)):
        assert total == pytest.approx(np.sqrt(positions @ (r * np.outer(sigma, sigma)) @ positions))
    assert found.by_position.sum() == pytest.approx(found.after - found.before)
    assert found.by_position[found.worst[0]] == found.by_position.max()
    # a component is position times marginal: by finite differences
    bump = 1e-4
    for i in (0, 1):
        moved = positions.copy()
        moved[i] += bump
        other = correlation_impact(moved, sigma, calm, broken)
        slope = ((other.after - found.after) - (other.before - found.before)) / bump
        assert found.by_position[i] == pytest.approx(positions[i] * slope, rel=1e-3)
    assert correlation_impact(positions, sigma, calm, calm).by_position.max() == 0.0
    hedged = np.array([1.0, -1.0])
    with pytest.raises(MeasureError, match="no risk"):
        correlation_impact(hedged, [1.0, 1.0], np.eye(2), np.ones((2, 2)))


def test_rolling_statistic_is_each_window_by_itself() -> None:
    z = np.random.Generator(np.random.PCG64(3)).standard_normal((6, 80))
    for statistic in BreakdownStatistic:
        path = rolling_statistic(z, 25, statistic)
        assert path.shape == (56,)
        moment = z[:, 10:35] @ z[:, 10:35].T
        by_hand = {
            "average_correlation": average_correlation(moment),
            "extreme_correlation": extreme_correlations(moment)[0][0].correlation,
            "absorption_ratio": absorption_ratio(moment / np.sqrt(np.outer(np.diag(moment), np.diag(moment)))),
            "effective_rank": effective_rank(moment / np.sqrt(np.outer(np.diag(moment), np.diag(moment)))),
        }
        assert path[10] == pytest.approx(by_hand[statistic], rel=1e-10)


@pytest.mark.parametrize("statistic", ["average_correlation", "effective_rank"])
def test_the_alarm_keeps_its_promise(statistic: str) -> None:
    """Fresh years of t days with the reference's correlation: 20 % false alarms were promised. Then a true break is seen."""
    rng = np.random.Generator(np.random.PCG64(4))
    root = np.linalg.cholesky(equal_correlation(5, 0.3))

    def days(count: int) -> Floats:
        return np.asarray(root @ (rng.standard_normal((5, count)) * np.sqrt(6 / rng.chisquare(8, count))))

    alarm = calibrate_alarm(days(2_000), statistic, window=40, horizon=120, false_alarms=0.2, paths=300, seed=1)
    low = statistic == "effective_rank"
    years = [rolling_statistic(days(159), 40, statistic) for _ in range(300)]
    false = np.mean([y.min() < alarm.threshold if low else y.max() > alarm.threshold for y in years])
    assert 0.12 < false < 0.29  # 300 years, and the noise of the threshold itself
    assert alarm.read(days(40)).status is AlarmStatus.OK
    broken = np.linalg.cholesky(equal_correlation(5, 0.85)) @ rng.standard_normal((5, 40))
    reading = alarm.read(broken)
    assert reading.status is AlarmStatus.BREAKDOWN
    assert reading.p_value == pytest.approx(1 / 301)
    assert statistic in reading.reason
    watch, called = BreakdownMonitor(alarm, 5), None
    assert watch.value().status is AlarmStatus.TOO_FEW
    for t, day in enumerate(np.concatenate([days(60), broken], axis=1).T):
        watch.update(day)
        if called is None and watch.value().status is AlarmStatus.BREAKDOWN:
            called = t
    assert called is not None
    assert 60 < called < 100


def test_calibration_repeats_its_bits_and_checks_its_input() -> None:
    z = np.random.Generator(np.random.PCG64(5)).standard_normal((3, 200))
    one, two = (calibrate_alarm(z, window=20, horizon=30, paths=40, block=5, seed=7) for _ in range(2))
    assert one.threshold == two.threshold
    assert (one.extremes == two.extremes).all()
    assert calibrate_alarm(z, window=20, horizon=30, paths=40, block=5, seed=8).threshold != one.threshold
    for wrong in ({"false_alarms": 0.0}, {"false_alarms": 0.001, "paths": 100}, {"window": 1}, {"block": 0}, {"horizon": 0}):
        with pytest.raises(MeasureError):
            calibrate_alarm(z, **wrong)  # type: ignore[arg-type]
    with pytest.raises(MeasureError, match="unknown statistic"):
        calibrate_alarm(z, "fear")
    still = z[:, :20].copy()
    still[1] = 0.0
    reading = one.read(still)
    assert reading.status is AlarmStatus.TOO_FEW
    assert "instrument 1 did not move" in reading.reason
    with pytest.raises(MeasureError, match="instrument 1 does not move"):
        rolling_statistic(still, 10, "average_correlation")


def test_bad_matrices() -> None:
    for bad in (np.ones((2, 3)), [[1.0, np.nan], [np.nan, 1.0]], [[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]):
        for call in (average_correlation, absorption_ratio, effective_rank, minimum_torsion, extreme_correlations):
            with pytest.raises(MeasureError):
                call(bad)
    with pytest.raises(MeasureError, match="at least two instruments"):
        average_correlation([[1.0]])
    with pytest.raises(MeasureError, match="singular"):
        minimum_torsion(np.ones((2, 2)))
    assert effective_number_of_bets([1.0, 1.0], np.ones((2, 2)), "principal_components") == pytest.approx(1.0)
    with pytest.raises(MeasureError, match="no variance"):
        effective_number_of_bets([0.0, 0.0], np.eye(2))
    for components in (0, 6, 1.5, 0.0):
        with pytest.raises(MeasureError, match="components"):
            absorption_ratio(np.eye(5), components)
    with pytest.raises(MeasureError, match="do not move"):
        absorption_shift(np.full(300, 0.4))
    with pytest.raises(MeasureError, match="short < long"):
        absorption_shift(np.arange(100.0))
