"""Component expected shortfall of many linear portfolios at once: one matrix product finds the tails, only these are summed in full.

The same numbers as `attribute(..., expected_shortfall, ...)` portfolio by portfolio, to rounding, without standalone and incremental risk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from risk_core.conventions import MASS_SLACK, tail_probability
from risk_core.measures.attribution import AttributionError
from risk_core.measures.checks import LARGEST, MeasureError, checked_weights
from risk_core.measures.compiled import many_kernels
from risk_core.measures.result import Status
from risk_core.methods import effective_count

Floats = NDArray[np.float64]
Parts = tuple[Floats, Floats, Floats]

_ROUNDING: Final = 2.0**-24
"""Of single precision."""
_SMALLEST: Final = 2.0**-126
_MANY: Final = 1_000_000
"""Instruments beyond which single precision tells nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioShortfalls:
    """Expected shortfall of P portfolios, whole and by instrument, losses positive.

    Parameters
    ----------
    value : float64[P]
        In the unit of exposures times shocks. Never clipped.
    component : float64[P, N]
        Exposure times marginal: a row sums to its value. Negative for what hedges.
    marginal : float64[P, N]
        Change of the value for one more unit of exposure.
    confidence : float
    status : Status
        `thin_tail` as in `expected_shortfall`; it depends on weights and confidence only, so it is one for all.
    reason : str
    """

    value: Floats
    component: Floats = field(repr=False)
    marginal: Floats = field(repr=False)
    confidence: float
    status: Status = Status.OK
    reason: str = ""


def component_expected_shortfalls(
    exposures: ArrayLike, shocks: ArrayLike, confidence: float, weights: ArrayLike | None = None
) -> PortfolioShortfalls:
    """Return expected shortfall of many linear portfolios with the component and marginal risk of each instrument.

    By default conventions: the mean of the 1 - confidence worst weight, the observation at its edge taken with the fraction that is left
    (Acerbi and Tasche 2002); components by Euler's theorem (Tasche 1999). Among equal P&L the first scenario comes first. Sums run in an
    order of their own, so values differ from those of `expected_shortfall` in the last bits; where two scenarios of one portfolio are equal
    but for rounding, the components may be those of the other one.

    Of equally weighted scenarios, those that lie in a tail are found by a product in single precision with a bound of its error (N. Higham,
    Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, sec. 3.1); where it does not decide, and in all sums, it is double.

    Parameters
    ----------
    exposures : float64[P, N]
        A portfolio in each row; in currency for relative shocks, in units for absolute ones.
    shocks : float64[N, S]
        Instrument-major, as `ScenarioSet.shocks`.
    confidence : float
        In [0.5, 1).
    weights : float64[S], optional
        Of scenarios; as in `expected_shortfall`.

    Raises
    ------
    AttributionError
        If shapes do not fit, or there is no portfolio, instrument or scenario.
    MeasureError
        For NaN or infinite values, a P&L beyond 1e150, or impossible weights.
    ConventionError
        For an impossible confidence.

    Examples
    --------
    >>> found = component_expected_shortfalls([[1.0, 1.0], [1.0, -1.0]], [[-3.0, 1.0, 2.0, 0.0], [-1.0, 4.0, 0.0, 1.0]], 0.75)
    >>> found.value.tolist(), found.component.tolist()
    ([4.0, 3.0], [[3.0, 1.0], [-1.0, 4.0]])
    """
    x, moves = np.ascontiguousarray(exposures, np.float64), np.ascontiguousarray(shocks, np.float64)
    if x.ndim != 2 or moves.ndim != 2 or x.shape[1] != moves.shape[0] or not x.size or not moves.size:
        raise AttributionError(f"exposures {x.shape} and shocks {moves.shape} must have shapes (P, N) and (N, S), none of them empty")
    tail = tail_probability(confidence)
    mass = checked_weights(weights, moves[0], moves.shape[1])
    value, component, marginal = _equal(x, moves, mass, tail) if bool(np.all(mass == mass[0])) else _weighted(x, moves, mass, tail)
    effective = effective_count(mass)
    thin = tail * effective < 1.0 - 1e-9
    reason = f"the tail of {tail:g} holds {tail * effective:.3g} of {effective:.4g} effective scenarios" if thin else ""
    return PortfolioShortfalls(value, component, marginal, confidence, Status.THIN_TAIL if thin else Status.OK, reason)


