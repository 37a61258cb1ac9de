"""Twenty American stocks: models fitted on 2000 to 2006, then one day after another through 2007 to 2009 without a refit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from risk_core.correlation import (
    CovarianceMonitor,
    EwmaCovariance,
    MonitorStatus,
    RegimeAdjustedEwmaCovariance,
    average_correlation,
    calibrate_alarm,
    fit_ccc,
    fit_dcc,
    fit_orthogonal_garch,
    rolling_statistic,
)

BOOKS = np.vstack([np.full(20, 0.05), np.r_[np.full(10, 0.05), np.full(10, -0.05)]])


@pytest.mark.slow
def test_forecasts_of_2007_to_2009() -> None:
    datasets = pytest.importorskip("skfolio.datasets")
    returns = datasets.load_sp500_dataset().pct_change().dropna()
    moves, year, month = returns.to_numpy().T, returns.index.year, returns.index.month
    past = np.ascontiguousarray(moves[:, (year >= 2000) & (year <= 2006)])
    later = np.flatnonzero((year >= 2007) & (year <= 2009))
    ccc, dcc = fit_ccc(past, asymmetric_margins=True), fit_dcc(past, asymmetric_margins=True)
    assert dcc.status == "ok"
    assert dcc.log_likelihood - ccc.log_likelihood == pytest.approx(95.4, abs=1.0)  # type: ignore[operator]
    assert dcc.parameters["alpha"] == pytest.approx(0.0038, abs=2e-4)
    models: dict[str, Any] = {
        "ccc": ccc.online(),
        "dcc": dcc.online(),
        "orthogonal": fit_orthogonal_garch(past, 5, asymmetric=True).online(),
        "ewma": EwmaCovariance(20, 0.94),
        "regime": RegimeAdjustedEwmaCovariance(20, 40),
    }
    for day in past.T:
        models["ewma"].update(day)
        models["regime"].update(day)
    watches = {name: CovarianceMonitor(20, later.size, portfolios=BOOKS, df=8.0) for name in models}
    average: dict[str, list[float]] = {name: [] for name in models}
    for t in later:
        for name, model in models.items():
            forecast = model.value()
            average[name].append(average_correlation(forecast))
            watches[name].update(moves[:, t], forecast)
            model.update(moves[:, t])
    autumn = (year[later] == 2008) & (month[later] >= 10)
    told = {  # bias of the equal book and of the long-short one, Mahalanobis, average correlation in the last quarter of 2008
        "ccc": (1.238, 0.952, 0.895, 0.24),
        "dcc": (1.172, 0.956, 0.917, 0.34),
        "orthogonal": (0.997, 1.061, 1.617, 0.72),
        "ewma": (1.070, 1.045, 2.454, 0.66),
        "regime": (1.050, 1.056, 1.417, 0.61),
    }
    for name, expected in told.items():
        reading = watches[name].value()
        found = (*reading.bias, reading.mahalanobis, np.mean(np.array(average[name])[autumn]))
        assert found == pytest.approx(expected, abs=0.01)
        assert reading.status is MonitorStatus.UNDERSTATED
    calm = rolling_statistic(dcc.residuals, 60, "average_correlation")
    alarm = calibrate_alarm(dcc.residuals, paths=200)
    assert alarm.threshold == pytest.approx(0.384, abs=0.01)
    assert np.mean(calm > alarm.threshold) == pytest.approx(0.098, abs=0.03)  # correlations moved in these years too
