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
    CHANGE_POINT = "change_point"
    """Equal since the newest change of the vector's variance."""
    REGIME = "regime"
    """By the chance that tomorrow is of the day's regime."""

    @property
    def by_age(self) -> bool:
        """Return whether weights depend on age alone; the others are read off the P&L vector (`risk_core.weighting`)."""
        return self in (Weighting.EQUAL, Weighting.EXPONENTIAL)


class ScenarioName(StrEnum):
    """How the moves are built."""

    HISTORICAL = "historical"
    VOLATILITY_WEIGHTED = "volatility_weighted"
    FILTERED = "filtered"
    BOOTSTRAPPED = "bootstrapped"
    BOOTSTRAPPED_CIRCULAR = "bootstrapped_circular"
    SEPARATE = "separate"
    """Windows of several days that share none."""
    SQUARE_ROOT = "square_root_of_time"
    """Days times the square root of the horizon."""
    SIMULATED_NORMAL = "simulated_normal"
    SIMULATED_STUDENT_T = "simulated_student_t"
    SIMULATED_MATCHED = "simulated_matched"
    SIMULATED_FACTORS = "simulated_factors"
    SIMULATED_SOBOL = "simulated_sobol"
    REGIME_SWITCHING = "regime_switching"
    COPULA_GAUSSIAN = "copula_gaussian"
    COPULA_STUDENT_T = "copula_student_t"
    COPULA_CLAYTON = "copula_clayton"
    COPULA_GUMBEL = "copula_gumbel"
    COPULA_FRANK = "copula_frank"
    COPULA_VINE = "copula_vine"

    @property
    def simulated(self) -> bool:
        """Return whether its scenarios are draws, not days."""
        days = (
            ScenarioName.HISTORICAL,
            ScenarioName.VOLATILITY_WEIGHTED,
            ScenarioName.FILTERED,
            ScenarioName.SEPARATE,
            ScenarioName.SQUARE_ROOT,
        )
        return self not in days

    @property
    def of_one_book(self) -> bool:
        """Return whether the set is made for one node's P&L: its neighbours have others, so numbers of nodes do not add up exactly."""
        return self is ScenarioName.SIMULATED_SOBOL

    @property
    def several_days(self) -> bool:
        """Return whether the set can be made for a horizon of more than one day."""
        return self in (
            ScenarioName.HISTORICAL,
            ScenarioName.FILTERED,
            ScenarioName.BOOTSTRAPPED,
            ScenarioName.BOOTSTRAPPED_CIRCULAR,
            ScenarioName.SEPARATE,
            ScenarioName.SQUARE_ROOT,
        )


class LiquidityAdjustment(StrEnum):
    """What the moves of a set hold of the liquidity of positions."""

    NONE = "none"
    SPREAD = "spread"
    """Half a stressed spread is lost in every scenario."""
    HORIZON = "horizon"
    """Moves are scaled to the time that a position takes to sell."""


