"""Refits: what is kept, what is refused, what has drifted."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from risk_core.measures import MeasureError
from risk_core.volatility import ModelFit, VolatilityStatus, fit_volatility, refit
from tests.unit.volatility.series import garch_series

SERIES = garch_series(1600, 8, alpha=0.08, beta=0.87, df=7.0)
T = partial(fit_volatility, model="gjr", innovation="student_t")


def test_a_warm_refit_is_the_cold_one() -> None:
    first = refit(SERIES[:1000], fit=T)
    assert (first.accepted, first.reason, first.refusals, first.drift) == (True, "", 0, {})
    second = refit(SERIES[200:1200], first, fit=T)
    cold = T(SERIES[200:1200])
    assert second.accepted
    assert second.fit.log_likelihood == pytest.approx(cold.log_likelihood, abs=1e-6)
    assert second.state is second.fit.state
    assert second.reference is first.fit
    assert set(second.drift) == {"omega", "alpha", "gamma", "beta", "df"}
    for name, size in second.drift.items():
        gap = second.fit.parameters[name] - first.fit.parameters[name]
        assert size == pytest.approx(gap / first.fit.standard_errors("qml")[name])
    assert second.drifted == ()


def test_drift_is_told() -> None:
    """From calm news to nervous news: alpha from 0.03 to 0.3."""
    calm, nervous = garch_series(1500, 1, omega=0.05, alpha=0.03, beta=0.92), garch_series(1500, 2, omega=0.2, alpha=0.3, beta=0.6)
    first = refit(calm)
    second = refit(nervous, first)
    assert second.accepted
    assert "alpha" in second.drifted
    assert "drifted more than 4 standard errors" in second.reason
    assert refit(nervous, first, drift_limit=1e6).drifted == ()


@pytest.mark.parametrize(
    ("bad", "status", "match"),
    [
        (
            np.where(np.arange(500) < 400, 1.0, 6.0) * garch_series(500, 3, alpha=0.0, beta=0.0, omega=1.0),
            "near_unit_root",
            "persistence is",
        ),
        (SERIES[:50], "too_short", "50 returns"),
        (np.full(500, 0.1), "constant", "every return is 0.1"),
        (np.array([*SERIES[:200], np.nan]), "not_converged", "nan at position 200"),
    ],
    ids=["break", "short", "constant", "missing"],
)
def test_a_bad_fit_leaves_the_last_good_one(bad: Any, status: str, match: str) -> None:
    good = refit(SERIES[:1000])
    kept = refit(bad, good)
    assert (kept.accepted, kept.status, kept.refusals) == (False, status, 1)
    assert kept.fit is good.fit
    assert "the last good fit is kept (1 refused)" in kept.reason
    assert match in kept.reason
    assert kept.state.parameters == good.state.parameters
    assert np.isfinite(kept.state.variance)
    if status == "near_unit_root":  # run through the new days, whatever it started from
        assert kept.state.variance == pytest.approx(good.state.filter(bad)[1].variance, rel=1e-3)
    twice = refit(bad, kept)
    assert twice.refusals == 2
    back = refit(SERIES[300:1300], twice)
    assert (back.accepted, back.refusals) == (True, 0)


def test_a_fit_that_raises_or_fails_is_refused() -> None:
    good = refit(SERIES[:1000])

    def raising(returns: Any, **_: Any) -> ModelFit:
        raise MeasureError("no convergence today")

    assert "no convergence today" in refit(SERIES[100:1100], good, fit=raising).reason

    def failing(returns: Any, **_: Any) -> ModelFit:
        from dataclasses import replace

        return replace(fit_volatility(returns), status=VolatilityStatus.NOT_CONVERGED, reason="lost")

    lost = refit(SERIES[100:1100], good, fit=failing)
    assert (lost.accepted, lost.status) == (False, "not_converged")
    assert lost.fit.standard_errors() != {}


def test_nothing_good_before() -> None:
    first = refit(SERIES[:50])
    assert not first.accepted
    assert "no earlier fit to keep" in first.reason
    second = refit(SERIES[:1000], first)
    assert second.accepted
    assert second.reference is second.fit
    assert refit(SERIES[:60], first).refusals == 2
    with pytest.raises(MeasureError, match="drift_limit"):
        refit(SERIES, drift_limit=0.0)
    with pytest.raises(MeasureError, match="nan"):
        refit([np.nan])
