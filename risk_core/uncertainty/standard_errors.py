"""How far an empirical value at risk or expected shortfall can be trusted: standard errors and intervals from one P&L vector.

All intervals are for the population value of the law the scenarios were drawn from, not for tomorrow's conditional risk. With unequal
weights the number of scenarios is replaced by Kish's effective number, an approximation: weights do not make observations.
"""

from __future__ import annotations

from enum import StrEnum
from math import floor, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import binom

from risk_core.conventions import QuantileConvention, tail_probability
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.quantiles import quantile, sequential_sum
from risk_core.methods import effective_count, normal_density, normal_quantile
from risk_core.uncertainty.interval import Interval, IntervalStatus, checked_level

Floats = NDArray[np.float64]

FEW: Final = 10.0
"""Below this many effective scenarios in the tail, intervals that lean on the normal law of an estimate are `few_in_tail`."""
LEAST: Final = 2.0
"""Below this many, the spread of the tail cannot be estimated at all."""


class Density(StrEnum):
    """How the density of the P&L at the quantile is estimated."""

    KERNEL = "kernel"
    """Gaussian kernel at the quantile, bandwidth 0.9 min(standard deviation, interquartile range / 1.349) n_eff**(-1/5): B. W. Silverman,
    Density Estimation (1986), eq. 3.31. Smooth; too low a density, so too wide an interval, far in a thin tail."""
    SPACING = "spacing"
    """2 h / (q(p + h) - q(p - h)) with the bandwidth of P. Hall and S. Sheather, "On the distribution of a studentized quantile", Journal
    of the Royal Statistical Society B 50 (1988) 381-391, for a normal law, cut so that p - h stays in the sample. Local; noisy."""


def value_at_risk_interval(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    *,
    level: float = 0.95,
    density: Density | str = Density.KERNEL,
    lags: int = 0,
) -> Interval:
    """Return the asymptotic interval of empirical value at risk.

    VaR +- z sqrt(p (1 - p) / n_eff) / f(q), with p = 1 - confidence and f the density of the P&L at its p quantile (for dependent data with
    the long-run variance of the exceedances in the place of p (1 - p)).

    Parameters
    ----------
    pnl : float64[S]
        Gains positive; in time order, either way, if `lags` is given.
    confidence : float
        Of the measure, in [0.5, 1).
    weights : float64[S], optional
        In the order of `pnl`; equal if not given.
    level : float
        Of the interval, in (0, 1).
    density : Density or str
        "kernel" or "spacing".
    lags : int
        0 for independent scenarios. Otherwise the number of autocovariances of the exceedances, with Bartlett weights (W. Newey and
        K. West, Econometrica 55, 1987), for clustered ones.

    Returns
    -------
    Interval
        `few_in_tail` below ten effective scenarios in the tail; `one_sided` below two, with the order statistic that bounds from below;
        `unknown` where the vector is constant at the quantile, or the sample sets no bound.

    Raises
    ------
    MeasureError, ConventionError
        As `value_at_risk`; also for an impossible level, density or number of lags.
    """
    vector, mass, tail = _input(pnl, confidence, weights, level, lags)
    convention = _density(density)
    method = f"asymptotic_{convention}" + (f"_lags_{lags}" if lags else "")
    held = tail * effective_count(mass)
    if held < LEAST - 1e-9:
        return _lower_bound(pnl, confidence, weights, level, method, held)
    estimate = value_at_risk(pnl, confidence, weights).value
    height = density_at_quantile(vector, tail, mass, convention)
    if height is None:
        reason = f"no density at the quantile: the P&L is {-estimate:g} on both sides of it"
        return Interval(None, None, level, None, method, IntervalStatus.UNKNOWN, reason)
    exceedance = (vector <= -estimate).astype(np.float64) - tail
    variance = tail * (1.0 - tail) / effective_count(mass) if lags == 0 else _long_run(exceedance, mass, lags)
    return _normal_interval(estimate, sqrt(variance) / height, level, method, held)