class Measure(StrEnum):
    """How a weighted P&L vector becomes VaR and ES."""

    EMPIRICAL = "empirical"
    NORMAL = "normal"
    STUDENT_T = "student_t"
    SKEWED_T = "skewed_t"
    CORNISH_FISHER = "cornish_fisher"
    PEAKS = "peaks"
    CONDITIONAL_PEAKS = "conditional_peaks"
    SMOOTH = "smooth"
    GARCH_NORMAL = "garch_normal"
    GARCH_STUDENT_T = "garch_student_t"
    RISKMETRICS_2006 = "riskmetrics_2006"


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
    horizon_days : int
        Days over which positions are held still. The historical set of several days has overlapping windows.
    measures : tuple of str
        Others of the same vector that are stored beside VaR and ES, names of `risk_core.further_measures`.
    liquidity : LiquidityAdjustment
        By the terms of the configuration.
    """

    name: str
    label: str
    description: str
    scenario_set: ScenarioName = ScenarioName.HISTORICAL
    weights: Weighting = Weighting.EQUAL
    measure: Measure = Measure.EMPIRICAL
    decay: float | None = None
    horizon_days: int = 1
    measures: tuple[str, ...] = ()
    liquidity: LiquidityAdjustment = LiquidityAdjustment.NONE

    def __post_init__(self) -> None:
        if self.horizon_days < 1 or (self.horizon_days > 1 and not self.scenario_set.several_days):
            raise MethodError(f"method {self.name!r}: the set {self.scenario_set} is not made for {self.horizon_days} days")
        if (self.decay is not None) != (self.weights is Weighting.EXPONENTIAL):
            raise MethodError(f"method {self.name!r}: exponential weights need a decay, equal weights have none")

    @property
    def streamed(self) -> bool:
        """Return whether the engine's kernels evaluate it with every tick; others are challengers, evaluated beside the stream."""
        kernels = self.measure in (Measure.EMPIRICAL, Measure.NORMAL)
        return (
            kernels
            and not self.measures
            and self.liquidity is LiquidityAdjustment.NONE
            and self.scenario_set is ScenarioName.HISTORICAL
            and self.weights.by_age
            and self.horizon_days == 1
        )

    @property
    def dated(self) -> bool:
        """Return whether its scenarios are the days of the window, one by one: those of several days are named by their last."""
        drawn = self.scenario_set.simulated or (self.scenario_set is ScenarioName.FILTERED and self.horizon_days > 1)
        return not drawn and self.scenario_set is not ScenarioName.SEPARATE

    def weights_by_age(self, scenarios: int, conventions: Conventions) -> NDArray[np.float64]:
        """Return weights float64[S], newest scenario first.

        Raises
        ------
        MethodError
            For weights that are read off the P&L vector.
        """
        if not self.weights.by_age:
            raise MethodError(f"weights of {self.name!r} depend on the P&L vector: use risk_core.weighting.weigh")
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
COHERENT: Final = Method(
    "coherent",
    "Coherent measures",
    "Historical simulation, and of the same days spectral, expectile and entropic risk, drawdowns, and ES over VaR.",
    measures=(
        "spectral_risk",
        "expectile_value_at_risk",
        "entropic_value_at_risk",
        "shortfall_ratio",
        "maximum_drawdown",
        "conditional_drawdown_at_risk",
        "entropic_drawdown_at_risk",
    ),
)
LIQUIDITY_SPREAD: Final = Method(
    "liquidity_spread",
    "Liquidity: spread",
    "Historical simulation, and half of a stressed bid-ask spread lost on every position (Bangia and others 1999).",
    liquidity=LiquidityAdjustment.SPREAD,
)
LIQUIDITY_HORIZON: Final = Method(
    "liquidity_horizon",
    "Liquidity: time to sell",
    "Historical simulation with each position held as long as it takes to sell at an even pace.",
    liquidity=LiquidityAdjustment.HORIZON,
)
STUDENT_T: Final = Method(
    "student_t",
    "Student t",
    "Student t with location zero, fitted to the P&L vector by maximum likelihood.",
    measure=Measure.STUDENT_T,
)
SKEWED_T: Final = Method(
    "skewed_t",
    "Skewed t",
    "Skewed Student t with mean zero, fitted to the P&L vector by maximum likelihood (Hansen 1994).",
    measure=Measure.SKEWED_T,
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
CONDITIONAL_EXTREME_VALUE: Final = Method(
    "conditional_extreme_value",
    "Conditional extreme value",
    "The same of the residuals of a GARCH(1,1), at tomorrow's volatility (McNeil and Frey 2000).",
    measure=Measure.CONDITIONAL_PEAKS,
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
MONTE_CARLO_MATCHED: Final = Method(
    "monte_carlo_matched",
    "Monte Carlo matched",
    "The same as Monte Carlo normal with draws turned so that they have the covariance exactly.",
    scenario_set=ScenarioName.SIMULATED_MATCHED,
)
MONTE_CARLO_FACTORS: Final = Method(
    "monte_carlo_factors",
    "Monte Carlo factors",
    "Student t moves of ten principal factors and a rest of each instrument's own: for books of thousands.",
    scenario_set=ScenarioName.SIMULATED_FACTORS,
)
MONTE_CARLO_SOBOL: Final = Method(
    "monte_carlo_sobol",
    "Monte Carlo Sobol",
    "Monte Carlo normal by a Sobol sequence whose first direction is the node's own P&L (Acworth, Broadie and Glasserman 1998).",
    scenario_set=ScenarioName.SIMULATED_SOBOL,
)
FILTERED: Final = Method(
    "filtered",
    "Filtered",
    "Historical simulation with each instrument's residuals of GARCH(1,1) at tomorrow's volatility (Barone-Adesi and others 1999).",
    scenario_set=ScenarioName.FILTERED,
)
GARCH_NORMAL: Final = Method(
    "garch_normal",
    "GARCH normal",
    "Normal with tomorrow's volatility of a GARCH(1,1) of the P&L vector.",
    measure=Measure.GARCH_NORMAL,
)
GARCH_STUDENT_T: Final = Method(
    "garch_student_t",
    "GARCH Student t",
    "The same with Student t innovations.",
    measure=Measure.GARCH_STUDENT_T,
)
ADAPTIVE_WINDOW: Final = Method(
    "adaptive_window",
    "Adaptive window",
    "Historical simulation since the newest change of the P&L's variance (Inclán and Tiao 1994, corrected for fat tails and clusters).",
    weights=Weighting.CHANGE_POINT,
)
REGIME_WEIGHTED: Final = Method(
    "regime_weighted",
    "Regime-weighted",
    "Historical simulation with days weighted by the chance that tomorrow is of their regime, calm or wild.",
    weights=Weighting.REGIME,
)
RISKMETRICS_2006: Final = Method(
    "riskmetrics_2006",
    "RiskMetrics 2006",
    "Normal with a volatility whose memory falls logarithmically (Zumbach 2006).",
    measure=Measure.RISKMETRICS_2006,
)
BOOTSTRAP: Final = Method(
    "bootstrap",
    "Block bootstrap",
    "Days redrawn in blocks of random length (Politis and Romano 1994): historical simulation with its noise shown.",
    scenario_set=ScenarioName.BOOTSTRAPPED,
)
REGIME_SWITCHING: Final = Method(
    "regime_switching",
    "Regime switching",
    "Normal moves of a calm and a wild state, mixed by tomorrow's chance of each (Hamilton 1989).",
    scenario_set=ScenarioName.REGIME_SWITCHING,
)
COPULAS: Final = tuple(
    Method(f"copula_{name}", f"{label} copula", f"Empirical moves joined by a {label} copula{more}.", scenario_set=scenarios)
    for name, label, more, scenarios in (
        ("gaussian", "Gaussian", "", ScenarioName.COPULA_GAUSSIAN),
        ("student_t", "Student t", ", which lets them fall together", ScenarioName.COPULA_STUDENT_T),
        ("clayton", "Clayton", " of one parameter", ScenarioName.COPULA_CLAYTON),
        ("gumbel", "Gumbel", " of one parameter", ScenarioName.COPULA_GUMBEL),
        ("frank", "Frank", " of one parameter", ScenarioName.COPULA_FRANK),
        ("vine", "vine", " of three trees, for at most twenty instruments", ScenarioName.COPULA_VINE),
    )
)
SEVERAL_DAYS: Final = tuple(
    Method(f"{name}_{days}d", f"{label}, {days} days", f"{what} {days} days.", scenario_set=scenarios, horizon_days=days)
    for days in (5, 10)
    for name, label, what, scenarios in (
        ("historical", "Historical", "Historical simulation with overlapping windows of", ScenarioName.HISTORICAL),
        ("historical_separate", "Historical, separate", "Historical simulation with windows that share no day, of", ScenarioName.SEPARATE),
        ("square_root", "Square root of time", "Historical simulation of one day times the square root of", ScenarioName.SQUARE_ROOT),
        (
            "filtered",
            "Filtered",
            "Simulated paths of GARCH residuals, each drawn day moving volatility on (Barone-Adesi and others 1999), over",
            ScenarioName.FILTERED,
        ),
        ("bootstrap", "Block bootstrap", "Paths of blocks of days of random length over", ScenarioName.BOOTSTRAPPED),
        ("bootstrap_circular", "Circular bootstrap", "Paths of blocks of days of one length over", ScenarioName.BOOTSTRAPPED_CIRCULAR),
    )
)
CHALLENGERS: Final = (
    VOLATILITY_WEIGHTED,
    FILTERED,
    ADAPTIVE_WINDOW,
    REGIME_WEIGHTED,
    BOOTSTRAP,
    COHERENT,
    LIQUIDITY_SPREAD,
    LIQUIDITY_HORIZON,
    SMOOTH,
    STUDENT_T,
    SKEWED_T,
    CORNISH_FISHER,
    RISKMETRICS_2006,
    GARCH_NORMAL,
    GARCH_STUDENT_T,
    PEAKS_OVER_THRESHOLD,
    CONDITIONAL_EXTREME_VALUE,
    MONTE_CARLO_NORMAL,
    MONTE_CARLO_STUDENT_T,
    MONTE_CARLO_MATCHED,
    MONTE_CARLO_FACTORS,
    MONTE_CARLO_SOBOL,
    REGIME_SWITCHING,
    *COPULAS,
    *SEVERAL_DAYS,
)
METHODS: Final = {m.name: m for m in (HISTORICAL, AGE_WEIGHTED, EWMA_NORMAL, *CHALLENGERS)}
ONE_DAY: Final = {name: m for name, m in METHODS.items() if m.horizon_days == 1}


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
