"""Weighted moments of a P&L vector, with their gradients; divisors and bias named."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, ConventionError, Conventions, EwmaStart, Mean
from risk_core.measures.checks import MeasureError, checked_pnl, checked_scalar, checked_weights
from risk_core.measures.quantiles import sequential_sum

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Four moments of a weighted vector.

    Parameters
    ----------
    mean : float
        Zero where the conventions assume it.
    variance : float
        About `mean`.
    skewness, kurtosis : float or None
        Third and fourth standardised moments about `mean`: 0 and 3 for the normal. None for a vector without variance.
    gradient : float64[4, S]
        Derivatives of mean, variance, skewness and kurtosis in each P&L.
    """

    mean: float
    variance: float
    skewness: float | None
    kurtosis: float | None
    gradient: Floats = field(repr=False)

    @property
    def standard_deviation(self) -> float:
        """Square root of the variance."""
        return sqrt(self.variance)

    @property
    def excess_kurtosis(self) -> float | None:
        """Kurtosis minus 3: 0 for the normal."""
        return None if self.kurtosis is None else self.kurtosis - 3.0


def moments(
    pnl: ArrayLike, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS, *, unbiased: bool = False
) -> Moments:
    """Return mean, variance, skewness and kurtosis of a weighted vector.

    Parameters
    ----------
    pnl : float64[S]
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.
    conventions : Conventions
        `mean` "zero": all moments are about zero, and the mean is 0. "sample": about the weighted mean. `ddof`, with mean "sample": 1
        scales the variance by 1 / (1 - sum w²), S / (S - 1) for equal weights. Skewness and kurtosis divide by the variance of ddof 0
        whatever `ddof` is.
    unbiased : bool
        Skewness G1 and kurtosis 3 + G2 of D. N. Joanes and C. A. Gill, "Comparing measures of sample skewness and kurtosis", The
        Statistician 47 (1998) 183-189: Excel's SKEW and KURT, pandas, `scipy.stats.skew(bias=False)`. For equal weights, mean "sample" and
        S >= 4.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights; one scenario with ddof 1; `unbiased` where it has no form.
    ConventionError
        For ewma_start "zero": moments need weights that sum to one.

    Examples
    --------
    >>> moments([-1.0, 1.0, 3.0, 5.0], conventions=Conventions(mean=Mean.SAMPLE)).variance
    5.0
    """
    if conventions.ewma_start is EwmaStart.ZERO:
        raise ConventionError("moments need weights that sum to one; use ewma_start 'normalised'")
    vector = checked_pnl(pnl)
    w = checked_weights(weights, pnl, vector.size)
    sampled = conventions.mean is Mean.SAMPLE
    freedom = 1.0 - conventions.ddof * sequential_sum(w * w) if sampled else 1.0
    if freedom <= 1e-15:
        raise MeasureError("one scenario leaves no degree of freedom for ddof 1; give more scenarios or ddof 0")
    mean, centred = _centred(vector, w) if sampled else (0.0, vector)
    gradient = np.zeros((4, vector.size))
    gradient[0] = w if sampled else 0.0
    largest = float(np.abs(centred[w > 0.0]).max())
    unit = centred / largest if largest > 0.0 else centred
    powers = [w, w * unit, w * unit * unit, w * unit**3, w * unit**4]
    m2, m3, m4 = (sequential_sum(p) for p in powers[2:])
    if not m2 * largest * largest > 0.0 or (sampled and largest <= 1e-14 * abs(mean)):
        if unbiased:
            raise MeasureError("a vector without variance has no skewness")
        return Moments(mean, 0.0, None, None, gradient)
    d2, d3, d4 = (k * (powers[k - 1] - (w * m if sampled else 0.0)) for k, m in ((2, 0.0), (3, m2), (4, m3)))
    skewness, kurtosis = m3 / m2**1.5, m4 / (m2 * m2)
    gradient[1] = d2 * largest / freedom
    gradient[2] = (d3 / m2**1.5 - 1.5 * skewness * d2 / m2) / largest
    gradient[3] = (d4 / (m2 * m2) - 2.0 * kurtosis * d2 / m2) / largest
    if unbiased:
        a, b, c = _unbiasing(w, sampled)
        skewness, kurtosis = a * skewness, b * kurtosis + c
        gradient[2] *= a
        gradient[3] *= b
    return Moments(mean, m2 * largest * largest / freedom, skewness, kurtosis, gradient)


