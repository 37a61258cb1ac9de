"""Spectral risk measures: value at risk averaged over all confidences, under a weight that rises with the loss.

C. Acerbi, "Spectral measures of risk: a coherent representation of subjective risk aversion", Journal of Banking & Finance 26 (2002)
1505-1518. Probabilities p run from the worst scenario: p = 0.01 is the worst hundredth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import exp, expm1, isfinite
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.attribution import Measure
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.quantiles import sequential_sum
from risk_core.measures.result import Measured, Status
from risk_core.methods import effective_count

Floats = NDArray[np.float64]

_TOTAL_TOLERANCE: Final = 1e-8
_GRID: Final = 2048
_SMALL_AVERSION: Final = 1e-3


class Spectrum(Protocol):
    """An admissible spectrum: a density phi on [0, 1], not negative, not increasing, with integral one."""

    @property
    def lowest_confidence(self) -> float:
        """One minus the largest p with phi(p) > 0: the confidence itself for expected shortfall, 0 where all scenarios count."""
        ...

    @property
    def tail(self) -> float:
        """Twice the mean of p under phi: 1 - confidence for expected shortfall, 1 for the mean loss."""
        ...

    def integrals(self, edges: Floats) -> Floats:
        """Return the integral of phi between neighbouring edges: float64[n + 1], rising from 0 to 1, to float64[n]."""
        ...


@dataclass(frozen=True, slots=True)
class ExponentialSpectrum:
    """phi(p) = k exp(-k p) / (1 - exp(-k)): constant absolute risk aversion k.

    J. Cotter and K. Dowd, "Extreme spectral risk measures: an application to futures clearinghouse margin requirements", Journal of
    Banking & Finance 30 (2006) 3469-3485.

    Parameters
    ----------
    risk_aversion : float
        k > 0. The mean loss as k goes to 0, the worst loss as k grows.
    """

    risk_aversion: float

    def __post_init__(self) -> None:
        if not (self.risk_aversion > 0.0 and isfinite(self.risk_aversion)):
            raise MeasureError(f"risk_aversion must be positive and finite, such as 25, not {self.risk_aversion!r}")

    @property
    def lowest_confidence(self) -> float:
        """All scenarios count: 0."""
        return 0.0

    @property
    def tail(self) -> float:
        """2 (1/k - 1/(exp(k) - 1))."""
        k = self.risk_aversion
        if k < _SMALL_AVERSION:  # the difference would cancel
            return 1.0 - k / 6.0
        return 2.0 * (1.0 / k - exp(-k) / -expm1(-k))

    def integrals(self, edges: Floats) -> Floats:
        """Return differences of (1 - exp(-k p)) / (1 - exp(-k)), each taken without cancellation."""
        k = self.risk_aversion
        shares: Floats = np.exp(-k * edges[:-1]) * np.expm1(-k * np.diff(edges)) / expm1(-k)
        return shares


@dataclass(frozen=True, slots=True)
class PowerSpectrum:
    """phi(p) = g p**(g - 1) for g < 1, g (1 - p)**(g - 1) for g >= 1.

    The two power families of K. Dowd, J. Cotter and G. Sorwar, "Spectral risk measures: properties and limitations", Journal of Financial
    Services Research 34 (2008) 61-75. The first is the proportional hazard transform of insurance, and unbounded at the worst scenario; the
    second, for whole g, the expected worst of g independent draws.

    Parameters
    ----------
    exponent : float
        g > 0. The mean loss at 1; the worst loss as g goes to 0 and as it grows.
    """

    exponent: float

    def __post_init__(self) -> None:
        if not (self.exponent > 0.0 and isfinite(self.exponent)):
            raise MeasureError(f"exponent must be positive and finite, such as 0.5 or 20, not {self.exponent!r}")

    @property
    def lowest_confidence(self) -> float:
        """All scenarios count: 0."""
        return 0.0

    @property
    def tail(self) -> float:
        """2 g / (g + 1) for g < 1, 2 / (g + 1) for g >= 1."""
        return 2.0 * min(self.exponent, 1.0) / (self.exponent + 1.0)

    def integrals(self, edges: Floats) -> Floats:
        """Return differences of p**g, or of 1 - (1 - p)**g."""
        g = self.exponent
        shares: Floats = np.diff(edges**g) if g < 1.0 else -np.diff((1.0 - edges) ** g)
        return shares


@dataclass(frozen=True, slots=True)
class ShortfallSpectrum:
    """phi(p) = 1 / (1 - confidence) below 1 - confidence, 0 above: expected shortfall.

    Parameters
    ----------
    confidence : float
        In [0.5, 1).
    """

    confidence: float

    def __post_init__(self) -> None:
        tail_probability(self.confidence)

    @property
    def lowest_confidence(self) -> float:
        """The confidence."""
        return self.confidence

    @property
    def tail(self) -> float:
        """1 - confidence."""
        return tail_probability(self.confidence)

    def integrals(self, edges: Floats) -> Floats:
        """Return the share of each interval that lies in the tail."""
        shares: Floats = np.diff(np.minimum(edges, self.tail)) / self.tail
        return shares


@dataclass(frozen=True, slots=True)
class DensitySpectrum:
    """A spectrum given as a function, integrated by adaptive quadrature.

    Parameters
    ----------
    density : callable
        p, a float in (0, 1), to phi(p). May grow without bound towards 0.
    breaks : tuple of float
        Where the density jumps, inside (0, 1); quadrature is split there.

    Raises
    ------
    MeasureError
        If the density is negative, not finite, increasing (looked at on 2048 points), or does not integrate to one within 1e-8.
    """

    density: Callable[[float], float]
    breaks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not all(0.0 < b < 1.0 for b in self.breaks):
            raise MeasureError(f"breaks must lie strictly between 0 and 1, not {self.breaks!r}")
        object.__setattr__(self, "breaks", tuple(sorted(set(self.breaks))))
        points = (np.arange(_GRID) + 0.5) / _GRID
        heights = np.array([self.density(float(p)) for p in points], np.float64)
        bad = np.flatnonzero(~((heights >= 0.0) & np.isfinite(heights)))
        if bad.size:
            raise MeasureError(f"the spectrum is {heights[bad[0]]} at p = {points[bad[0]]:.6g}; it must be finite and not negative")
        rising = np.flatnonzero(np.diff(heights) > 1e-9 * heights[:-1] + 1e-12)
        if rising.size:
            raise MeasureError(
                f"the spectrum rises after p = {points[rising[0]]:.6g}; it must not increase, p counted from the worst scenario "
                "(for a function of the confidence u, give 1 - p in its place)"
            )
        total = self._integral(self.density, 0.0, 1.0)
        if not abs(total - 1.0) <= _TOTAL_TOLERANCE:
            raise MeasureError(
                f"the spectrum integrates to {total!r}, not to one; divide it by its integral, and name its jumps in `breaks`"
            )

    @property
    def lowest_confidence(self) -> float:
        """0: the function is not searched for zeros."""
        return 0.0

    @property
    def tail(self) -> float:
        """Twice the mean of p, by quadrature."""
        return 2.0 * self._integral(lambda p: p * self.density(p), 0.0, 1.0)

    def integrals(self, edges: Floats) -> Floats:
        """Return one quadrature for each interval, split at the breaks."""
        return np.array([self._integral(self.density, float(a), float(b)) for a, b in pairwise(edges)], np.float64)

    def _integral(self, function: Callable[[float], float], start: float, end: float) -> float:
        inner = [b for b in self.breaks if start < b < end]
        total = 0.0
        for a, b in pairwise([start, *inner, end]):
            value, error = quad(function, a, b, epsabs=1e-13, epsrel=1e-11, limit=200, full_output=1)[:2]
            if not error <= _TOTAL_TOLERANCE:
                raise MeasureError(f"the spectrum cannot be integrated over [{a:.6g}, {b:.6g}]: quadrature is {error:.2g} uncertain")
            total += float(value)
        return total


SPECTRA: Final[dict[str, Callable[[float], Spectrum]]] = {
    "exponential": ExponentialSpectrum,
    "power": PowerSpectrum,
    "expected_shortfall": ShortfallSpectrum,
}
"""Named spectra; each takes one parameter."""


def spectrum(name: str, parameter: float) -> Spectrum:
    """Return a spectrum by name: "exponential" (risk aversion), "power" (exponent) or "expected_shortfall" (confidence).

    Raises
    ------
    MeasureError
        For an unknown name or an impossible parameter; ConventionError for an impossible confidence.
    """
    if name not in SPECTRA:
        raise MeasureError(f"unknown spectrum {name!r}; choose one of {', '.join(SPECTRA)}, or give a function: DensitySpectrum(f)")
    return SPECTRA[name](parameter)


def spectral_risk(pnl: ArrayLike, spectrum: Spectrum, weights: ArrayLike | None = None) -> Measured:
    """Return a spectral risk measure: the integral of phi(p) times value at risk at confidence 1 - p, over p in [0, 1].

    Each observation, worst first, has the integral of the spectrum over its own interval of cumulative weight, so nothing is discretised
    (Acerbi 2002, here for weighted samples). The quantile function is the step function (inverted_cdf) of the P&L. Coherent.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    spectrum : Spectrum
        `ExponentialSpectrum`, `PowerSpectrum`, `ShortfallSpectrum`, `DensitySpectrum`, or by name from `spectrum`.
    weights : float64[S], optional
        In the order of `pnl`. Not negative; equal if not given; scaled unless they sum to one.

    Returns
    -------
    Measured
        Loss positive, in the unit of the P&L, never clipped. `confidence` is the lowest that the spectrum reads: 0 unless it is expected
        shortfall. Status `thin_tail` where `spectrum.tail` times the effective number of scenarios is below one.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights, or a spectrum that is negative or does not integrate to one.

    Examples
    --------
    >>> spectral_risk([-4.0, 2.0, 0.0, 1.0], PowerSpectrum(2.0)).value
    1.4375
    """
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    order = np.argsort(vector, kind="stable")
    order = order[mass[order] > 0.0]
    edges = np.minimum(np.concatenate(([0.0], np.cumsum(mass[order]))), 1.0)
    edges[-1] = 1.0
    shares = spectrum.integrals(edges)
    total = sequential_sum(shares)
    if not (abs(total - 1.0) <= _TOTAL_TOLERANCE and shares.min() >= -_TOTAL_TOLERANCE):
        raise MeasureError(
            f"the spectrum's weights sum to {total!r}, the least is {shares.min()!r}; they must not be negative and sum to one"
        )
    shares = shares / total
    gradient = np.zeros_like(vector)
    gradient[order] = 0.0 - shares
    worst = float(vector[order[0]])
    value = 0.0 - (worst + sequential_sum(shares * (vector[order] - worst)))  # exact on a constant vector
    held = spectrum.tail * effective_count(mass)
    thin = held < 1.0 - 1e-9
    reason = f"the spectrum reads {held:.3g} of {effective_count(mass):.4g} effective scenarios" if thin else ""
    return Measured(value, gradient, spectrum.lowest_confidence, DEFAULT_CONVENTIONS, Status.THIN_TAIL if thin else Status.OK, reason)


def spectral_measure(spectrum: Spectrum) -> Measure:
    """Return the measure of one spectrum in the form that `attribute` and its siblings take; its confidence is not read.

    The measure raises MeasureError for conventions other than the default for quantile and tail: it has one form.
    """
    fixed = DEFAULT_CONVENTIONS.quantile, DEFAULT_CONVENTIONS.quantile_side, DEFAULT_CONVENTIONS.tail_weight

    def measure(
        pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS, /
    ) -> Measured:
        if (conventions.quantile, conventions.quantile_side, conventions.tail_weight) != fixed:
            raise MeasureError(f"a spectral measure knows {', '.join(fixed)} only; leave these conventions at their default")
        return spectral_risk(pnl, spectrum, weights)

    return measure
