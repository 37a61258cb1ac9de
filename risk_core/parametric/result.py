"""The state of a fitted law, told with every number read off it."""

from __future__ import annotations

from enum import StrEnum


class FitStatus(StrEnum):
    """What a fitted law rests on."""

    OK = "ok"
    DF_AT_UPPER_BOUND = "df_at_upper_bound"
    """The data show no heavier tail than the normal: degrees of freedom stand at 200."""
    DF_AT_LOWER_BOUND = "df_at_lower_bound"
    """The tail is too heavy for a variance: degrees of freedom stand at 2.05."""
    SKEW_AT_BOUND = "skew_at_bound"
    """Nearly all of the law lies on one side of its mode: skew stands at 0.99 or -0.99."""
    MOMENTS = "moments"
    """The likelihood has no maximum, or there are too few scenarios for it: the standard deviation gives the scale, and nothing else is
    estimated."""
    NOT_CONVERGED = "not_converged"
    """The search ended before the likelihood was flat: numbers are its last point, gradients are not exact."""
    OUTSIDE_DOMAIN = "outside_domain"
    """The expansion is not the law of any P&L at this skewness and kurtosis, and was kept as asked."""
    REARRANGED = "rearranged"
    """As above; the values of the expansion were sorted into a quantile function, which stands in."""
    NORMAL = "normal"
    """As above; the normal of the same mean and standard deviation stands in."""
    NO_VARIANCE = "no_variance"
    """All scenarios are equal: every number is minus the mean."""
