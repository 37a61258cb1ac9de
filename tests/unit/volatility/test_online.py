"""Volatilities that follow a stream: the shared laws, for every model, and HAR."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from risk_core.measures import MeasureError
from risk_core.volatility import (
    ModelState,
    OnlineHar,
    OnlineVolatility,
    ewma_volatility,
    fit_garch,
    fit_har,
    fit_volatility,
    model_state,
    riskmetrics_2006,
)
from risk_core.volatility.state import VolatilityState, run
from tests.unit.volatility.estimator_laws import check_estimator
from tests.unit.volatility.series import garch_series

SERIES = garch_series(400, 5, gamma=0.05, beta=0.88, df=6.0)
NEW = [0.3, -2.5, 0.0, 7.0, -1e-9, *SERIES[:20].tolist()]
STATES: dict[str, Any] = {
    "ewma": lambda: ewma_volatility(SERIES).state,
    "riskmetrics_2006": lambda: riskmetrics_2006(SERIES).state,
    "fit_garch": lambda: fit_garch(SERIES, asymmetric=True, innovation="student_t", constant_mean=True).state,
    "garch": lambda: model_state("garch", {"omega": 0.1, "alpha": 0.1, "beta": 0.8, "mean": 0.02}, 1.3),
    "gjr": lambda: model_state("gjr", {"omega": 0.1, "alpha": 0.1, "gamma": -0.05, "beta": 0.8, "df": 5.0}, 0.7),
    "egarch": lambda: fit_volatility(SERIES, "egarch", innovation="skewed_t").state,
    "aparch": lambda: model_state(
        "aparch", {"omega": 0.1, "alpha": 0.1, "gamma": 0.4, "beta": 0.8, "power": 1.3, "df": 5.0, "skew": -0.1}, 1.1
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_laws_of_volatility(name: str) -> None:
    state = STATES[name]()

    def batch(returns: Sequence[float]) -> float:
        series = np.array(returns)
        after = state.filter(series)[1] if isinstance(state, ModelState) else run(state, series)[1]
        return float(after.volatility)

    check_estimator(lambda: OnlineVolatility(state), NEW, batch, error=MeasureError)


@pytest.mark.parametrize("transform", ["variance", "volatility", "log"])
def test_laws_of_har(transform: str) -> None:
    realised = np.exp(0.3 * garch_series(120, 1)) * 1e-4
    fit = fit_har(realised, lags=(1, 3, 6), transform=transform)
    refused = [float("nan"), float("inf"), -1e-4, *([0.0] if transform == "log" else [])]
    check_estimator(lambda: OnlineHar(fit, warm=False), realised[:30].tolist(), warm_up=6, refused=refused, error=MeasureError)
    check_estimator(lambda: OnlineHar(fit), realised[:30].tolist(), refused=refused, error=MeasureError)
    cold = OnlineHar(fit, warm=False)
    for value in realised:
        cold.update(float(value))
    assert cold.value == fit.forecast(1).variance[0] == OnlineHar(fit).value


def test_a_fit_goes_on_as_if_it_had_seen_the_rest() -> None:
    """The parameters of one window, filtered over the whole, day by day."""
    fit = fit_volatility(SERIES[:300], "aparch", innovation="student_t")
    online = OnlineVolatility(fit)
    path, _ = fit.state.filter(SERIES[300:])
    for r, variance in zip(SERIES[300:], path, strict=True):
        assert online.variance == variance
        online.update(float(r))
    assert online.count == 100
    assert isinstance(online.held, ModelState)
    assert isinstance(OnlineVolatility(ewma_volatility(SERIES)).held, VolatilityState)


def test_states_that_cannot_be_read() -> None:
    good = OnlineVolatility(STATES["aparch"]()).state
    mixture = OnlineVolatility(STATES["riskmetrics_2006"]()).state
    wrong: list[tuple[dict[str, Any], str]] = [
        (good | {"version": 2}, "version 2; this reads 1"),
        ({k: v for k, v in good.items() if k != "level"}, "level"),
        (good | {"level": float("nan")}, "not finite"),
        (good | {"level": -1.0}, "variance negative"),
        (good | {"model": "arch"}, "cannot be read"),
        (good | {"parameters": {"omega": 1.0}}, "parameters"),
        (mixture | {"mass": [1.0]}, "different lengths"),
    ]
    for state, match in wrong:
        with pytest.raises(MeasureError, match=match):
            OnlineVolatility.from_state(state)
    with pytest.raises(MeasureError, match="this reads 1"):
        OnlineHar.from_state({})
    with pytest.raises(MeasureError, match="lags"):
        OnlineHar.from_state({"version": 1, "recent": []})


def test_the_laws_can_fail() -> None:
    """Estimators with one fault each are found out."""

    class Forgetful(OnlineVolatility):
        """Loses bits on its way through JSON."""

        @property
        def state(self) -> dict[str, Any]:
            state = super().state
            return state | {"level": round(state["level"], 12)}

    class Swallowing(OnlineVolatility):
        """Takes what is missing for zero."""

        def update(self, r: float) -> float:
            return super().update(r if np.isfinite(r) else 0.0)

    start = model_state("garch", {"omega": 0.1, "alpha": 0.1, "beta": 0.8}, 1.3)
    with pytest.raises(AssertionError, match=r"does not come back|differs"):
        check_estimator(lambda: Forgetful(start), NEW)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check_estimator(lambda: Swallowing(start), NEW)
    with pytest.raises(AssertionError, match="not the batch"):
        check_estimator(lambda: OnlineVolatility(start), NEW, lambda seen: float(np.std(seen)))
    with pytest.raises(AssertionError, match="a value before 5"):
        check_estimator(lambda: OnlineVolatility(start), NEW, warm_up=5)


def test_states_keep_their_bits_in_json() -> None:
    state = model_state("egarch", {"omega": 0.1 + 0.2, "alpha": 1 / 3, "gamma": -0.1, "beta": 0.97}, 1e-5 / 7)
    other = OnlineVolatility.from_state(json.loads(json.dumps(OnlineVolatility(state).state))).held
    assert isinstance(other, ModelState)
    assert (other.level, other.theta.tolist()) == (state.level, state.theta.tolist())
    assert replace(state, level=1.0).variance == pytest.approx(np.e)
