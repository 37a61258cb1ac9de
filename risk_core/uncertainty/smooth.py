"""Value at risk and expected shortfall as weighted means of many order statistics: less noise, and components that do not jump.

Each is an L-estimator: minus the sum of ordered P&L, weighted by the increments of a fixed law on [0, 1] over each scenario's interval of
cumulative probability. The gradient is minus these weights, so the components are means over many scenarios.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import isfinite, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, ndtr

from risk_core.conventions import DEFAULT_CONVENTIONS, Conventions, tail_probability
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.measures.result import Measured
from risk_core.measures.spectral import spectral_risk
from risk_core.methods import effective_count, normal_density

Floats = NDArray[np.float64]

_FAR: Final = 15.0  # standard deviations of a beta law beyond which it has no mass left in double precision


class Kernel(StrEnum):
    """Shape of the weights around a quantile, over probability; each is scaled to the standard deviation given as bandwidth."""

    GAUSSIAN = "gaussian"
    EPANECHNIKOV = "epanechnikov"
    TRIANGULAR = "triangular"


def harrell_davis_value_at_risk(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return value at risk by the quantile estimator of Harrell and Davis.

    The law is beta((n + 1) p, (n + 1) (1 - p)) with p = 1 - confidence: the expectation of the order statistic (n + 1) p in the bootstrap
    (F. E. Harrell and C. E. Davis, "A new distribution-free quantile estimator", Biometrika 69 (1982) 635-640). With unequal weights n is
    Kish's effective number and each scenario's interval its probability; equal weights give the estimator as published.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
        In [0.5, 1).
    weights : float64[S], optional
        In the order of `pnl`, probability masses. Not negative; equal if not given; scaled unless they sum to one.
    conventions : Conventions
        Only those that keep the default for quantile and tail: the estimator has one form.

    Returns
    -------
    Measured
        Loss positive, never clipped. Status `thin_tail` where the tail holds less than one effective scenario.

    Raises
    ------
    MeasureError
        For an empty vector, NaN or infinite values, impossible weights, or other conventions.
    ConventionError
        For an impossible confidence.
    """
    effective, tail = _input(pnl, confidence, weights, conventions)
    return _l_estimate(
        pnl, confidence, weights, conventions, tail, lambda edges: np.frombuffer(_beta_quantile(edges.tobytes(), effective, tail))
    )


def harrell_davis_expected_shortfall(
    pnl: ArrayLike, confidence: float, weights: ArrayLike | None = None, conventions: Conventions = DEFAULT_CONVENTIONS
) -> Measured:
    """Return expected shortfall as the mean of `harrell_davis_value_at_risk` over all confidences above the one given.

    Integrated by Gauss-Legendre quadrature over the level. Parameters and errors are those of `harrell_davis_value_at_risk`.
    """
    effective, tail = _input(pnl, confidence, weights, conventions)
    return _l_estimate(
        pnl, confidence, weights, conventions, tail, lambda edges: np.frombuffer(_beta_shortfall(edges.tobytes(), effective, tail))
    )


def kernel_value_at_risk(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    *,
    kernel: Kernel | str = Kernel.GAUSSIAN,
    bandwidth: float | None = None,
) -> Measured:
    """Return value at risk as a kernel-weighted mean of the quantiles around it.

    The L-estimator of S. J. Sheather and J. S. Marron, "Kernel quantile estimators", Journal of the American Statistical Association 85
    (1990) 410-416, put to component VaR by E. Epperlein and A. Smillie, "Cracking VaR with kernels", Risk 19(8) (2006) 70-74: the law is
    centred at 1 - confidence and spreads over probability. What would fall below probability 0, or above 1, is reflected there.

    Parameters
    ----------
    pnl, confidence, weights, conventions
        As `harrell_davis_value_at_risk`.
    kernel : Kernel or str
    bandwidth : float, optional
        Standard deviation of the law, in probability, in (0, 0.5]. If not given sqrt(p (1 - p) / (n_eff + 1)) with p = 1 - confidence,
        the standard deviation of the Harrell-Davis law.

    Returns
    -------
    Measured
        As `harrell_davis_value_at_risk`.

    Raises
    ------
    MeasureError, ConventionError
        As `harrell_davis_value_at_risk`; also for an unknown kernel or an impossible bandwidth.
    """
    effective, tail = _input(pnl, confidence, weights, conventions)
    shape, width = _kernel(kernel), _bandwidth(bandwidth, effective, tail)

    def law(edges: Floats) -> Floats:
        return np.asarray(sum(shape.cumulative((edges - centre) / width) for centre in (tail, -tail, 2.0 - tail)))

    return _l_estimate(pnl, confidence, weights, conventions, tail, law)


