"""EWMA and RiskMetrics 2006: against arch, the textbook recursion, and the weights written out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from risk_core.measures import MeasureError, ewma_variances
from risk_core.scenarios import WeightError
from risk_core.volatility import (
    RISKMETRICS_2006,
    TimeScales,
    VolatilityStatus,
    ewma_volatility,
    riskmetrics_2006,
    riskmetrics_2006_weights,
    step,
)
from tests.unit.volatility.series import garch_series

SERIES = garch_series(900, 8)


def test_ewma_is_the_recursion() -> None:
    for start in (0.7, "sample", "first", "zero"):
        wanted = ewma_variances(SERIES, 0.97, start)
        fit = ewma_volatility(SERIES, 0.97, start)
        np.testing.assert_allclose(fit.volatility**2, wanted[:-1], rtol=1e-12, atol=1e-300)
        assert fit.state.variance == pytest.approx(wanted[-1], rel=1e-12)
    assert ewma_volatility(SERIES).volatility[0] ** 2 == pytest.approx(np.mean(SERIES**2))
    np.testing.assert_allclose(ewma_volatility(SERIES).forecast(20), ewma_volatility(SERIES).state.variance, rtol=1e-12)


@pytest.mark.parametrize("scales", [RISKMETRICS_2006, TimeScales(longest=363.0)])
def test_riskmetrics_2006_equals_arch(scales: TimeScales) -> None:
    from arch.univariate import RiskMetrics2006, ZeroMean

    theirs = ZeroMean(SERIES, volatility=RiskMetrics2006(kmax=scales.days.size), rescale=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = theirs.fit(disp="off")
    mine = riskmetrics_2006(SERIES, scales)
    np.testing.assert_allclose(mine.volatility, other.conditional_volatility, rtol=1e-10)
    assert mine.state.variance == pytest.approx(float(other.forecast(horizon=1).variance.to_numpy()[-1, 0]), rel=1e-10)
    assert mine.log_likelihood == pytest.approx(other.loglikelihood, rel=1e-10)


def test_the_scales_of_the_paper() -> None:
    days = RISKMETRICS_2006.days
    assert days.size == 15
    assert days[[0, 2, -1]] == pytest.approx([4.0, 8.0, 512.0])
    assert RISKMETRICS_2006.mass.sum() == pytest.approx(1.0)
    assert (np.diff(RISKMETRICS_2006.mass) < 0.0).all()
    assert TimeScales(shortest=16.0, longest=16.0).days.tolist() == [16.0]


def test_the_weights_are_the_recursion() -> None:
    """From zero exactly; scaled to one, with a mean square of one whatever the scale."""
    raw = riskmetrics_2006_weights(900, normalised=False)
    held = np.zeros(15)
    for r in SERIES:
        held = RISKMETRICS_2006.decays * held + (1.0 - RISKMETRICS_2006.decays) * r * r
    assert raw @ SERIES[::-1] ** 2 == pytest.approx(float(RISKMETRICS_2006.mass @ held), rel=1e-12)
    weights = riskmetrics_2006_weights(900)
    assert weights.sum() == pytest.approx(1.0, rel=1e-14)
    assert (np.diff(weights) < 0.0).all()
    assert weights @ SERIES[::-1] ** 2 == pytest.approx(riskmetrics_2006(SERIES, start="mean_square").state.variance, rel=0.1)
    assert weights[250:].sum() > 0.05 > 1e-6 > 0.94**250  # a year's memory, where EWMA has none
    with pytest.raises(WeightError):
        riskmetrics_2006_weights(0)


def test_forecasts_fall_slowly_after_a_shock() -> None:
    shocked = np.append(np.tile([1.0, -1.0], 500), 10.0)
    forecast = riskmetrics_2006(shocked).forecast(250)
    assert (np.diff(forecast) < 0.0).all()
    assert forecast[0] > forecast[-1] > 1.0
    assert forecast[-1] - 1.0 > (forecast[0] - 1.0) * 0.2  # long memory: not geometric from four days


def test_a_stream_goes_on() -> None:
    whole, part = riskmetrics_2006(SERIES[:201], start="mean_square"), riskmetrics_2006(SERIES[:200], start="mean_square")
    gap = step(part.state, float(SERIES[200])).variance / whole.state.variance
    assert gap == pytest.approx(1.0, abs=0.01)  # all but the mean square that both start from
    fit = ewma_volatility(SERIES[:200], start=1.0)
    assert step(fit.state, float(SERIES[200])).variance == ewma_volatility(SERIES[:201], start=1.0).state.variance


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-100.0, 100.0, allow_subnormal=False)))
def test_any_series_has_a_volatility(series: np.ndarray) -> None:
    for fit in (ewma_volatility(series), riskmetrics_2006(series), riskmetrics_2006(series, start="mean_square")):
        assert np.isfinite(fit.volatility).all()
        assert np.isfinite(fit.residuals).all()
        assert fit.state.variance >= 0.0
        assert (fit.status is VolatilityStatus.CONSTANT) == (not series.any())


def test_bad_input() -> None:
    with pytest.raises(MeasureError, match="decay must lie strictly between 0 and 1"):
        ewma_volatility(SERIES, 1.0)
    with pytest.raises(MeasureError, match="returns is nan"):
        riskmetrics_2006([np.nan])
    with pytest.raises(MeasureError, match="unknown start 'first'; choose one of backcast, mean_square"):
        riskmetrics_2006(SERIES, start="first")
    with pytest.raises(MeasureError, match="time scales need"):
        TimeScales(longest=2000.0)
