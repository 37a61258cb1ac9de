"""Expectiles of a sample and the value at risk they define, exactly.

W. Newey and J. Powell, "Asymmetric least squares estimation and testing", Econometrica 55 (1987) 819-847; F. Bellini, B. Klar, A. Müller
and E. Rosazza Gianin, "Generalized quantiles as risk measures", Insurance: Mathematics and Economics 54 (2014) 41-48.

Level and sign: the expectile at level tau is taken of the P&L, gains positive, and value at risk is minus the expectile at
tau = 1 - confidence. Confidence 0.99 reads tau = 0.01.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.quantiles import sequential_sum
from risk_core.measures.result import Measured, Status
from risk_core.methods import effective_count

Floats = NDArray[np.float64]


def expectile(values: ArrayLike, level: float, weights: ArrayLike | None = None) -> float:
    """Return the expectile e of a sample: level E[(X - e)+] = (1 - level) E[(e - X)+].

    Parameters
    ----------
    values : float64[n]
    level : float
        In (0, 1); 0.5 gives the mean.
    weights : float64[n], optional
        Not negative; equal if not given; scaled unless they sum to one.

    Raises
    ------
    MeasureError
        For NaN, an empty sample, impossible weights, or a level outside (0, 1).

    Examples
    --------
    >>> expectile([0.0, 1.0], 0.25)
    0.25
    """
    sample = checked_pnl(values, "values")
    if not 0.0 < level < 1.0:
        raise MeasureError(f"level must lie strictly between 0 and 1, not {level!r}")
    return _expectile(sample, level, checked_weights(weights, values, sample.size))[0]


def expectile_value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return minus the expectile of the P&L at level 1 - confidence.

    The cash to add so that expected gains are confidence / (1 - confidence) times expected losses. Coherent, because 1 - confidence is at
    most 1/2 (Bellini et al. 2014), and elicitable by asymmetric squared error. At one confidence it is milder than value at risk for usual
    laws: the normal expectile at 0.99855 is the normal quantile at 0.99.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
        In [0.5, 1): 1 - tau. At 0.5, the mean loss.
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.
    conventions : Conventions
        Stored with the result; an expectile needs none.

    Returns
    -------
    Measured
        Loss positive, in the unit of the P&L, never clipped. Solved in closed form on the interval of the sorted sample that holds the
        root of the piecewise linear first-order condition. Where a scenario equals the expectile it counts as above for the gradient.
        Status `thin_tail` where at most one effective scenario lies beyond.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, or impossible weights.
    ConventionError
        For an impossible confidence.
    """
    vector = checked_pnl(pnl)
    tail = tail_probability(confidence)
    mass = checked_weights(weights, pnl, vector.size)
    value, shares, below = _expectile(vector, tail, mass)
    held = below * effective_count(mass)
    thin = held < 1.0 + 1e-9
    reason = f"{held:.3g} of {effective_count(mass):.4g} effective scenarios lie beyond the expectile" if thin else ""
    return Measured(0.0 - value, 0.0 - shares, confidence, conventions, Status.THIN_TAIL if thin else Status.OK, reason)


def _expectile(sample: Floats, level: float, mass: Floats) -> tuple[float, Floats, float]:
    """Return (expectile, its derivative by each observation, weight strictly below)."""
    order = np.argsort(sample, kind="stable")
    order = order[mass[order] > 0.0]
    least = float(sample[order[0]])
    height, weight = sample[order] - least, mass[order]  # from the least: sums of one sign, exact on a constant sample
    below, above = np.cumsum(weight) - weight, np.cumsum(weight[::-1])[::-1]
    short = height * below - (np.cumsum(weight * height) - weight * height)
    over = np.cumsum((weight * height)[::-1])[::-1] - height * above
    # the condition falls from one observation to the next; the last at which it is not negative is the left end of the root's interval
    left = int(np.flatnonzero(level * over - (1.0 - level) * short >= 0.0)[-1])
    slope = np.where(height <= height[left], 1.0 - level, level) * weight
    value = least + sequential_sum(slope * height) / sequential_sum(slope)
    under = sample[order] < value
    slope = np.where(under, 1.0 - level, level) * weight
    shares = np.zeros_like(sample)
    shares[order] = slope / sequential_sum(slope)
    return value, shares, float(weight[under].sum())