def kernel_expected_shortfall(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None = None,
    conventions: Conventions = DEFAULT_CONVENTIONS,
    *,
    kernel: Kernel | str = Kernel.GAUSSIAN,
    bandwidth: float | None = None,
) -> Measured:
    """Return expected shortfall as the mean of `kernel_value_at_risk` over all confidences above the one given, at one bandwidth.

    The reflected kernel makes this a spectral measure with the density (K((c + p) / h) - K((c - p) / h)) / p, which falls: coherent.
    Parameters and errors are those of `kernel_value_at_risk`; the bandwidth is that of p = 1 - confidence.
    """
    effective, tail = _input(pnl, confidence, weights, conventions)
    shape, width = _kernel(kernel), _bandwidth(bandwidth, effective, tail)

    def law(edges: Floats) -> Floats:
        above = sum(
            sign * shape.integral((edges - centre) / width)
            for sign, centre in ((1.0, -tail), (-1.0, tail), (1.0, 2.0 - tail), (-1.0, 2.0 + tail))
        )
        return np.asarray(above * (width / tail))

    return _l_estimate(pnl, confidence, weights, conventions, tail, law)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A symmetric law of standard deviation one: its distribution function, and the integral of that from minus infinity."""

    cumulative: Callable[[Floats], Floats]
    integral: Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class _Law:
    """A law on [0, 1] in the form of a spectrum. Its density need not fall: quantile estimators are no coherent measures."""

    cumulative: Callable[[Floats], Floats]
    lowest_confidence: float
    tail: float

    def integrals(self, edges: Floats) -> Floats:
        """Return the mass between neighbouring edges, scaled to one over [0, 1]."""
        at = self.cumulative(edges)
        shares: Floats = np.diff(at) / (at[-1] - at[0])
        return np.maximum(shares, 0.0)


def _l_estimate(
    pnl: ArrayLike,
    confidence: float,
    weights: ArrayLike | None,
    conventions: Conventions,
    tail: float,
    cumulative: Callable[[Floats], Floats],
) -> Measured:
    measured = spectral_risk(pnl, _Law(cumulative, confidence, tail), weights)
    return Measured(
        measured.value, measured.gradient, confidence, conventions, measured.status, measured.reason.replace("spectrum", "tail")
    )


def _input(pnl: ArrayLike, confidence: float, weights: ArrayLike | None, conventions: Conventions) -> tuple[float, float]:
    """Return (effective number of scenarios, tail probability)."""
    refuse_conventions(conventions)
    vector = checked_pnl(pnl)
    return effective_count(checked_weights(weights, pnl, vector.size)), tail_probability(confidence)


def refuse_conventions(conventions: Conventions) -> None:
    """Raise MeasureError for conventions on quantile or tail other than the default: a smooth estimator has one form."""
    asked, fixed = ((c.quantile, c.quantile_side, c.tail_weight) for c in (conventions, DEFAULT_CONVENTIONS))
    if asked != fixed:
        raise MeasureError(f"a smooth estimator knows {', '.join(fixed)} only; leave these conventions at their default")


@lru_cache(maxsize=64)
def _beta_quantile(edges: bytes, effective: float, tail: float) -> bytes:
    """Return the beta law at edges, as bytes: cached, because resamples and instruments share their weights."""
    law: Floats = betainc((effective + 1.0) * tail, (effective + 1.0) * (1.0 - tail), np.frombuffer(edges))
    return law.tobytes()


@lru_cache(maxsize=64)
def _beta_shortfall(edges: bytes, effective: float, tail: float) -> bytes:
    """Return the mean of the beta laws of all levels from 0 to `tail`, at edges."""
    at = np.frombuffer(edges)
    near = at < tail + _FAR * sqrt(tail / (effective + 1.0)) + _FAR / (effective + 1.0)
    nodes, share = np.polynomial.legendre.leggauss(64 + min(int(4.0 * sqrt(effective * tail)), 192))
    root = 0.5 * (nodes + 1.0)  # levels tail * root²: the law changes fastest at the lowest
    levels = tail * root * root
    law = np.ones_like(at)
    law[near] = betainc((effective + 1.0) * levels, (effective + 1.0) * (1.0 - levels), at[near, None]) @ (share * root)
    return law.tobytes()


def _bandwidth(bandwidth: float | None, effective: float, tail: float) -> float:
    if bandwidth is None:
        return sqrt(tail * (1.0 - tail) / (effective + 1.0))
    if not (isfinite(bandwidth) and 0.0 < bandwidth <= 0.5):
        raise MeasureError(f"bandwidth is a spread of probability and must lie in (0, 0.5], such as 0.005, not {bandwidth!r}")
    return bandwidth


def _kernel(kernel: Kernel | str) -> _Shape:
    try:
        return _SHAPES[Kernel(kernel)]
    except ValueError:
        raise MeasureError(f"unknown kernel {kernel!r}; choose one of {', '.join(Kernel)}") from None


def _gaussian_integral(x: Floats) -> Floats:
    return np.asarray(x * ndtr(x) + normal_density(0.0) * np.exp(-0.5 * x * x))


def _epanechnikov(x: Floats) -> Floats:
    t = np.clip(x / sqrt(5.0), -1.0, 1.0)
    return np.asarray(0.25 * (2.0 + 3.0 * t - t**3))


def _epanechnikov_integral(x: Floats) -> Floats:
    t = np.clip(x / sqrt(5.0), -1.0, 1.0)
    return np.asarray(sqrt(5.0) * (0.25 * (2.0 * t + 1.5 * t * t - 0.25 * t**4) + 0.1875) + np.maximum(x - sqrt(5.0), 0.0))


def _triangular(x: Floats) -> Floats:
    t = np.clip(x / sqrt(6.0), -1.0, 1.0)
    return np.asarray(0.5 + t - 0.5 * t * np.abs(t))


def _triangular_integral(x: Floats) -> Floats:
    t = np.clip(x / sqrt(6.0), -1.0, 1.0)
    return np.asarray(sqrt(6.0) * (1.0 / 6.0 + 0.5 * t + 0.5 * t * t - np.abs(t) ** 3 / 6.0) + np.maximum(x - sqrt(6.0), 0.0))


_SHAPES: Final = {
    Kernel.GAUSSIAN: _Shape(lambda x: np.asarray(ndtr(x)), _gaussian_integral),
    Kernel.EPANECHNIKOV: _Shape(_epanechnikov, _epanechnikov_integral),
    Kernel.TRIANGULAR: _Shape(_triangular, _triangular_integral),
}