def semi_deviation(pnl: ArrayLike, weights: ArrayLike | None = None, *, ddof: int = 0) -> float:
    """Return the root mean square of the shortfalls below the weighted mean, gains counted as zero.

    Parameters and errors are those of `moments` with mean "sample"; ddof as there.
    """
    vector = checked_pnl(pnl)
    w = checked_weights(weights, pnl, vector.size)
    below = np.minimum(_centred(vector, w)[1], 0.0)
    return sqrt(sequential_sum(w * below * below) / _freedom(w, ddof))


def mean_absolute_deviation(pnl: ArrayLike, weights: ArrayLike | None = None, *, about: float | None = None) -> float:
    """Return the mean distance from `about`, by default from the weighted mean.

    Parameters
    ----------
    pnl : float64[S]
    weights : float64[S], optional
        In the order of `pnl`; equal if not given.
    about : float, optional
        In the unit of the P&L.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights, or an `about` that is not finite.
    """
    distance, w = _from_target(pnl, weights, about, "about")
    return sequential_sum(w * np.abs(distance))


def lower_partial_moment(pnl: ArrayLike, weights: ArrayLike | None = None, *, order: float = 1.0, target: float | None = None) -> float:
    """Return the mean of max(target - P&L, 0)**order: what falls short of a target, by default of the weighted mean.

    Parameters
    ----------
    pnl, weights
        As `mean_absolute_deviation`.
    order : float
        1 for the mean shortfall, 2 for the semi-variance; positive. Order 0, the probability of falling short, is asked of the sample.
    target : float, optional
        In the unit of the P&L.

    Raises
    ------
    MeasureError
        As `mean_absolute_deviation`; for an order that is not positive, or a moment too large for a number.

    Notes
    -----
    P. Fishburn, "Mean-risk analysis with risk associated with below-target returns", American Economic Review 67 (1977) 116-126.
    """
    power = checked_scalar(order, "order", above=0.0)
    distance, w = _from_target(pnl, weights, target, "target")
    with np.errstate(over="ignore"):
        value = sequential_sum(w * np.maximum(0.0 - distance, 0.0) ** power)
    if not np.isfinite(value):
        raise MeasureError(f"the moment of order {power:g} is too large for a number; rescale the P&L")
    return value


def gini_mean_difference(pnl: ArrayLike, weights: ArrayLike | None = None, *, ddof: int = 1) -> float:
    """Return the mean absolute difference of two scenarios.

    With ddof 1 of two different ones (for equal weights the mean over all S (S - 1) / 2 pairs), with ddof 0 of two drawn with replacement.
    Errors are those of `semi_deviation`.
    """
    vector = checked_pnl(pnl)
    w = checked_weights(weights, pnl, vector.size)
    order = np.argsort(vector, kind="stable")
    mass = w[order]
    reached = np.cumsum(mass)
    return 2.0 * sequential_sum(mass * (vector[order] - vector[order[0]]) * (2.0 * reached - mass - 1.0)) / _freedom(w, ddof)


def _from_target(pnl: ArrayLike, weights: ArrayLike | None, target: float | None, name: str) -> tuple[Floats, Floats]:
    vector = checked_pnl(pnl)
    w = checked_weights(weights, pnl, vector.size)
    return (_centred(vector, w)[1] if target is None else vector - checked_scalar(target, name)), w


def _centred(vector: Floats, w: Floats) -> tuple[float, Floats]:
    from_first = vector - vector[0]  # a vector without variance then has exactly none
    shift = sequential_sum(w * from_first)
    return float(vector[0]) + shift, from_first - shift


def _freedom(w: Floats, ddof: int) -> float:
    if ddof not in (0, 1):
        raise MeasureError(f"ddof must be 0 or 1, not {ddof!r}")
    freedom = 1.0 - ddof * sequential_sum(w * w)
    if freedom <= 1e-15:
        raise MeasureError("one scenario leaves no degree of freedom for ddof 1; give more scenarios or ddof 0")
    return freedom


def _unbiasing(w: Floats, sampled: bool) -> tuple[float, float, float]:
    n = w.size
    if not sampled or n < 4 or not np.allclose(w, 1.0 / n, rtol=1e-9):
        raise MeasureError("unbiased skewness and kurtosis are for equal weights, mean 'sample' and at least 4 scenarios; leave `unbiased`")
    scale = (n - 1.0) / ((n - 2.0) * (n - 3.0))
    return sqrt(n * (n - 1.0)) / (n - 2.0), scale * (n + 1.0), 3.0 + scale * (6.0 - 3.0 * (n + 1.0))
