"""Is there a change at all? Tests of a regression's stability: cumulative and moving sums of residuals, and F statistics.

Without regressors the model is one mean. Observations are oldest first. Residuals are recursive (each forecast from the observations before
it, over its standard deviation: independent where the model holds) or of least squares over all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kolmogorov, ndtr

from risk_core.measures.checks import LARGEST, MeasureError, checked_pnl, checked_scalar

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FluctuationTest:
    """A test of stability.

    Parameters
    ----------
    statistic : float
        Large where something changed.
    p_value : float
        Chance of as large a statistic without a change.
    process : float64[M]
        What the statistic is the largest size of, before any boundary.
    standard_deviation : float
        Of the residuals, as used.
    observations : int
    """

    statistic: float
    p_value: float
    process: Floats = field(repr=False)
    standard_deviation: float
    observations: int


def recursive_residuals(series: ArrayLike, regressors: ArrayLike | None = None) -> Floats:
    """Return the T - k recursive residuals: (y[t] - forecast) / sqrt(1 + x[t]' (X'X)^-1 x[t]), with fits of the observations before t.

    Parameters
    ----------
    series : float64[T]
    regressors : float64[T, k], optional
        By default a constant. No constant is added.

    Raises
    ------
    MeasureError
        For missing values, other lengths, fewer than k + 2 observations, or where the first k rows of regressors do not determine a fit.

    Notes
    -----
    R. L. Brown, J. Durbin and J. M. Evans, "Techniques for testing the constancy of regression relationships over time", Journal of the
    Royal Statistical Society B 37 (1975) 149-192.
    """
    y, x = _data(series, regressors)
    n, k = x.shape
    first = x[:k]
    if np.linalg.matrix_rank(first) < k:
        raise MeasureError(f"the first {k} rows of regressors do not determine {k} coefficients: begin where they vary, or drop one")
    inverse = np.linalg.inv(first.T @ first)
    coefficients = np.linalg.solve(first, y[:k])
    residuals = np.empty(n - k)
    for t in range(k, n):
        gain = inverse @ x[t]
        width = 1.0 + float(x[t] @ gain)
        error = float(y[t] - x[t] @ coefficients)
        residuals[t - k] = error / sqrt(width)
        coefficients = coefficients + gain * (error / width)
        inverse = inverse - np.outer(gain, gain) / width
    return residuals


def recursive_cusum(series: ArrayLike, regressors: ArrayLike | None = None, *, ddof: int = 1) -> FluctuationTest:
    """Return the CUSUM test of recursive residuals: max |W(t)| / (1 + 2 t), where W is their cumulative sum, t in (0, 1].

    Parameters are those of `recursive_residuals`. `ddof` is of the standard deviation of the residuals about their mean; the default is
    that of `strucchange`.

    Notes
    -----
    Brown, Durbin and Evans (1975). The p-value is that of Brownian motion and these lines.
    """
    w = recursive_residuals(series, regressors)
    deviation = _deviation(w, ddof)
    process = np.append(0.0, np.cumsum(w) / (deviation * sqrt(w.size)))
    statistic = float((np.abs(process) / (1.0 + 2.0 * np.arange(w.size + 1) / w.size)).max())
    return FluctuationTest(statistic, linear_boundary_p_value(statistic), process, deviation, w.size)


def ols_cusum(series: ArrayLike, regressors: ArrayLike | None = None, *, ddof: int | None = None) -> FluctuationTest:
    """Return the CUSUM test of least-squares residuals: max |W(t)|, a Brownian bridge where nothing changed.

    Parameters
    ----------
    series, regressors
        See `recursive_residuals`.
    ddof : int, optional
        Of the variance of the residuals: sum of squares over T - ddof; by default the number of regressors.

    Notes
    -----
    W. Ploberger and W. Krämer, "The CUSUM test with OLS residuals", Econometrica 60 (1992) 271-285.
    """
    y, x = _data(series, regressors)
    return cusum_of_residuals(_ols_residuals(y, x), ddof=x.shape[1] if ddof is None else ddof)


def cusum_of_residuals(residuals: ArrayLike, *, ddof: int = 0) -> FluctuationTest:
    """Return the test of `ols_cusum` for residuals of a least-squares fit made elsewhere; `ddof` is its number of coefficients."""
    e = checked_pnl(residuals, "residuals")
    deviation = _root_mean_square(e, ddof)
    process = np.append(0.0, np.cumsum(e) / (deviation * sqrt(e.size)))
    statistic = float(np.abs(process).max())
    return FluctuationTest(statistic, float(kolmogorov(statistic)), process, deviation, e.size)


def recursive_mosum(
    series: ArrayLike, regressors: ArrayLike | None = None, *, h: float = 0.15, ddof: int = 1, draws: int = 10_000, seed: int = 0
) -> FluctuationTest:
    """Return the MOSUM test of recursive residuals: the largest size of moving sums of a share `h` of them.

    Parameters
    ----------
    series, regressors
        See `recursive_residuals`.
    h : float
        Share of the residuals in a window, in (0, 1); the window is its floor.
    draws, seed : int
        Of the p-value, simulated with independent normal residuals of the same number: (1 + draws as large) / (1 + draws).

    Notes
    -----
    C.-S. J. Chu, K. Hornik and C.-M. Kuan, "MOSUM tests for parameter constancy", Biometrika 82 (1995) 603-617. The standard deviation is
    that of the residuals about their mean, with `ddof`; the default is that of `strucchange`.
    """
    w = recursive_residuals(series, regressors)
    deviation = _deviation(w, ddof)
    window = _window(w.size, h)
    process = _moving(w, window) / (deviation * sqrt(w.size))
    statistic = float(np.abs(process).max())
    return FluctuationTest(statistic, _simulated(statistic, w.size, window, draws, seed, tied=False), process, deviation, w.size)


def ols_mosum(
    series: ArrayLike, regressors: ArrayLike | None = None, *, h: float = 0.15, draws: int = 10_000, seed: int = 0
) -> FluctuationTest:
    """Return the MOSUM test of least-squares residuals, variance with ddof k. Parameters are those of `recursive_mosum`.

    The p-value is simulated for one mean: draws about their own mean.
    """
    y, x = _data(series, regressors)
    e = _ols_residuals(y, x)
    deviation = _root_mean_square(e, x.shape[1])
    window = _window(e.size, h)
    process = _moving(e, window) / (deviation * sqrt(e.size))
    statistic = float(np.abs(process).max())
    return FluctuationTest(statistic, _simulated(statistic, e.size, window, draws, seed, tied=True), process, deviation, e.size)


def linear_boundary_p_value(statistic: float) -> float:
    """Return the chance that Brownian motion on [0, 1] crosses a line statistic * (1 + 2 t) or its mirror.

    Crossing one line is exact; twice that, less the chance of both as Brown, Durbin and Evans bound it, is good above 0.3; below, a
    straight line to 1 at zero.
    """
    x = checked_scalar(statistic, "statistic", least=0.0)
    if x < 0.3:
        return 1.0 - (1.0 - linear_boundary_p_value(0.3)) * x / 0.3
    one = ndtr(-3.0 * x) + exp(-4.0 * x * x) * (ndtr(x) + ndtr(5.0 * x) - 1.0) - exp(-16.0 * x * x) * ndtr(-x)
    return min(1.0, 2.0 * float(one))


def _data(series: ArrayLike, regressors: ArrayLike | None) -> tuple[Floats, Floats]:
    y = checked_pnl(series, "series")
    x = np.ones((y.size, 1)) if regressors is None else np.asarray(regressors, np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.shape[0] != y.size:
        raise MeasureError(f"regressors must have one row for each of {y.size} observations, not shape {x.shape}")
    if not (np.abs(x) <= LARGEST).all():
        raise MeasureError("regressors hold missing or infinite values: drop those rows from series and regressors")
    if y.size < x.shape[1] + 2:
        raise MeasureError(f"{x.shape[1]} coefficients need {x.shape[1] + 2} observations or more, not {y.size}")
    return y, x


def _ols_residuals(y: Floats, x: Floats) -> Floats:
    coefficients, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    if rank < x.shape[1]:
        raise MeasureError(f"regressors have rank {rank}, not {x.shape[1]}: drop those that others determine")
    residuals: Floats = y - x @ coefficients
    return residuals if float(np.abs(residuals).max()) > 1e-13 * float(np.abs(y).max()) else np.zeros_like(y)


def _deviation(w: Floats, ddof: int) -> float:
    if not 0 <= ddof < w.size:
        raise MeasureError(f"ddof must be from 0 to {w.size - 1}, not {ddof!r}")
    return _positive(sqrt(float(((w - w.mean()) ** 2).sum()) / (w.size - ddof)))


def _root_mean_square(e: Floats, ddof: int) -> float:
    if not 0 <= ddof < e.size:
        raise MeasureError(f"ddof must be from 0 to {e.size - 1}, not {ddof!r}")
    return _positive(sqrt(float(e @ e) / (e.size - ddof)))


def _positive(deviation: float) -> float:
    if not deviation > 0.0:
        raise MeasureError("residuals are all equal: a constant series has nothing to test")
    return deviation


def _window(count: int, h: float) -> int:
    window = int(count * checked_scalar(h, "h", above=0.0) + 1e-9)
    if not 1 <= window < count:
        raise MeasureError(f"h must leave a window of 1 to {count - 1} of {count} residuals, not {h!r}")
    return window


def _moving(values: Floats, window: int) -> Floats:
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    moving: Floats = sums[..., window:] - sums[..., :-window]
    return moving


def _simulated(statistic: float, count: int, window: int, draws: int, seed: int, *, tied: bool) -> float:
    if draws < 1:
        raise MeasureError(f"draws must be at least 1, not {draws!r}")
    rng, as_large, left = np.random.Generator(np.random.PCG64(seed)), 0, draws
    while left > 0:
        part = min(left, max(1, 1_000_000 // count))
        z = rng.standard_normal((part, count))
        z -= z.mean(axis=1, keepdims=True) if tied else 0.0
        z /= z.std(axis=1, ddof=1, keepdims=True) * sqrt(count)
        as_large += int((np.abs(_moving(z, window)).max(axis=1) >= statistic).sum())
        left -= part
    return (1.0 + as_large) / (1.0 + draws)
