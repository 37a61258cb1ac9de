"""A Student t copula for thousands of columns: its correlation has a few factors, so that nothing of the size d by d is built.

Correlation = L L' + diag(1 - |L_i|²), with L the loadings of the columns' normal scores on their first principal components. The density
uses the identities of Woodbury and Sylvester. S. Demarta and A. McNeil, "The t copula and related copulas", International Statistical
Review 73 (2005) 111-129; D. Oh and A. Patton, "Modeling dependence in high dimensions with factor copulas", Journal of Business & Economic
Statistics 35 (2017) 139-154.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import lgamma, log, pi
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import ndtri, stdtr, stdtrit

from risk_core.copulas.checks import CopulaError, checked_parameter, checked_sample, checked_uniforms, generator, kept
from risk_core.copulas.student_t import FREEDOM_RANGE
from risk_core.scenarios.move_checks import checked_count

Floats = NDArray[np.float64]

FACTORS: Final = 10
COLUMNS: Final = 40
"""Columns, evenly taken, that the degrees of freedom are fitted to."""
_LEAST_SPECIFIC: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class FactorStudentTCopula:
    """The copula of x = (L f + sqrt(1 - |L_i|²) e) / sqrt(W / nu), f and e standard normal, W chi-square with nu degrees of freedom.

    Parameters
    ----------
    loadings : float64[d, K]
        L, rows shorter than one.
    freedom : float
        nu, in [0.1, 1e6].

    Raises
    ------
    CopulaError
        For fewer than two columns, loadings that are not finite or too long, or another nu.
    """

    loadings: Floats = field(repr=False)
    freedom: float

    def __post_init__(self) -> None:
        loadings = np.array(self.loadings, np.float64)
        if loadings.ndim != 2 or loadings.shape[0] < 2 or loadings.shape[1] < 1:
            raise CopulaError(f"loadings must have the shape (columns, factors) with two columns at least, not {loadings.shape}")
        lengths = np.sum(loadings * loadings, axis=1)
        if not (lengths <= 1.0 - 0.5 * _LEAST_SPECIFIC).all():
            raise CopulaError("loadings must be finite, and each row shorter than one: the rest of a column's variance is its own")
        loadings.setflags(write=False)
        object.__setattr__(self, "loadings", loadings)
        object.__setattr__(self, "freedom", checked_parameter(self.freedom, "freedom", 0.1, 1e6, "of Student t"))

    @property
    def dimension(self) -> int:
        """Number of columns."""
        return int(self.loadings.shape[0])

    @property
    def parameter_count(self) -> int:
        """D K - K (K - 1) / 2 + 1: loadings but for a rotation, and nu."""
        d, k = self.loadings.shape
        return int(d * k - k * (k - 1) // 2 + 1)

    @property
    def specific(self) -> Floats:
        """Variance of each column that is its own, float64[d]."""
        return np.asarray(1.0 - np.sum(self.loadings * self.loadings, axis=1), np.float64)

    def log_density(self, u: ArrayLike) -> Floats:
        """Return the log density of the multivariate t less those of its margins, float64[n, d] to float64[n]."""
        return _log_density(checked_uniforms(u, self.dimension), self.loadings, self.freedom)

    def sample(self, count: int, seed: int) -> Floats:
        """Return float64[count, d] inside (0, 1)."""
        random = generator(count, seed)
        d, k = self.loadings.shape
        normals = random.standard_normal((count, k)) @ self.loadings.T
        normals += np.sqrt(self.specific) * random.standard_normal((count, d))
        normals /= np.sqrt(np.maximum(random.chisquare(self.freedom, (count, 1)), 1e-300) / self.freedom)
        return kept(np.asarray(stdtr(self.freedom, normals), np.float64))

    @classmethod
    def fit(cls, u: ArrayLike, factors: int = FACTORS) -> Self:
        """Return the copula fitted to pseudo-observations.

        Loadings are the principal components of the normal scores' correlation; nu is the profile likelihood over [1, 100] of `COLUMNS`
        columns taken evenly.

        Parameters
        ----------
        u : float64[n, d]
            Inside (0, 1): `pseudo_observations`.
        factors : int
            At least 1.

        Raises
        ------
        CopulaError
            For fewer than ten observations, values at 0 or 1, or a constant column.
        ScenarioError
            For an impossible number of factors.
        """
        wanted = checked_count(factors, "factors", 1)
        sample = checked_sample(u)
        scores = ndtri(sample)
        scores = (scores - scores.mean(axis=0)) / scores.std(axis=0)
        left, sizes, _ = np.linalg.svd(scores.T, full_matrices=False)
        loadings = (left * sizes)[:, : min(wanted, sizes.size)] / np.sqrt(len(sample))
        lengths = np.sqrt(np.sum(loadings * loadings, axis=1))
        loadings *= np.minimum(1.0, np.sqrt(1.0 - _LEAST_SPECIFIC) / np.maximum(lengths, 1e-300))[:, None]
        taken = np.unique(np.linspace(0, sample.shape[1] - 1, min(COLUMNS, sample.shape[1])).round().astype(np.int64))

        def cost(log_freedom: float) -> float:
            return -float(_log_density(sample[:, taken], loadings[taken], float(np.exp(log_freedom))).sum())

        low, high = FREEDOM_RANGE
        found = minimize_scalar(cost, bounds=(log(low), log(high)), method="bounded", options={"xatol": 1e-3})
        return cls(loadings, float(np.clip(np.exp(found.x), low, high)))


def _log_density(u: Floats, loadings: Floats, nu: float) -> Floats:
    x = np.asarray(stdtrit(nu, u), np.float64)
    d, k = loadings.shape
    specific = 1.0 - np.sum(loadings * loadings, axis=1)
    scaled = loadings / specific[:, None]
    inner = np.eye(k) + loadings.T @ scaled
    seen = x @ scaled
    square = np.sum(x * x / specific, axis=1) - np.sum(seen * np.linalg.solve(inner, seen.T).T, axis=1)
    log_determinant = float(np.log(specific).sum() + np.linalg.slogdet(inner)[1])
    margins = d * (lgamma(0.5 * (nu + 1.0)) - lgamma(0.5 * nu) - 0.5 * log(nu * pi)) - 0.5 * (nu + 1.0) * np.log1p(x * x / nu).sum(axis=1)
    joint = lgamma(0.5 * (nu + d)) - lgamma(0.5 * nu) - 0.5 * d * log(nu * pi) - 0.5 * log_determinant
    density: Floats = joint - 0.5 * (nu + d) * np.log1p(square / nu) - margins
    return density
