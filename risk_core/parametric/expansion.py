"""The second-order Cornish-Fisher and Edgeworth expansions of a standardised law, in skewness and excess kurtosis.

E. A. Cornish and R. A. Fisher, "Moments and cumulants in the specification of distributions", Revue de l'Institut International de
Statistique 5 (1938) 307-320; V. Chernozhukov, I. Fernández-Val and A. Galichon, "Rearranging Edgeworth-Cornish-Fisher expansions", Economic
Theory 42 (2010) 419-435.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from risk_core.measures.checks import MeasureError
from risk_core.methods import normal_density, normal_quantile

Floats = NDArray[np.float64]

_POINTS, _MASSES = np.polynomial.hermite_e.hermegauss(16)
LARGEST_SKEWNESS: Final = 6.0 * (sqrt(2.0) - 1.0)
"""No kurtosis makes the transform increasing beyond this skewness, 2.485 (Maillard 2012)."""
_NOTHING: Final = 1e-12  # a leading coefficient this small turns the transform round only where no probability is


@dataclass(frozen=True, slots=True)
class Level:
    """Value of a standardised lower-tail number, and its derivatives in skewness and kurtosis."""

    value: float
    by_skewness: float
    by_kurtosis: float


def is_increasing(skewness: float, excess_kurtosis: float) -> bool:
    """Return whether the Cornish-Fisher transform rises in all z, and so is a quantile function.

    Its derivative is a parabola in z, not negative where S²/9 <= 4 (K/8 - S²/6) (1 - K/8 + 5 S²/36), both factors not negative.

    Parameters
    ----------
    skewness, excess_kurtosis : float
        The parameters of the expansion; 0 and 0 for the normal.
    """
    s, k = skewness, excess_kurtosis
    square, constant = k / 8.0 - s * s / 6.0, 1.0 - k / 8.0 + 5.0 * s * s / 36.0
    return square >= 0.0 and constant >= 0.0 and s * s / 9.0 <= 4.0 * square * constant


class ExpansionTerms(StrEnum):
    """How far the Cornish-Fisher expansion goes."""

    SKEWNESS = "skewness"
    """The first order: z + (z² - 1) S / 6 (Hull)."""
    KURTOSIS = "kurtosis"
    """All of the second order, in kurtosis and squared skewness (Christoffersen, Dowd, Zangari, PerformanceAnalytics)."""


def expansion_terms(terms: ExpansionTerms | str) -> ExpansionTerms:
    """Return the member of that name; MeasureError for an unknown one."""
    try:
        return ExpansionTerms(terms)
    except ValueError:
        raise MeasureError(f"unknown terms {terms!r}; choose one of {', '.join(ExpansionTerms)}") from None


def cornish_fisher(z: float, skewness: float, excess_kurtosis: float, terms: ExpansionTerms | str = ExpansionTerms.KURTOSIS) -> float:
    """Return z + (z² - 1) S / 6 + (z³ - 3 z) K / 24 - (2 z³ - 5 z) S² / 36; with terms "skewness" the first two alone."""
    s, k = skewness, excess_kurtosis
    if terms is not ExpansionTerms.KURTOSIS and expansion_terms(terms) is ExpansionTerms.SKEWNESS:
        return z + (z * z - 1.0) * s / 6.0
    return z + (z * z - 1.0) * s / 6.0 + (z**3 - 3.0 * z) * k / 24.0 - (2.0 * z**3 - 5.0 * z) * s * s / 36.0


def transformed_moments(skewness: float, excess_kurtosis: float) -> tuple[float, float, float]:
    """Return variance, skewness and excess kurtosis of the transform of a standard normal: not one and the parameters themselves.

    By Gauss-Hermite quadrature, exact for polynomials (D. Maillard, "A user's guide to the Cornish Fisher expansion", 2012, gives them
    written out).
    """
    values = np.array([cornish_fisher(float(z), skewness, excess_kurtosis) for z in _POINTS])
    mass = _MASSES / _MASSES.sum()
    second, third, fourth = (float(mass @ values**n) for n in (2, 3, 4))
    return second, third / second**1.5, fourth / (second * second) - 3.0


def transform_tail(tail: float, skewness: float, excess_kurtosis: float, *, rearrange: bool) -> tuple[Level, Level]:
    """Return quantile and tail mean of the transform at a tail probability.

    Parameters
    ----------
    tail : float
        1 - confidence.
    rearrange : bool
        Sort the values of the transform first: its quantile then is the v with P(transform(Z) <= v) = tail. Else the transform is read at
        the normal quantile, whether it rises or not.
    """
    s, k = skewness, excess_kurtosis
    if rearrange:
        value = _sorted_quantile(tail, s, k)
        edges, starts_below = _crossings(value, s, k)
    else:
        z = -normal_quantile(tail)
        value, edges, starts_below = cornish_fisher(z, s, k), np.array([z]), True
    slope = np.abs(1.0 + edges * s / 3.0 + (edges**2 - 1.0) * k / 8.0 - (6.0 * edges**2 - 5.0) * s * s / 36.0)
    weight = np.exp(-0.5 * edges**2) / np.maximum(slope, 1e-300) if edges.size > 1 else np.ones(1)
    weight = weight / weight.sum()
    he2, he3 = edges**2 - 1.0, edges**3 - 3.0 * edges
    quantile = Level(value, float(weight @ (he2 / 6.0 - (2.0 * he3 + edges) * s / 18.0)), float(weight @ he3) / 24.0)
    sign = np.where(np.arange(edges.size) % 2 == 0, 1.0, -1.0) * (1.0 if starts_below else -1.0)
    share = sign * np.array([normal_density(float(z)) for z in edges]) / tail
    mean = -float(share @ (1.0 + edges * s / 6.0 + he2 * k / 24.0 - (2.0 * he2 + 1.0) * s * s / 36.0))
    by_skewness = -float(share @ (edges / 6.0 - (2.0 * he2 + 1.0) * s / 18.0))
    return quantile, Level(mean, by_skewness, -float(share @ he2) / 24.0)


def edgeworth_tail_mean(tail: float, quantile: Level, skewness: float, excess_kurtosis: float) -> Level:
    """Return 1 / tail times the integral of z f(z) below a quantile, with f the second-order Edgeworth density.

    K. Boudt, B. Peterson and C. Croux, "Estimation and decomposition of downside risk for portfolios with non-normal returns", Journal of
    Risk 11 (2008) 79-103; by z He_k = He_(k+1) + k He_(k-1) their sums become three polynomials.
    """
    s, k, g = skewness, excess_kurtosis, quantile.value
    density = normal_density(g) / tail
    third, fourth = g**3, g**4 - 2.0 * g * g - 1.0
    sixth = g**6 - 9.0 * g**4 + 9.0 * g * g + 3.0
    mean = -density * (1.0 + third * s / 6.0 + fourth * k / 24.0 + sixth * s * s / 72.0)
    by_quantile = density * g * edgeworth_factor(g, s, k)
    return Level(
        mean,
        -density * (third / 6.0 + sixth * s / 36.0) + by_quantile * quantile.by_skewness,
        -density * fourth / 24.0 + by_quantile * quantile.by_kurtosis,
    )


def edgeworth_factor(z: float, skewness: float, excess_kurtosis: float) -> float:
    """Return the Edgeworth density over the normal one: 1 + S He3 / 6 + K He4 / 24 + S² He6 / 72."""
    s, k = skewness, excess_kurtosis
    he3, he4, he6 = z**3 - 3.0 * z, z**4 - 6.0 * z * z + 3.0, z**6 - 15.0 * z**4 + 45.0 * z * z - 15.0
    return 1.0 + he3 * s / 6.0 + he4 * k / 24.0 + he6 * s * s / 72.0


def edgeworth_is_positive_below(z: float, skewness: float, excess_kurtosis: float) -> bool:
    """Return whether the Edgeworth density is not negative anywhere below z."""
    s, k = skewness, excess_kurtosis
    a, b, c = s * s / 72.0, k / 24.0, s / 6.0
    coefficients = [a, 0.0, b - 15.0 * a, c, 45.0 * a - 6.0 * b, -3.0 * c, 1.0 + 3.0 * b - 15.0 * a]
    roots = np.roots(coefficients)
    real = roots.real[(np.abs(roots.imag) <= 1e-9 * (1.0 + np.abs(roots))) & (roots.real < z)]
    edges = np.sort(real)
    middles = np.concatenate(([edges[0] - 1.0], 0.5 * (edges[:-1] + edges[1:]), [0.5 * (edges[-1] + z)])) if edges.size else np.array([z])
    return all(edgeworth_factor(float(m), s, k) >= 0.0 for m in middles)


def _crossings(value: float, s: float, k: float) -> tuple[Floats, bool]:
    """Return where the transform passes a value, and whether it lies below the value at minus infinity."""
    third, second, first = k / 24.0 - s * s / 18.0, s / 6.0, 1.0 - k / 8.0 + 5.0 * s * s / 36.0
    third, second = (c if abs(c) > _NOTHING else 0.0 for c in (third, second))
    roots = np.roots([third, second, first, -second - value])
    real = np.sort(roots.real[np.abs(roots.imag) <= 1e-7 * (1.0 + np.abs(roots))])
    leading = third if third != 0.0 else -second if second != 0.0 else first
    return real, leading > 0.0


def _sorted_quantile(tail: float, s: float, k: float) -> float:
    z = -normal_quantile(tail)
    if is_increasing(s, k):
        return cornish_fisher(z, s, k)

    def excess(value: float) -> float:
        edges, starts_below = _crossings(value, s, k)
        sign = np.where(np.arange(edges.size) % 2 == 0, 1.0, -1.0) * (1.0 if starts_below else -1.0)
        ends_below = (edges.size % 2 == 0) == starts_below
        return float(sign @ ndtr(edges)) + float(ends_below) - tail

    reach = 1.0 + max(abs(cornish_fisher(side * x, s, k)) for side in (-1.0, 1.0) for x in (0.0, 1.0, 2.0, 40.0))
    return float(brentq(excess, -reach, reach, xtol=1e-15, rtol=1e-14, maxiter=500))
