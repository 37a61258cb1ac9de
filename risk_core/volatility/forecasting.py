"""Several days ahead: expected variances, intervals around them, and VaR and ES of the sum of the returns.

Expectations are closed forms where there are any: GARCH, GJR and APARCH of power 2 under every law, EGARCH under the normal (the moments of
Nelson 1991, appendix 1). All else is simulated, with a seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import erfc, exp, sqrt

import numpy as np
from numpy.typing import NDArray

from risk_core.conventions import tail_probability
from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.measures.checks import MeasureError
from risk_core.volatility import innovations, model_kernels
from risk_core.volatility.model_fit import ModelFit
from risk_core.volatility.model_kernels import ALPHA, BETA, GAMMA, MEAN, MEAN_ABSOLUTE, OMEGA, POWER
from risk_core.volatility.model_states import CODES, Model, ModelState, model_state
from risk_core.volatility.result import VolatilityFit

Floats = NDArray[np.float64]

NO_MEAN = "EGARCH with Student t innovations has no expected variance from the second day on; read the median"


@dataclass(frozen=True, slots=True, eq=False)
class VolatilityForecast:
    """Variances of the next days.

    Parameters
    ----------
    variance : float64[D] or None
        Expected, of each day; their sum is that of the sum of the returns. None where the expectation is infinite.
    error : float64[D]
        Standard error of `variance` from the simulation; zero where it is a closed form.
    median, lower, upper : float64[D]
        Of the conditional variance of each day, over simulated paths: `lower` and `upper` hold `level` of them. The first day is known.
    level : float
    closed_form : bool
        Whether `variance` is.
    reason : str
        Why there is no `variance`; empty where there is.
    """

    variance: Floats | None
    error: Floats = field(repr=False)
    median: Floats
    lower: Floats
    upper: Floats
    level: float
    closed_form: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConditionalRisk:
    """VaR and ES of the sum of the returns of the next days.

    Parameters
    ----------
    value_at_risk : float
        Loss positive, in the unit of the returns; never clipped.
    expected_shortfall : float or None
        None where the expectation is infinite.
    confidence : float
    days : int
    closed_form : bool
        One day: True. More: order statistics of simulated sums.
    reason : str
        Why there is no expected shortfall; empty where there is.
    """

    value_at_risk: float
    expected_shortfall: float | None
    confidence: float
    days: int
    closed_form: bool
    reason: str = ""


def state_of(fitted: ModelFit | VolatilityFit | ModelState) -> ModelState:
    """Return the state of a fit as one of the four models: EWMA is a GARCH without level.

    Raises
    ------
    MeasureError
        For RiskMetrics 2006, which has many components, and for a variance of zero.
    """
    if isinstance(fitted, ModelState):
        return fitted
    if isinstance(fitted, ModelFit):
        return fitted.state
    if fitted.model == "ewma":
        decay = fitted.parameters["decay"]
        return model_state(Model.GARCH, {"omega": 0.0, "alpha": 1.0 - decay, "beta": decay}, fitted.state.variance)
    if fitted.model not in list(Model):
        raise MeasureError(f"{fitted.model} is none of {', '.join(Model)}; its own forecast() has expected variances")
    return model_state(fitted.model, fitted.parameters, fitted.state.variance)


def forecast_volatility(
    fitted: ModelFit | VolatilityFit | ModelState, days: int, *, level: float = 0.9, paths: int = 10_000, seed: int = 0
) -> VolatilityForecast:
    """Return the variances of the next days, with an interval.

    Parameters
    ----------
    fitted : ModelFit, VolatilityFit or ModelState
        Parameters are taken as known: the interval is of the paths, not of the estimate.
    days : int
        At least 1.
    level : float
        Share of paths between `lower` and `upper`, in (0, 1).
    paths : int
        At least 100.
    seed : int

    Raises
    ------
    MeasureError
        For impossible numbers.
    """
    state = state_of(fitted)
    if not 0.0 < level < 1.0:
        raise MeasureError(f"level is the share of paths inside the interval, in (0, 1), not {level!r}")
    h, _ = simulate_volatility(state, days, paths=paths, seed=seed)
    lower, median, upper = np.quantile(h, [0.5 - 0.5 * level, 0.5, 0.5 + 0.5 * level], axis=0)
    exact = expected_variances(state, days)
    finite = exact is not None or _has_mean(state, days)
    variance = exact if exact is not None else h.mean(axis=0) if finite else None
    error = np.zeros(days) if exact is not None or not finite else h.std(axis=0, ddof=1) / sqrt(paths)
    return VolatilityForecast(variance, error, median, lower, upper, level, exact is not None, "" if finite else NO_MEAN)


def simulate_volatility(
    fitted: ModelFit | VolatilityFit | ModelState, days: int, *, paths: int = 10_000, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return variances and returns of simulated next days, float64[paths, days] each. MeasureError for impossible numbers."""
    state = state_of(fitted)
    if days < 1:
        raise MeasureError(f"a forecast needs at least one day, not {days!r}")
    if paths < 100:
        raise MeasureError(f"a simulation needs at least 100 paths, not {paths!r}")
    rng = np.random.Generator(np.random.PCG64(seed))
    z = innovations.draw(rng, (paths, days), state.df, state.skew)
    h, r = model_kernels.paths(state.level, state.theta, CODES[state.model], np.ascontiguousarray(z))
    return h, r


