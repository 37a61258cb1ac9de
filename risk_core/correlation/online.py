"""A fitted model of volatilities and correlations on a stream: O(N²) for each day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_day, checked_matrix
from risk_core.correlation.kernels import advance, scaled
from risk_core.measures.checks import MeasureError

Floats = NDArray[np.float64]

_WILDEST = 1e100
_MARGINS = ("mean", "level", "up", "down", "persistence")


class OnlineCorrelation:
    """GARCH margins and Q, moved on by one day of returns after another. Made by `CorrelationFit.online` or `from_state`.

    Parameters
    ----------
    margins : mapping
        "mean", "level", "up", "down", "persistence", float64[N] each: h' = level + (up, or down where e < 0) e² + persistence h.
    variance : float64[N]
        Of the next day.
    q, omega : float64[N, N]
        Q of the next day and its constant; upper triangles count.
    theta : float64[3]
        alpha, gamma, beta.
    """

    def __init__(self, margins: Mapping[str, Floats], variance: Floats, q: Floats, omega: Floats, theta: Floats) -> None:
        self._margins = {name: np.array(margins[name], np.float64) for name in _MARGINS}
        self._variance, self._q = np.array(variance, np.float64), np.array(q, np.float64)
        self._omega, self._theta = np.array(omega, np.float64), np.array(theta, np.float64)

    @property
    def count(self) -> int:
        """Number of instruments."""
        return int(self._variance.size)

    @property
    def volatilities(self) -> Floats:
        """Of the next day, float64[N]."""
        return np.asarray(np.sqrt(self._variance))

    @property
    def correlation(self) -> Floats:
        """Of the next day, float64[N, N]."""
        out = np.empty_like(self._q)
        scaled(self._q, out)
        return out

    def value(self) -> Floats:
        """Return the covariance of the next day, float64[N, N], in the unit of the returns squared."""
        return np.asarray(self.correlation * np.outer(self.volatilities, self.volatilities))

    def update(self, returns: ArrayLike) -> None:
        """Move on by one day of returns float64[N]: O(N²), the same bits as the filter of the whole series.

        MeasureError if one is missing or not finite: the state then stays as it was; leave it over such a day.
        """
        m = self._margins
        away = checked_day(returns, self.count) - m["mean"]
        residuals = np.divide(away, self.volatilities, out=np.zeros_like(away), where=self._variance > 0.0)
        if not (np.abs(residuals) <= _WILDEST).all():
            far = int(np.abs(residuals).argmax())
            raise MeasureError(
                f"the return of instrument {far} is {residuals[far]:.3g} volatilities: a mistake; mend it, or keep the state"
            )
        reaction = np.where(away < 0.0, m["down"], m["up"])
        self._variance = m["level"] + reaction * (away * away) + m["persistence"] * self._variance
        advance(self._q, residuals, self._omega, self._theta)

    def state(self) -> dict[str, Any]:
        """Return numbers and lists that JSON keeps to the last bit."""
        upper = np.triu_indices(self.count)
        return {
            "kind": "correlation",
            "version": 1,
            "margins": {name: values.tolist() for name, values in self._margins.items()},
            "variance": self._variance.tolist(),
            "q": self._q[upper].tolist(),
            "omega": self._omega[upper].tolist(),
            "theta": self._theta.tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the model of a `state`; MeasureError if it is of another kind or version, incomplete or not of finite numbers."""
        if state.get("kind") != "correlation" or state.get("version") != 1:
            raise MeasureError(f"not a correlation state of version 1: kind {state.get('kind')!r}, version {state.get('version')!r}")
        try:
            margins = {name: state["margins"][name] for name in _MARGINS}
            held = checked_matrix([*margins.values(), state["variance"]], "state")
            count = held.shape[1]
            matrices = [symmetric_from(state[name], count, name) for name in ("q", "omega")]
            theta = checked_day(state["theta"], 3, "theta")
            if not ((held[-1] >= 0.0).all() and (np.diag(matrices[0]) > 0.0).all()):
                raise MeasureError("the state has a negative variance or a q whose diagonal is not positive")
        except (KeyError, TypeError) as error:
            raise MeasureError(f"the state is incomplete: {error!r}; take one from state()") from None
        return cls(dict(zip(_MARGINS, held[:-1], strict=True)), held[-1], matrices[0], matrices[1], theta)


def symmetric_from(upper: ArrayLike, count: int, name: str) -> Floats:
    """Return the symmetric matrix of an upper triangle written row by row."""
    rows = np.triu_indices(count)
    matrix = np.zeros((count, count))
    matrix[rows] = checked_day(upper, rows[0].size, name)
    matrix.T[rows] = matrix[rows]
    return matrix
