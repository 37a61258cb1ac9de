"""A book by its sensitivities, P&L = theta + delta'x + x'Gamma x / 2 with normal moves x, and the same as a sum of independent terms.

With x = mean + B y, y independent standard normals and B = L U, where L L' is the covariance and U the eigenvectors of L'Gamma L, the P&L
is a constant plus the sum over k of linear[k] y[k] + quadratic[k] y[k]² / 2 (P. Glasserman, Monte Carlo Methods in Financial Engineering,
2004, section 9.1.2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import factorial, isfinite, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.covariance import checked_symmetric
from risk_core.measures.checks import MeasureError, checked_pnl

Floats = NDArray[np.float64]

_RANK: Final = 1e-14
_NEGATIVE: Final = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Quadratic:
    """A sum of independent terms: constant + sum of linear[k] y[k] + quadratic[k] y[k]² / 2, y standard normal.

    Parameters
    ----------
    constant : float
    linear, quadratic : float64[R]
    basis : float64[K, R]
    unit : float
        Factor moves are mean + unit * basis @ y.
    """

    constant: float
    linear: Floats
    quadratic: Floats
    basis: Floats = field(repr=False)
    unit: float = 1.0

    @property
    def loss(self) -> Quadratic:
        """The same with the sign changed: the loss of a P&L."""
        return Quadratic(-self.constant, -self.linear, -self.quadratic, self.basis, self.unit)

    @property
    def supremum(self) -> float:
        """Least upper bound of its values, infinite where there is none."""
        curved = self.quadratic < 0.0
        if np.any(self.quadratic > 0.0) or np.any(self.linear[~curved] != 0.0):
            return float("inf")
        return self.constant - 0.5 * float(np.sum(self.linear[curved] ** 2 / self.quadratic[curved]))

    def cumulant(self, order: int) -> float:
        """Return a cumulant: half the sum of (n - 1)! q**n + n! q**(n - 2) l²; for order 1 the constant plus half the sum of q."""
        if order < 1:
            raise MeasureError(f"order must be at least 1, not {order!r}")
        q, b = self.quadratic, self.linear
        if order == 1:
            return self.constant + 0.5 * float(q.sum())
        return 0.5 * factorial(order - 1) * float(np.sum(q**order + order * q ** (order - 2) * b * b))


@dataclass(frozen=True, eq=False)
class DeltaGamma:
    """A book by its sensitivities to normal factor moves.

    Parameters
    ----------
    delta : float64[K]
        d P&L / d factor: gains positive, in the unit of the P&L for one unit of the move.
    gamma : float64[K, K] or float64[K]
        Second derivatives, symmetric (not halved; an x² of coefficient c has gamma 2 c). One dimension means a diagonal matrix.
    covariance : float64[K, K]
        Of the moves over the horizon. Symmetric, positive semidefinite.
    theta : float
        P&L where no factor moves, such as carry over the horizon.
    mean : float64[K], optional
        Of the moves; zero if not given.

    Raises
    ------
    MeasureError
        For shapes that do not match, NaN or infinite values, a gamma or covariance that is not symmetric, a variance that is not positive,
        or a covariance with a negative eigenvalue (repair it first: `risk_core.covariance`).

    Examples
    --------
    >>> book = DeltaGamma([1.0, 2.0], [[0.5, 0.0], [0.0, -0.5]], [[1.0, 0.2], [0.2, 1.0]])
    >>> round(book.standard_deviation, 6)
    2.457641
    """

    delta: ArrayLike
    gamma: ArrayLike
    covariance: ArrayLike
    theta: float = 0.0
    mean: ArrayLike | None = None

    def __post_init__(self) -> None:
        delta, covariance = checked_pnl(self.delta, "delta"), checked_symmetric(self.covariance)
        count = delta.size
        if covariance.shape != (count, count):
            raise MeasureError(f"covariance must have a row for each of the {count} deltas, not shape {covariance.shape}")
        gamma = checked_gamma(self.gamma, count)
        if not isfinite(self.theta):
            raise MeasureError(f"theta must be finite, not {self.theta!r}")
        mean = np.zeros(count) if self.mean is None else checked_pnl(self.mean, "mean")
        if mean.shape != (count,):
            raise MeasureError(f"mean must have the length of delta, {count}, not shape {mean.shape}")
        for name, value in (("delta", delta), ("gamma", gamma), ("covariance", covariance), ("mean", mean), ("theta", float(self.theta))):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_root", _square_root(covariance))

    @cached_property
    def quadratic(self) -> Quadratic:
        """The P&L as a sum of independent terms; one eigendecomposition, kept."""
        delta, gamma, mean = np.asarray(self.delta), np.asarray(self.gamma), np.asarray(self.mean)
        root: Floats = self._root  # type: ignore[attr-defined]
        bent = apply_gamma(gamma, mean)
        constant = self.theta + float(delta @ mean) + 0.5 * float(mean @ bent)
        linear: Floats = root.T @ (delta + bent)
        if not gamma.any():
            return Quadratic(constant, linear, np.zeros_like(linear), root)
        inner: Floats = root.T @ apply_gamma(gamma, root)
        values, vectors = np.linalg.eigh(0.5 * (inner + inner.T))
        return Quadratic(constant, vectors.T @ linear, values, root @ vectors)

    @property
    def reversed(self) -> DeltaGamma:
        """The mirror book: every sensitivity with the sign changed.

        ORE's QuantExt calls the quantile of the P&L at p its VaR. That is the value at risk of the mirror book at confidence p.
        """
        return DeltaGamma(-np.asarray(self.delta), -np.asarray(self.gamma), self.covariance, -self.theta, self.mean)

    def cumulant(self, order: int) -> float:
        """Return a cumulant of the P&L, exact."""
        return self.quadratic.cumulant(order)

    @property
    def expected_pnl(self) -> float:
        """Mean of the P&L."""
        return self.cumulant(1)

    @property
    def standard_deviation(self) -> float:
        """Of the P&L."""
        return sqrt(self.cumulant(2))

    @property
    def skewness(self) -> float:
        """Of the P&L; 0 where it is constant."""
        return self._standardised(3)

    @property
    def excess_kurtosis(self) -> float:
        """Of the P&L; 0 where it is constant."""
        return self._standardised(4)

    def pnl(self, moves: ArrayLike) -> Floats:
        """Return the P&L of factor moves: float64[S, K] to float64[S]."""
        x = np.atleast_2d(np.asarray(moves, np.float64))
        gamma = np.asarray(self.gamma)
        curvature = (x * x) @ gamma if gamma.ndim == 1 else np.einsum("sk,sk->s", x @ gamma, x)
        result: Floats = self.theta + x @ np.asarray(self.delta) + 0.5 * curvature
        return result

    def _standardised(self, order: int) -> float:
        deviation = self.standard_deviation
        return self.cumulant(order) / deviation**order if deviation > 0.0 else 0.0


def checked_gamma(gamma: ArrayLike, count: int, name: str = "gamma") -> Floats:
    """Return gamma as float64[K] (diagonal) or float64[K, K].

    Raises
    ------
    MeasureError
        If it is neither, or not symmetric, or not finite.
    """
    given = np.asarray(gamma, np.float64)
    square = checked_pnl(given, name) if given.ndim == 1 else checked_symmetric(given, name, positive_diagonal=False)
    if square.shape[0] != count:
        raise MeasureError(f"{name} must have a row for each of the {count} deltas, not shape {square.shape}")
    return square


def apply_gamma(gamma: Floats, right: Floats) -> Floats:
    """Return gamma @ right, for gamma full or diagonal."""
    if gamma.ndim == 2:
        return np.asarray(gamma @ right)
    return np.asarray(gamma * right if right.ndim == 1 else gamma[:, None] * right)


def _square_root(covariance: Floats) -> Floats:
    """Return L with L L' = covariance: Cholesky's, or the spectral root of its rank where the matrix is singular."""
    try:
        return np.asarray(np.linalg.cholesky(covariance), np.float64)
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(covariance)
    if values[0] < -_NEGATIVE * values[-1]:
        raise MeasureError(
            f"covariance has the eigenvalue {values[0]:.3g} (the largest is {values[-1]:.3g}): some book would have a negative variance; "
            "repair it with risk_core.covariance.nearest_covariance or clip_eigenvalues"
        )
    kept = values > _RANK * values[-1]
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))
