"""Many measures of one portfolio in one call: one product, one check, one selection for each vector that is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import LARGEST, MeasureError, checked_pnl
from risk_core.measures.compiled import kernels, tilting
from risk_core.measures.drawdown import (
    RESIDUE,
    DrawdownRisk,
    average_drawdown,
    check_path,
    conditional_drawdown_at_risk,
    drawdown_at_risk,
    entropic_drawdown_at_risk,
    maximum_drawdown,
    ulcer_index,
)
from risk_core.measures.empirical import equal_plan, expected_shortfall, probability, value_at_risk
from risk_core.measures.entropic import MASS_TOLERANCE, entropic_value_at_risk
from risk_core.measures.result import Measured

Floats = NDArray[np.float64]
Result = Measured | DrawdownRisk

_TAILS: Final[Mapping[str, Callable[[Floats, float], Result]]] = {
    "value_at_risk": value_at_risk,
    "expected_shortfall": expected_shortfall,
    "entropic_value_at_risk": entropic_value_at_risk,
}
_DRAWDOWNS: Final[Mapping[str, Callable[[Floats, float, str], Result]]] = {
    "drawdown_at_risk": drawdown_at_risk,
    "conditional_drawdown_at_risk": conditional_drawdown_at_risk,
    "entropic_drawdown_at_risk": entropic_drawdown_at_risk,
    "maximum_drawdown": lambda series, _, path: maximum_drawdown(series, path),
    "average_drawdown": lambda series, _, path: average_drawdown(series, path),
    "ulcer_index": lambda series, _, path: ulcer_index(series, path),
}


def _on(function: Callable[[Floats, float, str], Result], path: str) -> Callable[[Floats, float], Result]:
    return lambda series, confidence: function(series, confidence, path)


RISK_MEASURES: Final[Mapping[str, Callable[[Floats, float], Result]]] = {
    **_TAILS,
    **{f"{name}_uncompounded": _on(function, "uncompounded") for name, function in _DRAWDOWNS.items()},
    **{f"{name}_compounded": _on(function, "compounded") for name, function in _DRAWDOWNS.items()},
}
"""Name to the measure of a P&L vector at a confidence. Drawdown measures have the accumulation in their name."""
_COLUMNS: Final = {name: k for k, name in enumerate(RISK_MEASURES)}
_BLOCKS: Final = ((0, 3, None), (3, 9, False), (9, 15, True))
"""First and last column, and whether a path is compounded; None for the vector itself."""
DEFAULT_NAMES: Final = tuple(RISK_MEASURES)[:9]
"""Of those that read any P&L vector: all but compounded drawdowns, which need simple returns above -1."""


@dataclass(frozen=True, slots=True, eq=False)
class RiskMeasures(Mapping[str, Result]):
    """Measures of one portfolio by name.

    Asked for a name it gives the whole result, with gradient and status, by the function of that name: the gradient is computed then.

    Parameters
    ----------
    numbers : mapping of str to float
        The values, losses positive: bit for bit those of the whole results.
    pnl : float64[S]
        The vector that was measured.
    confidence : float
    """

    numbers: Mapping[str, float]
    pnl: Floats = field(repr=False)
    confidence: float

    def __getitem__(self, name: str) -> Result:
        if name not in self.numbers:
            raise KeyError(f"{name!r} was not measured; there are {', '.join(self.numbers)}")
        return RISK_MEASURES[name](self.pnl, self.confidence)

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def risk_measures(
    returns: ArrayLike, confidence: float, exposures: ArrayLike | None = None, names: Sequence[str] = DEFAULT_NAMES
) -> RiskMeasures:
    """Return many measures of one portfolio, equal weights of scenarios and default conventions.

    The P&L vector is formed and checked once; value at risk and expected shortfall read one selection of it, and each path of drawdowns
    is walked once. All of it is compiled, so that the time goes into the arithmetic.

    Parameters
    ----------
    returns : float64[S] or float64[S, N]
        A P&L vector, gains positive; or the returns of N instruments, a scenario in each row. Oldest first where drawdowns are asked for.
    confidence : float
        In [0.5, 1), for all measures that have one.
    exposures : float64[N], optional
        Of the instruments: amounts, or weights for returns of the portfolio. Needed if and only if returns have two dimensions.
    names : sequence of str
        Of `RISK_MEASURES`.

    Returns
    -------
    RiskMeasures
        In the order of `names`.

    Raises
    ------
    MeasureError
        For unknown or no names, shapes that do not fit, NaN, infinite or too large values (the message has the scenario and instrument),
        or a return of -1 or less on a compounded path.
    ConventionError
        For an impossible confidence.

    Examples
    --------
    >>> found = risk_measures([[-4.0, 2.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0]], 0.75, [1.0, 0.5])
    >>> found.numbers["value_at_risk"], found.numbers["maximum_drawdown_uncompounded"]
    (3.0, 3.0)
    >>> found["expected_shortfall"].gradient.tolist()
    [-1.0, 0.0, 0.0, 0.0]
    """
    wanted, columns = _plan(tuple(names))
    pnl = _vector(returns, exposures)
    tail = probability(confidence)
    taken = equal_plan(pnl.size, tail)
    if taken is None:  # a tail of half the scenarios or of less than one: no selection
        return RiskMeasures({name: float(RISK_MEASURES[name](pnl, confidence)) for name in names}, pnl, confidence)
    found = _measure(pnl, tail, taken, wanted)
    return RiskMeasures({name: found[k] for name, k in zip(names, columns, strict=True)}, pnl, confidence)


def _measure(pnl: Floats, tail: float, taken: Floats, wanted: Sequence[bool]) -> list[float]:
    """Return numbers in the order of `RISK_MEASURES`, those not wanted zero."""
    count, out = pnl.size, [0.0] * len(RISK_MEASURES)
    mass, gradient = np.full(count, 1.0 / count), np.empty(count)
    for first, last, path in _BLOCKS:
        if True not in wanted[first:last]:
            continue
        vector = pnl
        if path is not None:
            below = np.empty(count)
            ends = kernels.fall(pnl, path, RESIDUE, below)
            if path:
                check_path(pnl, *ends)
            if True in wanted[first + 3 : last]:
                mean, root, trough = kernels.path_moments(below, mass)
                out[first + 3 : last] = float(below[trough]), mean, root
            vector = 0.0 - below
        if wanted[first] or wanted[first + 1]:
            worst, total = kernels.tail_ends(vector, taken)
            out[first : first + 2] = 0.0 - (worst + 0.0), 0.0 - total / tail
        if wanted[first + 2]:
            out[first + 2] = tilting.entropic(vector, mass, tail, MASS_TOLERANCE, gradient)[0]
    return out


@lru_cache(maxsize=256)
def _plan(names: tuple[str, ...]) -> tuple[tuple[bool, ...], tuple[int, ...]]:
    unknown = [name for name in names if name not in _COLUMNS]
    if unknown or not names:
        raise MeasureError(f"unknown measure {unknown[0]!r}; choose of {', '.join(_COLUMNS)}" if unknown else "no measure is named")
    columns = tuple(_COLUMNS[name] for name in names)
    return tuple(k in columns for k in range(len(_COLUMNS))), columns


def _vector(returns: ArrayLike, exposures: ArrayLike | None) -> Floats:
    try:
        table = np.asarray(returns, np.float64)
        held = None if exposures is None else np.ascontiguousarray(exposures, np.float64)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"returns and exposures must be numbers: {error}") from None
    if held is None:
        if table.ndim == 2:
            raise MeasureError(f"returns of shape {table.shape} need exposures, one for each of the {table.shape[1]} instruments")
        return checked_pnl(returns)
    if table.ndim != 2 or held.shape != (table.shape[1],) or not table.size:
        raise MeasureError(f"returns {table.shape} and exposures {held.shape} must have shapes (S, N) and (N,), none of them empty")
    if table.flags.f_contiguous and not table.flags.c_contiguous:
        pnl: Floats = kernels.column_products(table.T, held)
    else:
        pnl = kernels.row_products(np.ascontiguousarray(table), held)
    if not kernels.all_within(pnl, LARGEST):
        _explain(table, held)
    return pnl


def _explain(table: Floats, held: Floats) -> None:
    for name, values in (("exposures", held), ("returns", table)):
        bad = np.argwhere(~(np.abs(values) <= LARGEST))
        if bad.size:
            place = tuple(int(k) for k in bad[0])
            raise MeasureError(
                f"{name} is {values[place]} at position {place if len(place) > 1 else place[0]}: it must be finite and within {LARGEST:g}; "
                "fill missing returns from a proxy, or drop the scenario from every instrument"
            )
    raise MeasureError(f"the P&L of a scenario is beyond {LARGEST:g}: give exposures and returns in a larger unit")
