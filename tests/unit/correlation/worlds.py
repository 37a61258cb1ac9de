"""Series simulated from the models, and their likelihood in plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def equal_correlation(count: int, rho: float) -> Floats:
    """Return the correlation matrix with one value in every pair."""
    return np.full((count, count), rho) + (1.0 - rho) * np.eye(count)


def dcc_world(
    count: int,
    days: int,
    seed: int,
    *,
    alpha: float = 0.05,
    beta: float = 0.92,
    gamma: float = 0.0,
    rho: float = 0.4,
    garch: tuple[float, float, float] | None = (0.05, 0.07, 0.88),
) -> tuple[Floats, Floats]:
    """Return returns [N, T] of (A)DCC with GARCH margins (or variance one), and the true correlations [T, N, N]."""
    rng = np.random.Generator(np.random.PCG64(seed))
    target = equal_correlation(count, rho)
    draws = np.linalg.cholesky(target) @ rng.standard_normal((count, 50_000))
    low = np.minimum(draws, 0.0) @ np.minimum(draws, 0.0).T / 50_000
    omega = (1.0 - alpha - beta) * target - gamma * low
    burn = 200
    q, h = target.copy(), np.ones(count)
    out, truth = np.empty((days + burn, count)), np.empty((days + burn, count, count))
    for t, shock in enumerate(rng.standard_normal((days + burn, count))):
        unit = 1.0 / np.sqrt(np.diag(q))
        truth[t] = q * unit[:, None] * unit
        z = np.linalg.cholesky(truth[t]) @ shock
        out[t] = np.sqrt(h) * z
        if garch is not None:
            h = garch[0] + garch[1] * out[t] ** 2 + garch[2] * h
        lost = np.minimum(z, 0.0)
        q = omega + alpha * np.outer(z, z) + gamma * np.outer(lost, lost) + beta * q
    return np.ascontiguousarray(out[burn:].T), truth[burn:]


def plain_path(z: Floats, alpha: float, beta: float, gamma: float, target: Floats, start: Floats) -> list[Floats]:
    """Return the correlation matrices of the definition, one day after another, and tomorrow's."""
    lost = np.minimum(z, 0.0)
    low = lost @ lost.T / z.shape[1]
    q, found = start, []
    for t in range(z.shape[1] + 1):
        unit = np.diag(q) ** -0.5
        found.append(q * unit * unit[:, None])
        if t < z.shape[1]:
            news, loss = np.outer(z[:, t], z[:, t]), np.outer(lost[:, t], lost[:, t])
            q = (1.0 - alpha - beta) * target - gamma * low + alpha * news + gamma * loss + beta * q
    return found


def plain_likelihood(z: Floats, alpha: float, beta: float, gamma: float, target: Floats, start: Floats) -> float:
    """Return the sum of -½ (log|R| + z'R⁻¹z - z'z)."""
    path = np.array(plain_path(z, alpha, beta, gamma, target, start)[:-1])
    distance = np.einsum("it,it->t", z, np.linalg.solve(path, z.T[:, :, None])[:, :, 0].T)
    return -0.5 * float(np.sum(np.linalg.slogdet(path)[1] + distance) - np.sum(z * z))
