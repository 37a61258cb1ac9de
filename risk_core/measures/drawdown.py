"""Drawdowns: how far a path of P&L or of returns falls below its running maximum, and measures of that fall.

A. Chekhlov, S. Uryasev and M. Zabarankin, "Drawdown measure in portfolio optimization", International Journal of Theoretical and Applied
Finance 8 (2005) 13-58. The order of the series is time, oldest first; a drawdown is a positive number; the start of the path, before the
first observation, counts as a peak.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.compiled import kernels
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.entropic import entropic_value_at_risk
from risk_core.measures.result import Measured, Status

Floats = NDArray[np.float64]

RESIDUE: Final = 1e-12  # of the largest level so far: less below the peak is rounding of the sum, and no drawdown


class Accumulation(StrEnum):
    """How a series becomes a path."""

    UNCOMPOUNDED = "uncompounded"
    """Sums, from 0: P&L, or returns on a stake held constant. Drawdowns in the unit of the series."""
    COMPOUNDED = "compounded"
    """Products of 1 + simple return, from 1. Drawdowns as a share of the peak, in [0, 1)."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawdownRisk:
    """A measure of drawdowns.

    Parameters
    ----------
    value : float
        Not negative; in the unit of the series (uncompounded), or a share of the peak (compounded).
    gradient : float64[T]
        d value / d series[t]. Uncompounded measures are homogeneous of degree one: `value == gradient @ series` (Euler), so parts of a book
        sum. Compounded ones are not.
    accumulation : Accumulation
    confidence : float or None
        None for measures that have none.
    status : Status
    reason : str
        Why the status is what it is; empty when "ok".
    """

    value: float
    gradient: Floats = field(repr=False)
    accumulation: Accumulation
    confidence: float | None = None
    status: Status = Status.OK
    reason: str = ""

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True, slots=True)
class DrawdownEpisode:
    """One fall from a peak, and the way back.

    Parameters
    ----------
    depth : float
        Positive, as `DrawdownRisk.value`.
    peak : int
        Position of the last observation at the peak; -1 for the start of the path.
    trough : int
        Position of the first observation at the depth.
    recovery : int or None
        Position of the first observation back at the peak; None if the series ends before.
    peak_date, trough_date, recovery_date : object or None
        Labels of these positions in a Series that has them; None otherwise, and for the start of the path.
    decline : int
        Periods from peak to trough.
    climb : int or None
        Periods from trough to recovery; None without recovery.
    under_water : int
        Periods from peak to recovery, or to the end of the series.
    """

    depth: float
    peak: int
    trough: int
    recovery: int | None
    peak_date: object | None
    trough_date: object | None
    recovery_date: object | None
    decline: int
    climb: int | None
    under_water: int


@dataclass(frozen=True, slots=True, eq=False)
class _Path:
    series: Floats
    accumulation: Accumulation
    drawdowns: Floats


def drawdowns(series: ArrayLike, accumulation: Accumulation | str) -> Floats:
    """Return how far the path lies below its running maximum at each observation.

    Parameters
    ----------
    series : float64[T]
        P&L or returns by time, oldest first, gains positive.
    accumulation : Accumulation or str
        "uncompounded": maximum of the sums so far and 0, minus the sum. "compounded": one minus wealth over its maximum so far (at least
        1), for simple returns.

    Returns
    -------
    float64[T]
        Not negative; 0 at a peak.

    Raises
    ------
    MeasureError
        For an empty series, NaN or infinite values (a gap has no drawdown: fill or drop it first), an unknown accumulation, or a compounded
        return of -1 or less.

    Examples
    --------
    >>> drawdowns([1.0, -3.0, 2.0], "uncompounded").tolist()
    [0.0, 3.0, 1.0]
    """
    return _path(series, accumulation).drawdowns


def worst_drawdown(series: ArrayLike, accumulation: Accumulation | str) -> DrawdownEpisode | None:
    """Return the deepest drawdown with its dates and durations, the first among equals; None if the path never falls below a peak.

    Parameters and errors are those of `drawdowns`.
    """
    path = _path(series, accumulation)
    trough = int(np.argmax(path.drawdowns))
    depth = float(path.drawdowns[trough])
    if depth == 0.0:
        return None
    peak = int(np.flatnonzero(np.append(0.0, path.drawdowns[:trough]) == 0.0)[-1]) - 1  # -1 is the start
    back = np.flatnonzero(path.drawdowns[trough:] == 0.0)
    recovery = trough + int(back[0]) if back.size else None
    labels = series.index if isinstance(series, pd.Series) else None

    def label(position: int | None) -> object | None:
        return None if labels is None or position is None or position < 0 else labels[position]

    return DrawdownEpisode(
        depth=depth,
        peak=peak,
        trough=trough,
        recovery=recovery,
        peak_date=label(peak),
        trough_date=label(trough),
        recovery_date=label(recovery),
        decline=trough - peak,
        climb=None if recovery is None else recovery - trough,
        under_water=(path.series.size - 1 if recovery is None else recovery) - peak,
    )


def maximum_drawdown(series: ArrayLike, accumulation: Accumulation | str) -> DrawdownRisk:
    """Return the deepest drawdown. Parameters and errors are those of `drawdowns`; the gradient is that of the first among equals."""
    path = _path(series, accumulation)
    trough = int(np.argmax(path.drawdowns))
    share = np.zeros_like(path.drawdowns)
    share[trough] = 1.0
    return DrawdownRisk(float(path.drawdowns[trough]), _gradient(path, share), path.accumulation)


