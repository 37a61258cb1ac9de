"""Which laws each measure obeys, as data. One shared test proves what is declared, and shows a counterexample of what is not.

Laws of P. Artzner, F. Delbaen, J.-M. Eber and D. Heath, "Coherent measures of risk", Mathematical Finance 9 (1999) 203-228, and Euler's
theorem.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, Mean, QuantileConvention, QuantileSide, TailWeight
from risk_core.measures.attribution import Measure
from risk_core.measures.empirical import expected_shortfall, value_at_risk
from risk_core.measures.entropic import entropic_value_at_risk
from risk_core.measures.expectile import expectile_value_at_risk
from risk_core.measures.normal import normal_expected_shortfall, normal_value_at_risk
from risk_core.measures.spectral import ExponentialSpectrum, PowerSpectrum, spectral_measure


class Law(StrEnum):
    """A property for all P&L vectors X, Y on one scenario set."""

    EULER = "euler"
    """value(X) = gradient(X) · X."""
    HOMOGENEITY = "homogeneity"
    """value(k X) = k value(X) for k > 0."""
    TRANSLATION = "translation"
    """value(X + c) = value(X) - c."""
    MONOTONICITY = "monotonicity"
    """X <= Y everywhere gives value(X) >= value(Y)."""
    SUBADDITIVITY = "subadditivity"
    """value(X + Y) <= value(X) + value(Y)."""


@dataclass(frozen=True, slots=True)
class DeclaredMeasure:
    """A measure with conventions, and the laws that hold for it."""

    name: str
    measure: Measure
    conventions: Conventions
    laws: frozenset[Law]


_ALWAYS = frozenset({Law.EULER, Law.HOMOGENEITY})
_QUANTILE = _ALWAYS | {Law.TRANSLATION, Law.MONOTONICITY}
_COHERENT = _QUANTILE | {Law.SUBADDITIVITY}
_SAMPLE = Conventions(mean=Mean.SAMPLE)

_LIGHT_END: Final = {
    (QuantileConvention.LINEAR, QuantileSide.PROFIT),
    (QuantileConvention.LINEAR, QuantileSide.LOSS),
    (QuantileConvention.INTERPOLATED_INVERTED_CDF, QuantileSide.LOSS),
    (QuantileConvention.CLOSEST_OBSERVATION, QuantileSide.LOSS),
}
"""Fractional tails that give the worst observation less weight than the next, and so are not subadditive."""


def _tails() -> tuple[DeclaredMeasure, ...]:
    declared = []
    for quantile in QuantileConvention:
        for side in QuantileSide:
            conventions = Conventions(quantile, side)
            name = f"{quantile}_{side}"
            laws = _QUANTILE if (quantile, side) in _LIGHT_END else _COHERENT
            declared.append(DeclaredMeasure(f"value_at_risk_{name}", value_at_risk, conventions, _QUANTILE))
            declared.append(DeclaredMeasure(f"expected_shortfall_{name}", expected_shortfall, conventions, laws))
    return tuple(declared)


DECLARED: Final = (
    *_tails(),
    *(
        DeclaredMeasure(f"expected_shortfall_{tail}", expected_shortfall, Conventions(tail_weight=tail), _ALWAYS | {Law.TRANSLATION})
        for tail in (TailWeight.INCLUDE_VAR, TailWeight.STRICT)
    ),
    DeclaredMeasure("expectile_value_at_risk", expectile_value_at_risk, DEFAULT_CONVENTIONS, _COHERENT),
    DeclaredMeasure("entropic_value_at_risk", entropic_value_at_risk, DEFAULT_CONVENTIONS, _COHERENT),
    DeclaredMeasure("spectral_risk_exponential", spectral_measure(ExponentialSpectrum(25.0)), DEFAULT_CONVENTIONS, _COHERENT),
    DeclaredMeasure("spectral_risk_power", spectral_measure(PowerSpectrum(0.5)), DEFAULT_CONVENTIONS, _COHERENT),
    DeclaredMeasure("normal_value_at_risk", normal_value_at_risk, DEFAULT_CONVENTIONS, _ALWAYS | {Law.SUBADDITIVITY}),
    DeclaredMeasure("normal_expected_shortfall", normal_expected_shortfall, DEFAULT_CONVENTIONS, _ALWAYS | {Law.SUBADDITIVITY}),
    DeclaredMeasure("normal_value_at_risk_sample", normal_value_at_risk, _SAMPLE, _ALWAYS | {Law.TRANSLATION, Law.SUBADDITIVITY}),
    DeclaredMeasure("normal_expected_shortfall_sample", normal_expected_shortfall, _SAMPLE, _ALWAYS | {Law.TRANSLATION, Law.SUBADDITIVITY}),
)
"""Every measure under each convention that changes its laws, for equal weights.

Unequal weights change nothing for the step conventions (inverted_cdf, averaged_inverted_cdf), the two odd tails and the normal measures.
The interpolating ones lose monotonicity: passing a tie swaps a heavy and a light observation, and the line between them jumps.
"""
