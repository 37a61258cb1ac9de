"""Value at risk and expected shortfall from the parameters of an extreme value law: a published or agreed fit, not data.

A. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2nd ed., 2015), secs. 5.1 and 5.2; K. Dowd, Measuring Market Risk (2nd
ed., 2005), ch. 7; R. Tsay, Analysis of Financial Time Series, ch. 7.
"""

from __future__ import annotations

from math import exp, expm1, isfinite, log, log1p

import numpy as np

from risk_core.conventions import MASS_SLACK, tail_probability
from risk_core.extreme.gpd import gpd_cdf
from risk_core.extreme.kernels import risk_factor
from risk_core.extreme.peaks import InfiniteMeanError
from risk_core.measures.checks import MeasureError, checked_scalar
from risk_core.measures.closed_form import ClosedForm


def peaks_closed_form(threshold: float, shape: float, scale: float, exceedance_probability: float, confidence: float) -> ClosedForm:
    """Return VaR = u + (beta / xi) ((tail / p)**(-xi) - 1) and ES = (VaR + beta - xi u) / (1 - xi).

    Hill's tail, P(loss > x) = p (x / u)**(-1 / xi), is the case scale = shape * threshold.

    Parameters
    ----------
    threshold : float
        u, a loss.
    shape, scale : float
        xi, positive for a heavy tail and below 1, and beta > 0 in the unit of the loss.
    exceedance_probability : float
        p, the share of losses beyond the threshold (k / n), in (0, 1].
    confidence : float
        In [0.5, 1), at least 1 - p.

    Raises
    ------
    InfiniteMeanError
        For a shape of one or more.
    MeasureError
        For numbers out of range, a confidence inside the body, or a result that is no finite number.
    ConventionError
        For an impossible confidence.
    """
    u, xi, beta = checked_scalar(threshold, "threshold"), _shape(shape), checked_scalar(scale, "scale", above=0.0)
    p, tail = checked_scalar(exceedance_probability, "exceedance_probability", above=0.0, most=1.0), tail_probability(confidence)
    if tail > p + MASS_SLACK:
        raise MeasureError(f"confidence {confidence!r} lies in the body: {p:g} of losses lie beyond the threshold; use at least {1 - p:g}")
    depth = max(log(p / tail), 0.0)
    factors = [risk_factor(xi, depth, shortfall)[0] for shortfall in (False, True)]
    return _finite(*(u + beta * factor for factor in factors))


def peaks_tail_probability(loss: float, threshold: float, shape: float, scale: float, exceedance_probability: float) -> float:
    """Return P(loss > x) = p (1 + xi (x - u) / beta)**(-1/xi) for a loss x of at least the threshold.

    Parameters
    ----------
    loss : float
        x, at least u.
    threshold, shape, scale, exceedance_probability
        As `peaks_closed_form`; any shape.

    Raises
    ------
    MeasureError
        For numbers out of range, or a loss below the threshold.
    """
    x, u = checked_scalar(loss, "loss"), checked_scalar(threshold, "threshold")
    xi, beta = checked_scalar(shape, "shape"), checked_scalar(scale, "scale", above=0.0)
    p = checked_scalar(exceedance_probability, "exceedance_probability", above=0.0, most=1.0)
    if x < u:
        raise MeasureError(f"loss {loss!r} lies below the threshold {threshold!r}: the tail says nothing about it")
    return p * float(1.0 - gpd_cdf(x - u, xi, beta)) if xi < 0.0 else p * _survival((x - u) / beta, xi)


def block_maxima_closed_form(location: float, scale: float, shape: float, block: int, confidence: float) -> ClosedForm:
    """Return VaR and ES of one period's loss from a generalised extreme value law of the worst loss of a block.

    VaR = mu + (sigma / xi) ((-n log c)**(-xi) - 1); Gumbel, mu - sigma log(-n log c), for xi = 0: the worst of n independent losses lies
    below the c quantile of one with probability c**n. ES averages it over higher confidences.

    Parameters
    ----------
    location, scale, shape : float
        mu, sigma > 0, and xi below 1, positive for a heavy tail (k = -xi in Tsay and in Jenkinson's form).
    block : int
        n, periods in a block.
    confidence : float
        c, in [0.5, 1), for one period.

    Raises
    ------
    InfiniteMeanError
        For a shape of one or more.
    MeasureError
        For numbers out of range, or a result that is no finite number.
    ConventionError
        For an impossible confidence.
    """
    mu, sigma, xi = checked_scalar(location, "location"), checked_scalar(scale, "scale", above=0.0), _shape(shape)
    if isinstance(block, bool) or not isinstance(block, int) or block < 1:
        raise MeasureError(f"block must be a whole number of at least 1, not {block!r}")
    tail = tail_probability(confidence)
    with np.errstate(over="ignore"):  # refused below
        grown = float(np.exp(-xi * log(block * tail)))
    var = risk_factor(xi, -log(block * -log1p(-tail)), False)[0]
    # -log c is the tail probability p times 1 + p / 2 + ...: the mean without that factor is known, the rest is small and smooth
    plain = risk_factor(xi, -log(block * tail), True)[0]
    curved = grown * _curvature(xi, tail)
    return _finite(mu + sigma * var, mu + sigma * (plain - curved))


def _curvature(shape: float, tail: float) -> float:
    """Return the integral over u in [0, 1] of u**(-shape) (1 - r**(-shape)) / shape, with r = -log(1 - p) / p and p = tail u."""
    from scipy.integrate import quad  # takes a second to import

    def integrand(u: float) -> float:
        log_ratio = log(-log1p(-tail * u) / (tail * u)) if tail * u > 1e-300 else 0.0
        return float(u**-shape) * (log_ratio if shape == 0.0 else -expm1(-shape * log_ratio) / shape)

    return float(quad(integrand, 0.0, 1.0, epsabs=1e-14, epsrel=1e-10, limit=200)[0])


def _survival(x: float, shape: float) -> float:
    return exp(-x) if shape == 0.0 else exp(-log1p(shape * x) / shape)


def _shape(shape: float) -> float:
    xi = checked_scalar(shape, "shape")
    if xi >= 1.0:
        raise InfiniteMeanError(f"the shape is {xi:.3g}, and from 1 on expected shortfall is infinite; use peaks_tail_probability")
    return xi


def _finite(var: float, es: float) -> ClosedForm:
    if not (isfinite(var) and isfinite(es)):
        raise MeasureError(f"value at risk is {var:g} and expected shortfall {es:g}: the parameters are too large; check their units")
    return ClosedForm(var, es)
