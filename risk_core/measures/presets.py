"""Conventions of other systems by name, to compare numbers like with like. What each means: `docs/methods/conventions.md`."""

from __future__ import annotations

from typing import Final

from risk_core.conventions import (
    DEFAULT_CONVENTIONS,
    ConventionError,
    Conventions,
    Mean,
    QuantileConvention,
    QuantileSide,
    TailWeight,
)

_Q, _LOSS, _STRICT, _INCLUDE = QuantileConvention, QuantileSide.LOSS, TailWeight.STRICT, TailWeight.INCLUDE_VAR

PRESETS: Final = {
    "plimsoll": DEFAULT_CONVENTIONS,
    "ore": Conventions(tail_weight=_INCLUDE),
    "strata_index_above": Conventions(quantile_side=_LOSS),
    "strata_sample_interpolation": Conventions(_Q.INTERPOLATED_INVERTED_CDF, _LOSS),
    "strata_midway": Conventions(_Q.HAZEN, _LOSS),
    "strata_sample_plus_one": Conventions(_Q.WEIBULL, _LOSS),
    "strata_exponential": Conventions(_Q.INTERPOLATED_INVERTED_CDF),
    "excel": Conventions(_Q.LINEAR, _LOSS),
    "numpy": Conventions(_Q.LINEAR),
    "quarks": Conventions(_Q.LINEAR, _LOSS, _STRICT),
    "quarks_age": Conventions(_Q.INTERPOLATED_INVERTED_CDF, _LOSS, _STRICT),
    "performance_analytics": Conventions(_Q.LINEAR, tail_weight=_STRICT, mean=Mean.SAMPLE),
    "matlab": Conventions(quantile_side=_LOSS),
    "skfolio": Conventions(quantile_side=_LOSS),
    "riskmetrics": Conventions(mean=Mean.ZERO),
    "dowd_normal": Conventions(mean=Mean.SAMPLE, ddof=1),
}
"""System to `Conventions`."""


def preset(name: str) -> Conventions:
    """Return a system's conventions.

    Raises
    ------
    ConventionError
        For a name that is not known; the message lists those that are.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise ConventionError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}") from None
