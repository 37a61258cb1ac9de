"""Methods as data: scenario set, weights and measure; and the plan that the kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from math import exp, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from risk_core.conventions import (
    DEFAULT_CONVENTIONS,
    Conventions,
    EwmaStart,
    Mean,
    QuantileConvention,
    QuantileSide,
    TailWeight,
    tail_probability,
)
from risk_core.scenarios.weights import BRW_DECAY, RISKMETRICS_DECAY, equal_weights, exponential_weights

DEFAULT_CONFIDENCES: Final = (0.95, 0.975, 0.99, 0.999)


class MethodError(ValueError):
    """A method or plan that cannot be; the message says what is known."""


class Weighting(StrEnum):
    """How scenarios are weighted by age."""

    EQUAL = "equal"
    EXPONENTIAL = "exponential"


class ScenarioName(StrEnum):
    """How the moves are built."""

    HISTORICAL = "historical"
    VOLATILITY_WEIGHTED = "volatility_weighted"
    SIMULATED_NORMAL = "simulated_normal"
    SIMULATED_STUDENT_T = "simulated_student_t"

    @property
    def simulated(self) -> bool:
        """Return whether its scenarios are draws, not days."""
        return self in (ScenarioName.SIMULATED_NORMAL, ScenarioName.SIMULATED_STUDENT_T)


class Measure(StrEnum):
    """How a weighted P&L vector becomes VaR and ES."""

    EMPIRICAL = "empirical"
    NORMAL = "normal"
    STUDENT_T = "student_t"
    CORNISH_FISHER = "cornish_fisher"
    PEAKS = "peaks"
    SMOOTH = "smooth"


@dataclass(frozen=True, slots=True)
class Method:
    """One way to VaR and ES.

    Parameters
    ----------
    name : str
        Key in configuration and results.
    label, description : str
        For people.
    scenario_set : ScenarioName
        The set whose vectors it reads; methods on one set share their vectors.
    weights : Weighting
    measure : Measure
    decay : float or None
        Of exponential weights.
    """

    name: str
    label: str
    description: str
    scenario_set: ScenarioName = ScenarioName.HISTORICAL
    weights: Weighting = Weighting.EQUAL
    measure: Measure = Measure.EMPIRICAL
    decay: float | None = None

    def __post_init__(self) -> None:
        if (self.decay is not None) != (self.weights is Weighting.EXPONENTIAL):
            raise MethodError(f"method {self.name!r}: exponential weights need a decay, equal weights have none")

    @property
    def streamed(self) -> bool:
        """Return whether the engine's kernels evaluate it with every tick; others are challengers, evaluated beside the stream."""
        return self.scenario_set is ScenarioName.HISTORICAL and self.measure in (Measure.EMPIRICAL, Measure.NORMAL)

    def weights_by_age(self, scenarios: int, conventions: Conventions) -> NDArray[np.float64]:
        """Return weights float64[S], newest scenario first."""
        if self.decay is None:
            return equal_weights(scenarios)
        normalised = self.measure is Measure.EMPIRICAL or conventions.ewma_start is EwmaStart.NORMALISED
        return exponential_weights(scenarios, self.decay, normalised=normalised)


HISTORICAL: Final = Method("historical", "Historical", "Historical simulation: every past day counts the same.")
AGE_WEIGHTED: Final = Method(
    "age_weighted",
    "Age-weighted",
    "Historical simulation with exponentially falling weights (Boudoukh, Richardson and Whitelaw 1998).",
    weights=Weighting.EXPONENTIAL,
    decay=BRW_DECAY,
)
EWMA_NORMAL: Final = Method(
    "ewma_normal",
    "EWMA normal",
    "Delta-normal with an exponentially weighted variance of the P&L vector (RiskMetrics 1996).",
    weights=Weighting.EXPONENTIAL,
    measure=Measure.NORMAL,
    decay=RISKMETRICS_DECAY,
)
VOLATILITY_WEIGHTED: Final = Method(
    "volatility_weighted",
    "Volatility-weighted",
    "Historical simulation with each move scaled to today's volatility of its instrument (Hull and White 1998).",
    scenario_set=ScenarioName.VOLATILITY_WEIGHTED,
)
STUDENT_T: Final = Method(
    "student_t",
    "Student t",
    "Student t with location zero, fitted to the P&L vector by maximum likelihood.",
    measure=Measure.STUDENT_T,
)
CORNISH_FISHER: Final = Method(
    "cornish_fisher",
    "Cornish-Fisher",
    "Normal quantile corrected for the skewness and kurtosis of the P&L vector, and modified expected shortfall.",
    measure=Measure.CORNISH_FISHER,
)
PEAKS_OVER_THRESHOLD: Final = Method(
    "peaks_over_threshold",
    "Extreme value",
    "Generalised Pareto tail fitted to the losses beyond the ninetieth percentile (peaks over threshold).",
    measure=Measure.PEAKS,
)
SMOOTH: Final = Method(
    "smooth",
    "Smoothed",
    "Historical simulation by the estimators of Harrell and Davis: averages of neighbouring scenarios, so that VaR components hold still.",
    measure=Measure.SMOOTH,
)
MONTE_CARLO_NORMAL: Final = Method(
    "monte_carlo_normal",
    "Monte Carlo normal",
    "Ten thousand joint normal moves with the exponentially weighted covariance of the historical ones.",
    scenario_set=ScenarioName.SIMULATED_NORMAL,
)
MONTE_CARLO_STUDENT_T: Final = Method(
    "monte_carlo_student_t",
    "Monte Carlo Student t",
    "The same with Student t moves of five degrees of freedom, which fall together.",
    scenario_set=ScenarioName.SIMULATED_STUDENT_T,
)
CHALLENGERS: Final = (
    VOLATILITY_WEIGHTED,
    SMOOTH,
    STUDENT_T,
    CORNISH_FISHER,
    PEAKS_OVER_THRESHOLD,
    MONTE_CARLO_NORMAL,
    MONTE_CARLO_STUDENT_T,
)
METHODS: Final = {m.name: m for m in (HISTORICAL, AGE_WEIGHTED, EWMA_NORMAL, *CHALLENGERS)}


