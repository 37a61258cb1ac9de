"""What a volatility model found in one series."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from risk_core.volatility.estimate import GarchEstimate
from risk_core.volatility.state import VolatilityState, expected_variances

Floats = NDArray[np.float64]


class VolatilityStatus(StrEnum):
    """How far a volatility model can be trusted."""

    OK = "ok"
    AT_BOUND = "at_bound"
    """A parameter stands at the edge of its range, such as alpha of a GJR model at zero: gains do not move the variance."""
    DF_AT_UPPER_BOUND = "df_at_upper_bound"
    """The residuals show no heavier tail than the normal: degrees of freedom stand at 200 (`fit_volatility`: 1000)."""
    DF_AT_LOWER_BOUND = "df_at_lower_bound"
    """The tail of the residuals is too heavy for a variance: degrees of freedom stand at 2.05."""
    NEAR_UNIT_ROOT = "near_unit_root"
    """Persistence of 0.999 or more: tomorrow's variance stands, the long-run one and far forecasts do not."""
    NO_CLUSTERING = "no_clustering"
    """The likelihood sees no reaction to news: the variance is constant."""
    TOO_SHORT = "too_short"
    """Fewer than 100 (effective) returns: the variance is the mean square, nothing else is estimated."""
    CONSTANT = "constant"
    """All returns are equal, so there is nothing to estimate: as with too few."""
    NOT_CONVERGED = "not_converged"
    """The search ended before the likelihood was flat: numbers are its last point, gradients are not exact."""


@dataclass(frozen=True, slots=True, eq=False)
class VolatilityFit:
    """A volatility model of one series, oldest first.

    Parameters
    ----------
    model : str
        "ewma", "riskmetrics_2006", "garch" or "gjr".
    parameters : dict
        By name, in the unit of the returns: "decay" of EWMA; "mean", "omega", "alpha", "gamma" (gjr), "beta" and "df" (Student t) of
        GARCH, which is h' = omega + (alpha + gamma [e < 0]) e² + beta h. The Student t is standardised: df does not change the variance.
    volatility : float64[S]
        Conditional standard deviation of each return, known the day before.
    residuals : float64[S]
        (return - mean) / volatility; zero where the volatility is zero.
    state : VolatilityState
        After the last return: `state.variance` is tomorrow's, `step` goes on from here.
    log_likelihood : float or None
        Sum of log densities of the returns; with weights, their weighted mean times the effective number. None where nothing was estimated,
        or a variance is zero.
    status : VolatilityStatus
    reason : str
        Why the status is what it is; empty when "ok".
    estimate : GarchEstimate or None
        Where the likelihood stood; None where there is none.
    """

    model: str
    parameters: dict[str, float]
    volatility: Floats = field(repr=False)
    residuals: Floats = field(repr=False)
    state: VolatilityState
    log_likelihood: float | None
    status: VolatilityStatus = VolatilityStatus.OK
    reason: str = ""
    estimate: GarchEstimate | None = field(default=None, repr=False)

    @property
    def persistence(self) -> float:
        """Share of today's variance above its long-run level that is expected to stand tomorrow; 1 for EWMA and RiskMetrics 2006."""
        r = self.state.recursion
        return float(r.mass @ (0.5 * (r.up + r.down) + r.persistence))

    @property
    def long_run_variance(self) -> float | None:
        """Unconditional variance; None near or at a unit root."""
        if self.status is VolatilityStatus.NEAR_UNIT_ROOT or self.persistence >= 1.0 - 1e-12:
            return None
        return float(self.state.recursion.level[0]) / (1.0 - self.persistence)

    def forecast(self, days: int = 1) -> Floats:
        """Return the expected variance of each of the next days, float64[days]; their sum is that of the sum of the returns.

        Expected squares take half the days as losses: innovations are symmetric. MeasureError unless days >= 1.
        """
        return expected_variances(self.state, days)

    def standard_errors(self, *, robust: bool = False) -> dict[str, float]:
        """Return standard errors of the parameters that were estimated and stand inside their bounds; empty where none do.

        From the Hessian, or, if robust, from Hessian and outer products of scores (Bollerslev and Wooldridge 1992), which stands if the
        innovations have another law than the one fitted. With variance targeting the target is taken as known.
        """
        trusted = self.estimate is not None and self.status is not VolatilityStatus.NOT_CONVERGED
        return self.estimate.standard_errors(robust=robust) if trusted and self.estimate is not None else {}
