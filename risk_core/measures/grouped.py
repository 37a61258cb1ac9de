"""Who carries the risk, by any grouping: desks, currencies, sectors; several numbers of one P&L vector at once.

A group is a sum of exposures, so its P&L vector is one of the parts that `attribution` splits a number over. Its component comes from the
gradient; standalone and incremental are measured anew, each from its own vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.attribution import AttributionError, components
from risk_core.measures.result import Measured

Floats = NDArray[np.float64]
Numbers: TypeAlias = Callable[[Floats], Sequence[Measured]]
"""P&L vector float64[S] to one or more numbers with gradients, such as value at risk and expected shortfall of one fit."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupedRisk:
    """One number by group, losses positive, in the currency of the exposures.

    Parameters
    ----------
    total : Measured
        Of the whole.
    component : float64[G]
        What the group's P&L weighs in the gradient: sums to `total.value`. Negative for a group that hedges. Also the change of the
        number for one more of the group's holdings in their present proportions, per unit (Euler).
    marginal : float64[G]
        The same per unit of the group's size: `component / size`; 0 for a group of size 0.
    standalone : float64[G]
        The number of the group alone. For a subadditive measure the sum is at least `total.value`.
    incremental : float64[G]
        The number of the whole minus the number of the whole without the group: measured anew, so it does not sum.
    size : float64[G]
        Gross exposure, or as given.
    """

    total: Measured
    component: Floats
    marginal: Floats
    standalone: Floats
    incremental: Floats
    size: Floats

    @property
    def share(self) -> Floats | None:
        """Component over total, float64[G], summing to one; None where the total is zero."""
        return None if self.total.value == 0.0 else self.component / self.total.value

    @property
    def diversification_benefit(self) -> float:
        """Sum of standalone numbers minus the number of the whole; never negative for a subadditive measure."""
        return float(self.standalone.sum()) - self.total.value


def grouped(exposures: ArrayLike, labels: ArrayLike, count: int | None = None) -> Floats:
    """Return exposures summed by group.

    Parameters
    ----------
    exposures : float64[P, N]
        Row by row (portfolios), column by column (instruments).
    labels : int64, broadcastable to [P, N]
        Group of each cell, from 0: `[P, 1]` groups rows (desks), `[N]` columns (currencies), `[P, N]` anything.
    count : int, optional
        Number of groups; one more than the largest label if not given.

    Returns
    -------
    float64[G, N]

    Raises
    ------
    AttributionError
        If shapes do not fit, a label is no group, or an exposure is no number.
    """
    x, of = np.asarray(exposures, np.float64), np.asarray(labels)
    if x.ndim != 2 or not np.issubdtype(of.dtype, np.integer):
        raise AttributionError(f"exposures {x.shape} must have shape (rows, instruments), and labels be whole numbers, not {of.dtype}")
    _finite("exposures", x)
    try:
        of = np.broadcast_to(of, x.shape)
    except ValueError:
        raise AttributionError(f"labels {of.shape} do not fit exposures {x.shape}: give one a cell, row (P, 1) or column (N,)") from None
    groups = (int(of.max(initial=-1)) + 1) if count is None else count
    if of.size and not (int(of.min()) >= 0 and int(of.max()) < groups):
        raise AttributionError(f"labels run from {of.min()} to {of.max()}; groups are 0 to {groups - 1}")
    found = np.zeros((groups, x.shape[1]))
    np.add.at(found, (of, np.arange(x.shape[1])[None, :]), x)
    return found


def attribute_groups(
    exposures: ArrayLike, moves: ArrayLike, numbers: Numbers, sizes: ArrayLike | None = None, pnl: ArrayLike | None = None
) -> tuple[GroupedRisk, ...]:
    """Return every number of a book by group.

    A vector that is zero in every scenario has no risk, and is not measured: every number here is homogeneous of degree one, though not
    every fit has an answer there.

    Parameters
    ----------
    exposures : float64[G, N]
        One row a group, as `grouped` returns: in currency for relative moves, in units for absolute ones.
    moves : float64[N, S]
        Instrument-major, as `ScenarioSet.shocks`.
    numbers : callable
        From a P&L vector to one or more numbers, such as `lambda v: (value_at_risk(v, 0.99), expected_shortfall(v, 0.99))`. Called for the
        whole, each group, and the whole without each group: 2 G + 1 times.
    sizes : float64[G], optional
        What `marginal` is per unit of; gross exposure if not given, which needs exposures of one unit.
    pnl : float64[S], optional
        The whole's vector, where the caller has it to the last bit; the sum of the groups' if not given.

    Returns
    -------
    tuple of GroupedRisk
        One a number, in their order.

    Raises
    ------
    AttributionError
        If shapes do not fit, a value is NaN or infinite, or components do not sum to their number: groups that are not the whole, or a
        measure that is not homogeneous.
    ValueError
        From `numbers`, as for any vector.

    Examples
    --------
    >>> from risk_core.measures import value_at_risk
    >>> (risk,) = attribute_groups([[1.0, 0.0], [0.0, 1.0]], [[-3.0, 1.0], [-1.0, 1.0]], lambda v: (value_at_risk(v, 0.75),))
    >>> risk.component.tolist(), risk.incremental.tolist(), risk.diversification_benefit
    ([3.0, 1.0], [3.0, 1.0], 0.0)
    """
    x, r = np.asarray(exposures, np.float64), np.asarray(moves, np.float64)
    if x.ndim != 2 or r.ndim != 2 or x.shape[1] != r.shape[0] or not x.size or not r.size:
        raise AttributionError(f"exposures {x.shape} and moves {r.shape} must have shapes (G, N) and (N, S), none of them empty")
    _finite("exposures", x)
    _finite("moves", r)
    size = np.abs(x).sum(axis=1) if sizes is None else np.asarray(sizes, np.float64)
    if size.shape != x.shape[:1] or not (np.isfinite(size).all() and (size >= 0.0).all()):
        raise AttributionError(f"sizes must be {x.shape[0]} numbers that are not negative, one a group")
    parts = x @ r
    whole = parts.sum(axis=0) if pnl is None else np.asarray(pnl, np.float64)
    totals = tuple(numbers(whole))
    alone = [_values(numbers, part, len(totals)) for part in parts]
    without = [_values(numbers, rest @ r, len(totals)) for rest in _others(x)]
    found = []
    for k, total in enumerate(totals):
        component = components(total, parts) + 0.0
        marginal = np.divide(component, size, out=np.zeros_like(component), where=size > 0.0)
        incremental = total.value - np.array([w[k] for w in without])
        found.append(GroupedRisk(total, component, marginal, np.array([a[k] for a in alone]), incremental, size))
    return tuple(found)


def _values(numbers: Numbers, vector: Floats, count: int) -> tuple[float, ...]:
    if not vector.any():
        return (0.0,) * count
    return tuple(measured.value + 0.0 for measured in numbers(vector))  # no -0.0


def _others(x: Floats) -> Floats:
    """Return the sum of all rows but each: by sums from both ends, so that nothing of the row itself is left as a rounding error."""
    before, after = np.zeros_like(x), np.zeros_like(x)
    np.cumsum(x[:-1], axis=0, out=before[1:])
    after[:-1] = np.cumsum(x[:0:-1], axis=0)[::-1]
    return before + after


def _finite(what: str, values: Floats) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise AttributionError(f"{what}[{bad[0][0]}, {bad[0][1]}] = {values[tuple(bad[0])]}: replace it, or leave the instrument out")
