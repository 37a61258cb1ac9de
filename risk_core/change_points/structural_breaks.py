"""Structural breaks of a mean, dated: the best segmentation for each number of breaks, the table to choose by, and F statistics."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log, pi

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.change_points.segment_kernels import L2
from risk_core.change_points.segmentation import exact_changes, running_sums
from risk_core.measures.checks import MeasureError, checked_pnl

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Breakpoints:
    """Breaks of a mean, for 0, 1, ..., M breaks.

    Parameters
    ----------
    candidates : tuple of tuple of int
        Of each number of breaks: observations before each break, rising. In R this is the last observation of a segment, counted from 1;
        here also the position of the first of the next.
    rss : float64[M + 1]
        Residual sum of squares.
    bic : float64[M + 1]
        -2 log-likelihood of normal residuals of one variance + 2 (m + 1) log T: a mean and a place for each segment, and the variance.
    segment_size : int
        Fewest observations of a segment.
    observations : int
    """

    candidates: tuple[tuple[int, ...], ...]
    rss: Floats = field(repr=False)
    bic: Floats = field(repr=False)
    segment_size: int
    observations: int

    @property
    def changes(self) -> tuple[int, ...]:
        """Breaks with the least BIC."""
        return self.candidates[int(np.argmin(self.bic))]


def breakpoints(series: ArrayLike, *, h: float | int = 0.15, breaks: int | None = None) -> Breakpoints:
    """Return the breaks of a mean by least squares, for each number up to `breaks`.

    Parameters
    ----------
    series : float64[T]
        Oldest first.
    h : float or int
        Smallest segment: a share of the series (its floor is taken), or a number of observations.
    breaks : int, optional
        Most breaks; by default as many as fit.

    Raises
    ------
    MeasureError
        For missing or infinite values, a constant series, impossible h, or more breaks than fit.

    Notes
    -----
    J. Bai and P. Perron, "Computation and analysis of multiple structural change models", Journal of Applied Econometrics 18 (2003) 1-22;
    A. Zeileis, C. Kleiber, W. Krämer and K. Hornik, "Testing and dating of structural changes in practice", Computational Statistics & Data
    Analysis 44 (2003) 109-123.
    """
    values = checked_pnl(series, "series")
    n, size = values.size, segment_size(values, h, 2)
    most = n // size - 1 if breaks is None else breaks
    if most < 0 or most != int(most):
        raise MeasureError(f"breaks must be a whole number, not negative, not {breaks!r}")
    found, rss = exact_changes(L2, running_sums(values - values.mean()), int(most), size)
    rss = np.maximum(rss, np.finfo(float).tiny)
    bic = n * (np.log(rss / n) + 1.0 + log(2.0 * pi)) + 2.0 * np.arange(1, int(most) + 2) * log(n)
    return Breakpoints(tuple(tuple(c) for c in found), rss, bic, size, n)


@dataclass(frozen=True, slots=True, eq=False)
class FStatistics:
    """F statistics of one change of the mean at each place.

    Parameters
    ----------
    places : int64[M]
        Observations before the change.
    statistics : float64[M]
        (RSS of one mean - RSS of two) / (RSS of two / (T - 2)).
    """

    places: NDArray[np.int64]
    statistics: Floats

    @property
    def supremum(self) -> float:
        """Largest (supF)."""
        return float(self.statistics.max())

    @property
    def average(self) -> float:
        """Mean (aveF)."""
        return float(self.statistics.mean())

    @property
    def exponential(self) -> float:
        """Log of the mean of exp(F / 2) (expF)."""
        half = 0.5 * self.statistics
        return float(half.max() + np.log(np.mean(np.exp(half - half.max()))))

    @property
    def place(self) -> int:
        """Observations before the most likely change."""
        return int(self.places[np.argmax(self.statistics)])


def f_statistics(series: ArrayLike, *, trimming: float | int = 0.15) -> FStatistics:
    """Return the F statistic of a change of the mean at each place that leaves a share `trimming` (or that many) on both sides.

    No p-value is given: the law of the largest is tabulated in the paper.

    Notes
    -----
    D. W. K. Andrews, "Tests for parameter instability and structural change with unknown change point", Econometrica 61 (1993) 821-856.
    """
    values = checked_pnl(series, "series")
    n, size = values.size, segment_size(values, trimming, 1)
    if 2 * size > n or n < 4:
        raise MeasureError(f"{n} observations leave no place for a change with {size} on both sides: take a smaller trimming")
    places = np.arange(size, n - size + 1)
    sums = running_sums(values - values.mean())[0]
    between = sums[places] ** 2 * n / (places * (n - places))
    total = float(((values - values.mean()) ** 2).sum())
    within = np.maximum(total - between, 1e-12 * total)
    return FStatistics(places, between / (within / (n - 2)))


def segment_size(values: Floats, h: float | int, least: int) -> int:
    """Return h as a number of observations; MeasureError for a constant series or an impossible h."""
    if np.ptp(values) == 0.0:
        raise MeasureError("the series is constant: it has no break to date")
    size = int(h) if isinstance(h, int | np.integer) or h >= 1.0 else int(h * values.size + 1e-9)
    if isinstance(h, bool) or not least <= size <= values.size or (h >= 1.0 and size != h):
        raise MeasureError(f"h = {h!r} must be a share below 1 or a whole number, of at least {least} of {values.size} observations")
    return size
