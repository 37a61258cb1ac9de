"""How well forecast covariances stood: bias statistic, QLIKE, Mahalanobis, and the bands they keep to under a right model.

G. Connor, L. Goldberg and R. Korajczyk, Portfolio Risk Analysis (2010), ch. 9 (bias statistic); A. Patton, "Volatility forecast comparison
using imperfect volatility proxies", Journal of Econometrics 160 (2011) 246-256 (QLIKE).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_day
from risk_core.covariance.repair import checked_symmetric
from risk_core.measures.checks import MeasureError, checked_pnl, checked_scalar

Floats = NDArray[np.float64]

SMALLEST_SQUARE = 1e-8
"""A squared standardised return below this counts as this in a logarithm: a day without a trade is no proof of a wild model."""


class Qlike(StrEnum):
    """The form of the loss of variance h where x was realised; all have the same minimum in h."""

    LOG = "log"
    """log h + x / h: minus twice the normal log density, less a constant."""
    RATIO = "ratio"
    """x / h - log(x / h) - 1 (Patton): zero for a perfect forecast, free of the unit."""


@dataclass(frozen=True, slots=True)
class Band:
    """Where a statistic lies with probability `level` under a right model.

    Parameters
    ----------
    lower, expected, upper : float
    """

    lower: float
    expected: float
    upper: float

    def holds(self, value: float) -> bool:
        """Return whether a value lies inside."""
        return self.lower <= value <= self.upper


def bias_statistic(returns: ArrayLike, volatilities: ArrayLike, *, centred: bool = True, ddof: int = 1) -> float:
    """Return the standard deviation of returns divided by their forecast volatilities: one for a right model, more if risk is understated.

    Parameters
    ----------
    returns, volatilities : float64[T]
        Of one book; each volatility forecast the day before, positive.
    centred : bool
        True: about the mean (Connor, Goldberg and Korajczyk). False: the root mean square.
    ddof : int
        Degrees of freedom taken off, 0 or 1.

    Raises
    ------
    MeasureError
        For values that are missing or not finite, volatilities that are not positive, or fewer than ddof + 1 days.
    """
    r, h = checked_pnl(returns, "returns"), _positive(volatilities, "volatilities")
    if r.shape != h.shape or r.size <= ddof:
        raise MeasureError(f"returns and volatilities must have one length, more than ddof {ddof}, not {r.size} and {h.size}")
    b = r / h
    away = b - b.mean() if centred else b
    return sqrt(float(away @ away) / (r.size - ddof))


def qlike(realised: ArrayLike, forecast: ArrayLike, form: Qlike | str = Qlike.RATIO) -> float:
    """Return the mean QLIKE loss of forecast variances, lower is better.

    Parameters
    ----------
    realised : float64[T]
        Realised variances, such as squared returns; not negative, positive for "ratio".
    forecast : float64[T]
        Variances forecast for them, positive.
    form : Qlike or str

    Raises
    ------
    MeasureError
        For values outside these ranges, other lengths, or an unknown form.
    """
    x, h = checked_pnl(realised, "realised"), _positive(forecast, "forecast")
    if form not in list(Qlike):
        raise MeasureError(f"unknown form {form!r}; choose one of {', '.join(Qlike)}")
    if x.shape != h.shape or not (x >= 0.0).all() or (form == Qlike.RATIO and not (x > 0.0).all()):
        raise MeasureError("realised variances must be as many as forecasts, not negative, and positive for form 'ratio'")
    ratio = x / h
    return float(np.mean(np.log(h) + ratio if form == Qlike.LOG else ratio - np.log(ratio) - 1.0))


def mahalanobis(returns: ArrayLike, covariance: ArrayLike) -> float:
    """Return r' H⁻¹ r of a day's returns float64[N]: N is expected under a right model, chi-square(N) if normal.

    MeasureError for returns or a covariance that are not finite, or a covariance that is not positive definite.
    """
    matrix = checked_symmetric(covariance)
    day = checked_day(returns, len(matrix))
    try:
        root = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise MeasureError("the covariance is not positive definite: it has no inverse; shrink it, or see nearest_covariance") from None
    away = np.linalg.solve(root, day)
    return float(away @ away)


def bias_band(days: int, level: float = 0.95, df: float | None = None) -> Band:
    """Return the band of the bias statistic: roots of 1 ± z sqrt((kurtosis - 1) / days), about 1 ± sqrt(2 / days) for normal at 95 %.

    Parameters
    ----------
    days : int
    level : float
        Probability inside, in (0, 1).
    df : float, optional
        Degrees of freedom, more than 4, if standardised returns are Student t of variance one; normal if not given.
    """
    variance = _kurtosis(df) - 1.0
    reach = _reach(days, level) * sqrt(variance)
    return Band(sqrt(max(1.0 - reach, 0.0)), 1.0, sqrt(1.0 + reach))


def qlike_band(days: int, level: float = 0.95, df: float | None = None) -> Band:
    """Return the band of the mean "ratio" QLIKE of daily squared returns; parameters as `bias_band`.

    With x the squared standardised return: E = -E log x, 1.2704 for normal, and variance var x + var log x - 2 cov(x, log x), 2.9348.
    """
    from scipy.special import polygamma, psi

    _kurtosis(df)
    mean, variance = float(psi(0.5)) + log(2.0), 2.0 + float(polygamma(1, 0.5)) - 4.0
    if df is not None:
        half = 0.5 * df
        mean = float(psi(0.5) - psi(half)) + log(df - 2.0)
        covariance = 2.0 + float(psi(half) - psi(half - 1.0))
        variance = _kurtosis(df) - 1.0 + float(polygamma(1, 0.5) + polygamma(1, half)) - 2.0 * covariance
    reach = _reach(days, level) * sqrt(variance)
    return Band(-mean - reach, -mean, -mean + reach)


def mahalanobis_band(count: int, days: int, level: float = 0.95, df: float | None = None) -> Band:
    """Return the band of the mean of r' H⁻¹ r / N over days, multivariate Student t if `df` is given; parameters as `bias_band`."""
    if count < 1:
        raise MeasureError(f"there must be at least one instrument, not {count!r}")
    reach = _reach(days, level) * sqrt((count + 2.0) * _kurtosis(df) / (3.0 * count) - 1.0)
    return Band(max(1.0 - reach, 0.0), 1.0, 1.0 + reach)


def _reach(days: int, level: float) -> float:
    from scipy.special import ndtri

    if days < 1:
        raise MeasureError(f"a band needs at least one day, not {days!r}")
    inside = checked_scalar(level, "level", above=0.0, most=1.0)
    if inside >= 1.0:
        raise MeasureError("level must be less than 1")
    return float(ndtri(0.5 * (1.0 + inside))) / sqrt(days)


def _kurtosis(df: float | None) -> float:
    return 3.0 if df is None else 3.0 + 6.0 / (checked_scalar(df, "df", above=4.0) - 4.0)


def _positive(values: ArrayLike, name: str) -> Floats:
    vector = checked_pnl(values, name)
    if not (vector > 0.0).all():
        raise MeasureError(f"{name} must be positive; the one at position {int(np.argmin(vector))} is {vector.min():g}")
    return vector
