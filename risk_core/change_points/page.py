"""Page's test: the log-likelihood ratio of after against before, summed from zero up; for a mean, a variance and VaR exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.change_points import online_kernels as kernels
from risk_core.change_points.charts import Sides, _Standardised, _Sums, checked_count, checked_head_start, checked_sides, sums_at_start
from risk_core.change_points.detector import Detector, Kernel
from risk_core.measures.checks import MeasureError, checked_pnl, checked_scalar

Floats = NDArray[np.float64]


@dataclass(eq=False, kw_only=True)
class PageMean(_Sums, _Standardised):
    """Page's test of a normal mean against mean + shift (upper) and mean - shift (lower), in units of log-likelihood.

    Equal to `Cusum` with k = shift / 2 (in standard deviations) and h = threshold / shift.

    Parameters
    ----------
    mean, standard_deviation : float
        Before any change.
    shift : float
        To be found, in standard deviations, positive.
    threshold, head_start : float
        In units of log-likelihood.
    sides : Sides or str

    Notes
    -----
    E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954) 100-115; optimal in the sense of G. Lorden, Annals of Mathematical
    Statistics 42 (1971) 1897-1908.
    """

    shift: float = 1.0
    threshold: float = 5.0
    head_start: float = 0.0
    sides: str = Sides.BOTH

    def _settings(self) -> list[float]:
        d = checked_scalar(self.shift, "shift", above=0.0)
        checked_head_start(self.head_start, self.threshold)
        return [*self._placing(), 0.0, -0.5 * d * d, d, 0.0, -0.5 * d * d, -d, 0.0, *checked_sides(self.sides)]

    def _memory_at_start(self) -> ArrayLike:
        return sums_at_start(self.head_start, self.sides)


@dataclass(eq=False, kw_only=True)
class PageVariance(_Sums, _Standardised):
    """Page's test of a normal standard deviation against `ratio` times it (upper) and it over `ratio` (lower), in log-likelihood.

    Parameters
    ----------
    mean, standard_deviation : float
        Before any change; the mean stays.
    ratio : float
        Above 1.
    threshold, head_start : float
        In units of log-likelihood.
    sides : Sides or str
    """

    ratio: float = 2.0
    threshold: float = 5.0
    head_start: float = 0.0
    sides: str = Sides.BOTH

    def _settings(self) -> list[float]:
        r = checked_scalar(self.ratio, "ratio", above=1.0)
        checked_head_start(self.head_start, self.threshold)
        scores = [-log(r), 0.0, 0.5 * (1.0 - 1.0 / (r * r)), log(r), 0.0, 0.5 * (1.0 - r * r)]
        return [*self._placing(), 0.0, *scores, *checked_sides(self.sides)]

    def _memory_at_start(self) -> ArrayLike:
        return sums_at_start(self.head_start, self.sides)


@dataclass(eq=False, kw_only=True)
class ExceptionCusum(_Sums):
    """Bernoulli CUSUM of VaR exceptions: Page's test of the chance of an exception, without any law of the P&L.

    Observations are 0 (no exception) or 1; `exceptions` makes them from P&L and VaR.

    Parameters
    ----------
    probability : float
        Of an exception while the model is right: 1 - confidence, such as 0.01.
    multiple : float
        Upper: the chance to be found is `multiple` times as large; lower: that many times smaller. Above 1; multiple * probability < 1.
    threshold, head_start : float
        In units of log-likelihood.
    sides : Sides or str
        Upper by default: too few exceptions are a slow thing to see.

    Notes
    -----
    M. R. Reynolds and Z. G. Stoumbos, "A CUSUM chart for monitoring a proportion when inspecting continuously", Journal of Quality
    Technology 31 (1999) 87-108. The statistic takes few values, and so does its average run length.
    """

    probability: float = 0.01
    multiple: float = 4.0
    threshold: float = 3.0
    head_start: float = 0.0
    sides: str = Sides.UPPER

    def _settings(self) -> list[float]:
        p = checked_scalar(self.probability, "probability", above=0.0)
        m = checked_scalar(self.multiple, "multiple", above=1.0)
        if not p * m < 1.0:
            raise MeasureError(f"multiple * probability is {p * m}: a chance stays below 1; probability is 1 - confidence, such as 0.01")
        checked_head_start(self.head_start, self.threshold)
        more, fewer = (log((1.0 - q) / (1.0 - p)) for q in (p * m, p / m))
        return [0.0, 1.0, 0.0, more, log(m) - more, 0.0, fewer, -log(m) - fewer, 0.0, *checked_sides(self.sides)]

    def _memory_at_start(self) -> ArrayLike:
        return sums_at_start(self.head_start, self.sides)

    def _checked(self, xs: Floats) -> Floats:
        bad = np.flatnonzero((xs != 0.0) & (xs != 1.0))
        if bad.size:
            raise MeasureError(f"exceptions are 0 or 1, not {xs[bad[0]]} at position {bad[0]}: see exceptions(pnl, value_at_risk)")
        return xs


def exceptions(pnl: ArrayLike, value_at_risk: ArrayLike) -> Floats:
    """Return 1.0 where the loss exceeds VaR and 0.0 elsewhere, float64[T].

    Parameters
    ----------
    pnl : float64[T]
        Gains positive, oldest first.
    value_at_risk : float64[T] or float
        Losses positive, of the same day, forecast before it.

    Raises
    ------
    MeasureError
        For missing or infinite values, or different lengths.
    """
    gains = checked_pnl(pnl)
    risk = checked_pnl(np.atleast_1d(np.asarray(value_at_risk, np.float64)), "value_at_risk")
    risk = np.broadcast_to(risk, gains.shape) if np.ndim(value_at_risk) == 0 else risk
    if risk.shape != gains.shape:
        raise MeasureError(f"pnl has {gains.size} days and value_at_risk {risk.size}: align them first")
    return (gains < -risk).astype(np.float64)


@dataclass(eq=False, kw_only=True)
class VolatilityBreakout(Detector):
    """A fast volatility over the slow one of the observation before: exponentially weighted squares about `mean`.

    It needs no volatility to start from, and the slow one follows: a lasting change is an alarm for a time, then the new normal. Columns
    `fast` and `slow` are the two volatilities, in the unit of the observations. Not ready during the warm-up, nor while all were equal to
    the mean.

    Parameters
    ----------
    mean : float
    fast_decay, slow_decay : float
        In (0, 1), fast below slow: 0.8 looks back on about five observations, 0.99 on a hundred.
    warm_up : int
        Observations whose mean square both start from.
    threshold : float
        Of the ratio of volatilities, such as 2.
    """

    mean: float = 0.0
    fast_decay: float = 0.8
    slow_decay: float = 0.99
    warm_up: int = 50
    threshold: float = 2.0

    columns: ClassVar[tuple[str, ...]] = ("fast", "slow")
    _kernel: ClassVar[Kernel] = staticmethod(kernels.breakout)

    def _settings(self) -> list[float]:
        fast, slow = (checked_scalar(getattr(self, name), name, above=0.0) for name in ("fast_decay", "slow_decay"))
        if not fast < slow < 1.0:
            raise MeasureError(f"decays must be fast < slow < 1, not {fast} and {slow}")
        return [checked_scalar(self.mean, "mean"), fast, slow, float(checked_count(self.warm_up, "warm_up", 2))]

    def _memory_at_start(self) -> ArrayLike:
        return np.zeros(3)

    def observations_of(self, draws: Floats) -> Floats:
        """Return mean + draws: the ratio knows no scale."""
        return self.mean + draws
