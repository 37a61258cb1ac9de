"""The tail of one P&L vector, by every measure: fitted once, asked for any confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from risk_core.conventions import Conventions, Mean
from risk_core.extreme import conditional_peaks, fit_peaks
from risk_core.measures import Measured, expected_shortfall, normal_expected_shortfall, normal_value_at_risk, value_at_risk
from risk_core.methods import Measure
from risk_core.parametric import ModifiedShortfall, fit_cornish_fisher, fit_skewed_t, fit_student_t
from risk_core.uncertainty import harrell_davis_expected_shortfall, harrell_davis_value_at_risk
from risk_core.volatility import fit_garch, fit_garch_normal, fit_garch_t, fit_riskmetrics_2006

Floats = NDArray[np.float64]


class Tail(Protocol):
    """The tail of one P&L vector, fitted once and asked for any confidence."""

    def value_at_risk(self, confidence: float) -> Measured:
        """Return value at risk with its gradient."""
        ...

    def expected_shortfall(self, confidence: float) -> Measured:
        """Return expected shortfall with its gradient."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredTail:
    """A tail that needs no fit: two measures of a vector."""

    measures: tuple[Callable[..., Measured], Callable[..., Measured]]
    pnl: Floats
    weights: Floats

    def value_at_risk(self, confidence: float) -> Measured:
        """See `Tail`."""
        return self.measures[0](self.pnl, confidence, self.weights)

    def expected_shortfall(self, confidence: float) -> Measured:
        """See `Tail`."""
        return self.measures[1](self.pnl, confidence, self.weights)


class CornishFisherTail:
    """Cornish-Fisher, its expected shortfall the average of its own quantiles: the Edgeworth form can lie inside value at risk."""

    def __init__(self, pnl: Floats, weights: Floats) -> None:
        self._fit = fit_cornish_fisher(pnl, weights, conventions=Conventions(mean=Mean.SAMPLE))

    def value_at_risk(self, confidence: float) -> Measured:
        """See `Tail`."""
        return self._fit.value_at_risk(confidence)

    def expected_shortfall(self, confidence: float) -> Measured:
        """See `Tail`."""
        return self._fit.expected_shortfall(confidence, ModifiedShortfall.QUANTILE)


class Peaks(Protocol):
    """A fitted tail that says what stands in where it has no number."""

    def value_at_risk(self, confidence: float, *, otherwise: str) -> Measured:
        """See `Tail`."""
        ...

    def expected_shortfall(self, confidence: float, *, otherwise: str) -> Measured:
        """See `Tail`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PeaksTail:
    """Peaks over threshold; in the body of the sample, and where the fitted tail has no mean, the empirical number, marked so."""

    fit: Peaks

    def value_at_risk(self, confidence: float) -> Measured:
        """See `Tail`."""
        return self.fit.value_at_risk(confidence, otherwise="empirical")

    def expected_shortfall(self, confidence: float) -> Measured:
        """See `Tail`."""
        return self.fit.expected_shortfall(confidence, otherwise="empirical")


def _conditional(pnl: Floats, weights: Floats) -> PeaksTail:
    """Volatility models read time forwards."""
    fit = fit_garch(pnl[::-1], weights[::-1])
    return PeaksTail(conditional_peaks(pnl, fit.volatility[::-1], fit.state.volatility, weights))


TAILS: Final[Mapping[Measure, Callable[[Floats, Floats], Tail]]] = {
    Measure.EMPIRICAL: partial(MeasuredTail, (value_at_risk, expected_shortfall)),
    Measure.NORMAL: partial(MeasuredTail, (normal_value_at_risk, normal_expected_shortfall)),
    Measure.STUDENT_T: fit_student_t,
    Measure.SKEWED_T: fit_skewed_t,
    Measure.CORNISH_FISHER: CornishFisherTail,
    Measure.PEAKS: lambda pnl, weights: PeaksTail(fit_peaks(pnl, weights)),
    Measure.CONDITIONAL_PEAKS: _conditional,
    Measure.GARCH_NORMAL: fit_garch_normal,
    Measure.GARCH_STUDENT_T: fit_garch_t,
    Measure.RISKMETRICS_2006: fit_riskmetrics_2006,
    Measure.SMOOTH: partial(MeasuredTail, (harrell_davis_value_at_risk, harrell_davis_expected_shortfall)),
}
"""P&L vector and weights, both newest first, to a tail. A ValueError says that there is no number for this vector."""


def tail_numbers(
    measure: Measure, pnl: Floats, weights: Floats, confidences: Sequence[float], otherwise: Measure = Measure.EMPIRICAL
) -> tuple[tuple[tuple[Measured, Measured], ...], bool]:
    """Return (value at risk, expected shortfall) at each confidence, and whether another measure stands in.

    Parameters
    ----------
    pnl, weights : float64[S]
        Newest first, gains positive.
    otherwise : Measure
        What stands in, for all confidences, where the measure has no finite number for one of them.

    Raises
    ------
    ValueError
        From `otherwise`: the empirical one has a number for every finite vector.
    """
    try:
        numbers = _numbers(TAILS[measure](pnl, weights), confidences)
        if all(isfinite(m.value) for pair in numbers for m in pair):
            return numbers, False
    except (ValueError, np.linalg.LinAlgError):
        pass
    return _numbers(TAILS[otherwise](pnl, weights), confidences), True


def _numbers(tail: Tail, confidences: Sequence[float]) -> tuple[tuple[Measured, Measured], ...]:
    return tuple((tail.value_at_risk(c), tail.expected_shortfall(c)) for c in confidences)
