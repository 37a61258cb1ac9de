"""Books for the tests, and laws computed in other ways."""

from __future__ import annotations

from math import atan, log, pi, sin

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad

from risk_core.delta_gamma import DeltaGamma

Floats = NDArray[np.float64]


def random_book(size: int, seed: int, curvature: float = 1.0, mean: float = 0.1) -> DeltaGamma:
    """A book of correlated factors with gammas of both signs."""
    rng = np.random.default_rng(seed)
    loading = rng.normal(size=(size, size))
    gamma = rng.normal(size=(size, size)) * curvature
    return DeltaGamma(rng.normal(size=size), gamma + gamma.T, loading @ loading.T / size, 0.3 * rng.normal(), rng.normal(size=size) * mean)


def moved(book: DeltaGamma, delta: Floats | float = 0.0, gamma: Floats | float = 0.0, theta: float = 0.0) -> DeltaGamma:
    """The book with its sensitivities changed."""
    return DeltaGamma(np.asarray(book.delta) + delta, np.asarray(book.gamma) + gamma, book.covariance, book.theta + theta, book.mean)


def scaled(book: DeltaGamma, factor: float) -> DeltaGamma:
    """The book, so many times."""
    return DeltaGamma(factor * np.asarray(book.delta), factor * np.asarray(book.gamma), book.covariance, factor * book.theta, book.mean)


def one_factor_value_at_risk(delta: float, gamma: float, confidence: float) -> float:
    """delta x + gamma x² / 2 = gamma (x + delta / gamma)² / 2 - delta² / (2 gamma): a shifted noncentral chi-square."""
    level = 1.0 - confidence if gamma > 0.0 else confidence
    return -(0.5 * gamma * float(stats.ncx2.ppf(level, 1, (delta / gamma) ** 2)) - 0.5 * delta * delta / gamma)


def imhof_tail_probability(book: DeltaGamma, loss: float) -> float:
    """Imhof (1961), equation 3.2, by adaptive quadrature on the real line; linear terms without curvature as their limit."""
    form = book.quadratic.loss
    c, b, room = form.quadratic, form.linear, loss - form.constant

    def integrand(u: float) -> float:
        z = c * u
        angle = 0.5 * sum(atan(v) for v in z) - 0.5 * float(np.sum(c * b * b * u**3 / (1.0 + z * z))) - room * u
        size = 0.25 * sum(log(1.0 + v * v) for v in z) + 0.5 * float(np.sum(b * b * u * u / (1.0 + z * z)))
        return sin(angle) / u * np.exp(-size)

    value = quad(integrand, 0.0, np.inf, limit=500, epsabs=1e-10, epsrel=1e-10)[0]
    return 0.5 + float(value) / pi
