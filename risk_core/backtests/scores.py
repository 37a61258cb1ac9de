"""Scores of forecasts: consistent losses of VaR, and of VaR and ES together, day by day; smaller is better.

With q = -VaR and e = -ES in the P&L's sign, alpha = 1 - confidence and I whether P&L <= q. T. Fissler and J. Ziegel, "Higher order
elicitability and Osband's principle", Annals of Statistics 44 (2016) 1680-1707, section 5.2: every score of the pair is

    (I - alpha) G1(q) - I G1(x) + G2(e) (e - q + I (q - x) / alpha) - G(e) + a(x),   G' = G2.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.backtests.es_inputs import Outcomes, checked_like, checked_outcomes, checked_tail, checked_vector
from risk_core.backtests.result import BacktestError

Floats = NDArray[np.float64]


class JointScore(StrEnum):
    """Which joint score of VaR and ES."""

    FZ0 = "fz0"
    """Homogeneous of degree zero in differences: G1 = 0, G2(e) = -1 / e. ES must be positive."""
    FZG = "fzg"
    """Logistic: G1(q) = q, G2(e) = exp(e) / (1 + exp(e)), a = log 2. Depends on the unit of the P&L."""
    NOLDE_ZIEGEL = "nolde_ziegel"
    """Homogeneous of degree one half: G1 = 0, G2(e) = 1 / (2 sqrt(-e)). ES must be positive."""
    ASYMMETRIC_LAPLACE = "asymmetric_laplace"
    """Minus the logarithm of Taylor's asymmetric Laplace density. ES must be positive."""


def quantile_loss(pnl: ArrayLike, value_at_risk: ArrayLike, confidence: float) -> Floats:
    """Return (alpha - 1{x < q}) (x - q) of each day, q = -VaR: the quantile (tick, pinball) loss.

    R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46 (1978) 33-50.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    value_at_risk : float64[S] or float
        Loss positive.
    confidence : float
        Such as 0.99.

    Returns
    -------
    float64[S]
        In the unit of the P&L, never negative; the mean is the score.

    Raises
    ------
    BacktestError
        For NaN, infinite numbers, or lengths that differ.
    """
    x = checked_vector(pnl, "pnl")
    excess = x + checked_like(value_at_risk, x, "value_at_risk")
    loss: Floats = (checked_tail(confidence) - (excess < 0.0)) * excess
    return loss


def joint_loss(
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    expected_shortfall: ArrayLike,
    confidence: float,
    score: JointScore | str = JointScore.FZ0,
) -> Floats:
    """Return a joint loss of VaR and ES, of each day.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    value_at_risk, expected_shortfall : float64[S] or float
        Loss positive, in the unit of the P&L.
    confidence : float
    score : JointScore

    Returns
    -------
    float64[S]
        Smaller is better on average; single days may be negative.

    Raises
    ------
    BacktestError
        For NaN, infinite numbers, lengths that differ, ES below VaR, or ES not positive (except `fzg`).
    """
    try:
        chosen = JointScore(score)
    except ValueError:
        raise BacktestError(f"score must be one of {', '.join(JointScore)}, not {score!r}") from None
    outcomes = checked_outcomes(pnl, value_at_risk, expected_shortfall, confidence, positive=chosen is not JointScore.FZG)
    return _LOSSES[chosen](outcomes)


def fz0_loss(pnl: ArrayLike, value_at_risk: ArrayLike, expected_shortfall: ArrayLike, confidence: float) -> Floats:
    """Return -I (q - x) / (alpha e) + q / e + log(-e) - 1, of each day.

    A. Patton, J. Ziegel and R. Chen, "Dynamic semiparametric models for expected shortfall (and value-at-risk)", Journal of Econometrics
    211 (2019) 388-413, equation 6. Differences between forecasts do not depend on the unit. Parameters and errors: `joint_loss`.
    """
    return joint_loss(pnl, value_at_risk, expected_shortfall, confidence, JointScore.FZ0)


def fzg_loss(pnl: ArrayLike, value_at_risk: ArrayLike, expected_shortfall: ArrayLike, confidence: float) -> Floats:
    """Return (I - alpha) q - I x + G2(e) (e - q + I (q - x) / alpha) + log(2 / (1 + exp(e))), G2 logistic, of each day.

    T. Fissler, J. Ziegel and T. Gneiting, "Expected shortfall is jointly elicitable with value at risk: implications for backtesting",
    Risk (January 2016). Measure P&L in per cent: the unit matters. Parameters and errors: `joint_loss`.
    """
    return joint_loss(pnl, value_at_risk, expected_shortfall, confidence, JointScore.FZG)


def _identified(o: Outcomes) -> Floats:
    """Return e - q + I (q - x) / alpha: mean zero where VaR and ES are right."""
    identified: Floats = o.value_at_risk - o.expected_shortfall + np.maximum(-o.pnl - o.value_at_risk, 0.0) / o.tail
    return identified


def _fz0(o: Outcomes) -> Floats:
    loss: Floats = _identified(o) / o.expected_shortfall + np.log(o.expected_shortfall)
    return loss


def _fzg(o: Outcomes) -> Floats:
    e = -o.expected_shortfall
    logistic = 0.5 * (1.0 + np.tanh(0.5 * e))
    by_quantile = np.where(o.exceeded, -o.pnl - o.value_at_risk, 0.0) + o.tail * o.value_at_risk
    loss: Floats = by_quantile + logistic * _identified(o) + np.log(2.0) - np.logaddexp(0.0, e)
    return loss


def _nolde_ziegel(o: Outcomes) -> Floats:
    root = np.sqrt(o.expected_shortfall)
    loss: Floats = 0.5 * _identified(o) / root + root
    return loss


def _asymmetric_laplace(o: Outcomes) -> Floats:
    check = (o.tail - o.exceeded) * (o.pnl + o.value_at_risk)
    loss: Floats = check / (o.tail * o.expected_shortfall) - np.log((1.0 - o.tail) / o.expected_shortfall)
    return loss


_LOSSES = {
    JointScore.FZ0: _fz0,
    JointScore.FZG: _fzg,
    JointScore.NOLDE_ZIEGEL: _nolde_ziegel,
    JointScore.ASYMMETRIC_LAPLACE: _asymmetric_laplace,
}
