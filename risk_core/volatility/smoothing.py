"""Volatility without a fit: EWMA (RiskMetrics 1996) and the mixture of EWMAs of RiskMetrics 2006.

G. Zumbach, "The RiskMetrics 2006 methodology", RiskMetrics Group (2007), sec. 2; "Volatility processes and volatility forecast with long
memory", Quantitative Finance 4 (2004) 70-86.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, floor, log, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import MeasureError, checked_pnl
from risk_core.measures.ewma import EwmaSeed, ewma_variances
from risk_core.scenarios.weights import RISKMETRICS_DECAY, exponential_weights
from risk_core.volatility.garch import Start
from risk_core.volatility.result import VolatilityFit, VolatilityStatus
from risk_core.volatility.state import Recursion, VolatilityState, run

Floats = NDArray[np.float64]

_MEAN_SQUARE: Final = "mean_square"


@dataclass(frozen=True, slots=True)
class TimeScales:
    """The time scales of RiskMetrics 2006, in days: shortest, shortest * ratio, ... up to longest.

    The weight of a scale is 1 - log(scale) / log(cutoff), scaled to sum to one; its decay is exp(-1 / scale).

    Parameters
    ----------
    shortest, longest : float
        tau_1 and tau_max. The paper: 4 and 512 days, which makes 15 scales. `arch` stops at 14 (362 days) unless told kmax=15.
    ratio : float
        rho, above 1.
    cutoff : float
        tau_0, above longest: memory falls to nothing there. Six years in the paper.
    """

    shortest: float = 4.0
    longest: float = 512.0
    ratio: float = sqrt(2.0)
    cutoff: float = 1560.0

    def __post_init__(self) -> None:
        if not 1.0 < self.ratio < np.inf or not 0.0 < self.shortest <= self.longest < self.cutoff < np.inf or not self.cutoff > 1.0:
            raise MeasureError(f"time scales need 0 < shortest <= longest < cutoff, cutoff > 1 and ratio > 1, not {self}")

    @property
    def days(self) -> Floats:
        """Of each component, shortest first."""
        count = 1 + floor(log(self.longest / self.shortest) / log(self.ratio) + 1e-9)
        return np.array([self.shortest * self.ratio**k for k in range(count)])

    @property
    def decays(self) -> Floats:
        """Of each component."""
        return np.array([exp(-1.0 / d) for d in self.days])

    @property
    def mass(self) -> Floats:
        """Weight of each component; they sum to one."""
        weights = np.array([1.0 - log(d) / log(self.cutoff) for d in self.days])
        return np.asarray(weights / weights.sum())


RISKMETRICS_2006: Final = TimeScales()


def ewma_volatility(returns: ArrayLike, decay: float = RISKMETRICS_DECAY, start: EwmaSeed | str | float = _MEAN_SQUARE) -> VolatilityFit:
    """Return EWMA volatility: h' = decay h + (1 - decay) r².

    Parameters
    ----------
    returns : float64[S]
        Oldest first.
    decay : float
        In (0, 1).
    start : str or float
        The variance before the first return: "mean_square" of the series (as `volatility_scaled`), a rule of `EwmaSeed`, or the variance.

    Raises
    ------
    MeasureError
        For an empty series, NaN or infinite values, an impossible decay or start; ConventionError for an unknown rule.
    """
    series = np.array(checked_pnl(returns, "returns"))
    opening = float(ewma_variances(series[:1], decay, 0.0)[0])  # refuses an impossible decay
    if start == _MEAN_SQUARE:
        opening = float(np.add.accumulate(series * series)[-1]) / series.size
    else:
        opening = float(ewma_variances(series, decay, start)[0])
    reaction, persistence = np.array([1.0 - decay]), np.array([decay])
    recursion = Recursion(0.0, np.zeros(1), reaction, reaction, persistence, np.ones(1))
    return _filtered("ewma", {"decay": decay}, series, VolatilityState(recursion, np.array([opening])))


def riskmetrics_2006(returns: ArrayLike, scales: TimeScales = RISKMETRICS_2006, start: Start | str = Start.BACKCAST) -> VolatilityFit:
    """Return the volatility of RiskMetrics 2006: a mixture of EWMAs whose weights fall with the logarithm of their time scale.

    The variance process of the paper (its section on volatility); not its long-term mean returns, residual law or lagged correlations.

    Parameters
    ----------
    returns : float64[S]
        Oldest first.
    scales : TimeScales
    start : Start or str
        "backcast": each component by its own decay from the squares of its first returns, as many as hold 99 % of the weight (arch).
        "mean_square": that of all returns.

    Returns
    -------
    VolatilityFit
        Its forecast over several days is the expectation under the recursion, which falls (or rises) slowly; `arch` repeats the first day.

    Raises
    ------
    MeasureError
        For an empty series, NaN or infinite values, or an unknown start.
    """
    series = np.array(checked_pnl(returns, "returns"))
    if start not in list(Start):
        raise MeasureError(f"unknown start {start!r}; choose one of {', '.join(Start)}")
    decays = scales.decays
    square = series * series
    opening = np.full(decays.size, square.mean())
    if start == Start.BACKCAST:
        for k, decay in enumerate(decays):
            count = max(min(floor(log(0.01) / log(decay)), series.size), 1)
            opening[k] = exponential_weights(count, float(decay)) @ square[:count]
    recursion = Recursion(0.0, np.zeros(decays.size), 1.0 - decays, 1.0 - decays, decays, scales.mass)
    return _filtered("riskmetrics_2006", {}, series, VolatilityState(recursion, opening))


def riskmetrics_2006_weights(count: int, scales: TimeScales = RISKMETRICS_2006, *, normalised: bool = True) -> Floats:
    """Return the weight of each squared return in tomorrow's variance, float64[S], newest first.

    Parameters
    ----------
    count : int
        Number of returns, at least 1.
    scales : TimeScales
    normalised : bool
        True: each component's weights are scaled to sum to one over the window, and so does the whole. False: every recursion starts from
        zero.

    Raises
    ------
    WeightError
        For a count below one.
    """
    each = [exponential_weights(count, float(d), normalised=normalised) for d in scales.decays]
    weights: Floats = np.add.reduce([m * w for m, w in zip(scales.mass, each, strict=True)])
    return weights


def _filtered(model: str, parameters: dict[str, float], series: Floats, opening: VolatilityState) -> VolatilityFit:
    variances, state = run(opening, series)
    volatility = np.sqrt(variances)
    moving = bool((variances > 0.0).all())
    residuals = np.divide(series, volatility, out=np.zeros_like(series), where=volatility > 0.0)
    likelihood = -0.5 * float(np.sum(np.log(2.0 * pi * variances) + residuals**2)) if moving else None
    if not series.any():
        return VolatilityFit(model, parameters, volatility, residuals, state, None, VolatilityStatus.CONSTANT, "every return is 0")
    return VolatilityFit(model, parameters, volatility, residuals, state, likelihood)
