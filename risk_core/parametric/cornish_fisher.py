"""Value at risk and expected shortfall from four moments: Cornish-Fisher, and the modified expected shortfall of Boudt, Peterson and Croux.

D. Maillard, "A user's guide to the Cornish Fisher expansion" (2012, SSRN 1997178); K. Boudt, B. Peterson and C. Croux, "Estimation and
decomposition of downside risk for portfolios with non-normal returns", Journal of Risk 11 (2008) 79-103; P. Zangari, "A VaR methodology for
portfolios that include options", RiskMetrics Monitor (1996).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.checks import MeasureError
from risk_core.measures.result import Measured
from risk_core.parametric.expansion import (
    Level,
    edgeworth_is_positive_below,
    edgeworth_tail_mean,
    is_increasing,
    transform_tail,
)
from risk_core.parametric.moments import Moments, moments
from risk_core.parametric.result import FitStatus


class OutsideDomain(StrEnum):
    """What to do where the expansion is no quantile function."""

    REARRANGE = "rearrange"
    """Sort its values into one (Chernozhukov, Fernández-Val and Galichon 2010): the same inside the domain, continuous at its edge."""
    NORMAL = "normal"
    """Take the normal of the same mean and standard deviation: jumps at the edge."""
    KEEP = "keep"
    """Take the formula as it stands."""
    REFUSE = "refuse"
    """Raise MeasureError."""


class ModifiedShortfall(StrEnum):
    """Which tail mean is called expected shortfall."""

    EDGEWORTH = "edgeworth"
    """Of the Edgeworth density below Cornish-Fisher value at risk, over the tail probability (Boudt, Peterson and Croux 2008)."""
    OPERATIONAL = "operational"
    """The same, but no less than value at risk: their operational form."""
    QUANTILE = "quantile"
    """The mean of Cornish-Fisher value at risk over all higher confidences (Maillard 2012)."""


_STATUS = {
    OutsideDomain.REARRANGE: (FitStatus.REARRANGED, "its rearrangement stands in"),
    OutsideDomain.NORMAL: (FitStatus.NORMAL, "the normal stands in"),
    OutsideDomain.KEEP: (FitStatus.OUTSIDE_DOMAIN, "kept as asked"),
}


@dataclass(frozen=True, slots=True, eq=False)
class CornishFisherFit:
    """Four moments of a P&L vector, read as a law by expansion; one fit answers every confidence.

    Parameters
    ----------
    moments : Moments
    conventions : Conventions
    outside : OutsideDomain
    status : FitStatus
        "ok" where the transform rises everywhere at these moments.
    reason : str
        Why the status is what it is; empty when "ok".
    """

    moments: Moments = field(repr=False)
    conventions: Conventions
    outside: OutsideDomain
    status: FitStatus
    reason: str

    @property
    def skewness(self) -> float:
        """Of the sample, 0 for a vector without variance."""
        return self.moments.skewness or 0.0

    @property
    def excess_kurtosis(self) -> float:
        """Of the sample, 0 for a vector without variance."""
        return self.moments.excess_kurtosis or 0.0

    def value_at_risk(self, confidence: float) -> Measured:
        """Return -(mean + sd q), with q the Cornish-Fisher quantile at 1 - confidence. ConventionError for an impossible confidence."""
        level, _ = self._levels(tail_probability(confidence), self.status)
        return self._risk(confidence, level, self.status, self.reason)

    def expected_shortfall(self, confidence: float, kind: ModifiedShortfall | str = ModifiedShortfall.EDGEWORTH) -> Measured:
        """Return expected shortfall of the kind named.

        The Edgeworth kinds have a domain of their own: the density must not be negative below the quantile. Outside it `outside` decides as
        for the transform, and "rearrange" falls back to kind "quantile" of the rearranged law.
        """
        chosen = ModifiedShortfall(kind)
        tail = tail_probability(confidence)
        status, reason = self.status, self.reason
        quantile, mean = self._levels(tail, status)
        s, k = self.skewness, self.excess_kurtosis
        if chosen is ModifiedShortfall.QUANTILE or status not in (FitStatus.OK, FitStatus.OUTSIDE_DOMAIN):
            return self._risk(confidence, mean, status, reason)
        if status is FitStatus.OK and not edgeworth_is_positive_below(quantile.value, s, k):
            status, reason = _outside(self.outside, f"the Edgeworth density is negative below {quantile.value:.4g} at {_pair(s, k)}")
            if status is not FitStatus.OUTSIDE_DOMAIN:
                return self._risk(confidence, self._levels(tail, status)[1], status, reason)
        edgeworth = edgeworth_tail_mean(tail, quantile, s, k)
        if chosen is ModifiedShortfall.OPERATIONAL and edgeworth.value > quantile.value:
            return self._risk(confidence, quantile, status, reason)
        return self._risk(confidence, edgeworth, status, reason)

    def _levels(self, tail: float, status: FitStatus) -> tuple[Level, Level]:
        if status in (FitStatus.NORMAL, FitStatus.NO_VARIANCE):
            quantile, mean = transform_tail(tail, 0.0, 0.0, rearrange=False)
            return Level(quantile.value, 0.0, 0.0), Level(mean.value, 0.0, 0.0)
        return transform_tail(tail, self.skewness, self.excess_kurtosis, rearrange=status is FitStatus.REARRANGED)

    def _risk(self, confidence: float, level: Level, status: FitStatus, reason: str) -> Measured:
        sd = self.moments.standard_deviation
        by_variance = 0.5 * level.value / sd if sd > 0.0 else 0.0
        slopes = np.array([1.0, by_variance, sd * level.by_skewness, sd * level.by_kurtosis])
        value, gradient = -(self.moments.mean + sd * level.value), -(slopes @ self.moments.gradient)
        return Measured(value, gradient, confidence, self.conventions, reason=reason, fit_status=status)


def fit_cornish_fisher(
    pnl: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    outside: OutsideDomain | str = OutsideDomain.REARRANGE,
    conventions: Conventions = DEFAULT_CONVENTIONS,
) -> CornishFisherFit:
    """Return the moments of a P&L vector with what the expansion is worth at them.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.
    outside : OutsideDomain or str
        What to do where skewness and kurtosis make the transform fall somewhere.
    conventions : Conventions
        `mean` and `ddof` as `moments` takes them. Skewness and excess kurtosis of the sample are the parameters of the expansion, as is
        usual; `transformed_moments` says which ones the law then has.

    Raises
    ------
    MeasureError
        As `moments`; also outside the domain if so asked, and for an unknown `outside`.
    ConventionError
        For ewma_start "zero".
    """
    if outside not in list(OutsideDomain):
        raise MeasureError(f"unknown fallback {outside!r}; choose one of {', '.join(OutsideDomain)}")
    measured = moments(pnl, weights, conventions)
    s, k = measured.skewness, measured.excess_kurtosis
    status, reason = FitStatus.OK, ""
    if s is None or k is None:
        status, reason = FitStatus.NO_VARIANCE, f"the P&L is {measured.mean:g} in every scenario"
    elif not is_increasing(s, k):
        status, reason = _outside(OutsideDomain(outside), f"the Cornish-Fisher transform is not increasing at {_pair(s, k)}")
    return CornishFisherFit(measured, conventions, OutsideDomain(outside), status, reason)


def cornish_fisher_value_at_risk(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    outside: OutsideDomain | str = OutsideDomain.REARRANGE,
) -> Measured:
    """Return Cornish-Fisher (modified) value at risk. Parameters and errors are those of `fit_cornish_fisher`."""
    return fit_cornish_fisher(pnl, weights, outside=outside, conventions=conventions).value_at_risk(confidence)


def modified_expected_shortfall(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    outside: OutsideDomain | str = OutsideDomain.REARRANGE,
    kind: ModifiedShortfall | str = ModifiedShortfall.EDGEWORTH,
) -> Measured:
    """Return modified expected shortfall. Parameters and errors are those of `fit_cornish_fisher`; `kind` names the tail mean."""
    return fit_cornish_fisher(pnl, weights, outside=outside, conventions=conventions).expected_shortfall(confidence, kind)


def _outside(outside: OutsideDomain, why: str) -> tuple[FitStatus, str]:
    if outside is OutsideDomain.REFUSE:
        raise MeasureError(f"{why}; ask for outside='rearrange' or 'normal', or use a fitted t")
    status, what = _STATUS[outside]
    return status, f"{why}; {what}"


def _pair(skewness: float, excess_kurtosis: float) -> str:
    return f"skewness {skewness:.4g} and excess kurtosis {excess_kurtosis:.4g}"
