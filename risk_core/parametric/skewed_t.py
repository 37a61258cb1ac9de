"""Value at risk and expected shortfall of Hansen's skewed t fitted to a weighted P&L vector.

B. E. Hansen, "Autoregressive conditional density estimation", International Economic Review 35 (1994) 705-730. `arch`'s `SkewStudent` is
the same law of mean 0 and variance 1, with parameters (eta, lambda) = (df, skew).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.checks import MeasureError
from risk_core.measures.result import Measured
from risk_core.parametric import two_piece
from risk_core.parametric.fitting import TwoPieceFit, fit_two_piece
from risk_core.parametric.result import FitStatus

Floats = NDArray[np.float64]

_NAMES = ("mean", "standard_deviation", "skew", "df")


@dataclass(frozen=True)
class SkewedT:
    """Hansen's skewed t with any mean and standard deviation.

    Two halves of a Student t about one mode, the left 1 - skew and the right 1 + skew times `scale` wide; the left half has probability
    (1 - skew) / 2. In Hansen's letters for mean 0 and standard deviation 1: eta is `df`, lambda `skew`, the mode -a / b, and `scale`
    sqrt((df - 2) / df) / b.

    Parameters
    ----------
    mean, standard_deviation : float
        Of the law, not of its t halves. The standard deviation is positive.
    skew : float
        In (-1, 1). Negative for a longer left tail; 0 is Student's t. Not the third moment.
    df : float
        Above 2, at most 200.

    Raises
    ------
    MeasureError
        For parameters out of these ranges.
    """

    mean: float
    standard_deviation: float
    skew: float
    df: float

    def __post_init__(self) -> None:
        if not (isfinite(self.mean) and self.standard_deviation > 0.0 and isfinite(self.standard_deviation)):
            raise MeasureError(f"mean must be finite and standard_deviation positive, not {self.mean!r} and {self.standard_deviation!r}")
        if not (-1.0 < self.skew < 1.0 and 2.0 < self.df <= 200.0):
            raise MeasureError(f"skew must lie in (-1, 1) and df in (2, 200], not {self.skew!r} and {self.df!r}")

    @cached_property
    def scale(self) -> float:
        """Of the two t halves before they are stretched by 1 - skew and 1 + skew."""
        return self.standard_deviation / sqrt(two_piece.variance(self.skew, self.df))

    @cached_property
    def mode(self) -> float:
        """Where the density is greatest."""
        return self.mean - 4.0 * self.skew * self.scale * two_piece.half_mean(self.df)[0]

    def log_density(self, x: ArrayLike) -> Floats:
        """Return the log density at each x, float64 in the shape of x."""
        y = self._standardised(x)
        y = y / np.where(y < 0.0, 1.0 - self.skew, 1.0 + self.skew)
        logs: Floats = two_piece.log_height(self.df)[0] - log(self.scale) - 0.5 * (self.df + 1.0) * np.log1p(y * y / self.df)
        return logs

    def density(self, x: ArrayLike) -> Floats:
        """Return the density at each x."""
        densities: Floats = np.exp(self.log_density(x))
        return densities

    def distribution(self, x: ArrayLike) -> Floats:
        """Return the probability of at most x."""
        return two_piece.distribution(self._standardised(x), self.skew, self.df)

    def quantile(self, p: ArrayLike) -> Floats:
        """Return the value not exceeded with probability p, in (0, 1)."""
        levels = np.asarray(p, np.float64)
        if not bool(np.all((levels > 0.0) & (levels < 1.0))):
            raise MeasureError(f"p must lie strictly between 0 and 1, not {p!r}")
        return self.mode + self.scale * two_piece.quantile(levels, self.skew, self.df)

    def lower_tail_mean(self, p: float) -> float:
        """Return the mean below the p quantile, in closed form: minus expected shortfall at confidence 1 - p. p in (0, 1)."""
        if not 0.0 < p < 1.0:
            raise MeasureError(f"p must lie strictly between 0 and 1, not {p!r}")
        return self.mode + self.scale * two_piece.lower_tail(p, self.skew, self.df).shortfall

    def _standardised(self, x: ArrayLike) -> Floats:
        y: Floats = (np.asarray(x, np.float64) - self.mode) / self.scale
        return y


@dataclass(frozen=True, slots=True, eq=False)
class SkewedTFit:
    """Hansen's skewed t fitted to a P&L vector; one fit answers every confidence.

    Parameters
    ----------
    mean, standard_deviation, skew, df : float
        As `SkewedT`; the first two in the unit of the P&L.
    log_likelihood : float or None
        Sum of log densities of the P&L; with weights, their weighted mean times the effective number of scenarios. None with status
        `moments`.
    standard_errors : dict
        Of "mean", "standard_deviation", "skew" and "df", where estimated: from the observed information. Absent for what was fixed or
        stands at a bound.
    effective_scenarios : float
        Kish's number, which the standard errors count with.
    conventions : Conventions
    status : FitStatus
    reason : str
        Why the status is what it is; empty when "ok".
    """

    mean: float
    standard_deviation: float
    skew: float
    df: float
    log_likelihood: float | None
    standard_errors: dict[str, float]
    effective_scenarios: float
    conventions: Conventions
    status: FitStatus
    reason: str
    estimate: TwoPieceFit = field(repr=False)

    @property
    def law(self) -> SkewedT:
        """The fitted law. MeasureError for a vector without variance."""
        return SkewedT(self.mean, self.standard_deviation, self.skew, self.df)

    def value_at_risk(self, confidence: float) -> Measured:
        """Return minus the 1 - confidence quantile of the law. ConventionError for an impossible confidence."""
        tail = two_piece.lower_tail(tail_probability(confidence), self.skew, self.df)
        return self.estimate.risk(confidence, self.conventions, tail.quantile, tail.quantile_skew, tail.quantile_df)

    def expected_shortfall(self, confidence: float) -> Measured:
        """Return minus the mean of the law below that quantile, in closed form."""
        tail = two_piece.lower_tail(tail_probability(confidence), self.skew, self.df)
        return self.estimate.risk(confidence, self.conventions, tail.shortfall, tail.shortfall_skew, tail.shortfall_df)


def fit_skewed_t(
    pnl: ArrayLike, weights: ArrayLike | None = None, *, df: float | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> SkewedTFit:
    """Return Hansen's skewed t of greatest weighted likelihood.

    Parameters
    ----------
    pnl, weights, df
        As `fit_student_t`.
    conventions : Conventions
        `mean` "zero" holds the mean of the law at zero, while its mode and median move with the skew; "sample" estimates it by likelihood
        with the rest. `ddof` is not read.

    Returns
    -------
    SkewedTFit
        Skew between -0.99 and 0.99, degrees of freedom between 2.05 and 200; a status tells of a bound that holds, and of a vector without
        a likelihood to climb (`moments`: skew 0).

    Raises
    ------
    MeasureError, ConventionError
        As `fit_student_t`.
    """
    found = fit_two_piece(pnl, weights, conventions, df=df, skewed=True)
    spread = sqrt(two_piece.variance(found.skew, found.df))
    h, h_df, _ = two_piece.half_mean(found.df)
    skew, nu = found.skew, found.df
    by_skew = 6.0 * skew * nu / (nu - 2.0) - 32.0 * skew * h * h
    by_df = -2.0 * (1.0 + 3.0 * skew * skew) / (nu - 2.0) ** 2 - 32.0 * skew * skew * h * h_df
    jacobian = np.eye(4)
    jacobian[1] = [0.0, spread, 0.5 * found.scale * by_skew / spread, 0.5 * found.scale * by_df / spread]
    inside = list(found.estimated)
    jacobian = jacobian[np.ix_(inside, inside)]
    variances = np.diag(jacobian @ found.covariance @ jacobian.T)
    return SkewedTFit(
        mean=found.mean,
        standard_deviation=found.scale * spread,
        skew=skew,
        df=nu,
        log_likelihood=found.log_likelihood,
        standard_errors={_NAMES[i]: sqrt(variances[k]) for k, i in enumerate(inside)},
        effective_scenarios=found.effective_scenarios,
        conventions=conventions,
        status=found.status,
        reason=found.reason,
        estimate=found,
    )


def skewed_t_value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return value at risk of the fitted skewed t. Parameters and errors are those of `fit_skewed_t`."""
    return fit_skewed_t(pnl, weights, conventions=conventions).value_at_risk(confidence)


def skewed_t_expected_shortfall(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return expected shortfall of the fitted skewed t. Parameters and errors are those of `fit_skewed_t`."""
    return fit_skewed_t(pnl, weights, conventions=conventions).expected_shortfall(confidence)
