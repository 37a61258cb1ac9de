"""Are the times between exceptions right: Haas's tests of time between failures."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from risk_core.backtests.coverage import kupiec_pof, kupiec_tuff, rate_of
from risk_core.backtests.exceptions import ExceptionSeries, checked_hits, gaps
from risk_core.backtests.likelihood import chi_square_tail, first_failure_ratio, proportion_ratio
from risk_core.backtests.result import DEFAULT_TEST_LEVEL, DecideBy, Decision, TestResult, direction_of, judge, not_applicable
from risk_core.backtests.simulation import (
    DEFAULT_SEED,
    DEFAULT_SIMULATIONS,
    NOT_ASKED,
    checked_simulations,
    simulated_details,
    simulated_hits,
    simulated_p_value,
)

Floats = NDArray[np.float64]

_TBF, _TBFI = "Haas time between failures", "Haas time between failures, independence"


def haas_tbfi(
    hits: ExceptionSeries | ArrayLike,
    confidence: float,
    *,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    simulations: int = DEFAULT_SIMULATIONS,
    seed: int = DEFAULT_SEED,
) -> TestResult:
    """Test the times between failures (Haas 2001): the sum of the TUFF ratios of all gaps, chi-square with one degree for each exception.

    Parameters
    ----------
    hits : ExceptionSeries or array_like[N] of 0 and 1
        Oldest first. The first gap is that from the start; days after the last exception do not enter (as MATLAB's `tbfi`).
    confidence : float
        Of VaR.
    test_level : float
    decide_by : DecideBy
    simulations : int
        Draws of the simulated p-value, 0 for none. The asymptotic p-value is what is compared: degrees of freedom vary from draw to draw.
    seed : int

    Returns
    -------
    TestResult
        Without exceptions, that of `kupiec_tuff`.

    Raises
    ------
    BacktestError
        If hits are not 0 and 1, or a probability is not within (0, 1).
    """
    return _haas(checked_hits(hits), confidence, False, test_level, decide_by, simulations, seed)


def haas_tbf(
    hits: ExceptionSeries | ArrayLike,
    confidence: float,
    *,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    simulations: int = DEFAULT_SIMULATIONS,
    seed: int = DEFAULT_SEED,
) -> TestResult:
    """Test rate and times between failures together (Haas 2001): POF + TBFI, chi-square with one degree more than there are exceptions.

    Parameters are those of `haas_tbfi`. Without exceptions the ratio is not defined; then the model is rejected where `kupiec_pof` or
    `kupiec_tuff` rejects (as MATLAB's `tbf`).
    """
    return _haas(checked_hits(hits), confidence, True, test_level, decide_by, simulations, seed)


def _haas(
    series: NDArray[np.bool_], confidence: float, mixed: bool, test_level: float, decide_by: DecideBy | str, simulations: int, seed: int
) -> TestResult:
    name, rate, n, x = _TBF if mixed else _TBFI, rate_of(confidence), series.size, int(series.sum())
    words = f"exceptions come alone with a chance of {100 * rate:.4g} % a day"
    if x == 0:
        tuff = kupiec_tuff(None, confidence, observations=n, test_level=test_level, decide_by=decide_by)
        pof = kupiec_pof(0, n, confidence, test_level=test_level, decide_by=decide_by)
        if mixed and (tuff.rejected or pof.rejected):
            return TestResult(
                name,
                None,
                None,
                decision=Decision.REJECT,
                test_level=test_level,
                direction=pof.direction,
                observations=n,
                exceptions=0,
                expected_exceptions=n * rate,
                hypothesis=words,
                status="no_exceptions",
                reason="without exceptions there are no gaps: decided by the proportion of failures and the time until the first",
                details={"p_value_exact_reason": "the ratio is not defined", "pof": str(pof.decision), "tuff": str(tuff.decision)},
            )
        if not mixed and tuff.rejected:
            return judge(
                name,
                tuff.statistic or 0.0,
                tuff.p_value,
                p_value_exact=tuff.p_value_exact,
                test_level=test_level,
                decide_by=decide_by,
                direction=tuff.direction,
                observations=n,
                exceptions=0,
                expected_exceptions=n * rate,
                hypothesis=words,
                status=tuff.status,
                reason=tuff.reason,
                details=tuff.details,
            )
        reason = "without exceptions there are no gaps to judge"
        return not_applicable(
            name, "no_exceptions", reason, observations=n, exceptions=0, expected_exceptions=n * rate, test_level=test_level
        )
    days = gaps(series)
    spacing = float(first_failure_ratio(days, rate).sum())
    ratio, degrees = spacing + (float(proportion_ratio(x, n, rate)) if mixed else 0.0), x + mixed
    p_value, exact, extra = chi_square_tail(ratio, degrees), None, NOT_ASKED
    if checked_simulations(simulations):
        exact, draws = simulated_p_value(-p_value, _haas_null(n, rate, simulations, seed, mixed))
        extra = simulated_details(draws, seed)
    quartiles = np.quantile(days, (0.0, 0.25, 0.5, 0.75, 1.0), method="hazen")
    names = ("gap_min", "gap_q1", "gap_median", "gap_q3", "gap_max")
    return judge(
        name,
        ratio,
        p_value,
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction=direction_of(x, n * rate),
        observations=n,
        exceptions=x,
        expected_exceptions=n * rate,
        hypothesis=words,
        details={
            "degrees_of_freedom": degrees,
            "ratio_tbfi": spacing,
            "ratio_pof": float(proportion_ratio(x, n, rate)),
            **dict(zip(names, quartiles.tolist(), strict=True)),
            **extra,
        },
    )


@lru_cache(maxsize=16)
def _haas_null(observations: int, rate: float, simulations: int, seed: int, mixed: bool) -> Floats:
    """Return minus the asymptotic p-values of simulated series; -1 without exceptions."""
    hits = simulated_hits(observations, rate, simulations, seed)
    rows, days = np.nonzero(hits)
    fresh = np.diff(rows, prepend=-1) > 0
    before = np.where(fresh, -1, np.roll(days, 1))
    spacing = np.bincount(rows, first_failure_ratio(days - before, rate), minlength=simulations)
    x = hits.sum(axis=1)
    ratio = spacing + (proportion_ratio(x, observations, rate) if mixed else 0.0)
    return np.where(x == 0, -1.0, -chdtrc(np.maximum(x + float(mixed), 1.0), ratio))
