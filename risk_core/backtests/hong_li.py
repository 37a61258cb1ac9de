"""Hong and Li's nonparametric test that PITs are independent and uniform, together.

Y. Hong and H. Li, "Nonparametric specification testing for continuous-time models with applications to term structure of interest rates",
Review of Financial Studies 18 (2005) 37-84. The joint density of PITs j days apart is estimated by a boundary-corrected product of
quartic kernels and compared with one:

    Q(j) = ((n - j) h M(j) - h A) / sqrt(V),    M(j) = integral of (density - 1)² over the unit square,    h = deviation n^(-1/6).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.backtests.es_inputs import checked_count, checked_pit, normal_p_value, simulated_p_value
from risk_core.backtests.result import DecideBy, TestResult, judge, not_applicable

Floats = NDArray[np.float64]

_NAME: Final = "Hong-Li"
_HYPOTHESIS: Final = "PITs are independent and uniform"
_NODES: Final = 48
_ORDERS: Final = ((1, 1), (2, 2), (3, 3), (4, 4), (1, 2), (2, 1))


def hong_li_test(
    pit: ArrayLike,
    *,
    lags: int = 4,
    simulations: int = 200,
    seed: int = 0,
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.EXACT,
) -> TestResult:
    """Test PITs by W, the sum of Q(1) to Q(lags) over the root of `lags`: standard normal, large values reject.

    `details` has each Q(j) and the diagnostics M(m, l) of the paper's section 2.4 (Bartlett weights, `lags` as their reach): standard
    normal too, by which the cause is found: (1, 1) the mean, (2, 2) volatility, (1, 2) volatility in mean, (2, 1) leverage.

    Parameters
    ----------
    pit : float64[S]
        Forecast probability of a P&L no larger than what came.
    lags : int
    simulations, seed : int
        Of the simulated p-value, some milliseconds each, cached by (days, lags, simulations, seed). 0: none, and the result carries the
        status "asymptotic_only": lags share the error of the marginal density, so W spreads nearly twice as far as its limit even with
        a thousand days.
    test_level : float
    decide_by : DecideBy

    Returns
    -------
    TestResult
        `not_applicable` with status "too_few_observations" (fewer than 20 + lags) or "no_variation".

    Raises
    ------
    BacktestError
        For NaN or PIT outside [0, 1].
    """
    u, reach = checked_pit(pit), checked_count(lags, "lags")
    if u.size < 20 + reach:
        reason = f"{u.size} days for {reach} lags; a density needs at least {20 + reach}"
        return not_applicable(_NAME, "too_few_observations", reason, observations=u.size, test_level=test_level, hypothesis=_HYPOTHESIS)
    if float(u.std(ddof=1)) < 1e-3:
        reason = "PITs hardly vary: there is no density to estimate"
        return not_applicable(_NAME, "no_variation", reason, observations=u.size, test_level=test_level, hypothesis=_HYPOTHESIS)
    by_lag = _by_lag(u, reach)
    statistic = float(by_lag.sum()) / reach**0.5
    count = checked_count(simulations, "simulations", 0)
    exact = None
    how: dict[str, float | int | str] = {"p_value_exact_reason": "not asked for"}
    if count:
        exact = simulated_p_value(_simulated(u.size, reach, count, seed), statistic, "greater")
        how = {"p_value_exact_method": "simulated", "simulations": count, "seed": seed}
    return judge(
        _NAME,
        statistic,
        normal_p_value(statistic, "greater"),
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction="",
        observations=u.size,
        hypothesis=_HYPOTHESIS,
        status="ok" if count else "asymptotic_only",
        reason="" if count else "the normal law of this statistic rejects too often below thousands of days; ask for simulations",
        details={
            "lags": reach,
            **{f"q_{j + 1}": float(q) for j, q in enumerate(by_lag)},
            **{f"m_{m}_{k}": moment_statistic(u, m, k, reach) for m, k in _ORDERS},
            **how,
        },
    )


def moment_statistic(pit: ArrayLike, order: int, lagged_order: int, lags: int) -> float:
    """Return M(m, l): squared correlations of PIT^m with past PIT^l, Bartlett weights, standardised; 0 for a constant series.

    Parameters
    ----------
    pit : float64[S]
    order, lagged_order : int
        m and l.
    lags : int
        Reach of the weights 1 - j / (lags + 1).
    """
    u = checked_pit(pit)
    now, past = u**order - (u**order).mean(), u**lagged_order - (u**lagged_order).mean()
    norm = float(np.sqrt((now @ now) * (past @ past))) / u.size
    if norm <= 1e-15:
        return 0.0
    steps = np.arange(1, min(lags, u.size - 1) + 1)
    weights = (1.0 - steps / (lags + 1.0)) ** 2
    rho = np.array([float(now[j:] @ past[: u.size - j]) / u.size / norm for j in steps])
    spread = float(np.sqrt(2.0 * (weights * weights).sum()))
    return (float((weights * (u.size - steps) * rho * rho).sum()) - float(weights.sum())) / spread


def _by_lag(u: Floats, lags: int) -> Floats:
    days = u.size
    width = min(float(u.std(ddof=1)) * days ** (-1.0 / 6.0), 0.5)
    nodes, weights = _quadrature(width)
    kernel = _boundary_kernel(nodes, u, width)
    centre = (((1.0 / width - 2.0) * _SQUARE + 2.0 * _edge()) ** 2 - 1.0) * width
    found = []
    for j in range(1, lags + 1):
        density = kernel[:, j:] @ kernel[:, :-j].T / (days - j)
        distance = float(weights @ (density - 1.0) ** 2 @ weights)
        found.append(((days - j) * width * distance - centre) / _variance() ** 0.5)
    return np.array(found)


def _quartic(x: Floats) -> Floats:
    inside: Floats = np.where(np.abs(x) < 1.0, 0.9375 * (1.0 - x * x) ** 2, 0.0)
    return inside


def _integral(b: Floats) -> Floats:
    """Return the integral of the kernel from -1 to b, for b within [-1, 1]."""
    b = np.clip(b, -1.0, 1.0)
    area: Floats = 0.5 + 0.9375 * (b - 2.0 * b**3 / 3.0 + b**5 / 5.0)
    return area


_SQUARE: Final = 5.0 / 7.0
"""Integral of the squared kernel."""


@lru_cache(maxsize=1)
def _edge() -> float:
    """Return the integral over b in [0, 1] of the squared kernel rescaled to [-1, b]."""
    x, w = np.polynomial.legendre.leggauss(40)
    b = 0.5 * (x + 1.0)
    inner = [float((0.5 * (v + 1.0) * w * _quartic(-1.0 + 0.5 * (v + 1.0) * (x + 1.0)) ** 2).sum()) for v in b]
    return float((0.5 * w * np.array(inner) / _integral(b) ** 2).sum())


@lru_cache(maxsize=1)
def _variance() -> float:
    """Return 2 (integral over [-1, 1] of the squared self-convolution)², as printed."""
    x, w = np.polynomial.legendre.leggauss(60)
    convolved = []
    for u in x:
        low, high = max(-1.0, -1.0 - u), min(1.0, 1.0 - u)
        v = low + 0.5 * (high - low) * (x + 1.0)
        convolved.append(float((0.5 * (high - low) * w * _quartic(u + v) * _quartic(v)).sum()))
    return 2.0 * float((w * np.array(convolved) ** 2).sum()) ** 2


def _quadrature(width: float) -> tuple[Floats, Floats]:
    """Return nodes and weights on [0, 1]: midpoints, since the kernel is smooth to its second derivative."""
    count = max(_NODES, int(np.ceil(8.0 / width)))
    return (np.arange(count) + 0.5) / count, np.full(count, 1.0 / count)


def _boundary_kernel(x: Floats, z: Floats, width: float) -> Floats:
    """Return float64[nodes, S]: the kernel over `width`, its mass near 0 and 1 brought back inside."""
    mass = np.where(x < width, _integral(x / width), np.where(x > 1.0 - width, _integral((1.0 - x) / width), 1.0))
    values: Floats = _quartic((x[:, None] - z) / width) / (width * mass[:, None])
    return values


@lru_cache(maxsize=16)
def _simulated(days: int, lags: int, simulations: int, seed: int) -> Floats:
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.array([float(_by_lag(rng.random(days), lags).sum()) / lags**0.5 for _ in range(simulations)])
