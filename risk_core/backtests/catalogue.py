"""All tests of one series of VaR forecasts at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from risk_core.backtests.coverage import binomial_test, kupiec_pof, kupiec_tuff
from risk_core.backtests.durations import DurationLaw, duration_test
from risk_core.backtests.engle_manganelli import dynamic_quantile
from risk_core.backtests.exceptions import ExceptionSeries, checked_hits
from risk_core.backtests.independence import christoffersen_conditional_coverage, christoffersen_independence
from risk_core.backtests.result import DEFAULT_TEST_LEVEL, DecideBy, TestResult
from risk_core.backtests.time_between_failures import haas_tbf, haas_tbfi
from risk_core.backtests.zones import traffic_light


def coverage_tests(
    hits: ExceptionSeries | ArrayLike,
    confidence: float,
    *,
    value_at_risk: ArrayLike | None = None,
    lags: int = 4,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    simulations: int = 0,
    seed: int = 0,
) -> dict[str, TestResult]:
    """Return every test of an exception series, by a short name.

    Parameters
    ----------
    hits : ExceptionSeries or array_like[N] of 0 and 1
        Oldest first.
    confidence : float
        Of VaR.
    value_at_risk : array_like[N] or None
        A regressor of the dynamic quantile test.
    lags : int
        Of the dynamic quantile test.
    test_level : float
    decide_by : DecideBy
    simulations : int
        Draws of the p-values that have no exact law (Haas, dynamic quantile, durations), 0 for none.
    seed : int

    Raises
    ------
    BacktestError
        If hits are not 0 and 1, or a probability is not within (0, 1).
    """
    series = checked_hits(hits)
    n, x = series.size, int(series.sum())
    first = int(np.argmax(series)) + 1 if x else None
    return {
        "traffic_light": traffic_light(x, n, confidence),
        "binomial": binomial_test(x, n, confidence, test_level=test_level, decide_by=decide_by),
        "pof": kupiec_pof(x, n, confidence, test_level=test_level, decide_by=decide_by),
        "tuff": kupiec_tuff(first, confidence, observations=n, test_level=test_level, decide_by=decide_by),
        "independence": christoffersen_independence(series, confidence, test_level=test_level, decide_by=decide_by),
        "conditional_coverage": christoffersen_conditional_coverage(series, confidence, test_level=test_level, decide_by=decide_by),
        "tbf": haas_tbf(series, confidence, test_level=test_level, decide_by=decide_by, simulations=simulations, seed=seed),
        "tbfi": haas_tbfi(series, confidence, test_level=test_level, decide_by=decide_by, simulations=simulations, seed=seed),
        "dynamic_quantile": dynamic_quantile(
            series,
            confidence,
            lags=lags,
            value_at_risk=value_at_risk,
            test_level=test_level,
            decide_by=decide_by,
            simulations=simulations,
            seed=seed,
        ),
        **{
            f"{law}_duration": duration_test(
                series, confidence, law=law, test_level=test_level, decide_by=decide_by, simulations=simulations, seed=seed
            )
            for law in DurationLaw
        },
    }
