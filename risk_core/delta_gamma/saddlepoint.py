"""Saddlepoint approximation of value at risk and expected shortfall.

R. Lugannani and S. Rice, "Saddle point approximation for the distribution of the sum of independent random variables", Advances in Applied
Probability 12 (1980) 475-490; A. Feuerverger and A. C. M. Wong, "Computation of value-at-risk for nonlinear portfolios", Journal of Risk 3
(2000) 37-55. All functions of the tilt t read the loss a + sum of b y + c y² / 2, whose cumulant generating function is
K(t) = a t + sum of (b² t² / (1 - c t) - log(1 - c t)) / 2.
"""

from __future__ import annotations

from math import exp, inf, isinf, log, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr

from risk_core.conventions import tail_probability
from risk_core.delta_gamma.approximate import constant_risk
from risk_core.delta_gamma.model import DeltaGamma, Quadratic
from risk_core.delta_gamma.result import DeltaGammaRisk, Method

Floats = NDArray[np.float64]

BRIDGE: Final = 1e-4
"""Tilts this close to zero, in standard deviations of the loss, are interpolated: at the mean the formula is 0 / 0, its limit finite."""
_SERIES: Final = 0.02
_SERIES_TERMS: Final = 9


def saddlepoint_value_at_risk(book: DeltaGamma, confidence: float) -> DeltaGammaRisk:
    """Return value at risk from the Lugannani-Rice tail probability.

    Parameters
    ----------
    book : DeltaGamma
    confidence : float
        In [0.5, 1).

    Returns
    -------
    DeltaGammaRisk
        Status `constant` for a book that does not vary. Exact where gamma is zero.

    Raises
    ------
    ConventionError
        For an impossible confidence.
    """
    tail = tail_probability(confidence)
    if book.standard_deviation == 0.0:
        return constant_risk(book, confidence, Method.SADDLEPOINT)
    loss = book.quadratic.loss
    return DeltaGammaRisk(loss_at(loss, tilt_of_tail(loss, tail)), confidence, Method.SADDLEPOINT)


def saddlepoint_expected_shortfall(book: DeltaGamma, confidence: float) -> DeltaGammaRisk:
    """Return expected shortfall: the Lugannani-Rice tail integrated beyond its own value at risk, so never below it.

    Parameters and errors are those of `saddlepoint_value_at_risk`.
    """
    tail = tail_probability(confidence)
    if book.standard_deviation == 0.0:
        return constant_risk(book, confidence, Method.SADDLEPOINT)
    loss = book.quadratic.loss
    start = tilt_of_tail(loss, tail)
    _, upper = tilt_range(loss)

    def beyond(v: float) -> float:
        """The tail times d loss, for t from the start (v = 0) to the end of its range."""
        step = exp(-v) * (upper - start) if not isinf(upper) else 1.0 / sqrt(loss.cumulant(2))
        t = start + v * step if isinf(upper) else upper - step
        if t >= upper:
            return 0.0
        return tail_at(loss, t) * float(curvature(loss, t)) * step

    excess = quad(beyond, 0.0, inf, epsabs=0.0, epsrel=1e-9, limit=200, full_output=1)[0]
    return DeltaGammaRisk(loss_at(loss, start) + float(excess) / tail, confidence, Method.SADDLEPOINT)


def saddlepoint_tail_probability(book: DeltaGamma, loss: float) -> float:
    """Return the Lugannani-Rice approximation of P(loss of the book > loss): 0 or 1 outside the range of its values."""
    form = book.quadratic.loss
    if loss >= form.supremum or book.standard_deviation == 0.0:
        return 0.0 if loss >= form.constant or book.standard_deviation > 0.0 else 1.0
    if -loss >= book.quadratic.supremum:
        return 1.0
    scale = 1.0 / sqrt(form.cumulant(2))
    lower, upper = tilt_range(form)
    ahead = loss > loss_at(form, 0.0)
    end = next(t for t in _outward(upper if ahead else lower, scale) if (loss_at(form, t) > loss) == ahead)
    return tail_at(form, float(brentq(lambda t: loss_at(form, t) - loss, 0.0, end, xtol=1e-14 * scale, rtol=1e-14)))


def tilt_range(loss: Quadratic) -> tuple[float, float]:
    """Return the open interval of tilts for which the generating function exists."""
    low, high = float(loss.quadratic.min()), float(loss.quadratic.max())
    return (1.0 / low if low < 0.0 else -inf), (1.0 / high if high > 0.0 else inf)


def loss_at(loss: Quadratic, t: float) -> float:
    """Return K'(t): the loss whose saddlepoint is t."""
    c, b2 = loss.quadratic, loss.linear**2
    left = 1.0 - c * t
    return loss.constant + 0.5 * float(np.sum(c / left + b2 * t * (2.0 - c * t) / left**2))


def curvature(loss: Quadratic, t: float) -> float:
    """Return K''(t)."""
    c, left = loss.quadratic, 1.0 - loss.quadratic * t
    return 0.5 * float(np.sum((c / left) ** 2 + 2.0 * loss.linear**2 / left**3))


def roots_at(loss: Quadratic, t: float) -> tuple[float, float]:
    """Return (w, u) of Lugannani and Rice: w²/2 = t K'(t) - K(t) with the sign of t, and u = t sqrt(K''(t))."""
    z = loss.quadratic * t
    left = 1.0 - z
    half = 0.5 * float(np.sum((loss.linear * t / left) ** 2 + _gap(z)))
    return (sqrt(2.0 * half) if t > 0.0 else -sqrt(2.0 * half)), t * sqrt(curvature(loss, t))


def tail_at(loss: Quadratic, t: float) -> float:
    """Return the approximate probability of a loss beyond K'(t)."""
    near = BRIDGE / sqrt(loss.cumulant(2))
    if abs(t) < near:
        low, high = _tail(loss, -near), _tail(loss, near)
        return low + (high - low) * (t + near) / (2.0 * near)
    return _tail(loss, t)


def tilt_of_tail(loss: Quadratic, tail: float) -> float:
    """Return the tilt at which the approximate tail probability is `tail`."""
    scale = 1.0 / sqrt(loss.cumulant(2))
    lower, upper = tilt_range(loss)
    ahead = tail_at(loss, 0.0) > tail
    start = 0.0
    for end in _outward(upper if ahead else lower, scale):
        if (tail_at(loss, end) < tail) == ahead:
            return float(brentq(lambda t: log(max(tail_at(loss, t), 1e-320) / tail), start, end, xtol=1e-15 * scale, rtol=1e-14))
        start = end
    raise AssertionError("the tail probability has no root")  # it falls to 0 and rises to 1 at the ends


def _outward(limit: float, scale: float) -> list[float]:
    """Return tilts from near zero to an end of their range."""
    if isinf(limit):
        return [float(np.copysign(scale * 2.0**j, limit)) for j in range(-6, 400)]
    return [limit * (1.0 - 2.0**-j) for j in range(1, 50)]


def _tail(loss: Quadratic, t: float) -> float:
    w, u = roots_at(loss, t)
    return float(ndtr(-w)) + exp(-0.5 * w * w) / sqrt(2.0 * pi) * (w - u) / (w * u)


def _gap(z: Floats) -> Floats:
    """Return z / (1 - z) + log(1 - z), by its series where the terms cancel."""
    small = np.abs(z) < _SERIES
    safe = np.where(small, 0.5, z)
    series = np.zeros_like(z)
    for n in range(_SERIES_TERMS, 1, -1):
        series = series * z + (1.0 - 1.0 / n)
    return np.where(small, series * z * z, safe / (1.0 - safe) + np.log1p(-safe))
