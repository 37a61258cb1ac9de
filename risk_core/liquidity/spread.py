"""The exogenous cost of liquidity: half the bid-ask spread at an unfavourable moment, on top of price value at risk.

A. Bangia, F. X. Diebold, T. Schuermann and J. D. Stroughair, Modeling Liquidity Risk, with Implications for Traditional Market Risk
Measurement and Management, Wharton Financial Institutions Center working paper 99-06 (1999); K. Dowd, Measuring Market Risk (2nd ed.,
2005), ch. 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from risk_core.conventions import ConventionError
from risk_core.liquidity.checks import (
    Floats,
    check_same_positions,
    checked_matrix,
    checked_quantile,
    checked_result,
    checked_vector,
)
from risk_core.measures.checks import MeasureError


class ReturnConvention(StrEnum):
    """How a normal return moves a price."""

    ARITHMETIC = "arithmetic"
    """P&L = value * return: textbooks' LVaR (Dowd, Jorion). Losses are not bounded by the value."""
    LOG = "log"
    """P&L = value * (exp(return) - 1): Bangia et al. A long position loses less than under `arithmetic`, a short one more."""

    @classmethod
    def _missing_(cls, value: object) -> ReturnConvention:
        raise ConventionError(f"unknown return convention {value!r}; choose one of {', '.join(cls)}")


@dataclass(frozen=True, slots=True, eq=False)
class SpreadMoments:
    """Mean and standard deviation of relative spreads, float64[N] each: (ask - bid) / mid, so 0.01 is one per cent of the price."""

    mean: Floats
    standard_deviation: Floats


@dataclass(frozen=True, slots=True, eq=False)
class LiquidityAdjustedVaR:
    """Liquidity-adjusted value at risk of a book and its parts, losses and costs positive, in currency.

    `value` is `price_value_at_risk` plus `cost`. The arrays are float64[N], one number per position: `component` is `price_component` plus
    `cost_component` and sums to `value`. A hedge may have a negative price component; its cost is never negative.
    """

    value: float
    price_value_at_risk: float
    cost: float
    component: Floats
    price_component: Floats
    cost_component: Floats


def relative_spread(bid: ArrayLike, ask: ArrayLike) -> Floats:
    """Return (ask - bid) / mid, the relative spread of each quote.

    Parameters
    ----------
    bid, ask : float64[N, S] or float64[S]
        Quotes in price units, N instruments by S observations; positive.

    Returns
    -------
    float64[N, S]
        In [0, 2): fractions of the mid price. One instrument gives one row.

    Raises
    ------
    MeasureError
        If shapes or labels differ, a quote is not positive and finite, or an ask lies below its bid.

    Notes
    -----
    Bangia, Diebold, Schuermann and Stroughair (1999), the section on exogenous liquidity risk.
    """
    check_same_positions(ask=ask, bid=bid)
    low = checked_matrix(bid, "bid", mend="drop the observation")
    high = checked_matrix(ask, "ask", mend="drop the observation")
    if low.shape != high.shape:
        raise MeasureError(f"bid and ask must have the same shape, not {low.shape} and {high.shape}")
    bad = np.argwhere(~((low > 0.0) & (high >= low)))
    if bad.size:
        i, s = (int(k) for k in bad[0])
        raise MeasureError(
            f"the quote at position {i}, observation {s} is bid {low[i, s]}, ask {high[i, s]}: a bid must be positive and not above its "
            "ask; drop crossed and one-sided quotes"
        )
    spread: Floats = 2.0 * (high - low) / (high + low)
    return spread


def spread_moments(history: ArrayLike, *, ddof: int) -> SpreadMoments:
    """Return mean and standard deviation of a history of relative spreads.

    Parameters
    ----------
    history : float64[N, S] or float64[S]
        Relative spreads, one row per position in the order of the book, S observations each, not negative.
    ddof : int
        Degrees of freedom taken off the variance: 0 divides by S, 1 by S - 1.

    Raises
    ------
    MeasureError
        If a spread is negative or not finite, `ddof` is neither 0 nor 1, or S does not exceed it.

    Notes
    -----
    Bangia, Diebold, Schuermann and Stroughair (1999), the section on exogenous liquidity risk: S-bar and sigma-tilde.
    """
    spreads = checked_matrix(history, "history", least=0.0, mend="drop crossed quotes")
    if isinstance(ddof, bool) or ddof not in (0, 1):
        raise MeasureError(f"ddof must be 0 or 1, not {ddof!r}")
    if spreads.shape[1] <= ddof:
        raise MeasureError(f"history has {spreads.shape[1]} observation and no degree of freedom with ddof={ddof}; give more, or ddof=0")
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = checked_result(spreads.std(axis=1, ddof=ddof), "standard deviation of history")
    return SpreadMoments(spreads.mean(axis=1), deviation)


