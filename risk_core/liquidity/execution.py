"""Optimal liquidation under linear market impact: expected cost against variance.

R. Almgren and N. Chriss, Optimal execution of portfolio transactions, Journal of Risk 3(2), 5-39 (2000/01). A position x_0 = X is traded
in N intervals of length tau = T / N; n_k = x_{k-1} - x_k is traded in the k-th, and x_N = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import asinh, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from risk_core.liquidity.checks import Floats, checked_count, checked_number, checked_quantile, checked_result, checked_vector
from risk_core.measures.checks import MeasureError

MOST_PERIODS: Final = 1_000_000
"""Trading every second of a month stays below this."""
_ROUNDING: Final = 1e-12
"""A net temporary impact smaller than this, relative to the whole, is rounding."""
_LINEAR_BELOW: Final = 1e-8
"""Below this kappa * T the sinh trajectory is the straight line to the last bit."""
_IMMEDIATE_ABOVE: Final = 700.0
"""Above this kappa * tau what is left after one interval is no longer a float."""


@dataclass(frozen=True, slots=True)
class LinearImpact:
    """A market that moves by a random walk and yields to trading linearly.

    Almgren and Chriss (2000), sections 1.2, 1.3 and 1.5. Currency, shares and days are the units; any others do, used throughout.

    Parameters
    ----------
    volatility : float
        sigma: standard deviation of one day's price change, in currency per share; not a return.
    permanent : float
        gamma: lasting price change per share traded, in currency per share squared.
    temporary : float
        eta: price concession per share per day of trading speed, in currency days per share squared; positive.
    fixed : float
        epsilon: cost per share whatever the speed, usually half the bid-ask spread plus fees, in currency per share.

    Raises
    ------
    MeasureError
        If a number is negative or not finite, or `temporary` is zero.
    """

    volatility: float
    permanent: float
    temporary: float
    fixed: float = 0.0

    def __post_init__(self) -> None:
        for name in ("volatility", "permanent", "fixed"):
            object.__setattr__(self, name, checked_number(getattr(self, name), name, least=0.0))
        mend = "without temporary impact immediate liquidation costs nothing"
        object.__setattr__(self, "temporary", checked_number(self.temporary, "temporary", above=0.0, mend=mend))


@dataclass(frozen=True, slots=True)
class Liquidation:
    """A position to be closed by a given time in equal intervals.

    Almgren and Chriss (2000), section 1.1.

    Parameters
    ----------
    quantity : float
        X: shares to sell, or to buy back if negative: costs are the same.
    horizon_days : float
        T: time by which nothing is left, positive.
    periods : int
        N: intervals of trading, at least 1.
    market : LinearImpact

    Raises
    ------
    MeasureError
        If a number is out of range, or an interval is so long that permanent impact outweighs temporary (tau >= 2 eta / gamma): then
        expected cost has no minimum.
    """

    quantity: float
    horizon_days: float
    periods: int
    market: LinearImpact

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantity", checked_number(self.quantity, "quantity"))
        object.__setattr__(self, "horizon_days", checked_number(self.horizon_days, "horizon_days", above=0.0))
        object.__setattr__(self, "periods", checked_count(self.periods, "periods", most=MOST_PERIODS))
        if not self.corrected_temporary > _ROUNDING * self.market.temporary:
            raise MeasureError(
                f"temporary impact {self.market.temporary:g} does not exceed permanent * interval / 2 = "
                f"{0.5 * self.market.permanent * self.interval_days:g}: the model has no optimum; take more periods or a shorter horizon"
            )

    @property
    def interval_days(self) -> float:
        """Length of one interval, tau = T / N."""
        return self.horizon_days / self.periods

    @property
    def corrected_temporary(self) -> float:
        """Temporary impact net of the permanent impact that a trade does not pay on itself, eta-tilde = eta - gamma tau / 2."""
        return self.market.temporary - 0.5 * self.market.permanent * self.interval_days


@dataclass(frozen=True, slots=True)
class ExecutionCost:
    """Mean and variance of the cost of a liquidation against the price at its start, in currency and its square; costs positive."""

    expected: float
    variance: float

    @property
    def standard_deviation(self) -> float:
        """Square root of the variance, in currency."""
        return sqrt(self.variance)


@dataclass(frozen=True, slots=True, eq=False)
class EfficientFrontier:
    """The cheapest liquidation for each risk aversion.

    `risk_aversion`, `expected` and `variance` are float64[L]; `holdings` is float64[L, N + 1], one optimal trajectory per row. As risk
    aversion rises, `expected` rises and `variance` falls; their slope is -risk_aversion.
    """

    risk_aversion: Floats
    expected: Floats
    variance: Floats
    holdings: Floats


def urgency(order: Liquidation, risk_aversion: float) -> float:
    """Return kappa, the rate at which the optimal trajectory decays, per day.

    2 (cosh(kappa tau) - 1) = kappa-tilde² tau², with kappa-tilde² = risk_aversion sigma² / eta-tilde; solved by the equal form
    kappa tau = 2 arsinh(kappa-tilde tau / 2), which keeps its digits where arcosh loses them.

    Parameters
    ----------
    order : Liquidation
    risk_aversion : float
        lambda: cost accepted per unit of variance, in 1 / currency; not negative.

    Raises
    ------
    MeasureError
        If `risk_aversion` is negative or not finite.

    Notes
    -----
    Almgren and Chriss (2000), section 2.2.
    """
    aversion = checked_number(risk_aversion, "risk_aversion", least=0.0, mend="zero minimises expected cost alone")
    tau = order.interval_days
    return 2.0 * asinh(0.5 * tau * _kappa(order.market.volatility, aversion, order.corrected_temporary)) / tau


def half_life(order: Liquidation, risk_aversion: float) -> float:
    """Return 1 / kappa in days, what the paper calls the half-life: undisturbed, the position falls by the factor e, not 2, in this time.

    Parameters
    ----------
    order, risk_aversion
        As `urgency`.

    Returns
    -------
    float
        Infinite without risk aversion or volatility: the trajectory is then a straight line. It does not depend on the quantity.

    Raises
    ------
    MeasureError
        As `urgency`.

    Notes
    -----
    Almgren and Chriss (2000), section 2.3.
    """
    kappa = urgency(order, risk_aversion)
    return 1.0 / kappa if kappa > 0.0 else float("inf")


def optimal_holdings(order: Liquidation, risk_aversion: float) -> Floats:
    """Return the trajectory that minimises expected cost + risk_aversion * variance: X sinh(kappa (T - t_k)) / sinh(kappa T).

    Parameters
    ----------
    order, risk_aversion
        As `urgency`.

    Returns
    -------
    float64[N + 1]
        Holdings x_0 = X, ..., x_N = 0 in shares, at t_k = k tau. Linear at zero risk aversion, immediate in the limit.

    Raises
    ------
    MeasureError
        As `urgency`.

    Notes
    -----
    Almgren and Chriss (2000), section 2.2.
    """
    kappa = urgency(order, risk_aversion)
    if not kappa * order.interval_days < _IMMEDIATE_ABOVE:
        return immediate_holdings(order)
    return order.quantity * _sinh_ratio(kappa * order.horizon_days, np.arange(order.periods + 1) / order.periods)


def continuous_holdings(order: Liquidation, risk_aversion: float, time_days: ArrayLike) -> Floats:
    """Return the optimal trajectory of continuous trading, the limit of many periods: kappa² = risk_aversion sigma² / eta.

    Parameters
    ----------
    order, risk_aversion
        As `urgency`; the number of periods does not matter.
    time_days : float64[K]
        Times in [0, T].

    Returns
    -------
    float64[K]
        Holdings in shares.

    Raises
    ------
    MeasureError
        As `urgency`, and if a time lies outside [0, T].

    Notes
    -----
    Almgren and Chriss (2000), section 2.2, for tau to zero.
    """
    aversion = checked_number(risk_aversion, "risk_aversion", least=0.0, mend="zero minimises expected cost alone")
    time = checked_vector(time_days, "time_days", least=0.0)
    bad = np.flatnonzero(time > order.horizon_days)
    if bad.size:
        raise MeasureError(f"time_days is {time[bad[0]]} at position {bad[0]}: it lies after the horizon of {order.horizon_days} days")
    depth = min(_kappa(order.market.volatility, aversion, order.market.temporary) * order.horizon_days, 1e300)
    return order.quantity * _sinh_ratio(depth, time / order.horizon_days)


def linear_holdings(order: Liquidation) -> Floats:
    """Return the trajectory of equal trades, the lowest expected cost of all (time-weighted average price).

    Returns
    -------
    float64[N + 1]
        Holdings in shares.

    Notes
    -----
    Almgren and Chriss (2000), section 1.5.
    """
    return order.quantity * _sinh_ratio(0.0, np.arange(order.periods + 1) / order.periods)


def immediate_holdings(order: Liquidation) -> Floats:
    """Return the trajectory that trades everything in the first interval, the lowest variance of all (none).

    Returns
    -------
    float64[N + 1]
        Holdings in shares.

    Notes
    -----
    Almgren and Chriss (2000), section 1.5.
    """
    holdings = np.zeros(order.periods + 1)
    holdings[0] = order.quantity
    return holdings


def execution_cost(order: Liquidation, holdings: ArrayLike) -> ExecutionCost:
    """Return mean and variance of the cost of any trajectory, optimal or not, monotone or not.

    E = gamma X² / 2 + epsilon sum |n_k| + (eta-tilde / tau) sum n_k² and V = sigma² tau sum x_k², over k = 1 ... N. The position is counted
    after each trade, so a trade in the first interval carries no price risk.

    Parameters
    ----------
    order : Liquidation
    holdings : float64[N + 1]
        Shares held at 0, tau, ..., T, from the quantity to zero.

    Raises
    ------
    MeasureError
        If the shape is wrong, a number is not finite, or the ends are not the quantity and zero.

    Notes
    -----
    Almgren and Chriss (2000), sections 1.4 and 1.5.
    """
    path = checked_vector(holdings, "holdings")
    if path.size != order.periods + 1:
        raise MeasureError(f"holdings must have {order.periods + 1} numbers, one before and one after each trade, not {path.size}")
    slack = 1e-9 * abs(order.quantity)
    if abs(path[0] - order.quantity) > slack or abs(path[-1]) > slack:
        raise MeasureError(f"holdings must run from {order.quantity} to 0, not from {path[0]} to {path[-1]}; add the missing end")
    market, tau, trades = order.market, order.interval_days, np.diff(path)
    with np.errstate(over="ignore", invalid="ignore"):
        permanent = 0.5 * market.permanent * order.quantity * order.quantity
        expected = permanent + market.fixed * np.abs(trades).sum() + order.corrected_temporary / tau * (trades @ trades)
        variance = market.volatility * market.volatility * tau * (path[1:] @ path[1:])
    checked_result(np.array([expected, variance]), "expected cost or variance")
    return ExecutionCost(float(expected), float(variance))


def efficient_frontier(order: Liquidation, risk_aversion: ArrayLike) -> EfficientFrontier:
    """Return expected cost, variance and trajectory of the optimum for each risk aversion.

    Parameters
    ----------
    order : Liquidation
    risk_aversion : float64[L]
        In 1 / currency, not negative, in any order.

    Raises
    ------
    MeasureError
        If a risk aversion is negative or not finite.

    Notes
    -----
    Almgren and Chriss (2000), sections 2.1 and 2.4.
    """
    aversion = checked_vector(risk_aversion, "risk_aversion", least=0.0, mend="zero minimises expected cost alone")
    holdings = np.stack([optimal_holdings(order, float(one)) for one in aversion])
    costs = [execution_cost(order, path) for path in holdings]
    return EfficientFrontier(aversion, np.array([c.expected for c in costs]), np.array([c.variance for c in costs]), holdings)


def cost_within(order: Liquidation, horizon_days: float, risk_aversion: float = 0.0) -> ExecutionCost:
    """Return mean and variance of the cost of the optimal liquidation within another time, in the same number of periods.

    Parameters
    ----------
    order : Liquidation
    horizon_days : float
        Time by which nothing is left, positive; it replaces the order's own.
    risk_aversion : float
        As `urgency`; zero trades linearly.

    Raises
    ------
    MeasureError
        As `Liquidation` and `urgency`.

    Notes
    -----
    Almgren and Chriss (2000), section 2.1.
    """
    shorter = replace(order, horizon_days=horizon_days)
    return execution_cost(shorter, optimal_holdings(shorter, risk_aversion))


def cost_at_risk(cost: ExecutionCost, confidence: float | None = None, *, quantile: float | None = None) -> float:
    """Return expected cost + z * standard deviation: the cost of liquidation not exceeded with the given confidence.

    Parameters
    ----------
    cost : ExecutionCost
    confidence : float, optional
        In [0.5, 1). Give this or `quantile`, not both.
    quantile : float, optional
        The normal quantile z itself.

    Raises
    ------
    MeasureError
        If both or neither of confidence and quantile are given, or the quantile is negative.
    ConventionError
        If `confidence` lies outside [0.5, 1).

    Notes
    -----
    Almgren and Chriss (2000), section 3.2: liquidity-adjusted value at risk (L-VaR). Costs are normal in this model.
    """
    at_risk = cost.expected + checked_quantile(confidence, quantile) * cost.standard_deviation
    return float(checked_result(np.array([at_risk]), "cost at risk")[0])


def _kappa(volatility: float, aversion: float, temporary: float) -> float:
    return volatility * sqrt(aversion) / sqrt(temporary)


def _sinh_ratio(depth: float, elapsed: Floats) -> Floats:
    """Return sinh(depth (1 - u)) / sinh(depth) for elapsed times u in [0, 1], without overflow; 1 - u as depth tends to zero."""
    left = 1.0 - elapsed
    if depth < _LINEAR_BELOW:
        return left
    ratio: Floats = np.exp(-depth * elapsed) * np.expm1(-2.0 * depth * left) / np.expm1(-2.0 * depth)
    return ratio
