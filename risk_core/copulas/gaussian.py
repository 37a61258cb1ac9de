"""The Gaussian copula: the dependence of a multivariate normal law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize_scalar
from scipy.special import ndtr, ndtri

from risk_core.copulas.checks import CopulaError, checked_members, checked_pair, checked_sample, checked_uniforms, generator, kept
from risk_core.copulas.elliptical import (
    RHO_END,
    angle_distribution,
    checked_correlation,
    elliptical_tau,
    mended,
    pair_matrix,
    tau_correlation,
)
from risk_core.copulas.protocol import FitMethod

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GaussianCopula:
    """C(u) = Phi_R(Phi**-1(u_1), ..., Phi**-1(u_d)).

    tau = 2/pi arcsin(rho); no tail dependence for |rho| < 1. D. Li, "On default correlation: a copula function approach", Journal of Fixed
    Income 9 (2000) 43-54, is its best-known use.

    Parameters
    ----------
    correlation : float64[d, d]
        R, positive definite, d >= 2. For two columns: `GaussianCopula.pair(rho)`.

    Raises
    ------
    CopulaError
        If R is no positive definite correlation matrix.
    """

    correlation: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "correlation", checked_correlation(self.correlation))

    @classmethod
    def pair(cls, rho: float) -> Self:
        """Return the copula of two columns with correlation -1 < rho < 1."""
        return cls(pair_matrix(rho))

    @property
    def dimension(self) -> int:
        """Number of columns."""
        return int(self.correlation.shape[0])

    @property
    def rho(self) -> float:
        """Correlation of the first two columns."""
        return float(self.correlation[0, 1])

    @property
    def parameter_count(self) -> int:
        """D (d - 1) / 2."""
        return self.dimension * (self.dimension - 1) // 2

    @property
    def parameter_at_end(self) -> bool:
        """Whether the fit of a pair stopped at its largest correlation."""
        return self.dimension == 2 and abs(self.rho) > RHO_END - 1e-6

    def log_density(self, u: ArrayLike) -> Floats:
        """Return -log det(R)/2 - z (R**-1 - I) z / 2 with z = Phi**-1(u), float64[n, d] to float64[n]."""
        z = ndtri(checked_uniforms(u, self.dimension))
        factor = np.linalg.cholesky(self.correlation)
        whitened = solve_triangular(factor, z.T, lower=True)
        density: Floats = 0.5 * (z * z).sum(axis=1) - 0.5 * (whitened * whitened).sum(axis=0) - np.log(np.diag(factor)).sum()
        return density

    def distribution(self, u: ArrayLike) -> Floats:
        """Return C(u) of two columns by quadrature (1e-10); CopulaError for more: count samples instead."""
        self._two("distribution")
        first, second = checked_uniforms(u, 2).T
        x, y = ndtri(first), ndtri(second)

        def density(angle: float) -> Floats:
            square = max(np.cos(angle) ** 2, 1e-300)
            gap = (x - y) ** 2 / square if angle > 0.0 else (x + y) ** 2 / square
            shift = x * y / (1.0 + np.sin(angle)) if angle > 0.0 else -x * y / (1.0 - np.sin(angle))
            slope: Floats = np.exp(-0.5 * gap - shift) / (2.0 * np.pi)
            return slope

        return angle_distribution(first, second, self.rho, density)

    def h(self, u: ArrayLike, v: ArrayLike) -> Floats:
        """Return Phi((x - rho y) / sqrt(1 - rho²)): P(U <= u | V = v), two columns."""
        self._two("h")
        first, second = checked_pair(u, v)
        below: Floats = ndtr((ndtri(first) - self.rho * ndtri(second)) / np.sqrt(1.0 - self.rho**2))
        return below

    def h_inverse(self, p: ArrayLike, v: ArrayLike) -> Floats:
        """Return u with h(u, v) = p, two columns."""
        self._two("h_inverse")
        level, second = checked_pair(p, v)
        place: Floats = ndtr(ndtri(level) * np.sqrt(1.0 - self.rho**2) + self.rho * ndtri(second))
        return place

    def transposed(self) -> Self:
        """Return itself: a pair is exchangeable."""
        self._two("transposed")
        return self

    def kendall_tau(self, i: int = 0, j: int = 1) -> float:
        """Return 2/pi arcsin(R[i, j])."""
        return elliptical_tau(self.correlation, *checked_members(i, j, self.dimension))

    def tail_dependence(self, i: int = 0, j: int = 1) -> tuple[float, float]:
        """Return (0, 0)."""
        checked_members(i, j, self.dimension)
        return 0.0, 0.0

    def sample(self, count: int, seed: int) -> Floats:
        """Return float64[count, d] inside (0, 1)."""
        normals = generator(count, seed).standard_normal((count, self.dimension))
        return kept(ndtr(normals @ np.linalg.cholesky(self.correlation).T))

    @classmethod
    def fit(cls, u: ArrayLike, method: FitMethod = FitMethod.LIKELIHOOD) -> Self:
        """Return the copula fitted to pseudo-observations.

        Parameters
        ----------
        u : float64[n, d]
            Inside (0, 1): `pseudo_observations`.
        method : FitMethod
            By likelihood: the exact maximum for two columns; for more the correlation of the normal scores, as efficient for large n
            (C. Klaassen and J. Wellner, Bernoulli 3 (1997) 55-77). By Kendall's tau: sin(pi tau / 2).

        Raises
        ------
        CopulaError
            For fewer than ten observations, values at 0 or 1, or a constant column.
        """
        sample = checked_sample(u)
        if FitMethod(method) is FitMethod.KENDALL_TAU:
            return cls(tau_correlation(sample))
        z = ndtri(sample)
        if sample.shape[1] > 2:
            correlation = np.asarray(np.corrcoef(z, rowvar=False), np.float64)
            correlation = 0.5 * (correlation + correlation.T)
            np.fill_diagonal(correlation, 1.0)
            return cls(mended(correlation))
        square, cross = float(np.mean(z * z)), float(np.mean(z[:, 0] * z[:, 1]))

        def cost(rho: float) -> float:
            rest = 1.0 - rho * rho
            return float(0.5 * np.log(rest) + (rho * rho * square - rho * cross) / rest)

        found = minimize_scalar(cost, bounds=(-RHO_END, RHO_END), method="bounded", options={"xatol": 1e-10})
        return cls.pair(float(found.x))

    def _two(self, what: str) -> None:
        if self.dimension != 2:
            raise CopulaError(f"{what} of GaussianCopula is for two columns, not {self.dimension}; a VineCopula takes more")
