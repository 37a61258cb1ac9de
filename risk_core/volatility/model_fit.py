"""A fitted volatility model: its likelihood, and standard errors of three kinds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from risk_core.measures.checks import MeasureError
from risk_core.volatility import coordinates
from risk_core.volatility.model_states import CODES, NAMES, Model, ModelState
from risk_core.volatility.result import VolatilityStatus

Floats = NDArray[np.float64]


class ErrorKind(StrEnum):
    """What the covariance of the parameters is estimated from."""

    HESSIAN = "hessian"
    """The inverse of the information matrix, right where the law of the innovations is the one fitted (arch: "classic")."""
    OPG = "opg"
    """The inverse of the outer products of the scores (Berndt, Hall, Hall and Hausman 1974)."""
    QML = "qml"
    """Both: inverse Hessian, outer products, inverse Hessian (Bollerslev and Wooldridge 1992; arch: "robust")."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelEstimate:
    """Where the search ended, on the series (returns - centre) / scale.

    Parameters
    ----------
    unit : float64[S]
        The scaled series.
    point : float64[8]
        In the coordinates of `coordinates`.
    hessian : float64[8, 8]
        Of the mean log density there; zero in coordinates that are not free.
    free : bool[8]
        Coordinates that were estimated and stand inside their bounds.
    model : Model
    normal : bool
    centre, scale : float
    scores : float64[S, 8]
        Of each log density, by the searched coordinates.
    """

    unit: Floats = field(repr=False)
    point: Floats
    hessian: Floats = field(repr=False)
    free: NDArray[np.bool_]
    model: Model
    normal: bool
    centre: float
    scale: float
    scores: Floats = field(repr=False)

    def covariance(self, kind: ErrorKind) -> Floats:
        """Return the covariance of all natural parameters, float64[8, 8]; zero for those that were not estimated. Units of the returns."""
        free = np.flatnonzero(self.free)
        full = np.zeros((8, 8))
        if not free.size:
            return full
        count = self.unit.size
        each = self.scores[:, free]
        outer = each.T @ each / count
        if kind is ErrorKind.OPG:
            middle = np.linalg.pinv(outer)
        else:
            inverse = np.linalg.pinv(-self.hessian[np.ix_(free, free)])
            middle = inverse if kind is ErrorKind.HESSIAN else inverse @ outer @ inverse
        theta = coordinates.parameters(self.point, CODES[self.model])
        by_u = coordinates.jacobian(self.point, CODES[self.model])[:, free]
        _, natural = coordinates.to_natural(theta, CODES[self.model], self.centre, self.scale)
        full = natural @ by_u @ middle @ by_u.T @ natural.T / count
        return np.asarray(full)


@dataclass(frozen=True, slots=True, eq=False)
class ModelFit:
    """A volatility model of one series, oldest first, by maximum likelihood.

    Parameters
    ----------
    model : Model
    innovation : str
        "normal", "student_t" or "skewed_t".
    parameters : dict
        By name, in the unit of the returns: "mean", "omega", "alpha", "gamma", "beta", "power", "df", "skew", as far as the model has them.
    volatility : float64[S]
        Conditional standard deviation of each return, known the day before.
    residuals : float64[S]
        (return - mean) / volatility; zero where the volatility is zero.
    state : ModelState
        After the last return: `state.variance` is tomorrow's, `state.step` goes on from here.
    start_variance : float
        Of the day before the first return (or of the first return), as the start rule found or was given it.
    log_likelihood : float or None
        Sum of log densities; None where nothing was estimated.
    status : VolatilityStatus
    reason : str
        Why the status is what it is; empty when "ok".
    estimate : ModelEstimate or None
    """

    model: Model
    innovation: str
    parameters: dict[str, float]
    volatility: Floats = field(repr=False)
    residuals: Floats = field(repr=False)
    state: ModelState
    start_variance: float
    log_likelihood: float | None
    status: VolatilityStatus = VolatilityStatus.OK
    reason: str = ""
    estimate: ModelEstimate | None = field(default=None, repr=False)

    @property
    def persistence(self) -> float:
        """See `ModelState`."""
        return self.state.persistence

    @property
    def long_run_variance(self) -> float | None:
        """See `ModelState`."""
        return self.state.long_run_variance

    @property
    def trusted(self) -> bool:
        """Whether the parameters are an inner or a bounded maximum of a stationary model."""
        wrong = {VolatilityStatus.NOT_CONVERGED, VolatilityStatus.NEAR_UNIT_ROOT, VolatilityStatus.TOO_SHORT, VolatilityStatus.CONSTANT}
        return self.status not in wrong

    def covariance(self, kind: ErrorKind | str = ErrorKind.HESSIAN) -> tuple[tuple[str, ...], Floats]:
        """Return names and covariance matrix of the parameters that were estimated and stand inside their bounds.

        Raises
        ------
        MeasureError
            For an unknown kind.
        """
        if kind not in list(ErrorKind):
            raise MeasureError(f"unknown kind of standard error {kind!r}; choose one of {', '.join(ErrorKind)}")
        if self.estimate is None or self.status is VolatilityStatus.NOT_CONVERGED:
            return (), np.zeros((0, 0))
        whole = self.estimate.covariance(ErrorKind(kind))
        kept = [i for i, name in enumerate(NAMES) if name in self.parameters and whole[i, i] > 0.0]
        return tuple(NAMES[i] for i in kept), whole[np.ix_(kept, kept)]

    def standard_errors(self, kind: ErrorKind | str = ErrorKind.HESSIAN) -> dict[str, float]:
        """Return standard errors by name, in the unit of the parameters: "hessian", "opg" or "qml"; empty where nothing was estimated."""
        names, matrix = self.covariance(kind)
        return {name: sqrt(float(v)) for name, v in zip(names, np.diag(matrix), strict=True)}

    @property
    def bic(self) -> float | None:
        """Schwarz's criterion, smaller is better; None where nothing was estimated."""
        if self.log_likelihood is None or self.estimate is None:
            return None
        return float(self.estimate.free.sum()) * log(self.volatility.size) - 2.0 * self.log_likelihood
