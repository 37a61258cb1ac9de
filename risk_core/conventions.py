"""Conventions that change a risk number: explicit, named, hashable, stored with every result.

Published systems differ in each of them, so none is implied: see `docs/methods/conventions.md` for what each choice does to the same data.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

MASS_SLACK: Final = 1e-12
"""A tail is reached when cumulative weight >= (1 - confidence) - MASS_SLACK: rounding of weights never moves an order statistic."""


class ConventionError(ValueError):
    """An unknown or contradictory convention; the message lists what is known."""


class QuantileConvention(StrEnum):
    """Which point of a sample is its quantile: the nine types of Hyndman and Fan (1996), under numpy's names.

    Other systems' names are accepted as well: `QuantileConvention("index_above")`, `("excel")`, `("type_7")`.
    """

    INVERTED_CDF = "inverted_cdf"
    """Type 1, the default: an observation, the first where cumulative weight reaches the level. Strata "index above", ORE, qrmtools."""
    AVERAGED_INVERTED_CDF = "averaged_inverted_cdf"
    """Type 2: as type 1, averaged where the level falls exactly between two observations."""
    CLOSEST_OBSERVATION = "closest_observation"
    """Type 3: the observation of nearest rank, even ranks on ties (SAS)."""
    INTERPOLATED_INVERTED_CDF = "interpolated_inverted_cdf"
    """Type 4: linear interpolation of cumulative weight. Strata "sample interpolation"."""
    HAZEN = "hazen"
    """Type 5: interpolation between the middles of the steps. Strata "midway"."""
    WEIBULL = "weibull"
    """Type 6: ranks over n + 1. Strata "sample plus one"."""
    LINEAR = "linear"
    """Type 7: ranks over n - 1. Excel PERCENTILE, numpy, pandas and R by default."""
    MEDIAN_UNBIASED = "median_unbiased"
    """Type 8."""
    NORMAL_UNBIASED = "normal_unbiased"
    """Type 9."""

    @classmethod
    def _missing_(cls, value: object) -> QuantileConvention:
        name = str(value).strip().lower().replace(" ", "_").replace("-", "_")
        name = _QUANTILE_ALIASES.get(name, name)
        for member in cls:
            if member.value == name:
                return member
        raise ConventionError(f"unknown quantile convention {value!r}; choose one of {', '.join(cls)} or {', '.join(_QUANTILE_ALIASES)}")


_QUANTILE_ALIASES = {
    **{f"type_{n}": m for n, m in enumerate(("inverted_cdf", "averaged_inverted_cdf", "closest_observation"), 1)},
    **{f"type_{n}": m for n, m in enumerate(("interpolated_inverted_cdf", "hazen", "weibull"), 4)},
    **{f"type_{n}": m for n, m in enumerate(("linear", "median_unbiased", "normal_unbiased"), 7)},
    "lower": "inverted_cdf",
    "index_above": "inverted_cdf",
    "sample_interpolation": "interpolated_inverted_cdf",
    "midway": "hazen",
    "interpolation_midway": "hazen",
    "sample_plus_one": "weibull",
    "excel": "linear",
}


class QuantileSide(StrEnum):
    """Which sample the quantile is taken of: the two differ by one order statistic where (1 - confidence) S is an integer."""

    PROFIT = "profit"
    """Level 1 - confidence of the P&L (default, ORE): 300 observations at 0.99 give the third worst."""
    LOSS = "loss"
    """Level confidence of the losses (Strata, R's `quantile(-x, 0.99)`): the same data give the fourth worst."""


class TailWeight(StrEnum):
    """Which observations expected shortfall averages, and with what weight."""

    FRACTIONAL = "fractional"
    """The 1 - confidence worst weight, the boundary observation with the fraction left: coherent (Acerbi and Tasche 2002)."""
    INCLUDE_VAR = "include_var"
    """Plain mean of P&L <= -VaR (ORE)."""
    STRICT = "strict"
    """Plain mean of P&L < -VaR (quarks, PerformanceAnalytics)."""


class EwmaStart(StrEnum):
    """What stands before the first observation of an exponentially weighted moving variance."""

    NORMALISED = "normalised"
    """Nothing: the weights of the S observations are scaled to sum to one (default)."""
    ZERO = "zero"
    """A variance of zero: weights (1 - decay) decay**age, which sum to 1 - decay**S."""


class Mean(StrEnum):
    """Mean taken off a parametric P&L distribution."""

    ZERO = "zero"
    """Assumed zero (RiskMetrics; default)."""
    SAMPLE = "sample"
    """The weighted mean of the vector, which then also enters VaR."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """Every convention of a calculation.

    Parameters
    ----------
    quantile : QuantileConvention
    quantile_side : QuantileSide
    tail_weight : TailWeight
    mean : Mean
    ddof : int
        Degrees of freedom taken off a sample variance with mean "sample"; 0 or 1.
    ewma_start : EwmaStart
    """

    quantile: QuantileConvention = QuantileConvention.INVERTED_CDF
    quantile_side: QuantileSide = QuantileSide.PROFIT
    tail_weight: TailWeight = TailWeight.FRACTIONAL
    mean: Mean = Mean.ZERO
    ddof: int = 0
    ewma_start: EwmaStart = EwmaStart.NORMALISED

    def __post_init__(self) -> None:
        for name, kind in (("quantile", QuantileConvention), ("quantile_side", QuantileSide), ("tail_weight", TailWeight)):
            object.__setattr__(self, name, _member(kind, getattr(self, name)))
        object.__setattr__(self, "mean", _member(Mean, self.mean))
        object.__setattr__(self, "ewma_start", _member(EwmaStart, self.ewma_start))
        if self.ddof not in (0, 1):
            raise ConventionError(f"ddof must be 0 or 1, not {self.ddof!r}")

    def as_dict(self) -> dict[str, str | int]:
        """Return plain values for storing beside a result and for the run id."""
        return {name: value if isinstance(value, int) else str(value) for name, value in asdict(self).items()}


def _member(kind: type[StrEnum], value: str) -> StrEnum:
    try:
        return kind(value)
    except ConventionError:
        raise
    except ValueError:
        raise ConventionError(f"unknown {kind.__name__} {value!r}; choose one of {', '.join(kind)}") from None


DEFAULT_CONVENTIONS: Final = Conventions()


def tail_probability(confidence: float) -> float:
    """Return 1 - confidence as the nearest float of the decimal written: 0.99 gives 0.01, not 0.010000000000000009.

    Raises
    ------
    ConventionError
        Unless 0.5 <= confidence < 1: 99 and 0.01 are refused, each with the value that was probably meant.
    """
    if isinstance(confidence, bool) or not isinstance(confidence, (int, float)):
        raise ConventionError(f"confidence must be a number such as 0.99, not {confidence!r}")
    if 0.5 <= confidence < 1.0:
        return float(1 - Decimal(repr(float(confidence))))
    hint = ""
    if 0.0 < confidence < 0.5:
        hint = f"; it is the probability of not exceeding the loss, so {float(1 - Decimal(repr(float(confidence))))} may be meant"
    elif 50.0 <= confidence < 100.0:
        hint = f"; {confidence / 100} may be meant"
    raise ConventionError(f"confidence must lie in [0.5, 1), not {confidence!r}{hint}")