def _equal(x: Floats, moves: Floats, mass: Floats, tail: float) -> Parts:
    """Return (value, component, marginal) over equally weighted scenarios: one product in single precision, the tails in double."""
    (portfolios, instruments), scenarios = x.shape, moves.shape[1]
    held, moved = np.empty(x.shape, np.float32), np.empty(moves.shape, np.float32)
    norms, squares = np.empty(instruments), np.empty(scenarios)
    many_kernels.scaled_moves(moves, moved, norms, squares)
    largest, divisor = many_kernels.scaled_exposures(x, norms, held)
    longest = sqrt(float(squares.max()))
    if not max(largest, divisor * longest, float(norms.max())) <= LARGEST:
        _check(x, moves)
    # the error of N products of rounded numbers, summed in any order, and what single precision loses near zero
    relative = 1.1 * (instruments + 8.0) * _ROUNDING if instruments < _MANY else np.inf
    distance = relative * longest + 4.0 * instruments * _SMALLEST
    by_scenario = np.empty((scenarios, instruments))
    many_kernels.transpose(moves, by_scenario)
    value, component, marginal = np.empty(portfolios), np.empty(x.shape), np.empty(x.shape)
    many_kernels.tail_rows(held @ moved, distance, x, by_scenario, 0.0 - _shares(mass, tail), value, component, marginal)
    return value, component, marginal


def _weighted(x: Floats, moves: Floats, mass: Floats, tail: float) -> Parts:
    """Return the same over any weights, each vector sorted."""
    vectors = _check(x, moves)
    marginal: Floats = _weighted_tails(vectors, mass, tail) @ np.ascontiguousarray(moves.T)
    component = x * marginal
    return component.sum(axis=1), component, marginal


def _check(x: Floats, moves: Floats) -> Floats:
    """Return the P&L vectors float64[P, S]."""
    with np.errstate(over="ignore", invalid="ignore"):
        vectors: Floats = x @ moves
    for name, values in (("exposures", x), ("shocks", moves), ("P&L", vectors)):
        bad = np.argwhere(~(np.abs(values) <= LARGEST))
        if bad.size:
            row, column = (int(k) for k in bad[0])
            raise MeasureError(
                f"{name} is {values[row, column]} at position ({row}, {column}): it must be finite and within {LARGEST:g}; "
                "fill missing returns from a proxy, or drop the scenario from every instrument"
            )
    return vectors


def _shares(mass: Floats, tail: float) -> Floats:
    """Return minus the share of the tail of each observation, worst first, until it is full; the last gives the fraction that is left."""
    reached = np.cumsum(np.concatenate(([0.0], mass)))
    last = int(np.argmax(reached[1:] >= tail - MASS_SLACK))
    return np.append(mass[:last], tail - reached[last]) / -tail


def _weighted_tails(vectors: Floats, mass: Floats, tail: float) -> csr_array:
    """Return gradients float64[P, S]: how many scenarios fill the tail differs from portfolio to portfolio."""
    order = np.argsort(vectors, axis=1, kind="stable")
    parts = []
    for row in order:
        held = row[mass[row] > 0.0]
        taken = _shares(mass[held], tail)
        parts.append((held[: taken.size], taken))
    start = np.concatenate(([0], np.cumsum([len(taken) for _, taken in parts])))
    return csr_array((np.concatenate([t for _, t in parts]), np.concatenate([h for h, _ in parts]), start), shape=vectors.shape)