def spread_cost(value: ArrayLike, mean: ArrayLike, standard_deviation: ArrayLike, *, multiplier: ArrayLike) -> Floats:
    """Return 0.5 * |value| * (mean + multiplier * standard_deviation): the cost of crossing half of a widened spread, per position.

    Parameters
    ----------
    value : float64[N]
        Market value of each position in currency, shorts negative: both sides pay.
    mean, standard_deviation : float64[N] or float
        Of the relative spread, not negative.
    multiplier : float64[N] or float
        Standard deviations by which the spread is stressed, not negative. Zero is the expected cost; the quantile 2.326 treats spreads as
        normal; Bangia et al. find 2 to 4.5 for the 99th percentile of spreads, which are not normal.

    Returns
    -------
    float64[N]
        Costs, in currency, not negative. They sum to the book's cost: spreads are taken to widen together.

    Raises
    ------
    MeasureError
        If lengths or labels disagree, a number is not finite, or a spread moment or multiplier is negative.

    Notes
    -----
    Bangia, Diebold, Schuermann and Stroughair (1999), the section on exogenous liquidity risk: COL = P (S-bar + a sigma-tilde) / 2.
    """
    check_same_positions(value=value, mean=mean, standard_deviation=standard_deviation, multiplier=multiplier)
    amount = np.abs(checked_vector(value, "value"))
    average = checked_vector(mean, "mean", least=0.0, size=amount.size, mend="a spread is ask less bid, over mid")
    spread = checked_vector(standard_deviation, "standard_deviation", least=0.0, size=amount.size)
    stress = checked_vector(multiplier, "multiplier", least=0.0, size=amount.size, mend="it widens the spread")
    with np.errstate(over="ignore"):
        return checked_result(0.5 * amount * (average + stress * spread), "spread cost")


def price_value_at_risk(
    value: ArrayLike,
    volatility: ArrayLike,
    confidence: float | None = None,
    *,
    returns: ReturnConvention,
    quantile: float | None = None,
    mean: ArrayLike = 0.0,
) -> Floats:
    """Return the price value at risk of each position alone, whose return is normal.

    Arithmetic: z |value| volatility - value mean. Log, long: value (1 - exp(mean - z volatility)); short: |value| (exp(mean + z volatility)
    - 1). Positions' numbers do not sum to a book's: for that take components, of `delta_normal` or `attribute`.

    Parameters
    ----------
    value : float64[N]
        Market value of each position in currency, shorts negative.
    volatility : float64[N] or float
        Standard deviation of the return over the horizon, not negative.
    confidence : float, optional
        In [0.5, 1). Give this or `quantile`, not both.
    returns : ReturnConvention
        Whether the normal return is arithmetic or logarithmic.
    quantile : float, optional
        The normal quantile z itself, for textbooks that round it, or times a correction for fat tails as in Bangia et al.
    mean : float64[N] or float
        Of the return over the horizon.

    Returns
    -------
    float64[N]
        Losses positive; negative where even the tail gains.

    Raises
    ------
    MeasureError
        If lengths or labels disagree, a number is not finite, or a volatility is negative.
    ConventionError
        If `confidence` lies outside [0.5, 1) or `returns` is unknown.

    Notes
    -----
    Bangia, Diebold, Schuermann and Stroughair (1999), the section on price risk (log returns); Dowd (2005), ch. 14 (arithmetic).
    """
    check_same_positions(value=value, volatility=volatility, mean=mean)
    amount = checked_vector(value, "value") + 0.0  # no position is long: -0.0 would be short
    sigma = checked_vector(volatility, "volatility", least=0.0, size=amount.size)
    drift = checked_vector(mean, "mean", size=amount.size)
    z = checked_quantile(confidence, quantile)
    with np.errstate(over="ignore", invalid="ignore"):
        if ReturnConvention(returns) is ReturnConvention.LOG:
            loss = -amount * np.expm1(drift - np.copysign(z * sigma, amount))
        else:
            loss = z * np.abs(amount) * sigma - amount * drift
    return checked_result(loss, "price value at risk")


def liquidity_adjusted_value_at_risk(price_component: ArrayLike, cost: ArrayLike) -> LiquidityAdjustedVaR:
    """Return LVaR = price value at risk + spread cost of a book, split by position without remainder.

    Parameters
    ----------
    price_component : float64[N]
        What each position adds to the book's price value at risk, summing to it: `component` of `delta_normal` or `attribute`, or the
        value at risk itself of a single position. Losses positive.
    cost : float64[N]
        Spread cost of each position, from `spread_cost`; not negative.

    Raises
    ------
    MeasureError
        If lengths or labels disagree, a number is not finite, or a cost is negative.

    Notes
    -----
    Bangia, Diebold, Schuermann and Stroughair (1999): price and spread are taken to be at their worst together, so the two are added.
    """
    check_same_positions(price_component=price_component, cost=cost)
    price = checked_vector(price_component, "price_component")
    half_spread = checked_vector(cost, "cost", least=0.0, mend="costs are positive", size=price.size)
    component = price + half_spread
    return LiquidityAdjustedVaR(
        value=float(component.sum()),
        price_value_at_risk=float(price.sum()),
        cost=float(half_spread.sum()),
        component=component,
        price_component=price,
        cost_component=half_spread,
    )
