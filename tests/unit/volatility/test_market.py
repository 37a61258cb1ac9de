"""A year of crisis: an equal book of twenty American stocks, each day of 2008 forecast from the 500 days before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from risk_core.measures import Measured, normal_value_at_risk, value_at_risk
from risk_core.scenarios import exponential_weights, volatility_scaled
from risk_core.scenarios.filtered import filtered_moves
from risk_core.volatility import fit_garch_normal, fit_garch_t, fit_riskmetrics_2006
from tests.unit.volatility.series import Floats

CONFIDENCES = (0.95, 0.975, 0.99)
DECAY = exponential_weights(500, 0.94)
Forecast = Callable[[float], Measured]


def forecasts(window: Floats) -> dict[str, Forecast]:
    """Value at risk of each method after float64[20, 500], by confidence."""
    pnl = window.mean(axis=0)[::-1]
    return {
        "historical": partial(value_at_risk, pnl),
        "ewma_normal": partial(normal_value_at_risk, pnl, weights=DECAY),
        "riskmetrics_2006": fit_riskmetrics_2006(pnl).value_at_risk,
        "garch_normal": fit_garch_normal(pnl).value_at_risk,
        "garch_t": fit_garch_t(pnl).value_at_risk,
        "volatility_weighted": partial(value_at_risk, volatility_scaled(window).mean(axis=0)),
        "filtered": partial(value_at_risk, filtered_moves(window).moves.mean(axis=0)),
        "filtered gjr_t": partial(value_at_risk, filtered_moves(window, "gjr_t").moves.mean(axis=0)),
    }


@pytest.mark.slow
def test_exceptions_of_2008() -> None:
    """Expected of 253 days: 12.6, 6.3 and 2.5. A count may move by one with the machine's rounding."""
    datasets = pytest.importorskip("skfolio.datasets")
    returns = datasets.load_sp500_dataset().pct_change().dropna()
    moves = returns.to_numpy().T
    found: dict[str, list[int]] = {}
    for day in np.flatnonzero(returns.index.year == 2008):
        for name, forecast in forecasts(np.ascontiguousarray(moves[:, day - 500 : day])).items():
            counts = found.setdefault(name, [0, 0, 0])
            for k, confidence in enumerate(CONFIDENCES):
                counts[k] += moves[:, day].mean() < -forecast(confidence).value
    told = {
        "historical": (41, 34, 22),
        "ewma_normal": (22, 12, 6),
        "riskmetrics_2006": (24, 15, 7),
        "garch_normal": (24, 12, 9),
        "garch_t": (22, 11, 3),
        "volatility_weighted": (20, 10, 3),
        "filtered": (23, 15, 7),
        "filtered gjr_t": (21, 15, 4),
    }
    assert set(found) == set(told)
    for name, counts in told.items():
        assert found[name] == pytest.approx(counts, abs=1), name