def order_statistic_interval(pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, *, level: float = 0.95) -> Interval:
    """Return the distribution-free interval of value at risk between two observed losses, with its true coverage.

    The number of scenarios below the population quantile is binomial, whatever the law. The two ranks leave at most (1 - level) / 2 on
    either side; where even the worst loss leaves more above it, but less than 1 - level, the other side has what remains; beyond that
    only a lower bound exists, which then has all of 1 - level (H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed. 2003, sec. 7.1).

    Parameters
    ----------
    pnl, confidence, weights, level
        As `value_at_risk_interval`.

    Returns
    -------
    Interval
        `coverage` is exact for independent, identically distributed scenarios of a continuous law and equal weights, at least that for
        one with atoms; it is None with unequal weights, where the ranks are taken from floor(n_eff) scenarios. No standard error.
        `one_sided` where no loss of the sample bounds VaR from above, `unknown` where none bounds it at all.
    """
    vector, mass, tail = _input(pnl, confidence, weights, level, 0)
    equal = bool(np.all(mass == mass[0]))
    count = vector.size if equal else floor(effective_count(mass) + 1e-9)
    low, high, covered = bounding_ranks(count, tail, level)
    method = "order_statistics" if equal else "order_statistics_effective"
    upper, lower = (_loss(pnl, weights, rank, count) if rank is not None else None for rank in (low, high))
    if lower is None and upper is None:
        reason = f"{count} effective scenarios bound a tail of {tail:g} on neither side at level {level:g}"
        return Interval(None, None, level, None, method, IntervalStatus.UNKNOWN, reason)
    coverage = covered if equal else None
    if upper is None or lower is None:
        side, known = ("above", "lower") if upper is None else ("below", "upper")
        reason = f"{count} effective scenarios cannot bound a tail of {tail:g} from {side} at level {level:g}; the {known} bound has it"
        return Interval(lower, upper, level, None, method, IntervalStatus.ONE_SIDED, reason, coverage)
    return Interval(lower, upper, level, None, method, IntervalStatus.OK, "", coverage)


def expected_shortfall_interval(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, *, level: float = 0.95, lags: int = 0
) -> Interval:
    """Return the asymptotic interval of empirical expected shortfall, by its influence function.

    The standard error is sqrt(Var[(q - V)+] / n_eff) / p, with q the p = 1 - confidence quantile of the P&L V: the estimated quantile adds
    nothing to first order (S. X. Chen, "Nonparametric estimation of expected shortfall", Journal of Financial Econometrics 6 (2008)
    87-107; O. Scaillet, "Nonparametric estimation and sensitivity analysis of expected shortfall", Mathematical Finance 14 (2004)
    115-129). Needs a finite variance of the tail.

    Parameters
    ----------
    pnl, confidence, weights, level, lags
        As `value_at_risk_interval`; with `lags` the long-run variance of (q - V)+.

    Returns
    -------
    Interval
        `few_in_tail` below ten effective scenarios in the tail. `one_sided` below two: the lower bound of value at risk, which expected
        shortfall cannot be less than.
    """
    vector, mass, tail = _input(pnl, confidence, weights, level, lags)
    method = "influence" + (f"_lags_{lags}" if lags else "")
    held = tail * effective_count(mass)
    if held < LEAST - 1e-9:
        return _lower_bound(pnl, confidence, weights, level, method, held)
    threshold = value_at_risk(pnl, confidence, weights).value
    excess = np.maximum(-threshold - vector, 0.0)
    influence = excess - sequential_sum(mass * excess)
    variance = sequential_sum(mass * influence * influence) / effective_count(mass) if lags == 0 else _long_run(influence, mass, lags)
    return _normal_interval(expected_shortfall(pnl, confidence, weights).value, sqrt(variance) / tail, level, method, held)


def density_at_quantile(vector: Floats, tail: float, mass: Floats, convention: Density) -> float | None:
    """Return the density of a checked P&L vector at its `tail` quantile; None where it has none, as in a constant vector.

    `mass` sums to one. In units of one over the P&L's.
    """
    effective = effective_count(mass)
    if convention is Density.KERNEL:
        centre = vector - sequential_sum(mass * vector)
        spread = quantile(vector, 0.75, QuantileConvention.HAZEN, mass) - quantile(vector, 0.25, QuantileConvention.HAZEN, mass)
        deviation = sqrt(sequential_sum(mass * centre * centre))
        scale = min(deviation, spread / 1.349) if spread > 0.0 else deviation
        if not scale > 1e-14 * float(np.abs(vector).max()):
            return None
        width = 0.9 * scale * effective**-0.2
        at = quantile(vector, tail, QuantileConvention.INVERTED_CDF, mass)
        return float(np.sum(mass * np.exp(-0.5 * ((vector - at) / width) ** 2)) * normal_density(0.0) / width)
    z = normal_quantile(tail)
    reach = effective ** (-1 / 3) * float(ndtri(0.975)) ** (2 / 3) * (1.5 * normal_density(z) ** 2 / (2.0 * z * z + 1.0)) ** (1 / 3)
    reach = min(reach, tail - 0.5 / effective, 1.0 - tail)
    if not reach > 0.0:
        return None
    rise = quantile(vector, tail + reach, QuantileConvention.HAZEN, mass) - quantile(vector, tail - reach, QuantileConvention.HAZEN, mass)
    return 2.0 * reach / rise if rise > 0.0 else None


