"""The tail of one P&L vector, by every measure: fitted once, asked for any confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from risk_core.conventions import Conventions, Mean
from risk_core.extreme import fit_peaks
from risk_core.measures import Measured, expected_shortfall, normal_expected_shortfall, normal_value_at_risk, value_at_risk
from risk_core.methods import Measure
from risk_core.parametric import ModifiedShortfall, fit_cornish_fisher, fit_student_t
from risk_core.uncertainty import harrell_davis_expected_shortfall, harrell_davis_value_at_risk

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


class PeaksTail:
    """Peaks over threshold; in the body of the sample, and where the fitted tail has no mean, the empirical number, marked so."""

    def __init__(self, pnl: Floats, weights: Floats) -> None:
        self._fit = fit_peaks(pnl, weights)

    def value_at_risk(self, confidence: float) -> Measured:
        """See `Tail`."""
        return self._fit.value_at_risk(confidence, otherwise="empirical")

    def expected_shortfall(self, confidence: float) -> Measured:
        """See `Tail`."""
        return self._fit.expected_shortfall(confidence, otherwise="empirical")


TAILS: Final[Mapping[Measure, Callable[[Floats, Floats], Tail]]] = {
    Measure.EMPIRICAL: partial(MeasuredTail, (value_at_risk, expected_shortfall)),
    Measure.NORMAL: partial(MeasuredTail, (normal_value_at_risk, normal_expected_shortfall)),
    Measure.STUDENT_T: fit_student_t,
    Measure.CORNISH_FISHER: CornishFisherTail,
    Measure.PEAKS: PeaksTail,
    Measure.SMOOTH: partial(MeasuredTail, (harrell_davis_value_at_risk, harrell_davis_expected_shortfall)),
}
"""P&L vector and weights, both newest first, to a tail. A ValueError says that there is no number for this vector."""
