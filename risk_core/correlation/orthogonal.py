"""Orthogonal GARCH: volatility models of principal components, turned back into covariances.

C. Alexander, "Orthogonal GARCH", in Mastering Risk 2 (2001) 21-38.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import pi
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_day, checked_matrix, moving_rows
from risk_core.correlation.result import CorrelationStatus
from risk_core.correlation.targets import SINGULAR
from risk_core.measures.checks import MeasureError
from risk_core.volatility import Innovation, Start, VolatilityFit, VolatilityStatus, fit_garch

Floats = NDArray[np.float64]

_RECURSION = ("level", "up", "down", "persistence")


class OnlineOrthogonal:
    """Principal components with their variances, moved on by one day after another: O(N²).

    Parameters
    ----------
    mean : float64[N]
        Of the returns.
    loadings : float64[N, K]
        Returns are mean + loadings @ factors.
    projection : float64[K, N]
        Factors are projection @ (returns - mean).
    recursion : mapping
        "level", "up", "down", "persistence", float64[K] each, of the factor variances.
    variance : float64[K]
        Of the factors on the next day.
    """

    def __init__(self, mean: Floats, loadings: Floats, projection: Floats, recursion: Mapping[str, Floats], variance: Floats) -> None:
        self._mean, self._loadings, self._projection = (np.array(a, np.float64) for a in (mean, loadings, projection))
        self._recursion = {name: np.array(recursion[name], np.float64) for name in _RECURSION}
        self._variance = np.array(variance, np.float64)

    def update(self, returns: ArrayLike) -> None:
        """Move on by one day float64[N]. MeasureError, and no change, if a return is missing or not finite."""
        factors = self._projection @ (checked_day(returns, self._mean.size) - self._mean)
        r = self._recursion
        reaction = np.where(factors < 0.0, r["down"], r["up"])
        self._variance = r["level"] + reaction * (factors * factors) + r["persistence"] * self._variance

    def value(self) -> Floats:
        """Return the covariance of the next day, float64[N, N]."""
        return from_factors(self._loadings, self._variance)

    def state(self) -> dict[str, Any]:
        """Return numbers and lists that JSON keeps to the last bit."""
        return {
            "kind": "orthogonal",
            "version": 1,
            "mean": self._mean.tolist(),
            "loadings": self._loadings.tolist(),
            "projection": self._projection.tolist(),
            "recursion": {name: values.tolist() for name, values in self._recursion.items()},
            "variance": self._variance.tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the model of a `state`; MeasureError if it is of another kind or incomplete."""
        if state.get("kind") != "orthogonal" or state.get("version") != 1:
            raise MeasureError(f"not an orthogonal state of version 1: kind {state.get('kind')!r}, version {state.get('version')!r}")
        try:
            loadings, projection = checked_matrix(state["loadings"], "loadings"), checked_matrix(state["projection"], "projection", least=1)
            held = checked_matrix([*(state["recursion"][name] for name in _RECURSION), state["variance"]], "state")
            mean = checked_day(state["mean"], len(loadings), "mean")
        except (KeyError, TypeError) as error:
            raise MeasureError(f"the state is incomplete: {error!r}; take one from state()") from None
        return cls(mean, loadings, projection, dict(zip(_RECURSION, held[:-1], strict=True)), held[-1])


@dataclass(frozen=True, slots=True, eq=False)
class OrthogonalFit:
    """Orthogonal GARCH of several series.

    Parameters
    ----------
    mean : float64[N]
    loadings, projection
        As `OnlineOrthogonal`.
    explained : float64[N]
        Shares of the components in the variance, largest first.
    factors : tuple of VolatilityFit
        Of the components with a model, largest first; the others keep their sample variance.
    variances : float64[T + 1, N]
        Of all components, known the day before; zero for those left out.
    log_likelihood : float or None
        Joint normal quasi-likelihood of the returns; None where a component has no variance.
    status : CorrelationStatus
    reason : str
    """

    mean: Floats = field(repr=False)
    loadings: Floats = field(repr=False)
    projection: Floats = field(repr=False)
    explained: Floats
    factors: tuple[VolatilityFit, ...] = field(repr=False)
    variances: Floats = field(repr=False)
    log_likelihood: float | None
    status: CorrelationStatus = CorrelationStatus.OK
    reason: str = ""

    @property
    def covariance(self) -> Floats:
        """Of tomorrow, float64[N, N]."""
        return from_factors(self.loadings, self.variances[-1])

    def covariances(self) -> Floats:
        """Return covariances known the day before, float64[T + 1, N, N]."""
        return np.array([from_factors(self.loadings, v) for v in self.variances])

    def forecast(self, days: int = 1) -> Floats:
        """Return the expected covariance of each of the next days, float64[days, N, N]: exact, as it is linear in the variances."""
        if days < 1:
            raise MeasureError(f"a forecast needs at least one day, not {days!r}")
        path = np.tile(self.variances[-1], (days, 1))
        for k, fit in enumerate(self.factors):
            path[:, k] = fit.forecast(days)
        return np.array([from_factors(self.loadings, v) for v in path])

    def online(self) -> OnlineOrthogonal:
        """Return the state after the last day."""
        count = self.variances.shape[1]
        recursion = {name: np.zeros(count) for name in _RECURSION}
        recursion["level"][len(self.factors) :] = self.variances[-1, len(self.factors) :]
        for k, fit in enumerate(self.factors):
            for name in _RECURSION:
                recursion[name][k] = getattr(fit.state.recursion, name)[0]
        return OnlineOrthogonal(self.mean, self.loadings, self.projection, recursion, self.variances[-1])