def methods_named(names: Sequence[str]) -> tuple[Method, ...]:
    """Return registered methods by name, in the order given."""
    for name in names:
        if name not in METHODS:
            raise MethodError(f"unknown method {name!r}; known are {', '.join(METHODS)}")
    return tuple(METHODS[name] for name in names)


@dataclass(frozen=True)
class MeasurePlan:
    """Methods and confidences compiled to arrays for the kernels; hashable by its four inputs.

    `var[p, m, c]` belongs to `methods[m]` and `confidences[c]`, in the order given.
    """

    scenarios: int
    methods: tuple[Method, ...] = (HISTORICAL, AGE_WEIGHTED, EWMA_NORMAL)
    confidences: tuple[float, ...] = DEFAULT_CONFIDENCES
    conventions: Conventions = DEFAULT_CONVENTIONS

    def __post_init__(self) -> None:
        if self.scenarios < 1 or not self.methods or not self.confidences:
            raise MethodError("a plan needs at least one scenario, one method and one confidence")
        for method in self.methods:
            if not method.streamed:
                raise MethodError(f"the engine's kernels do not evaluate {method.name!r}; risk_core.engine.challengers does")
        for what, names in (("method", [m.name for m in self.methods]), ("confidence", list(self.confidences))):
            if len(set(names)) != len(names):
                raise MethodError(f"each {what} may be asked for once: {names}")
        c = self.conventions
        if (c.quantile, c.quantile_side, c.tail_weight, c.mean) != (
            QuantileConvention.INVERTED_CDF,
            QuantileSide.PROFIT,
            TailWeight.FRACTIONAL,
            Mean.ZERO,
        ):
            raise MethodError(
                "the engine's kernels know inverted_cdf on profit, fractional tails and zero mean; risk_core.measures knows all"
            )

    @cached_property
    def _distinct(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        rows: list[NDArray[np.float64]] = []
        keys: dict[bytes, int] = {}
        of = []
        for method in self.methods:
            row = method.weights_by_age(self.scenarios, self.conventions)
            if row.tobytes() not in keys:
                keys[row.tobytes()] = len(rows)
                rows.append(row)
            of.append(keys[row.tobytes()])
        return np.ascontiguousarray(rows), np.array(of, np.int64)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Distinct weight vectors float64[W, S], by age."""
        return self._distinct[0]

    @property
    def weight_of(self) -> NDArray[np.int64]:
        """Row of `weights` that each method reads, int64[M]."""
        return self._distinct[1]

    @cached_property
    def empirical(self) -> NDArray[np.bool_]:
        """Whether each method reads order statistics (else the normal law), bool[M]."""
        return np.array([m.measure is Measure.EMPIRICAL for m in self.methods], np.bool_)

    @cached_property
    def tail(self) -> NDArray[np.float64]:
        """1 - confidence, float64[C]."""
        return np.array([tail_probability(c) for c in self.confidences])

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Confidences from the thinnest tail to the widest, int64[C]."""
        return np.argsort(self.tail, kind="stable").astype(np.int64)

    @cached_property
    def quantile(self) -> NDArray[np.float64]:
        """Standard normal quantile z of each confidence, float64[C]."""
        return np.array([normal_quantile(a) for a in self.tail])

    @cached_property
    def density(self) -> NDArray[np.float64]:
        """Normal density at z over the tail probability: ES of a standard normal loss, float64[C]."""
        return np.array([normal_shortfall(a) for a in self.tail])

    @property
    def arrays(
        self,
    ) -> tuple[
        NDArray[np.float64],
        NDArray[np.bool_],
        NDArray[np.int64],
        NDArray[np.float64],
        NDArray[np.int64],
        NDArray[np.float64],
        NDArray[np.float64],
    ]:
        """Arguments after `vectors, age_order` of `kernels.evaluate`."""
        return self.weights, self.empirical, self.weight_of, self.tail, self.order, self.quantile, self.density

    @cached_property
    def thin(self) -> NDArray[np.bool_]:
        """Where an empirical tail holds less than one effective scenario, bool[M, C]: status `thin_tail`."""
        effective = np.array([effective_count(self.weights[w]) for w in self.weight_of])
        thin: NDArray[np.bool_] = self.empirical[:, None] & (self.tail[None, :] * effective[:, None] < 1.0 - 1e-9)
        return thin


@lru_cache(maxsize=1024)
def normal_quantile(tail: float) -> float:
    """Return z with P(Z > z) = tail."""
    return -float(ndtri(tail))


@lru_cache(maxsize=1024)
def normal_shortfall(tail: float) -> float:
    """Return E[Z | Z > z] = pdf(z) / tail."""
    return normal_density(normal_quantile(tail)) / tail


def normal_density(z: float) -> float:
    """Return the standard normal density at z."""
    return exp(-0.5 * z * z) / sqrt(2.0 * pi)


def effective_count(weights: NDArray[np.float64]) -> float:
    """Return Kish's effective number of observations, (sum w)² / sum w²: S for equal weights."""
    return float(weights.sum() ** 2 / (weights**2).sum())
