"""One day after another is the whole series at once, and a state goes through JSON to the bit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from risk_core.correlation import (
    BreakdownMonitor,
    CovarianceMonitor,
    EwmaCovariance,
    OnlineCorrelation,
    OnlineOrthogonal,
    RegimeAdjustedEwmaCovariance,
    calibrate_alarm,
    dcc_correlations,
    ewma_covariances,
    fit_ccc,
    fit_dcc,
    fit_orthogonal_garch,
)
from risk_core.measures import MeasureError
from risk_core.volatility import step
from tests.unit.correlation.worlds import dcc_world

RETURNS = dcc_world(4, 900, 21, gamma=0.02)[0]
FIT = fit_dcc(RETURNS[:, :600], asymmetric=True, asymmetric_margins=True)


def reread(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state after JSON."""
    found: dict[str, Any] = json.loads(json.dumps(state, allow_nan=False))
    return found


def test_dcc_goes_on_as_the_filter_would() -> None:
    online = FIT.online()
    assert (online.value() == FIT.covariance).all()
    margins = [m.state for m in FIT.margins]
    residuals = [list(z) for z in FIT.residuals]
    for day in RETURNS[:, 600:].T:
        for k, state in enumerate(margins):
            residuals[k].append((day[k] - state.recursion.mean) / state.volatility)
            margins[k] = step(state, float(day[k]))
        online.update(day)
    p = FIT.parameters
    goal = FIT.targets
    whole = dcc_correlations(residuals, p["alpha"], p["beta"], p["gamma"], target=goal.level, low_target=goal.low)
    assert (online.volatilities == [s.volatility for s in margins]).all()
    assert (online.correlation == whole[-1]).all()


@pytest.mark.parametrize("kind", ["ccc", "dcc", "orthogonal", "ewma", "first", "regime", "regime_apart"])
def test_a_state_through_json_goes_on_with_the_same_bits(kind: str) -> None:
    made: dict[str, Any] = {
        "ccc": lambda: fit_ccc(RETURNS[:, :600]).online(),
        "dcc": FIT.online,
        "orthogonal": lambda: fit_orthogonal_garch(RETURNS[:, :600], 2, asymmetric=True).online(),
        "ewma": lambda: EwmaCovariance(4, 0.97),
        "first": lambda: EwmaCovariance(4, 0.97, "first"),
        "regime": lambda: RegimeAdjustedEwmaCovariance(4, 20, regime_target="mahalanobis"),
        "regime_apart": lambda: RegimeAdjustedEwmaCovariance(
            4, 20, corr_half_life=40, regime_method="log", regime_portfolio_weights=np.eye(4)
        ),
    }
    one = made[kind]()
    for t, day in enumerate(RETURNS[:, 600:].T):
        if t == 123:
            other = type(one).from_state(reread(one.state()))
        if t >= 123:
            other.update(day)
        one.update(day)
    assert (other.value() == one.value()).all()
    assert other.state() == one.state()
    assert np.linalg.eigvalsh(one.value()).min() > 0.0
    assert (one.value() == one.value().T).all()
    kept = one.state()
    for bad in (np.array([0.1, np.nan, 0.0, 0.0]), np.array([0.1, np.inf, 0.0, 0.0]), np.zeros(3)):
        with pytest.raises(MeasureError):
            one.update(bad)
    assert one.state() == kept
    with pytest.raises(MeasureError, match="version 1"):
        type(one).from_state({"kind": "other"})
    with pytest.raises(MeasureError):
        type(one).from_state({k: v for k, v in kept.items() if k in ("kind", "version")})


def test_orthogonal_garch_streams_as_it_filters() -> None:
    fit = fit_orthogonal_garch(RETURNS)
    online = fit_orthogonal_garch(RETURNS).online()
    assert (online.value() == fit.covariance).all()
    again = OnlineOrthogonal(
        fit.mean, fit.loadings, fit.projection, {k: np.array(v) for k, v in online.state()["recursion"].items()}, fit.variances[0]
    )
    for t in range(RETURNS.shape[1]):
        np.testing.assert_allclose(again.value(), fit.covariances()[t] if t % 300 == 0 else again.value(), rtol=1e-9)
        again.update(RETURNS[:, t])
    np.testing.assert_allclose(again.value(), fit.covariance, rtol=1e-9)


def test_ewma_path_is_the_stream() -> None:
    running = EwmaCovariance(4, 0.9)
    path = ewma_covariances(RETURNS[:, :50], 0.9)
    for t in range(50):
        running.update(RETURNS[:, t])
        assert (running.value() == path[t]).all()


def test_impossible_states_and_wild_returns() -> None:
    online = FIT.online()
    kept = online.state()
    with pytest.raises(MeasureError, match="volatilities: a mistake"):
        online.update([1e140, 0.0, 0.0, 0.0])
    assert online.state() == kept
    for name, value in (("variance", [-1.0, 1.0, 1.0, 1.0]), ("q", [0.0] * 10), ("q", [1.0] * 3), ("theta", [float("nan")] * 3)):
        with pytest.raises(MeasureError):
            OnlineCorrelation.from_state({**kept, name: value})


def test_monitors_stream_and_return() -> None:
    watch = CovarianceMonitor(4, 60, df=8.0)
    alarm = BreakdownMonitor(calibrate_alarm(FIT.residuals, "absorption_ratio", window=30, horizon=40, paths=20), 4)
    online = OnlineCorrelation.from_state(FIT.online().state())
    for t, day in enumerate(RETURNS[:, 600:].T):
        if t == 77:
            second, other = CovarianceMonitor.from_state(reread(watch.state())), BreakdownMonitor.from_state(reread(alarm.state()))
        watch.update(day, online.value())
        alarm.update(day)
        if t >= 77:
            second.update(day, online.value())
            other.update(day)
        online.update(day)
    assert second.state() == watch.state()
    assert (second.value().bias == watch.value().bias).all()
    assert second.value().reason == watch.value().reason
    assert other.value() == alarm.value()
    assert len(watch.state()["squares"]) == 60
    fresh = CovarianceMonitor(4, 60, df=8.0)  # only the window counts
    fresh = CovarianceMonitor.from_state({**fresh.state(), "squares": watch.state()["squares"]})
    assert (fresh.value().qlike == watch.value().qlike).all()
