"""A maximum of the GARCH likelihood: its standard errors, and the exact derivative of a risk number in every return."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from risk_core.volatility.kernels import DF, MEAN, by_return, scores
from risk_core.volatility.search import LOSSES, jacobian, parameters

Floats = NDArray[np.float64]

_NAMES = ("mean", "omega", "alpha", "gamma", "beta", "df")
_NATURAL = np.eye(6)
_NATURAL[3, 2] = -1.0  # gamma is the reaction to losses less alpha


@dataclass(frozen=True, slots=True, eq=False)
class GarchEstimate:
    """Where the search ended, on the series scaled to (returns - centre) / scale.

    Parameters
    ----------
    unit : float64[S]
        The scaled series, oldest first.
    mass : float64[S]
        Weights of the likelihood, summing to one.
    centre, scale : float
        Weighted mean (zero where the mean is taken so) and root mean square about it.
    start : float
        Variance and square before the first return, scaled.
    start_by : float64[S]
        Its derivative in each of `unit`.
    point : float64[7]
        In the coordinates of `search`.
    hessian : float64[6, 6]
        Of the weighted mean log density there.
    free : bool[6]
        Coordinates that were estimated and stand inside their bounds.
    normal : bool
    centred : bool
    effective : float
        Kish's number of returns.
    """

    unit: Floats = field(repr=False)
    mass: Floats = field(repr=False)
    centre: float
    scale: float
    start: float
    start_by: Floats = field(repr=False)
    point: Floats
    hessian: Floats = field(repr=False)
    free: NDArray[np.bool_]
    normal: bool
    centred: bool
    effective: float

    @property
    def theta(self) -> Floats:
        """Parameters of `kernels`, scaled."""
        found: Floats = parameters(self.point)
        return found

    def standard_errors(self, *, robust: bool) -> dict[str, float]:
        """See `VolatilityFit.standard_errors`."""
        free = np.flatnonzero(self.free)
        if not free.size:
            return {}
        inverse = np.linalg.inv(-self.hessian[np.ix_(free, free)])
        to_natural = _NATURAL @ jacobian(self.point)[:, free]
        middle = inverse
        if robust:
            each, _ = scores(self.unit, self.theta, self.start, self.normal)
            if self.normal:
                each[:, DF] = 0.0
            s = each @ jacobian(self.point)[:, free] * self.mass[:, None]
            middle = self.effective * inverse @ (s.T @ s) @ inverse
        spread = np.diag(to_natural @ middle @ to_natural.T) / self.effective
        units = (self.scale, self.scale**2, 1.0, 1.0, 1.0, 1.0)
        named = {name: unit * float(np.sqrt(v)) for name, unit, v in zip(_NAMES, units, spread, strict=True) if v > 0.0}
        if not self.free[LOSSES]:
            named.pop("gamma", None)
        return named

    def gradient(self, last: float, mean: float, df: float) -> Floats:
        """Return the derivative in every scaled return of a number f(h[S + 1], mean, df) at the estimate, float64[S].

        `last`, `mean` and `df` are the derivatives of f. The estimate moves with the returns: at a maximum of L(u, x) over the free
        coordinates u, du/dx = -(d²L/du²)^-1 d²L/du dx (implicit function theorem); coordinates at a bound stay there.
        """
        theta = self.theta
        free = np.flatnonzero(self.free)
        map_ = jacobian(self.point)
        _, variance_by = scores(self.unit, theta, self.start, self.normal)
        towards = last * variance_by
        towards[MEAN] += mean
        towards[DF] += df
        moved = np.zeros(6)
        if free.size:
            moved[free] = np.linalg.solve(-self.hessian[np.ix_(free, free)], (map_.T @ towards)[free])
        direct, of_start = by_return(self.unit, self.mass, theta, map_ @ moved, self.start, self.normal, last)
        result: Floats = direct + of_start * self.start_by
        return result

    def scaled_back(self, value: float, by: Floats) -> Floats:
        """Return the derivative in every return of centre' + scale * f, where f of the scaled series is `value` with gradient `by`.

        centre' is minus the centre: a loss. The scale is homogeneous, so the result times the returns is the number itself (Euler).
        """
        to_scale = self.mass * self.unit
        to_centre = self.mass if self.centred else np.zeros_like(self.mass)
        result: Floats = by + (value - float(by @ self.unit)) * to_scale - (1.0 + float(by.sum())) * to_centre
        return result
