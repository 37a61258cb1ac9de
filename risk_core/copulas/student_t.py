"""The Student t copula: dependent in both tails."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log, pi, sqrt
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize_scalar
from scipy.special import stdtr, stdtrit

from risk_core.copulas.checks import (
    CopulaError,
    checked_members,
    checked_pair,
    checked_parameter,
    checked_sample,
    checked_uniforms,
    generator,
    kept,
)
from risk_core.copulas.elliptical import RHO_END, angle_distribution, checked_correlation, elliptical_tau, pair_matrix, tau_correlation
from risk_core.copulas.protocol import FitMethod

Floats = NDArray[np.float64]

FREEDOM_RANGE: Final = (1.0, 100.0)
"""Degrees of freedom that `fit` searches: at 100 the copula is Gaussian for all that a sample can tell."""


@dataclass(frozen=True, slots=True, eq=False)
class StudentTCopula:
    """C(u) = t_{R, nu}(t_nu**-1(u_1), ..., t_nu**-1(u_d)).

    tau = 2/pi arcsin(rho), as of every elliptical copula; both tails 2 t_{nu+1}(-sqrt((nu + 1)(1 - rho)/(1 + rho))). S. Demarta and
    A. McNeil, "The t copula and related copulas", International Statistical Review 73 (2005) 111-129.

    Parameters
    ----------
    correlation : float64[d, d]
        R, positive definite, d >= 2. For two columns: `StudentTCopula.pair(rho, freedom)`.
    freedom : float
        Degrees of freedom nu, in [0.1, 1e6]; one for all columns.

    Raises
    ------
    CopulaError
        If R is no positive definite correlation matrix, or for another nu.
    """

    correlation: Floats
    freedom: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "correlation", checked_correlation(self.correlation))
        object.__setattr__(self, "freedom", checked_parameter(self.freedom, "freedom", 0.1, 1e6, "beyond it use GaussianCopula"))

    @classmethod
    def pair(cls, rho: float, freedom: float) -> Self:
        """Return the copula of two columns with correlation -1 < rho < 1."""
        return cls(pair_matrix(rho), freedom)

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
        """D (d - 1) / 2 + 1."""
        return self.dimension * (self.dimension - 1) // 2 + 1

    @property
    def parameter_at_end(self) -> bool:
        """Whether nu stopped at the end of its search, or the correlation of a pair at its own."""
        low, high = FREEDOM_RANGE
        return not 1.01 * low < self.freedom < 0.99 * high or (self.dimension == 2 and abs(self.rho) > RHO_END - 1e-6)

    def log_density(self, u: ArrayLike) -> Floats:
        """Return the log density of the multivariate t less those of its margins, float64[n, d] to float64[n]."""
        return _log_density(_quantile(self.freedom, checked_uniforms(u, self.dimension)), self.correlation, self.freedom)

    def distribution(self, u: ArrayLike) -> Floats:
        """Return C(u) of two columns by quadrature (1e-10); CopulaError for more: count samples instead."""
        self._two("distribution")
        first, second = checked_uniforms(u, 2).T
        x, y = _quantile(self.freedom, first), _quantile(self.freedom, second)

        def density(angle: float) -> Floats:
            square = max(np.cos(angle) ** 2, 1e-300)
            gap = (x - y) ** 2 / square if angle > 0.0 else (x + y) ** 2 / square
            shift = 2.0 * x * y / (1.0 + np.sin(angle)) if angle > 0.0 else -2.0 * x * y / (1.0 - np.sin(angle))
            slope: Floats = np.exp(-0.5 * self.freedom * np.log1p((gap + shift) / self.freedom)) / (2.0 * pi)
            return slope

        return angle_distribution(first, second, self.rho, density)

    def h(self, u: ArrayLike, v: ArrayLike) -> Floats:
        """Return t_{nu+1}((x - rho y) / sqrt((nu + y²)(1 - rho²)/(nu + 1))): P(U <= u | V = v), two columns."""
        self._two("h")
        first, second = checked_pair(u, v)
        x, y = _quantile(self.freedom, first), _quantile(self.freedom, second)
        below: Floats = _probability(self.freedom + 1.0, (x - self.rho * y) / self._scale(y))
        return below

    def h_inverse(self, p: ArrayLike, v: ArrayLike) -> Floats:
        """Return u with h(u, v) = p, two columns."""
        self._two("h_inverse")
        level, second = checked_pair(p, v)
        y = _quantile(self.freedom, second)
        place: Floats = _probability(self.freedom, _quantile(self.freedom + 1.0, level) * self._scale(y) + self.rho * y)
        return place

    def transposed(self) -> Self:
        """Return itself: a pair is exchangeable."""
        self._two("transposed")
        return self

    def kendall_tau(self, i: int = 0, j: int = 1) -> float:
        """Return 2/pi arcsin(R[i, j])."""
        return elliptical_tau(self.correlation, *checked_members(i, j, self.dimension))

    def tail_dependence(self, i: int = 0, j: int = 1) -> tuple[float, float]:
        """Return the same for both tails; above zero even for rho = 0."""
        i, j = checked_members(i, j, self.dimension)
        rho, nu = float(self.correlation[i, j]), self.freedom
        both = 2.0 * float(stdtr(nu + 1.0, -sqrt((nu + 1.0) * (1.0 - rho) / (1.0 + rho))))
        return both, both

    def sample(self, count: int, seed: int) -> Floats:
        """Return float64[count, d] inside (0, 1)."""
        random = generator(count, seed)
        normals = random.standard_normal((count, self.dimension)) @ np.linalg.cholesky(self.correlation).T
        shared = np.maximum(random.chisquare(self.freedom, (count, 1)), 1e-300) / self.freedom
        return kept(_probability(self.freedom, normals / np.sqrt(shared)))

    @classmethod
    def fit(cls, u: ArrayLike, method: FitMethod = FitMethod.LIKELIHOOD) -> Self:
        """Return the copula fitted to pseudo-observations, nu by profile likelihood over [1, 100].

        Parameters
        ----------
        u : float64[n, d]
            Inside (0, 1): `pseudo_observations`.
        method : FitMethod
            By likelihood, two columns: the correlation too, at each nu. By Kendall's tau, and always for more columns: R is sin(pi tau / 2)
            (R. Mashal and A. Zeevi, "Beyond correlation", 2002), and nu its profile likelihood.

        Raises
        ------
        CopulaError
            For fewer than ten observations, values at 0 or 1, or a constant column.
        """
        sample = checked_sample(u)
        start = tau_correlation(sample)
        joint = FitMethod(method) is FitMethod.LIKELIHOOD and sample.shape[1] == 2

        def cost(log_freedom: float) -> float:
            nu = float(np.exp(log_freedom))
            x = _quantile(nu, sample)
            correlation = pair_matrix(_best_rho(x, nu)) if joint else start
            return -float(_log_density(x, correlation, nu).sum())

        low, high = FREEDOM_RANGE
        found = minimize_scalar(cost, bounds=(log(low), log(high)), method="bounded", options={"xatol": 1e-4})
        freedom = float(np.clip(np.exp(found.x), low, high))
        return cls(pair_matrix(_best_rho(_quantile(freedom, sample), freedom)) if joint else start, freedom)

    def _scale(self, y: Floats) -> Floats:
        scale: Floats = np.sqrt((self.freedom + y * y) * (1.0 - self.rho**2) / (self.freedom + 1.0))
        return scale

    def _two(self, what: str) -> None:
        if self.dimension != 2:
            raise CopulaError(f"{what} of StudentTCopula is for two columns, not {self.dimension}; a VineCopula takes more")


def _probability(nu: float, x: Floats) -> Floats:
    return np.asarray(stdtr(nu, x), np.float64)


def _quantile(nu: float, p: Floats) -> Floats:
    return np.asarray(stdtrit(nu, p), np.float64)


def _log_density(x: Floats, correlation: Floats, nu: float) -> Floats:
    d = x.shape[1]
    factor = np.linalg.cholesky(correlation)
    whitened = solve_triangular(factor, x.T, lower=True)
    constant = lgamma(0.5 * (nu + d)) + (d - 1) * lgamma(0.5 * nu) - d * lgamma(0.5 * (nu + 1.0)) - float(np.log(np.diag(factor)).sum())
    joint = -0.5 * (nu + d) * np.log1p((whitened * whitened).sum(axis=0) / nu)
    density: Floats = constant + joint + 0.5 * (nu + 1.0) * np.log1p(x * x / nu).sum(axis=1)
    return density


def _best_rho(x: Floats, nu: float) -> float:
    """Return the correlation of greatest likelihood for two columns at fixed nu."""
    square, cross = (x * x).sum(axis=1), x[:, 0] * x[:, 1]

    def cost(rho: float) -> float:
        rest = 1.0 - rho * rho
        spread = float(np.log1p((square - 2.0 * rho * cross) / (nu * rest)).sum())
        return 0.5 * len(x) * log(rest) + 0.5 * (nu + 2.0) * spread

    return float(minimize_scalar(cost, bounds=(-RHO_END, RHO_END), method="bounded", options={"xatol": 1e-8}).x)
