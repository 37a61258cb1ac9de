"""Monte Carlo scenarios from a copula and marginals, and the risk of exposures under them with its simulation error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

from risk_core.conventions import tail_probability
from risk_core.copulas.checks import CopulaError
from risk_core.copulas.dependence import pseudo_observations
from risk_core.copulas.marginals import Marginal
from risk_core.copulas.protocol import Dependence
from risk_core.measures.checks import MeasureError, checked_pnl
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.result import Measured

Floats = NDArray[np.float64]


def copula_scenarios(
    moves: ArrayLike,
    copula: Dependence | Callable[[Floats], Dependence],
    marginals: Sequence[Marginal] | Callable[[Floats], Marginal],
    count: int,
    seed: int,
) -> Floats:
    """Return joint moves of instruments, drawn from a copula and put on marginals.

    Parameters
    ----------
    moves : float64[N, S]
        Observed moves, one instrument a row, one scenario a column, N >= 2.
    copula : Dependence or callable
        A copula of N columns, or what fits one to pseudo-observations float64[S, N]: `StudentTCopula.fit`, `fit_vine`.
    marginals : sequence of Marginal or callable
        One for each instrument, or what makes one of its moves float64[S]: `EmpiricalMarginal`.
    count : int
        Scenarios to draw.
    seed : int
        Not negative; the same seed gives the same bits.

    Returns
    -------
    float64[N, count]
        In the unit of the moves.

    Raises
    ------
    CopulaError
        For moves of another shape, NaN, or a copula or marginals of another number of instruments; and as the fits raise.
    """
    observed = np.asarray(moves, np.float64)
    if observed.ndim != 2 or observed.shape[0] < 2 or observed.shape[1] < 1:
        raise CopulaError(f"moves must have the shape (instruments, scenarios) with two instruments at least, not {observed.shape}")
    bad = np.argwhere(~np.isfinite(observed))
    if bad.size:
        raise CopulaError(
            f"moves is {observed[tuple(bad[0])]} for instrument {bad[0][0]}, scenario {bad[0][1]}; fill it or drop the scenario"
        )
    joined = copula(pseudo_observations(observed.T)) if callable(copula) else copula
    laws = [marginals(row) for row in observed] if callable(marginals) else list(marginals)
    if joined.dimension != len(observed) or len(laws) != len(observed):
        raise CopulaError(
            f"{len(observed)} instruments need as many columns of a copula, not {joined.dimension}, and marginals, not {len(laws)}"
        )
    uniforms = joined.sample(count, seed)
    return np.stack([law.from_uniform(column) for law, column in zip(laws, uniforms.T, strict=True)])


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedRisk:
    """Risk of exposures under simulated scenarios, with the error of the simulation alone.

    Parameters
    ----------
    value_at_risk, expected_shortfall : Measured
        Loss positive; gradients with respect to the simulated P&L.
    value_at_risk_error, expected_shortfall_error : float or None
        Standard errors, in the unit of the P&L; None where the tail holds less than two scenarios. They say nothing of the error in copula
        and marginals, which more scenarios do not lessen.
    count : int
        Scenarios.
    """

    value_at_risk: Measured
    expected_shortfall: Measured
    value_at_risk_error: float | None
    expected_shortfall_error: float | None
    count: int


def simulated_risk(exposures: ArrayLike, scenarios: ArrayLike, confidence: float) -> SimulatedRisk:
    """Return value at risk and expected shortfall of linear exposures under equally weighted scenarios.

    Parameters
    ----------
    exposures : float64[N]
        Money for each unit of move.
    scenarios : float64[N, count]
        From `copula_scenarios`.
    confidence : float
        In [0.5, 1).

    Raises
    ------
    MeasureError, ConventionError
        For shapes that do not fit, NaN, or an impossible confidence.
    """
    moves = np.asarray(scenarios, np.float64)
    held = checked_pnl(exposures, "exposures")
    if moves.ndim != 2 or moves.shape[0] != held.size:
        raise MeasureError(f"scenarios must have the shape ({held.size}, count), a row for each exposure, not {moves.shape}")
    pnl = checked_pnl(held @ moves)
    var, es = value_at_risk(pnl, confidence), expected_shortfall(pnl, confidence)
    if tail_probability(confidence) * pnl.size < 2.0:
        return SimulatedRisk(var, es, None, None, pnl.size)
    return SimulatedRisk(var, es, value_at_risk_error(pnl, confidence), expected_shortfall_error(pnl, confidence), pnl.size)


def value_at_risk_error(pnl: ArrayLike, confidence: float) -> float:
    """Return the standard error of value at risk from a simple random sample: the method of Maritz and Jarrett.

    The k-th smallest of n draws has the law of a beta variable with parameters k and n + 1 - k, put through the quantile function:
    with that of the sample its variance is a sum over order statistics. No density is estimated and no width chosen. J. Maritz and
    R. Jarrett, "A note on estimating the variance of the sample median", JASA 73 (1978) 194-196.

    Parameters
    ----------
    pnl : float64[n]
        Gains positive, equally weighted, independent.
    confidence : float
    """
    ordered = np.sort(checked_pnl(pnl))
    n = ordered.size
    rank = max(1, int(np.ceil(tail_probability(confidence) * n - 1e-9)))
    mass = np.diff(betainc(rank, n + 1 - rank, np.arange(n + 1) / n))
    centred = ordered - ordered[rank - 1]
    mean = float(mass @ centred)
    return sqrt(max(float(mass @ (centred * centred)) - mean * mean, 0.0))


def expected_shortfall_error(pnl: ArrayLike, confidence: float) -> float:
    """Return the asymptotic standard error of expected shortfall: sqrt((Var(L | tail) + c (ES - VaR)²) / (n (1 - c))), c the confidence.

    B. Manistre and G. Hancock, "Variance of the CTE estimator", North American Actuarial Journal 9 (2005) 129-156. Needs a tail of finite
    variance. Parameters as `value_at_risk_error`.
    """
    vector = checked_pnl(pnl)
    tail = tail_probability(confidence)
    var, es = value_at_risk(vector, confidence).value, expected_shortfall(vector, confidence)
    inside = 0.0 - es.gradient
    spread = float(inside @ (vector + es.value) ** 2)
    return sqrt((spread + confidence * (es.value - var) ** 2) / (vector.size * tail))
