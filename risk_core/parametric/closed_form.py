"""Value at risk and expected shortfall from given moments, by Cornish-Fisher: no data.

J. Hull, Risk Management and Financial Institutions (model building); P. Christoffersen, Elements of Financial Risk Management, ch. 6;
K. Boudt, B. Peterson and C. Croux, "Estimation and decomposition of downside risk for portfolios with non-normal returns", Journal of Risk
11 (2008) 79-103.
"""

from __future__ import annotations

from risk_core.measures.checks import MeasureError, checked_scalar
from risk_core.measures.closed_form import ClosedForm, normal_point
from risk_core.methods import normal_density
from risk_core.parametric.cornish_fisher import ModifiedShortfall
from risk_core.parametric.expansion import (
    ExpansionTerms,
    Level,
    cornish_fisher,
    edgeworth_is_positive_below,
    edgeworth_tail_mean,
    expansion_terms,
)
from risk_core.parametric.result import FitStatus


def cornish_fisher_closed_form(
    mean: float,
    standard_deviation: float,
    skewness: float,
    excess_kurtosis: float,
    confidence: float | None = None,
    *,
    quantile: float | None = None,
    terms: ExpansionTerms | str = ExpansionTerms.KURTOSIS,
    kind: ModifiedShortfall | str = ModifiedShortfall.QUANTILE,
) -> ClosedForm:
    """Return VaR = -(mean + sd w), with w the expansion at the lower normal quantile, and the expected shortfall of the kind named.

    Parameters
    ----------
    mean, standard_deviation : float
        Of the **P&L**.
    skewness, excess_kurtosis : float
        Of the P&L, gains positive: a long left tail has negative skewness. Kurtosis less 3.
    confidence : float, optional
        In [0.5, 1). Give this or `quantile`, not both.
    quantile : float, optional
        The upper normal quantile itself (2.33), for textbooks that round it.
    terms : ExpansionTerms or str
        "kurtosis": all of the second order. "skewness": the first order alone (Hull); `excess_kurtosis` is not read, and the kind must be
        "quantile".
    kind : ModifiedShortfall or str
        "quantile": the mean of this VaR over higher confidences. "operational": of the Edgeworth density, no less than VaR, as R's
        PerformanceAnalytics. "edgeworth": that without the floor.

    Returns
    -------
    ClosedForm
        The formulas as they stand. Status `outside_domain` where the expansion falls somewhere below the quantile, or the Edgeworth density
        asked for is negative there: then they belong to no law. `fit_cornish_fisher` on data rearranges.

    Raises
    ------
    MeasureError
        For numbers that are not finite, a negative standard deviation, an unknown kind or terms, or an Edgeworth kind of the first order.
    ConventionError
        For an impossible confidence.
    """
    chosen, shortfall = expansion_terms(terms), _kind(kind)
    z, tail = normal_point(confidence, quantile)
    mu, sd = checked_scalar(mean, "mean"), checked_scalar(standard_deviation, "standard_deviation", least=0.0)
    s, k = checked_scalar(skewness, "skewness"), checked_scalar(excess_kurtosis, "excess_kurtosis")
    first = chosen is ExpansionTerms.SKEWNESS
    if first and shortfall is not ModifiedShortfall.QUANTILE:
        raise MeasureError(f"shortfall {shortfall} is of the second order; give terms='kurtosis', or kind='quantile'")
    fourth, squared = (0.0, 0.0) if first else (k, s * s)
    point = cornish_fisher(-z, s, k, chosen)
    reason = "" if _rises_below(-z, s, fourth, squared) else f"the expansion falls somewhere below the quantile {-z:.4g}"
    if shortfall is ModifiedShortfall.QUANTILE:
        mean_below = -normal_density(z) / tail * (1.0 - z * s / 6.0 + (z * z - 1.0) * fourth / 24.0 - (2.0 * z * z - 1.0) * squared / 36.0)
    else:
        if not edgeworth_is_positive_below(point, s, k):
            reason = reason or f"the Edgeworth density is negative below {point:.4g}"
        mean_below = edgeworth_tail_mean(tail, Level(point, 0.0, 0.0), s, k).value
        if shortfall is ModifiedShortfall.OPERATIONAL:
            mean_below = min(mean_below, point)
    if reason:
        reason = f"{reason} at skewness {s:.4g} and excess kurtosis {k:.4g}; the formula is given as it stands"
    status = FitStatus.OUTSIDE_DOMAIN if reason else FitStatus.OK
    return ClosedForm(0.0 - (mu + sd * point), 0.0 - (mu + sd * mean_below), status, reason)


def _kind(kind: ModifiedShortfall | str) -> ModifiedShortfall:
    try:
        return ModifiedShortfall(kind)
    except ValueError:
        raise MeasureError(f"unknown kind {kind!r}; choose one of {', '.join(ModifiedShortfall)}") from None


def _rises_below(z: float, skewness: float, excess_kurtosis: float, squared: float) -> bool:
    """Say whether the derivative of the expansion, a parabola in z, is nowhere negative from minus infinity to z."""
    a = excess_kurtosis / 8.0 - squared / 6.0
    b, c = skewness / 3.0, 1.0 - excess_kurtosis / 8.0 + 5.0 * squared / 36.0
    far = a if a != 0.0 else -b
    nearest = min(z, -b / (2.0 * a)) if a > 0.0 else z
    return far >= 0.0 and (a * nearest + b) * nearest + c >= 0.0
