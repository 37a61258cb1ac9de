"""Each online detector against its definition, written plainly, and against scipy's densities."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from risk_core.change_points import (
    Cusum,
    CusumVariance,
    Ewma,
    ExceptionCusum,
    Mosum,
    PageMean,
    PageVariance,
    VolatilityBreakout,
    exceptions,
)
from risk_core.measures import MeasureError

SERIES = np.random.Generator(np.random.PCG64(11)).standard_normal(400) * 1.4 + 0.3


def from_zero(scores: np.ndarray, start: float = 0.0) -> np.ndarray:
    out, total = [], start
    for score in scores:
        total = max(0.0, total + score)
        out.append(total)
    return np.array(out)


def test_cusum_is_its_two_sums() -> None:
    found = Cusum(mean=0.2, standard_deviation=2.0, k=0.25, h=4.0, head_start=2.0).run(SERIES)
    y = (SERIES - 0.2) / 2.0
    upper, lower = from_zero(y - 0.25, 2.0), from_zero(-y - 0.25, 2.0)
    np.testing.assert_allclose(found.columns["upper"], upper, atol=1e-12)
    np.testing.assert_allclose(found.columns["lower"], lower, atol=1e-12)
    np.testing.assert_allclose(found.values, np.maximum(upper, lower), atol=1e-12)
    np.testing.assert_array_equal(found.alarms, np.flatnonzero(np.maximum(upper, lower) > 4.0))
    for side, only in (("upper", upper), ("lower", lower)):
        one = Cusum(mean=0.2, standard_deviation=2.0, k=0.25, h=4.0, head_start=2.0, sides=side).run(SERIES)
        np.testing.assert_allclose(one.values, only, atol=1e-12)


def test_runs_date_the_change() -> None:
    series = np.concatenate([np.tile([0.5, -0.5], 20), np.full(5, 3.0)])
    watching = Cusum()
    for x in series[:42]:
        watching.update(float(x))
    assert watching.signal.alarm is False
    signal = watching.update(3.0)
    assert signal.alarm
    assert (watching.upper_run, watching.lower_run) == (3, 0)
    assert watching.upper == pytest.approx(7.5)
    assert watching.lower == 0.0


def test_restart_returns_to_the_head_start() -> None:
    watching = Cusum(h=4.0, head_start=2.0, restart=True)
    assert watching.update(3.0).alarm
    assert (watching.upper, watching.upper_run, watching.observations) == (2.0, 0, 1)
    assert watching.signal.alarm
    assert not watching.update(0.2).alarm
    assert watching.upper == pytest.approx(1.7)
    chart = Cusum(h=4.0, head_start=2.0)
    assert chart.update(3.0).alarm
    assert chart.update(0.2).alarm  # a chart keeps its sum


def test_variance_cusum_is_hawkins() -> None:
    score = (np.sqrt(np.abs(SERIES - 0.3)) - 0.822) / 0.349
    found = CusumVariance(mean=0.3, k=0.5, h=6.0).run(SERIES)
    np.testing.assert_allclose(found.columns["upper"], from_zero(score - 0.5), atol=1e-12)
    np.testing.assert_allclose(found.columns["lower"], from_zero(-score - 0.5), atol=1e-12)
    z = np.sqrt(np.abs(np.random.Generator(np.random.PCG64(1)).standard_normal(200_000)))
    assert ((z - 0.822) / 0.349).mean() == pytest.approx(0.0, abs=0.01)
    assert ((z - 0.822) / 0.349).std() == pytest.approx(1.0, abs=0.01)


def test_page_sums_log_likelihood_ratios() -> None:
    before = stats.norm(0.1, 1.3)
    found = PageMean(mean=0.1, standard_deviation=1.3, shift=0.7).run(SERIES)
    for column, law in (("upper", stats.norm(0.1 + 0.7 * 1.3, 1.3)), ("lower", stats.norm(0.1 - 0.7 * 1.3, 1.3))):
        np.testing.assert_allclose(found.columns[column], from_zero(law.logpdf(SERIES) - before.logpdf(SERIES)), atol=1e-10)
    found = PageVariance(mean=0.1, standard_deviation=1.3, ratio=1.6).run(SERIES)
    for column, law in (("upper", stats.norm(0.1, 1.3 * 1.6)), ("lower", stats.norm(0.1, 1.3 / 1.6))):
        np.testing.assert_allclose(found.columns[column], from_zero(law.logpdf(SERIES) - before.logpdf(SERIES)), atol=1e-10)
    hits = exceptions(SERIES, 1.5)
    found = ExceptionCusum(probability=0.05, multiple=3.0, sides="both").run(hits)
    for column, p in (("upper", 0.15), ("lower", 0.05 / 3.0)):
        scores = stats.bernoulli.logpmf(hits, p) - stats.bernoulli.logpmf(hits, 0.05)
        np.testing.assert_allclose(found.columns[column], from_zero(scores), atol=1e-10)


@given(st.floats(0.2, 3.0), st.floats(0.5, 10.0))
def test_page_of_a_mean_is_a_cusum(shift: float, threshold: float) -> None:
    page = PageMean(shift=shift, threshold=threshold).run(SERIES)
    cusum = Cusum(k=0.5 * shift, h=threshold / shift).run(SERIES)
    np.testing.assert_allclose(page.values, shift * cusum.values, atol=1e-9)


def test_ewma_is_its_variance() -> None:
    found = Ewma(mean=0.3, standard_deviation=1.4, weight=0.2).run(SERIES)
    z, deviation = 0.3, 0.0
    for t, x in enumerate(SERIES):
        z = 0.2 * x + 0.8 * z
        deviation = 1.4 * sqrt(sum((0.2 * 0.8**i) ** 2 for i in range(t + 1)))
        assert found.columns["ewma"][t] == pytest.approx(z, abs=1e-12)
        assert found.values[t] == pytest.approx(abs(z - 0.3) / deviation, rel=1e-9, abs=1e-12)
    steady = Ewma(mean=0.3, standard_deviation=1.4, weight=0.2, exact=False).run(SERIES)
    assert steady.values[-1] == pytest.approx(found.values[-1], rel=1e-12)
    assert steady.values[0] < found.values[0]


@pytest.mark.parametrize("window", [2, 3, 20, 399])
def test_mosum_is_a_moving_sum(window: int) -> None:
    found = Mosum(mean=0.3, standard_deviation=1.4, window=window).run(SERIES)
    y = (SERIES - 0.3) / 1.4
    wanted = np.convolve(y, np.ones(window), "valid") / sqrt(window)
    np.testing.assert_allclose(found.columns["moving_sum"][window - 1 :], wanted, atol=1e-11)
    np.testing.assert_allclose(found.values[window - 1 :], np.abs(wanted), atol=1e-11)
    assert (found.values[: window - 1] == 0.0).all()


def test_mosum_forgets_an_outlier_without_a_trace() -> None:
    series = SERIES.copy()
    series[100] = 1e90
    found, clean = Mosum(window=9).run(series), Mosum(window=9).run(SERIES)
    assert found.values[100] > 1e89
    np.testing.assert_array_equal(found.values[118:], clean.values[118:])  # where no block holds it: the same bits
    np.testing.assert_allclose(found.values[109:], clean.values[109:], atol=1e-12)


def test_breakout_is_fast_over_slow() -> None:
    found = VolatilityBreakout(mean=0.3, fast_decay=0.7, slow_decay=0.95, warm_up=20).run(SERIES)
    squares = (SERIES - 0.3) ** 2
    fast = slow = squares[:20].mean()
    for t in range(20, SERIES.size):
        fast = 0.7 * fast + 0.3 * squares[t]
        assert found.values[t] == pytest.approx(sqrt(fast / slow), rel=1e-9)
        slow = 0.95 * slow + 0.05 * squares[t]
    assert (found.values[:20] == 0.0).all()
    scaled = VolatilityBreakout(mean=3e4, fast_decay=0.7, slow_decay=0.95, warm_up=20).run(1e5 * SERIES)
    np.testing.assert_allclose(scaled.values, found.values, rtol=1e-9)


def test_breakout_of_a_dead_price_is_not_ready() -> None:
    watching = VolatilityBreakout(warm_up=5)
    watching.run(np.zeros(50))
    assert watching.signal == (0.0, False, False)
    watching.update(1.0)
    assert not watching.signal.ready
    assert watching.update(1.0).ready


def test_exceptions_are_losses_beyond() -> None:
    assert exceptions([-2.0, -1.0, 3.0], 1.0).tolist() == [1.0, 0.0, 0.0]
    assert exceptions([-2.0, -1.0, 3.0], [3.0, 0.5, -4.0]).tolist() == [0.0, 1.0, 1.0]
    with pytest.raises(MeasureError, match="align them"):
        exceptions([1.0, 2.0], [1.0])
    with pytest.raises(MeasureError, match="value_at_risk is nan"):
        exceptions([1.0, 2.0], [1.0, np.nan])