def _input(pnl: ArrayLike, confidence: float, weights: ArrayLike | None, level: float, lags: int) -> tuple[Floats, Floats, float]:
    vector = checked_pnl(pnl)
    checked_level(level)
    if isinstance(lags, bool) or not isinstance(lags, int) or not 0 <= lags < vector.size:
        raise MeasureError(f"lags must be a whole number from 0 to {vector.size - 1}, one less than the scenarios, not {lags!r}")
    return vector, checked_weights(weights, pnl, vector.size), tail_probability(confidence)


def _density(density: Density | str) -> Density:
    try:
        return Density(density)
    except ValueError:
        raise MeasureError(f"unknown density {density!r}; choose one of {', '.join(Density)}") from None


def _long_run(influence: Floats, mass: Floats, lags: int) -> float:
    """Return the variance of sum(mass * influence), autocovariances down-weighted linearly to none at lags + 1: never negative."""
    terms = mass * influence
    variance = sequential_sum(terms * terms)
    for lag in range(1, lags + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1.0)) * sequential_sum(terms[lag:] * terms[:-lag])
    return max(variance, 0.0)


def _normal_interval(estimate: float, error: float, level: float, method: str, held: float) -> Interval:
    if not error > 0.0:
        return Interval(None, None, level, None, method, IntervalStatus.UNKNOWN, f"the tail has no spread: all of it is {-estimate:g}")
    reach = normal_quantile(0.5 * (1.0 - level)) * error
    few = held < FEW - 1e-9
    reason = f"the tail holds {held:.3g} effective scenarios: coverage may be well below the level" if few else ""
    status = IntervalStatus.FEW_IN_TAIL if few else IntervalStatus.OK
    return Interval(estimate - reach, estimate + reach, level, error, method, status, reason)


def _lower_bound(pnl: ArrayLike, confidence: float, weights: ArrayLike | None, level: float, method: str, held: float) -> Interval:
    """Return what is left where the tail is too thin for a standard error: the one-sided bound of VaR by order statistics."""
    bound = order_statistic_interval(pnl, confidence, weights, level=level)
    thin = f"the tail holds {held:.3g} effective scenarios, too few for a standard error"
    if bound.lower is None:
        return Interval(None, None, level, None, method, IntervalStatus.UNKNOWN, f"{thin}, and no loss bounds it from below")
    reason = f"{thin}; value at risk is bounded from below by order statistics"
    return Interval(bound.lower, None, level, None, method, IntervalStatus.ONE_SIDED, reason, None)


def bounding_ranks(count: int, tail: float, level: float) -> tuple[int | None, int | None, float]:
    """Return (rank of the upper bound of VaR, rank of the lower, coverage); ranks count from the worst, None where none will do.

    P(X_(r) <= q) = P(N >= r) for N binomial, the number of scenarios below the quantile.
    """
    miss = 1.0 - level
    below = binom.cdf(np.arange(-1, count + 1), count, tail)  # below[r] = P(N <= r - 1)
    none_below = float(below[1])
    low: int | None
    if none_below <= 0.5 * miss:
        low = int(np.flatnonzero(below[: count + 1] <= 0.5 * miss)[-1])
        beyond = 0.5 * miss
    elif none_below < miss:
        low, beyond = 1, miss - none_below
    else:
        low, beyond = None, miss
    enough = np.flatnonzero(1.0 - below[: count + 1] <= beyond)  # P(N >= r)
    high = int(enough[0]) if enough.size else None
    covered = (float(below[high]) if high is not None else 1.0) - (float(below[low]) if low is not None else 0.0)
    return low, high, covered


def _loss(pnl: ArrayLike, weights: ArrayLike | None, rank: int, count: int) -> float:
    return -quantile(pnl, min(rank / count, 1.0), QuantileConvention.INVERTED_CDF, weights)