def fit_orthogonal_garch(
    returns: ArrayLike,
    components: int | None = None,
    *,
    standardised: bool = True,
    keep_remainder: bool = True,
    constant_mean: bool = False,
    asymmetric: bool = False,
    innovation: Innovation | str = Innovation.NORMAL,
    variance_start: Start | str = Start.BACKCAST,
) -> OrthogonalFit:
    """Return GARCH models of the largest principal components.

    Parameters
    ----------
    returns : float64[N, T]
        Instrument-major, oldest first.
    components : int, optional
        How many have a GARCH model; all if not given.
    standardised : bool
        True: components of the correlation matrix (Alexander). False: of the covariance matrix.
    keep_remainder : bool
        True: the other components keep their sample variance, and the covariance is positive definite. False: they are left out, as in the
        paper.
    constant_mean : bool
        True: about sample means. False: about zero.
    asymmetric, innovation, variance_start
        Of the factor models, as in `fit_garch` (`start` there); their mean is zero.

    Raises
    ------
    MeasureError
        For returns that are not finite, an instrument that never moves, or an impossible number of components.
    """
    given = checked_matrix(returns)
    moving_rows(given)
    count, days = given.shape
    kept = count if components is None else components
    if not 1 <= kept <= count:
        raise MeasureError(f"components must be 1 to {count}, not {kept!r}")
    mean = given.mean(axis=1) if constant_mean else np.zeros(count)
    away = given - mean[:, None]
    scale = np.sqrt(np.mean(away * away, axis=1)) if standardised else np.ones(count)
    unit = away / scale[:, None]
    values, vectors = np.linalg.eigh(unit @ unit.T / days)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    projection = vectors.T / scale
    moves = projection @ away
    alive = values > SINGULAR * values[0]
    fits = tuple(fit_garch(moves[k], asymmetric=asymmetric, innovation=innovation, start=variance_start) for k in range(kept) if alive[k])
    variances = np.tile(values if keep_remainder else np.zeros(count), (days + 1, 1))
    for k, fit in enumerate(fits):
        variances[:-1, k], variances[-1, k] = fit.volatility**2, fit.state.variance
    likelihood = None
    if (variances > 0.0).all() and alive.all():
        density = np.log(2.0 * pi) + np.log(variances[:-1].T) + moves**2 / variances[:-1].T
        likelihood = -0.5 * float(density.sum()) - days * float(np.log(scale).sum())
    status, reason = _status(fits, int(alive.sum()), count)
    return OrthogonalFit(mean, vectors * scale[:, None], projection, values / values.sum(), fits, variances, likelihood, status, reason)


def from_factors(loadings: Floats, variances: Floats) -> Floats:
    """Return loadings diag(variances) loadings', symmetric to the last bit."""
    rooted = loadings * np.sqrt(variances)
    matrix: Floats = rooted @ rooted.T
    return 0.5 * (matrix + matrix.T)


def _status(fits: tuple[VolatilityFit, ...], alive: int, count: int) -> tuple[CorrelationStatus, str]:
    if alive < count:
        return CorrelationStatus.SINGULAR, f"{count - alive} of {count} components never move: some books have no variance"
    doubtful = (VolatilityStatus.NOT_CONVERGED, VolatilityStatus.TOO_SHORT, VolatilityStatus.CONSTANT, VolatilityStatus.DF_AT_LOWER_BOUND)
    bad = [(k, f) for k, f in enumerate(fits) if f.status in doubtful]
    if bad:
        return CorrelationStatus.MARGIN, "; ".join(f"component {k} is {f.status}: {f.reason}" for k, f in bad[:3])
    return CorrelationStatus.OK, ""
