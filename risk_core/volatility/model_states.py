"""GARCH, GJR, EGARCH or APARCH after the returns so far, and its update by one more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import LARGEST, MeasureError, checked_pnl
from risk_core.volatility import model_kernels
from risk_core.volatility.innovations import power_moments
from risk_core.volatility.model_kernels import ALPHA, APARCH, BETA, DF, EGARCH, GAMMA, GARCH, OMEGA, POWER, SKEW

Floats = NDArray[np.float64]


class Model(StrEnum):
    """The recursion of the variance; `model_kernels` has the formulas."""

    GARCH = "garch"
    GJR = "gjr"
    EGARCH = "egarch"
    APARCH = "aparch"


NAMES: Final = ("mean", "omega", "alpha", "gamma", "beta", "power", "df", "skew")
CODES: Final = {Model.GARCH: GARCH, Model.GJR: GARCH, Model.EGARCH: EGARCH, Model.APARCH: APARCH}
UNIT_ROOT: Final = 0.999
"""Persistence from which the long-run variance is not used."""
_NEUTRAL: Final = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 2.0, np.inf, 0.0])


@dataclass(frozen=True, slots=True, eq=False)
class ModelState:
    """A volatility model after the returns so far: all that the next update needs.

    Parameters
    ----------
    model : Model
    parameters : dict
        By name, in the unit of the returns; "df" and "skew" say the law (neither: normal; df: Student t; both: skewed t).
    level : float
        Of the next return: h of GARCH and GJR, ln h of EGARCH, h^(power / 2) of APARCH.
    theta : float64[8]
        The parameters as `model_kernels` reads them.
    """

    model: Model
    parameters: dict[str, float]
    level: float
    theta: Floats = field(repr=False)

    @property
    def variance(self) -> float:
        """Of the next return."""
        return float(model_kernels.variance(self.level, self.theta[POWER], CODES[self.model]))

    @property
    def volatility(self) -> float:
        """Its square root."""
        return sqrt(self.variance)

    @property
    def df(self) -> float | None:
        """Degrees of freedom; None where the innovations are normal."""
        return self.parameters.get("df")

    @property
    def skew(self) -> float | None:
        """Hansen's skew; None where the law is symmetric."""
        return self.parameters.get("skew")

    @property
    def persistence(self) -> float:
        """Share of today's level off its mean that is expected to stand tomorrow.

        Beta of EGARCH; infinite where the moment of the news does not exist.
        """
        beta = float(self.theta[BETA])
        if self.model is Model.EGARCH:
            return abs(beta)
        alpha, gamma, power = (float(self.theta[i]) for i in (ALPHA, GAMMA, POWER))
        losses, gains = power_moments(power, self.df, self.skew)
        if self.model is Model.APARCH:
            return alpha * ((1.0 + gamma) ** power * losses + (1.0 - gamma) ** power * gains) + beta if alpha > 0.0 else beta
        return alpha + gamma * losses + beta

    @property
    def long_run_variance(self) -> float | None:
        """Unconditional variance of GARCH, GJR and APARCH of power 2; None for others, and near or at a unit root."""
        if self.model is Model.EGARCH or float(self.theta[POWER]) != 2.0 or self.persistence >= UNIT_ROOT:
            return None
        return float(self.theta[OMEGA]) / (1.0 - self.persistence)

    def step(self, r: float) -> ModelState:
        """Return the state after one more return: O(1), and the same bits as the filter of the whole series.

        Raises
        ------
        MeasureError
            If the return is missing or not finite: carry the state over such a day instead.
        """
        if not abs(r) <= LARGEST:
            raise MeasureError(f"the return is {r!r}: keep the state of the day before, or fill the return from a proxy")
        level = model_kernels.following(self.level, r - float(self.theta[0]), self.theta, CODES[self.model])
        return ModelState(self.model, self.parameters, float(level), self.theta)

    def filter(self, returns: ArrayLike) -> tuple[Floats, ModelState]:
        """Return the variance before each return, float64[S], oldest first, and the state after the last. MeasureError for bad returns."""
        series = np.ascontiguousarray(checked_pnl(returns, "returns"))
        path, level = model_kernels.filtered(series, self.level, self.theta, CODES[self.model])
        return path, ModelState(self.model, self.parameters, float(level), self.theta)


def model_state(model: Model | str, parameters: Mapping[str, float], variance: float) -> ModelState:
    """Return the state of given parameters, whose next return has a given variance.

    Parameters
    ----------
    model : Model or str
        "garch", "gjr", "egarch" or "aparch".
    parameters : mapping
        "omega", "alpha", "beta", and "gamma" where the model has it; "mean" (0 if left out), "power" of APARCH (2 if left out), "df" for a
        Student t, "df" and "skew" for a skewed t.
    variance : float
        Of the next return, positive.

    Raises
    ------
    MeasureError
        For an unknown model or parameter, one that is missing, or a number outside its range.
    """
    kind = checked_model(model)
    theta = _NEUTRAL.copy()
    needed = {"omega", "alpha", "beta"} | ({"gamma"} if kind is Model.GJR else set())
    known = (
        needed | {"mean", "df", "skew"} | ({"gamma"} if kind is not Model.GARCH else set()) | ({"power"} if kind is Model.APARCH else set())
    )
    if not needed <= set(parameters) <= known or ("skew" in parameters and "df" not in parameters):
        raise MeasureError(f"{kind.value} needs {sorted(needed)} and knows {sorted(known)} (a skew needs a df), not {sorted(parameters)}")
    for at, name in enumerate(NAMES):
        if name in parameters:
            theta[at] = float(parameters[name])
    _checked_theta(kind, theta, "df" in parameters)
    if not 0.0 < variance <= LARGEST:
        raise MeasureError(f"the variance of the next return must be positive and finite, not {variance!r}")
    level = model_kernels.first_level(theta, CODES[kind], float(variance), True)
    return ModelState(kind, {n: float(theta[i]) for i, n in enumerate(NAMES) if n in parameters}, float(level), theta)


def checked_model(model: Model | str) -> Model:
    """Return the member; MeasureError for an unknown name."""
    if model not in list(Model):
        raise MeasureError(f"unknown model {model!r}; choose one of {', '.join(Model)}")
    return Model(model)


def _checked_theta(model: Model, theta: Floats, heavy: bool) -> None:
    if not np.isfinite(theta[:DF]).all():
        raise MeasureError(f"parameters of {model.value} must be finite, not {theta[:DF].tolist()}")
    if heavy and not (2.0 < theta[DF] < np.inf and abs(theta[SKEW]) < 1.0):
        raise MeasureError(f"df must be above 2 and finite, and skew inside (-1, 1), not {theta[DF]!r} and {theta[SKEW]!r}")
    if model is Model.EGARCH:
        return
    down = theta[ALPHA] + theta[GAMMA] if model is Model.GJR else theta[ALPHA]
    if min(theta[OMEGA], theta[ALPHA], down, theta[BETA]) < 0.0:
        raise MeasureError(f"omega, alpha, beta (and alpha + gamma of gjr) must not be negative, not {theta[OMEGA:POWER].tolist()}")
    if model is Model.APARCH and not (0.0 < theta[POWER] <= 10.0 and abs(theta[GAMMA]) < 1.0):
        raise MeasureError(f"power must lie in (0, 10] and gamma in (-1, 1), not {theta[POWER]!r} and {theta[GAMMA]!r}")
