"""Choosing a pair copula: every family fitted, the least AIC or BIC taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.copulas.checks import CopulaError, checked_sample
from risk_core.copulas.clayton import ClaytonCopula
from risk_core.copulas.dependence import sample_tau
from risk_core.copulas.frank import FrankCopula
from risk_core.copulas.gaussian import GaussianCopula
from risk_core.copulas.gumbel import GumbelCopula
from risk_core.copulas.independence import IndependenceCopula
from risk_core.copulas.protocol import Dependence, FitMethod, PairCopula
from risk_core.copulas.rotation import RotatedCopula
from risk_core.copulas.student_t import StudentTCopula

Floats = NDArray[np.float64]


class FittedCopula(PairCopula, Protocol):
    """A pair copula that knows whether its fit stopped at an end of the search."""

    @property
    def parameter_at_end(self) -> bool:
        """Whether a parameter is where the fit stops looking."""
        ...


class Criterion(StrEnum):
    """What is minimised among families."""

    AIC = "aic"
    """2 parameters - 2 log-likelihood (Akaike 1974)."""
    BIC = "bic"
    """log(n) parameters - 2 log-likelihood (Schwarz 1978)."""


class FitStatus(StrEnum):
    """Whether a fitted parameter can be read."""

    OK = "ok"
    AT_END = "at_end"
    """A parameter stands where the search ends: the sample is as good as independent, as comonotone, or (Student t) as Gaussian."""


@dataclass(frozen=True, slots=True, eq=False)
class CopulaFit:
    """A copula with the papers of its fit.

    Parameters
    ----------
    copula : FittedCopula
    family : str
        A key of `PAIR_FAMILIES`.
    log_likelihood : float
        Sum over the pseudo-observations.
    aic, bic : float
    status : FitStatus
    reason : str
    """

    copula: FittedCopula
    family: str
    log_likelihood: float
    aic: float
    bic: float
    status: FitStatus = FitStatus.OK
    reason: str = ""


PairFit = Callable[[Floats, FitMethod], FittedCopula]

PAIR_FAMILIES: Final[dict[str, PairFit]] = {
    "independence": IndependenceCopula.fit,
    "gaussian": GaussianCopula.fit,
    "student_t": StudentTCopula.fit,
    "frank": FrankCopula.fit,
    "clayton": ClaytonCopula.fit,
    "clayton_90": lambda u, method: RotatedCopula.fit(u, ClaytonCopula, 90, method),
    "clayton_180": lambda u, method: RotatedCopula.fit(u, ClaytonCopula, 180, method),
    "clayton_270": lambda u, method: RotatedCopula.fit(u, ClaytonCopula, 270, method),
    "gumbel": GumbelCopula.fit,
    "gumbel_90": lambda u, method: RotatedCopula.fit(u, GumbelCopula, 90, method),
    "gumbel_180": lambda u, method: RotatedCopula.fit(u, GumbelCopula, 180, method),
    "gumbel_270": lambda u, method: RotatedCopula.fit(u, GumbelCopula, 270, method),
}
"""Named pair families, in the order in which ties are decided."""

POSITIVE: Final = frozenset({"clayton", "clayton_180", "gumbel", "gumbel_180"})
"""Families whose members have positive dependence; left out where the sample's tau is negative."""
NEGATIVE: Final = frozenset({"clayton_90", "clayton_270", "gumbel_90", "gumbel_270"})
"""Families whose members have negative dependence; left out where the sample's tau is positive."""


def log_likelihood(copula: Dependence, u: ArrayLike) -> float:
    """Return the sum of the log density over float64[n, d]."""
    return float(copula.log_density(u).sum())


def aic(copula: Dependence, u: ArrayLike) -> float:
    """Return 2 parameters - 2 log-likelihood."""
    return 2.0 * copula.parameter_count - 2.0 * log_likelihood(copula, u)


def bic(copula: Dependence, u: ArrayLike) -> float:
    """Return log(n) parameters - 2 log-likelihood."""
    return log(np.shape(u)[0]) * copula.parameter_count - 2.0 * log_likelihood(copula, u)


def fit_pair(u: ArrayLike, family: str, method: FitMethod = FitMethod.LIKELIHOOD) -> CopulaFit:
    """Return one family fitted to two columns, with its likelihood and status.

    Parameters
    ----------
    u : float64[n, 2]
        Inside (0, 1): `pseudo_observations`.
    family : str
        A key of `PAIR_FAMILIES`.
    method : FitMethod

    Raises
    ------
    CopulaError
        For an unknown family, and as the family's `fit`.
    """
    sample = checked_sample(u, 2)
    copula = _family(family)(sample, FitMethod(method))
    likelihood = log_likelihood(copula, sample)
    k = copula.parameter_count
    ended = copula.parameter_at_end
    reason = f"{copula} stands where the search ends" if ended else ""
    status = FitStatus.AT_END if ended else FitStatus.OK
    return CopulaFit(copula, family, likelihood, 2.0 * k - 2.0 * likelihood, log(len(sample)) * k - 2.0 * likelihood, status, reason)


def select_pair(
    u: ArrayLike,
    families: Sequence[str] = tuple(PAIR_FAMILIES),
    criterion: Criterion = Criterion.AIC,
    method: FitMethod = FitMethod.LIKELIHOOD,
) -> CopulaFit:
    """Return the family of least AIC or BIC; among equals the first named.

    Families of the wrong sign of Kendall's tau are not tried, unless no other is named.

    Parameters
    ----------
    u : float64[n, 2]
        Inside (0, 1): `pseudo_observations`.
    families : sequence of str
        Keys of `PAIR_FAMILIES`.
    criterion : Criterion
    method : FitMethod

    Raises
    ------
    CopulaError
        For an unknown or no family, and as `checked_sample`; by Kendall's tau also where the one family left has no such tau.
    """
    sample = checked_sample(u, 2)
    for name in families:
        _family(name)
    wrong = POSITIVE if sample_tau(sample[:, 0], sample[:, 1]) < 0.0 else NEGATIVE
    tried = [name for name in families if name not in wrong] or list(families)
    if not tried:
        raise CopulaError(f"name at least one family of {', '.join(PAIR_FAMILIES)}")
    fits = [fit_pair(sample, name, method) for name in tried]
    by_aic = Criterion(criterion) is Criterion.AIC
    return min(fits, key=lambda fit: fit.aic if by_aic else fit.bic)


def _family(name: str) -> PairFit:
    if name not in PAIR_FAMILIES:
        raise CopulaError(f"unknown family {name!r}; choose among {', '.join(PAIR_FAMILIES)}")
    return PAIR_FAMILIES[name]
