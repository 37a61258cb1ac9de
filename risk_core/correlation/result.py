"""What a conditional correlation model found in several series."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_day
from risk_core.correlation.errors import two_stage_errors
from risk_core.correlation.filter import dcc_correlations
from risk_core.correlation.forecast import ForecastMethod, correlation_forecast
from risk_core.correlation.kernels import scaled
from risk_core.correlation.online import OnlineCorrelation
from risk_core.correlation.targets import Targets
from risk_core.volatility import VolatilityFit

Floats = NDArray[np.float64]


class CorrelationStatus(StrEnum):
    """How far a correlation model can be trusted."""

    OK = "ok"
    AT_BOUND = "at_bound"
    """A parameter stands at the edge of its range, such as gamma of an asymmetric model at zero."""
    NEAR_UNIT_ROOT = "near_unit_root"
    """Persistence of 0.999 or more: tomorrow stands, the target is hardly ever reached."""
    NO_DYNAMICS = "no_dynamics"
    """The likelihood sees no reaction to news: the correlation is constant."""
    MARGIN = "margin"
    """The correlation is found, but the volatility model of an instrument is in doubt; its status says why."""
    TOO_SHORT = "too_short"
    """Fewer than 100 days: the correlation is constant, nothing else is estimated."""
    SINGULAR = "singular"
    """Some book of the instruments never moves (fewer days than instruments, or one twice): the correlation is constant; no likelihood."""
    NOT_CONVERGED = "not_converged"
    """The search ended before the likelihood was flat: numbers are its last point."""


@dataclass(frozen=True, slots=True, eq=False)
class CorrelationFit:
    """CCC, DCC or ADCC with the volatility model of each instrument.

    Parameters
    ----------
    model : str
        "ccc", "dcc" or "adcc".
    parameters : dict
        "alpha", "beta", and "gamma" of adcc: Q' = (1 - alpha - beta) S - gamma M + alpha z z' + gamma n n' + beta Q, n = min(z, 0).
        Coefficients, not their roots. Zero in a ccc.
    margins : tuple of VolatilityFit
        In the order of the instruments.
    residuals : float64[N, T]
        Standardised, oldest first.
    targets : Targets
    start : float64[N, N]
        Q of the first day.
    q : float64[N, N]
        Q of tomorrow; the upper triangle counts.
    log_likelihood : float or None
        Joint normal quasi-likelihood of the returns: margins with their volatilities, and correlations. None where a correlation is
        singular, a volatility zero, or pairs were maximised: it costs O(N³) a day, see `dcc_log_likelihood`.
    correlation_log_likelihood : float or None
        Sum of -½ (log|R| + z'R⁻¹z - z'z), what the second stage maximises; zero if all correlations were zero.
    composite_log_likelihood : float or None
        Mean over the pairs, where these were maximised in its place.
    status : CorrelationStatus
    reason : str
        Why the status is what it is; empty when "ok".
    """

    model: str
    parameters: dict[str, float]
    margins: tuple[VolatilityFit, ...] = field(repr=False)
    residuals: Floats = field(repr=False)
    targets: Targets = field(repr=False)
    start: Floats = field(repr=False)
    q: Floats = field(repr=False)
    log_likelihood: float | None
    correlation_log_likelihood: float | None
    composite_log_likelihood: float | None = None
    pairs: NDArray[np.int64] | None = field(default=None, repr=False)
    status: CorrelationStatus = CorrelationStatus.OK
    reason: str = ""

    @property
    def theta(self) -> Floats:
        """(alpha, gamma, beta) of `kernels`."""
        p = self.parameters
        return np.array([p["alpha"], p.get("gamma", 0.0), p["beta"]])

    @property
    def persistence(self) -> float:
        """Persistence alpha + reach gamma + beta, below one in a stationary model; see `Targets`."""
        return float(self.theta @ np.array([1.0, self.targets.reach, 1.0]))

    @property
    def correlation(self) -> Floats:
        """Of tomorrow, float64[N, N]: positive semidefinite, unit diagonal."""
        out = np.empty_like(self.q)
        scaled(self.q, out)
        return out

    @property
    def volatilities(self) -> Floats:
        """Of tomorrow, float64[N], in the unit of the returns."""
        return np.array([m.state.volatility for m in self.margins])

    @property
    def covariance(self) -> Floats:
        """Of tomorrow, float64[N, N]."""
        return np.asarray(self.correlation * np.outer(self.volatilities, self.volatilities))

    def correlations(self) -> Floats:
        """Return correlations known the day before, float64[T + 1, N, N]: of each day, oldest first, and of tomorrow."""
        theta = self.theta
        return dcc_correlations(self.residuals, theta[0], theta[2], theta[1], target=self.targets.level, start=self.start)

    def covariances(self) -> Floats:
        """Return covariances known the day before, float64[T + 1, N, N], in the unit of the returns squared."""
        path = np.vstack([np.array([m.volatility for m in self.margins]).T, self.volatilities])
        return np.asarray(self.correlations() * (path[:, :, None] * path[:, None, :]))

    def forecast(self, days: int = 1, method: ForecastMethod | str = ForecastMethod.CORRELATION) -> Floats:
        """Return the expected covariance of each of the next days, float64[days, N, N]; their sum is that of the sum of the returns.

        Volatilities are roots of each margin's expected variances, correlations those of `correlation_forecast`. MeasureError unless
        days >= 1 and the method is known.
        """
        theta = self.theta
        correlations = correlation_forecast(self.q, self.targets.level, float(theta[0] + theta[2]), days, method)
        path = np.sqrt(np.array([m.forecast(days) for m in self.margins]).T)
        return np.asarray(correlations * (path[:, :, None] * path[:, None, :]))

    def portfolio_volatility(self, positions: ArrayLike) -> float:
        """Return tomorrow's volatility of positions float64[N], in the unit of position times return."""
        held = checked_day(positions, len(self.margins), "positions")
        return sqrt(max(float(held @ self.covariance @ held), 0.0))

    def standard_errors(self, *, robust: bool = True) -> dict[str, float]:
        """Return standard errors of the parameters that were estimated and stand inside their bounds; empty where none do.

        Robust: from Hessian and outer products of scores; always so for a composite likelihood. Else from the Hessian alone. Both
        take margins and target as known, so they are somewhat too small.
        """
        if self.status in (
            CorrelationStatus.NOT_CONVERGED,
            CorrelationStatus.TOO_SHORT,
            CorrelationStatus.SINGULAR,
            CorrelationStatus.NO_DYNAMICS,
        ):
            return {}
        return two_stage_errors(self.residuals, self.start, self.targets, self.theta, self.parameters, self.pairs, robust=robust)

    def online(self) -> OnlineCorrelation:
        """Return the state after the last day, to go on with one day after another."""
        recursions = [m.state.recursion for m in self.margins]
        margins = {
            name: np.array([getattr(r, name) for r in recursions]).reshape(len(recursions))
            for name in ("mean", "level", "up", "down", "persistence")
        }
        variance = np.array([m.state.components[0] for m in self.margins])
        return OnlineCorrelation(margins, variance, self.q, self.targets.omega(self.theta), self.theta)
