"""Can exceptions be foretold: the dynamic quantile test of Engle and Manganelli."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.backtests.coverage import rate_of
from risk_core.backtests.exceptions import ExceptionSeries, checked_hits
from risk_core.backtests.likelihood import chi_square_tail
from risk_core.backtests.result import DEFAULT_TEST_LEVEL, BacktestError, DecideBy, TestResult, direction_of, judge, not_applicable
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

_NAME: Final = "Engle-Manganelli dynamic quantile"
_RANK: Final = 1e-9
_CHUNK: Final = 250


def dynamic_quantile(
    hits: ExceptionSeries | ArrayLike,
    confidence: float,
    *,
    lags: int = 4,
    value_at_risk: ArrayLike | None = None,
    regressors: ArrayLike | None = None,
    constant: bool = True,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    simulations: int = DEFAULT_SIMULATIONS,
    seed: int = DEFAULT_SEED,
) -> TestResult:
    r"""Test that nothing known the day before foretells an exception (Engle and Manganelli 2004, out of sample).

    With Hit = I - p, regressed on X, the statistic Hit'X (X'X)^-1 X'Hit / (p (1 - p)) is chi-square with rank(X) degrees of freedom.

    Parameters
    ----------
    hits : ExceptionSeries or array_like[N] of 0 and 1
        Oldest first. The first `lags` days only serve as lags.
    confidence : float
        Of VaR.
    lags : int
        Lagged hits among the regressors, 4 by default; 0 for none.
    value_at_risk : array_like[N] or None
        The forecast for the same day, a regressor; its sign and unit do not matter.
    regressors : array_like[N] or [N, k] or None
        Anything else known before each day, such as lagged squared P&L.
    constant : bool
    test_level : float
    decide_by : DecideBy
    simulations : int
        Draws of the simulated p-value, 0 for none: independent exceptions on the given regressors.
    seed : int

    Returns
    -------
    TestResult
        Status "collinear" where regressors repeat one another (a constant VaR, or no exceptions): degrees of freedom are the rank.
        Not applicable with no more days than regressors.

    Raises
    ------
    BacktestError
        If hits are not 0 and 1, lengths differ, a regressor is not finite, or there is no regressor at all.
    """
    series, rate = checked_hits(hits), rate_of(confidence)
    n, x, asked = series.size, int(series.sum()), checked_simulations(simulations)
    if int(lags) != lags or lags < 0:
        raise BacktestError(f"lags must be a whole number, 0 for none, not {lags!r}")
    known = [
        _columns(values, n, name) for name, values in (("value_at_risk", value_at_risk), ("regressors", regressors)) if values is not None
    ]
    fixed = np.column_stack([np.ones((n, int(constant))), *known])
    width = fixed.shape[1] + lags
    if width == 0:
        raise BacktestError("there is no regressor: give lags, a constant, value_at_risk or regressors")
    words = f"nothing known the day before changes the {100 * rate:.4g} % chance of an exception"
    if n - lags <= width:
        reason = f"{n} days less {lags} lags cannot carry {width} regressors"
        return not_applicable(_NAME, "too_short", reason, observations=n, exceptions=x, test_level=test_level, hypothesis=words)
    statistics, ranks = _statistics(series[None, :], fixed, lags, rate)
    statistic, rank = float(statistics[0]), int(ranks[0])
    p_value, exact, extra = chi_square_tail(statistic, rank), None, NOT_ASKED
    if asked:
        null = _known_null(n, rate, lags, constant, asked, seed) if not known else _null(n, fixed, lags, rate, asked, seed)
        exact, draws = simulated_p_value(statistic, null)
        extra = simulated_details(draws, seed)
    return judge(
        _NAME,
        statistic,
        p_value,
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction=direction_of(x, n * rate),
        observations=n,
        exceptions=x,
        expected_exceptions=n * rate,
        hypothesis=words,
        status="ok" if rank == width else "collinear",
        reason="" if rank == width else f"{width} regressors have rank {rank}: a constant VaR, or no exceptions among the lags",
        details={"degrees_of_freedom": rank, "lags": lags, "regressors": width, **extra},
    )


def _statistics(hits: NDArray[np.bool_], fixed: Floats, lags: int, rate: float) -> tuple[Floats, NDArray[np.int64]]:
    """Return (statistic, rank) of each row of hits bool[D, N], by the eigenvectors of scaled cross products."""
    centred = hits - rate
    n = hits.shape[1]
    outcome = centred[:, lags:]
    lagged = [centred[:, lags - k : n - k, None] for k in range(1, lags + 1)]
    shared = np.broadcast_to(fixed[lags:], (hits.shape[0], n - lags, fixed.shape[1]))
    design = np.concatenate([shared, *lagged], axis=2)
    scale = np.sqrt(np.einsum("dnk,dnk->dk", design, design))
    design = design / np.where(scale > 0.0, scale, 1.0)[:, None, :]
    gram, moment = np.swapaxes(design, 1, 2) @ design, (np.swapaxes(design, 1, 2) @ outcome[:, :, None])[:, :, 0]
    values, vectors = np.linalg.eigh(gram)
    kept = values > _RANK
    rotated = np.einsum("dkj,dk->dj", vectors, moment)
    explained = np.where(kept, rotated**2 / np.where(kept, values, 1.0), 0.0).sum(axis=1)
    return explained / (rate * (1.0 - rate)), kept.sum(axis=1)


def _null(n: int, fixed: Floats, lags: int, rate: float, simulations: int, seed: int) -> Floats:
    draws = simulated_hits(n, rate, simulations, seed)
    return np.concatenate([_statistics(draws[i : i + _CHUNK], fixed, lags, rate)[0] for i in range(0, simulations, _CHUNK)])


@lru_cache(maxsize=16)
def _known_null(n: int, rate: float, lags: int, constant: bool, simulations: int, seed: int) -> Floats:
    return _null(n, np.ones((n, int(constant))), lags, rate, simulations, seed)


def _columns(values: ArrayLike, n: int, name: str) -> Floats:
    try:
        table = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise BacktestError(f"{name} must be numbers: {error}") from None
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or table.shape[0] != n:
        raise BacktestError(f"{name} must have a row for each of the {n} days, not shape {np.shape(values)}")
    if not np.isfinite(table).all():
        raise BacktestError(
            f"{name} is not finite on day {int((~np.isfinite(table)).any(axis=1).argmax())}; leave such days out of hits too"
        )
    return table