def average_drawdown(series: ArrayLike, accumulation: Accumulation | str, weights: ArrayLike | None = None) -> DrawdownRisk:
    """Return the mean drawdown over all observations, those at a peak included.

    Parameters and errors are those of `conditional_drawdown_at_risk`.
    """
    path = _path(series, accumulation)
    mass = checked_weights(weights, series, path.series.size)
    return DrawdownRisk(kernels.path_moments(path.drawdowns, mass)[0], _gradient(path, mass), path.accumulation)


def ulcer_index(series: ArrayLike, accumulation: Accumulation | str, weights: ArrayLike | None = None) -> DrawdownRisk:
    """Return the root mean square drawdown (P. Martin and B. McCann, The Investor's Guide to Fidelity Funds, 1989; no factor 100).

    Parameters and errors are those of `conditional_drawdown_at_risk`. The gradient of a path without drawdown is zero.
    """
    path = _path(series, accumulation)
    mass = checked_weights(weights, series, path.series.size)
    root = kernels.path_moments(path.drawdowns, mass)[1]
    share = mass * (path.drawdowns / root) if root > 0.0 else np.zeros_like(mass)
    return DrawdownRisk(root, _gradient(path, share), path.accumulation)


def drawdown_at_risk(
    series: ArrayLike,
    confidence: float,
    accumulation: Accumulation | str,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
) -> DrawdownRisk:
    """Return the drawdown that is not exceeded with the given confidence: value at risk of the drawdowns.

    Parameters
    ----------
    series : float64[T]
        P&L or returns by time, oldest first.
    confidence : float
        In [0.5, 1).
    accumulation : Accumulation or str
        As in `drawdowns`.
    weights : float64[T], optional
        Of the drawdown observations; the path itself counts every observation in full.
    conventions : Conventions
        Quantile and its side, as in `value_at_risk`.

    Raises
    ------
    MeasureError
        As `drawdowns`, and for impossible weights.
    ConventionError
        For an impossible confidence.
    """
    path = _path(series, accumulation)
    mass = None if weights is None else checked_weights(weights, series, path.series.size)
    return _of(path, value_at_risk(0.0 - path.drawdowns, confidence, mass, conventions))


def conditional_drawdown_at_risk(
    series: ArrayLike, confidence: float, accumulation: Accumulation | str, weights: ArrayLike | None = None
) -> DrawdownRisk:
    """Return the mean of the 1 - confidence deepest drawdowns, the one at the edge taken with the fraction that is left.

    Expected shortfall of the drawdowns: Chekhlov, Uryasev and Zabarankin (2005). Between the mean drawdown and the maximum drawdown. As a
    function of uncompounded P&L it is convex, homogeneous and monotone; adding a constant to the series changes it by no fixed amount.

    Parameters and errors are those of `drawdown_at_risk`.

    Returns
    -------
    DrawdownRisk
        Status `thin_tail` as in `expected_shortfall`.
    """
    path = _path(series, accumulation)
    mass = None if weights is None else checked_weights(weights, series, path.series.size)
    return _of(path, expected_shortfall(0.0 - path.drawdowns, confidence, mass))


def entropic_drawdown_at_risk(
    series: ArrayLike, confidence: float, accumulation: Accumulation | str, weights: ArrayLike | None = None
) -> DrawdownRisk:
    """Return entropic value at risk of the drawdowns: at least conditional drawdown at risk, at most the maximum drawdown.

    Parameters and errors are those of `drawdown_at_risk`.

    Returns
    -------
    DrawdownRisk
        Status `thin_tail` where the deepest drawdown fills the tail, as in `entropic_value_at_risk`.
    """
    path = _path(series, accumulation)
    mass = None if weights is None else checked_weights(weights, series, path.series.size)
    return _of(path, entropic_value_at_risk(0.0 - path.drawdowns, confidence, mass))


def _of(path: _Path, measured: Measured) -> DrawdownRisk:
    share = 0.0 - measured.gradient
    return DrawdownRisk(measured.value, _gradient(path, share), path.accumulation, measured.confidence, measured.status, measured.reason)


def _path(series: ArrayLike, accumulation: Accumulation | str) -> _Path:
    try:
        chosen = Accumulation(accumulation)
    except ValueError:
        raise MeasureError(f"unknown accumulation {accumulation!r}; choose one of {', '.join(Accumulation)}") from None
    values = checked_pnl(series, "series")
    compounded, below = chosen is Accumulation.COMPOUNDED, np.empty_like(values)
    least, largest = kernels.fall(values, compounded, RESIDUE, below)
    if compounded:
        check_path(values, least, largest)
    return _Path(values, chosen, below)


def check_path(values: Floats, least: float, largest: float) -> None:
    """Refuse a compounded path that ends or leaves the numbers, given its least return and largest level.

    Raises
    ------
    MeasureError
    """
    if least <= -1.0:
        lost = int(np.flatnonzero(values <= -1.0)[0])
        raise MeasureError(
            f"series is {values[lost]} at position {lost}: a compounded path ends at a return of -1 or less; "
            "give simple returns as fractions (-0.01, not -1), or P&L with 'uncompounded'"
        )
    if not largest < np.inf:
        raise MeasureError("the compounded path grows beyond the largest number; give simple returns as fractions (0.01, not 1)")


def _gradient(path: _Path, share: Floats) -> Floats:
    gradient: Floats = kernels.path_gradient(path.series, path.drawdowns, share, path.accumulation is Accumulation.COMPOUNDED)
    return gradient