def expected_variances(fitted: ModelFit | VolatilityFit | ModelState, days: int) -> Floats | None:
    """Return the expected variance of each of the next days, float64[days], in closed form; None where there is none."""
    state = state_of(fitted)
    if days < 1:
        raise MeasureError(f"a forecast needs at least one day, not {days!r}")
    theta = state.theta
    if state.model is Model.EGARCH:
        return _egarch_variances(state, days) if state.df is None or days == 1 else None
    if float(theta[POWER]) != 2.0 and days > 1:
        return None
    path, reach = np.full(days, state.variance), state.persistence if days > 1 else 0.0
    for day in range(1, days):
        path[day] = theta[OMEGA] + reach * path[day - 1]
    return path


def conditional_risk(
    fitted: ModelFit | VolatilityFit | ModelState, confidence: float, days: int = 1, *, paths: int = 20_000, seed: int = 0
) -> ConditionalRisk:
    """Return VaR and ES of the sum of the next days' returns: a loss of a book whose P&L are the returns.

    Parameters
    ----------
    fitted : ModelFit, VolatilityFit or ModelState
    confidence : float
        Such as 0.99.
    days : int
        One: quantile and tail mean of the innovation. More: order statistics of simulated sums, with the default conventions.
    paths : int
    seed : int

    Raises
    ------
    ConventionError
        For an impossible confidence.
    MeasureError
        For impossible days or paths.
    """
    state, tail = state_of(fitted), tail_probability(confidence)
    if days == 1:
        quantile, shortfall = innovations.lower_tail(tail, state.df, state.skew)
        mean, volatility = float(state.theta[MEAN]), state.volatility
        return ConditionalRisk(-(mean + volatility * quantile), -(mean + volatility * shortfall), confidence, 1, closed_form=True)
    _, r = simulate_volatility(state, days, paths=paths, seed=seed)
    total = r.sum(axis=1)
    finite = _has_mean(state, days)
    shortfall_of = float(expected_shortfall(total, confidence).value) if finite else None
    reason = "" if finite else "EGARCH with Student t innovations has no expected loss over several days; read value at risk"
    return ConditionalRisk(float(value_at_risk(total, confidence).value), shortfall_of, confidence, days, closed_form=False, reason=reason)


def _has_mean(state: ModelState, days: int) -> bool:
    """Return whether the variance has an expectation: an exponential of a Student t has none unless it falls on both sides."""
    falls = state.theta[ALPHA] <= -abs(state.theta[GAMMA])
    return state.model is not Model.EGARCH or state.df is None or days == 1 or bool(falls)


def _egarch_variances(state: ModelState, days: int) -> Floats:
    """Return E h of each day under normal innovations: log variances are sums of independent news."""
    omega, alpha, gamma, beta = (float(state.theta[i]) for i in (OMEGA, ALPHA, GAMMA, BETA))
    path, level, weight, news = np.empty(days), state.level, 1.0, 1.0
    for day in range(days):
        path[day] = exp(level) * news
        news *= _news_exponential(weight * alpha, weight * gamma)
        level = omega + beta * level
        weight *= beta
    return path


def _news_exponential(alpha: float, gamma: float) -> float:
    """Return E exp(alpha (|z| - sqrt(2 / pi)) + gamma z) of the normal."""
    up, down = alpha + gamma, alpha - gamma
    whole = exp(0.5 * up * up) * 0.5 * erfc(-up / sqrt(2.0)) + exp(0.5 * down * down) * 0.5 * erfc(-down / sqrt(2.0))
    return whole * exp(-alpha * MEAN_ABSOLUTE)
