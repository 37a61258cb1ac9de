"""Value at risk and expected shortfall of a Student t fitted to a weighted P&L vector.

A. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2nd ed., 2015), sec. 2.3.2 and 6.2; K. Dowd, Measuring Market Risk (2nd
ed., 2005), ch. 6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

from numpy.typing import ArrayLike

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.result import Measured
from risk_core.parametric.fitting import TwoPieceFit, fit_two_piece
from risk_core.parametric.result import FitStatus
from risk_core.parametric.two_piece import lower_tail

_NAMES = ("location", "scale", "skew", "df")


@dataclass(frozen=True, slots=True, eq=False)
class StudentTFit:
    """A location-scale Student t: P&L = location + scale T, with T of `df` degrees of freedom.

    One fit answers every confidence. The scale is **not** the standard deviation: that is `standard_deviation`, scale sqrt(df / (df - 2)).

    Parameters
    ----------
    df, location, scale : float
        Location and scale in the unit of the P&L. Location is mean, median and mode.
    log_likelihood : float or None
        Sum of log densities of the P&L; with weights, their weighted mean times the effective number of scenarios. None with status
        `moments`.
    standard_errors : dict
        Of "location", "scale", "df", where estimated: from the observed information. What was fixed, or stands at a bound, is absent.
    effective_scenarios : float
        Kish's number, which the standard errors count with.
    conventions : Conventions
    status : FitStatus
    reason : str
        Why the status is what it is; empty when "ok".
    """

    df: float
    location: float
    scale: float
    log_likelihood: float | None
    standard_errors: dict[str, float]
    effective_scenarios: float
    conventions: Conventions
    status: FitStatus
    reason: str
    estimate: TwoPieceFit = field(repr=False)

    @property
    def standard_deviation(self) -> float:
        """Scale sqrt(df / (df - 2))."""
        return self.scale * sqrt(self.df / (self.df - 2.0))

    def value_at_risk(self, confidence: float) -> Measured:
        """Return -(location + scale q), with q the t quantile at 1 - confidence. ConventionError for an impossible confidence."""
        tail = lower_tail(tail_probability(confidence), 0.0, self.df)
        return self.estimate.risk(confidence, self.conventions, tail.quantile, tail.quantile_skew, tail.quantile_df)

    def expected_shortfall(self, confidence: float) -> Measured:
        """Return scale f(q) (df + q²) / ((df - 1) (1 - confidence)) - location, with f the t density."""
        tail = lower_tail(tail_probability(confidence), 0.0, self.df)
        return self.estimate.risk(confidence, self.conventions, tail.shortfall, tail.shortfall_skew, tail.shortfall_df)


def fit_student_t(
    pnl: ArrayLike, weights: ArrayLike | None = None, *, df: float | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> StudentTFit:
    """Return the Student t of greatest weighted likelihood.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.
    df : float, optional
        In (2, 200]. Estimated if None, between 2.05 and 200.
    conventions : Conventions
        `mean` "zero" holds the location at zero; "sample" estimates it by likelihood with the rest (not the weighted mean, which is less
        precise under heavy tails). `ddof` has no place in a likelihood and is not read.

    Returns
    -------
    StudentTFit
        With status `moments` where there is no likelihood to climb: a constant or zero vector, no more effective scenarios than parameters,
        or df / (df + 1) of the weight or more on one value (two thirds, with df estimated).

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights or degrees of freedom.
    ConventionError
        For ewma_start "zero".

    Examples
    --------
    >>> fit_student_t([-3.0, 1.0, -1.0, 2.0, 0.5, -0.5], df=4.0).value_at_risk(0.99).fit_status.value
    'ok'
    """
    estimate = fit_two_piece(pnl, weights, conventions, df=df, skewed=False)
    errors = {_NAMES[i]: sqrt(estimate.covariance[k, k]) for k, i in enumerate(estimate.estimated)}
    return StudentTFit(
        df=estimate.df,
        location=estimate.mean,
        scale=estimate.scale,
        log_likelihood=estimate.log_likelihood,
        standard_errors=errors,
        effective_scenarios=estimate.effective_scenarios,
        conventions=conventions,
        status=estimate.status,
        reason=estimate.reason,
        estimate=estimate,
    )


def student_t_value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return value at risk of the fitted Student t, degrees of freedom estimated. Parameters and errors are those of `fit_student_t`."""
    return fit_student_t(pnl, weights, conventions=conventions).value_at_risk(confidence)


def student_t_expected_shortfall(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return expected shortfall of the fitted Student t. Parameters and errors are those of `student_t_value_at_risk`."""
    return fit_student_t(pnl, weights, conventions=conventions).expected_shortfall(confidence)
