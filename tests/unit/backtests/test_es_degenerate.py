"""What every test of shortfall and density does with input that it cannot judge: a clear error, or a status with a reason; never NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.backtests.berkowitz import berkowitz_tail_test, berkowitz_test
from risk_core.backtests.density import pit_uniformity_test
from risk_core.backtests.es_acerbi_szekely import AcerbiSzekely, acerbi_szekely_test
from risk_core.backtests.es_calibration import conditional_calibration_test
from risk_core.backtests.es_du_escanciano import du_escanciano_conditional, du_escanciano_unconditional
from risk_core.backtests.es_regression import esr_test
from risk_core.backtests.es_residuals import mcneil_frey_test, righi_ceretta_test
from risk_core.backtests.es_traffic_light import costanzino_curran_test
from risk_core.backtests.hong_li import hong_li_test
from risk_core.backtests.result import BacktestError, Decision, TestResult

Forecast = Callable[[Any, Any, Any], TestResult]
Pit = Callable[[Any], TestResult]


def acerbi_szekely(kind: AcerbiSzekely) -> Forecast:
    return lambda x, v, e: acerbi_szekely_test(kind, x, v, e, 0.9)


FORECAST_TESTS: dict[str, Forecast] = {
    **{str(kind): acerbi_szekely(kind) for kind in AcerbiSzekely},
    "mcneil_frey": lambda x, v, e: mcneil_frey_test(x, v, e, 0.9, simulations=50),
    "righi_ceretta": lambda x, v, e: righi_ceretta_test(x, v, e, 0.9, scale=1.0, simulations=50),
    "simple": lambda x, v, e: conditional_calibration_test(x, v, e, 0.9),
    "simple, two-sided": lambda x, v, e: conditional_calibration_test(x, v, e, 0.9, alternative="two-sided"),
    "general": lambda x, v, e: conditional_calibration_test(x, v, e, 0.9, version="general", scale=1.0),
    "intercept": lambda x, v, e: esr_test(x, e, 0.9, version="intercept"),
    "auxiliary": lambda x, v, e: esr_test(x, e, 0.9, version="auxiliary", value_at_risk=v),
}
PIT_TESTS: dict[str, Pit] = {
    "kolmogorov_smirnov": lambda u: pit_uniformity_test(u),
    "anderson_darling": lambda u: pit_uniformity_test(u, "anderson_darling"),
    "cramer_von_mises": lambda u: pit_uniformity_test(u, "cramer_von_mises"),
    "berkowitz": lambda u: berkowitz_test(u),
    "berkowitz, conditional": lambda u: berkowitz_test(u, likelihood="conditional"),
    "berkowitz tail": lambda u: berkowitz_tail_test(u, 0.9),
    "hong_li": lambda u: hong_li_test(u, lags=1, simulations=0),
    "unconditional": lambda u: du_escanciano_unconditional(u, 0.9),
    "conditional": lambda u: du_escanciano_conditional(u, 0.9, simulations=50),
    "traffic light": lambda u: costanzino_curran_test(u, 0.9),
}


def sound(result: TestResult) -> None:
    """A result that is complete, in words too."""
    if result.decision is Decision.NOT_APPLICABLE:
        assert result.reason
        assert result.p_value is None
        assert result.p_value_exact is None
    else:
        assert result.statistic is not None
        assert result.p_value is not None or result.p_value_exact is not None
    assert result.name in result.reading
    assert "nan" not in result.reading.lower().split()


@pytest.mark.parametrize("name", list(FORECAST_TESTS))
@pytest.mark.parametrize(
    ("pnl", "var", "es"),
    [
        ([], 1.0, 2.0),
        ([1.0, np.nan], 1.0, 2.0),
        ([1.0, np.inf], 1.0, 2.0),
        ([[1.0], [2.0]], 1.0, 2.0),
        ([1.0, 2.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]),
        ([1.0, 2.0], 1.0, [2.0, np.nan]),
    ],
)
def test_bad_forecasts_are_refused(name: str, pnl: Any, var: Any, es: Any) -> None:
    with pytest.raises(BacktestError):
        FORECAST_TESTS[name](pnl, var, es)


@pytest.mark.parametrize("name", list(PIT_TESTS))
@pytest.mark.parametrize("pit", [[], [np.nan, 0.5], [-0.01, 0.5], [1.01, 0.5], [[0.5, 0.5]], ["a"]])
def test_bad_pits_are_refused(name: str, pit: Any) -> None:
    with pytest.raises(BacktestError):
        PIT_TESTS[name](pit)


@pytest.mark.parametrize("name", list(FORECAST_TESTS))
@pytest.mark.parametrize("pnl", [[0.5], [-3.0], [0.5] * 60, [-3.0] * 60, [-1.0] * 60, [0.5] * 59 + [-3.0], [-3.0, 0.5] * 30])
def test_thin_and_constant_series_get_a_status(name: str, pnl: list[float]) -> None:
    sound(FORECAST_TESTS[name](pnl, 1.0, 2.0))
    sound(FORECAST_TESTS[name](pnl, 1.0, 1.0))


@pytest.mark.parametrize("name", list(PIT_TESTS))
@pytest.mark.parametrize("pit", [[0.5], [0.01], [0.0], [1.0], [0.5] * 60, [0.0] * 60, [1.0] * 60, [0.01, 0.5] * 30, [0.1] * 60])
def test_thin_and_constant_pits_get_a_status(name: str, pit: list[float]) -> None:
    sound(PIT_TESTS[name](pit))


@given(st.lists(st.floats(-6.0, 6.0).map(lambda x: round(x, 3)), min_size=1, max_size=60))
@settings(max_examples=25, deadline=None)
def test_any_series_gets_a_sound_answer(pnl: list[float]) -> None:
    for test in FORECAST_TESTS.values():
        sound(test(pnl, 1.3, 1.8))
    pit = [0.5 + x / 12.0 for x in pnl]
    for pit_test in PIT_TESTS.values():
        sound(pit_test(pit))
