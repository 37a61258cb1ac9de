"""Zones where exceptions are not independent: horizons that overlap, and portfolios that move together.

P&L over h days looked at every day has the same day in h of its values. So exceptions come in runs, and binomial bounds are too strict.
Bounds here are those of simulated normal days; the alternative is to decorrelate the P&L first.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri

from risk_core.backtests.coverage import rate_of
from risk_core.backtests.exceptions import ExceptionSeries, checked_counts
from risk_core.backtests.overlapping_kernels import pooled_exceptions
from risk_core.backtests.result import BacktestError, DecideBy, Decision, TestResult, direction_of
from risk_core.backtests.zones import GREEN_LEVEL, YELLOW_LEVEL, Zone, bounds_of, zone_of, zone_verdict

Floats = NDArray[np.float64]
Bounds = tuple[float, float]

DEFAULT_BOUND_SIMULATIONS: Final = 500_000
"""At 0.9999 fifty of them lie beyond: the yellow bound of one portfolio is good to about one exception."""
_CHUNK_NUMBERS: Final = 2_000_000


def overlapping_bounds(
    observations: int = 250,
    confidence: float = 0.99,
    *,
    horizon: int = 10,
    portfolios: int = 1,
    correlation: float | ArrayLike = 0.0,
    levels: Bounds = (GREEN_LEVEL, YELLOW_LEVEL),
    simulations: int = DEFAULT_BOUND_SIMULATIONS,
    seed: int = 0,
) -> tuple[int, int]:
    """Return the most exceptions of the green and of the yellow zone: (8, 24) for 250 overlapping ten-day P&Ls at 99 %.

    Parameters
    ----------
    observations : int
        Overlapping P&Ls of each portfolio; they take `observations` + `horizon` - 1 days.
    confidence : float
        Of VaR.
    horizon : int
        Days of each P&L.
    portfolios : int
        Whose exceptions are counted together.
    correlation : float or array_like[P, P]
        Of the portfolios' daily P&L, one number for all pairs or a matrix.
    levels : (float, float)
    simulations : int
        Ignored for one portfolio and one day, where the law is binomial.
    seed : int

    Raises
    ------
    BacktestError
        If a count is not positive, a level or `confidence` is not within (0, 1), or the correlation is not one.
    """
    law = pooled_count_law(
        observations, confidence, horizon=horizon, portfolios=portfolios, correlation=correlation, simulations=simulations, seed=seed
    )
    return bounds_of(law, levels)


def pooled_count_law(
    observations: int,
    confidence: float = 0.99,
    *,
    horizon: int = 10,
    portfolios: int = 1,
    correlation: float | ArrayLike = 0.0,
    simulations: int = DEFAULT_BOUND_SIMULATIONS,
    seed: int = 0,
) -> Floats:
    """Return P(X <= x) of the pooled exceptions of a right model, float64[N P + 1], read-only. Parameters as `overlapping_bounds`."""
    n, days, many, draws = (
        _positive(v, k)
        for v, k in ((observations, "observations"), (horizon, "horizon"), (portfolios, "portfolios"), (simulations, "simulations"))
    )
    matrix = correlation_of(correlation, many)
    if many == 1 and days == 1:
        return np.asarray(bdtr(np.arange(n + 1), n, rate_of(confidence)))
    return _simulated_law(n, rate_of(confidence), days, tuple(map(tuple, matrix.tolist())), draws, seed)


def overlapping_traffic_light(
    exceptions: int,
    observations: int = 250,
    confidence: float = 0.99,
    *,
    horizon: int = 10,
    portfolios: int = 1,
    correlation: float | ArrayLike = 0.0,
    green_level: float = GREEN_LEVEL,
    yellow_level: float = YELLOW_LEVEL,
    simulations: int = DEFAULT_BOUND_SIMULATIONS,
    seed: int = 0,
) -> TestResult:
    """Return the zone of a count of exceptions of overlapping P&L, or of several portfolios together (`horizon` 1).

    Parameters
    ----------
    exceptions : int
        Of all portfolios together.
    observations, confidence, horizon, portfolios, correlation, simulations, seed
        As `overlapping_bounds`.
    green_level, yellow_level : float

    Returns
    -------
    TestResult
        Rejected in the red zone. `p_value_exact` is the simulated P(X >= x), `details` has the zone, its bounds and, for comparison, the
        zone that binomial bounds would give.

    Raises
    ------
    BacktestError
        As `overlapping_bounds`, and if the count cannot be.
    """
    law = pooled_count_law(
        observations, confidence, horizon=horizon, portfolios=portfolios, correlation=correlation, simulations=simulations, seed=seed
    )
    x, total = checked_counts(exceptions, law.size - 1)
    rate, levels = rate_of(confidence), (green_level, yellow_level)
    bounds = bounds_of(law, levels)
    zone, naive = zone_of(x, bounds), zone_of(x, bounds_of(np.asarray(bdtr(np.arange(total + 1), total, rate)), levels))
    type_i = 1.0 if x == 0 else float(min(max(1.0 - law[x - 1], 0.0), 1.0))
    plain = horizon == portfolios == 1
    return TestResult(
        name="Traffic light of overlapping P&L" if horizon > 1 else "Traffic light of pooled portfolios",
        statistic=float(x),
        p_value=None,
        p_value_exact=type_i,
        decision=Decision.REJECT if zone is Zone.RED else Decision.ACCEPT,
        decided_by=DecideBy.EXACT,
        test_level=yellow_level,
        direction=direction_of(x, total * rate),
        observations=total,
        exceptions=x,
        expected_exceptions=total * rate,
        hypothesis=f"losses exceed VaR on {100 * rate:.4g} % of days",
        details={
            "zone": str(zone),
            "probability": float(law[x]),
            "type_i": type_i,
            "green_most": bounds[0],
            "yellow_most": bounds[1],
            "binomial_zone": str(naive),
            "horizon": horizon,
            "portfolios": portfolios,
            "p_value_exact_method": "exact" if plain else "simulated",
            **({} if plain else {"simulations": simulations, "seed": seed}),
        },
        verdict=zone_verdict(zone, type_i),
    )


def decorrelate(values: ArrayLike, horizon: int, correlation: float | ArrayLike = 0.0) -> Floats:
    """Return overlapping P&L with the overlap taken out: L^-1 values, where L L' is its correlation under independent days.

    Parameters
    ----------
    values : array_like[N] or [N, P]
        Oldest first, one row for each day, P&L over the last `horizon` days: neighbours k days apart have correlation 1 - k / horizon.
    horizon : int
    correlation : float or array_like[P, P]
        Of the portfolios' daily P&L; taken out too.

    Returns
    -------
    float64[N] or [N, P]
        In the unit of the input. Of unit variance and independent where the input is normal of unit variance.

    Raises
    ------
    BacktestError
        If a value is not finite, or the correlation is not one or is singular.
    """
    from scipy.linalg import LinAlgError, cholesky, cholesky_banded, solve_banded, solve_triangular

    table = np.asarray(values, np.float64)
    if table.ndim not in (1, 2) or table.shape[0] == 0 or not np.isfinite(table).all():
        raise BacktestError(f"overlapping P&L must be finite, float64[N] or [N, P] with a day at least, not shape {table.shape}")
    days = min(_positive(horizon, "horizon"), table.shape[0])
    columns = table[:, None] if table.ndim == 1 else table
    band = np.repeat(1.0 - np.arange(days)[:, None] / horizon, table.shape[0], axis=1)
    try:
        free = solve_banded((days - 1, 0), cholesky_banded(band, lower=True), columns)
        root = cholesky(correlation_of(correlation, columns.shape[1]), lower=True)
    except LinAlgError:
        raise BacktestError("the correlation of the portfolios is singular: leave out those that repeat others") from None
    return np.asarray(solve_triangular(root, free.T, lower=True).T).reshape(table.shape)


def decorrelated_exceptions(
    pnl: ArrayLike, value_at_risk: ArrayLike, confidence: float, *, horizon: int = 10, correlation: float | ArrayLike = 0.0
) -> ExceptionSeries:
    """Return the exceptions of overlapping P&L once the overlap is taken out: independent, so every test applies.

    P&L over VaR times the normal quantile is a standard normal score if the model is right and normal; scores are decorrelated, and
    exceptions are those below minus the quantile.

    Parameters
    ----------
    pnl : array_like[N] or [N, P]
        Over `horizon` days, gains positive, oldest first.
    value_at_risk : array_like of the same shape, or float
        Loss positive; must be positive.
    confidence : float
    horizon : int
    correlation : float or array_like[P, P]

    Returns
    -------
    ExceptionSeries
        Day by day, portfolios next to one another within a day.

    Raises
    ------
    BacktestError
        If shapes differ, a number is not finite, or VaR is not positive.
    """
    outcome, limit = np.asarray(pnl, np.float64), np.asarray(value_at_risk, np.float64)
    if limit.ndim and limit.shape != outcome.shape:
        raise BacktestError(f"pnl has shape {outcome.shape} and value_at_risk {limit.shape}; align them")
    if not (limit > 0.0).all():
        raise BacktestError("value_at_risk must be positive: P&L is scaled by it")
    quantile = float(ndtri(1.0 - rate_of(confidence)))
    hits = (decorrelate(outcome / limit * quantile, horizon, correlation) < -quantile).ravel()
    return ExceptionSeries(hits, np.zeros(hits.size, np.bool_), np.arange(hits.size, dtype=np.int64))


def correlation_of(correlation: float | ArrayLike, portfolios: int) -> Floats:
    """Return the correlation matrix float64[P, P] of one number for all pairs, or the matrix itself.

    Raises
    ------
    BacktestError
        If it is not symmetric with ones on its diagonal, or has a negative eigenvalue.
    """
    given = np.asarray(correlation, np.float64)
    matrix = np.where(np.eye(portfolios) > 0.0, 1.0, given) if given.ndim == 0 else given
    if matrix.shape != (portfolios, portfolios) or not np.isfinite(matrix).all():
        raise BacktestError(
            f"correlation must be one number or a finite matrix of shape ({portfolios}, {portfolios}), not shape {given.shape}"
        )
    if not (np.allclose(matrix, matrix.T) and np.allclose(np.diag(matrix), 1.0)):
        raise BacktestError("correlation must be symmetric with ones on its diagonal")
    if np.linalg.eigvalsh(matrix)[0] < -1e-10:
        raise BacktestError("correlation has a negative eigenvalue: no portfolios move so; repair the matrix first")
    return matrix


@lru_cache(maxsize=32)
def _simulated_law(n: int, rate: float, horizon: int, matrix: tuple[tuple[float, ...], ...], simulations: int, seed: int) -> Floats:
    values, vectors = np.linalg.eigh(np.array(matrix))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
    many, length = root.shape[0], n + horizon - 1
    limit = float(ndtri(1.0 - rate)) * np.sqrt(horizon)
    random = np.random.Generator(np.random.PCG64(seed))
    counted = np.zeros(n * many + 1, np.int64)
    size = 2 * max(_CHUNK_NUMBERS // (length * many), 1)
    for start in range(0, simulations, size):
        asked = min(size, simulations - start)
        normals = random.standard_normal(((asked + 1) // 2, many, length), dtype=np.float32)
        counted += np.bincount(pooled_exceptions(normals, root, horizon, limit)[:asked], minlength=counted.size)
    law = np.cumsum(counted) / simulations
    law.flags.writeable = False
    return law


def _positive(value: int, name: str) -> int:
    if int(value) != value or value < 1:
        raise BacktestError(f"{name} must be a whole number of at least one, not {value!r}")
    return int(value)
