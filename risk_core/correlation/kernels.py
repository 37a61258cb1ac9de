"""Compiled loops of dynamic conditional correlation: one pass over the days for a likelihood with its scores.

    Q[t + 1] = omega + alpha z z' + gamma n n' + beta Q[t],    omega = (1 - alpha - beta) S - gamma M,    n = min(z, 0),

with residuals z of variance one, S and M the targets of z z' and n n', and the correlation matrix Q scaled to a unit diagonal. theta is
(alpha, gamma, beta). Only upper triangles are read and written; rows are contiguous and inner loops run along them, so that they
vectorise without a change of the order of sums: a machine repeats its bits.

R. Engle, "Dynamic conditional correlation", Journal of Business & Economic Statistics 20 (2002) 339-350; L. Cappiello, R. Engle and
K. Sheppard, "Asymmetric dynamics in the correlations of global equity and bond returns", Journal of Financial Econometrics 4 (2006)
537-572.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pairs = NDArray[np.int64]

ALPHA, GAMMA, BETA = range(3)


@njit(cache=True, nogil=True, error_model="numpy")
def advance(q: Floats, z: Floats, omega: Floats, theta: Floats) -> None:
    """Move the upper triangle of q float64[N, N] over one day of residuals float64[N], in place: O(N²)."""
    count = z.shape[0]
    for i in range(count):
        news, loss = theta[ALPHA] * z[i], theta[GAMMA] * min(z[i], 0.0)
        for j in range(i, count):
            q[i, j] = omega[i, j] + news * z[j] + loss * min(z[j], 0.0) + theta[BETA] * q[i, j]


@njit(cache=True, nogil=True, error_model="numpy")
def scaled(q: Floats, out: Floats) -> None:
    """Write the correlation matrix of an upper triangle to out float64[N, N], symmetric to the last bit."""
    count = q.shape[0]
    for i in range(count):
        out[i, i] = 1.0
        for j in range(i + 1, count):
            out[i, j] = max(-1.0, min(1.0, q[i, j] / sqrt(q[i, i] * q[j, j])))
            out[j, i] = out[i, j]


@njit(cache=True, nogil=True, error_model="numpy")
def correlation_path(z: Floats, start: Floats, omega: Floats, theta: Floats) -> tuple[Floats, Floats]:
    """Return correlations before each of the days float64[T, N] and after the last, float64[T + 1, N, N], and the last q."""
    days, count = z.shape
    q = start.copy()
    path = np.empty((days + 1, count, count))
    for t in range(days):
        scaled(q, path[t])
        advance(q, z[t], omega, theta)
    scaled(q, path[days])
    return path, q


@njit(cache=True, nogil=True, error_model="numpy")
def last_q(z: Floats, start: Floats, omega: Floats, theta: Floats) -> Floats:
    """Return q after the last day."""
    q = start.copy()
    for t in range(z.shape[0]):
        advance(q, z[t], omega, theta)
    return q


@njit(cache=True, nogil=True, error_model="numpy")
def _cholesky(u: Floats) -> bool:
    """Turn an upper triangle into U with U'U the matrix, in place; False if a pivot is not positive."""
    count = u.shape[0]
    for k in range(count):
        if not u[k, k] > 0.0:
            return False
        scale = 1.0 / sqrt(u[k, k])
        pivot = u[k, k:]
        for j in range(pivot.shape[0]):
            pivot[j] *= scale
        for i in range(k + 1, count):
            factor, row, along = u[k, i], u[i, i:], u[k, i:]
            for j in range(row.shape[0]):
                row[j] -= factor * along[j]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _invert(u: Floats, x: Floats, inverse: Floats) -> None:
    """Write the inverse of U' (lower) to x and the upper triangle of the inverse of U'U."""
    count = u.shape[0]
    for i in range(count):
        x[i, :i] = 0.0
        x[i, i] = 1.0
        for k in range(i):
            factor, row, along = u[k, i], x[i, : k + 1], x[k, : k + 1]
            for j in range(row.shape[0]):
                row[j] -= factor * along[j]
        scale, row = 1.0 / u[i, i], x[i, : i + 1]
        for j in range(row.shape[0]):
            row[j] *= scale
        inverse[i, i:] = 0.0
    for k in range(count):
        for i in range(k + 1):
            factor, row, along = x[k, i], inverse[i, i : k + 1], x[k, i : k + 1]
            for j in range(row.shape[0]):
                row[j] += factor * along[j]


@njit(cache=True, nogil=True, error_model="numpy")
def likelihood(z: Floats, start: Floats, target: Floats, low: Floats, theta: Floats, each: Floats, slopes: Floats) -> float:
    """Return the sum of -½ (log|R| + z'R⁻¹z - z'z) over days z float64[T, N], minus infinity where R is not positive definite.

    Write it for each day to each float64[T], and its derivatives in theta to slopes float64[T, 3]. Q is differentiated forwards; with
    P = Q⁻¹, y = z sqrt(diag Q) and v = P y, a day's term f has

        df = -½ (<P - v v', dQ> + sum of (v z / sqrt(q) - 1 / q) dq over the diagonal).
    """
    days, count = z.shape
    alpha, gamma, beta = theta[ALPHA], theta[GAMMA], theta[BETA]
    rest = 1.0 - alpha - beta
    q = start.copy()
    by_alpha, by_gamma, by_beta = np.zeros((count, count)), np.zeros((count, count)), np.zeros((count, count))
    u, x, inverse = np.empty((count, count)), np.empty((count, count)), np.empty((count, count))
    y, v, n = np.empty(count), np.empty(count), np.empty(count)
    total = 0.0
    for t in range(days):
        value, square = 0.0, 0.0
        for i in range(count):
            for j in range(i, count):
                u[i, j] = q[i, j]
            y[i] = z[t, i] * sqrt(q[i, i])
            n[i] = min(z[t, i], 0.0)
            value -= log(q[i, i])
            square += z[t, i] * z[t, i]
        if not _cholesky(u):
            return -np.inf
        _invert(u, x, inverse)
        for i in range(count):
            value += 2.0 * log(u[i, i])
            v[i] = 0.0
        for i in range(count):
            w = 0.0
            for j in range(i + 1):
                w += x[i, j] * y[j]
            value += w * w
            for j in range(i + 1):
                v[j] += w * x[i, j]
        each[t] = -0.5 * (value - square)
        total += each[t]
        slope_a, slope_g, slope_b = 0.0, 0.0, 0.0
        for i in range(count):
            weight = inverse[i, i] - v[i] * v[i] + v[i] * z[t, i] / sqrt(q[i, i]) - 1.0 / q[i, i]
            slope_a += weight * by_alpha[i, i]
            slope_g += weight * by_gamma[i, i]
            slope_b += weight * by_beta[i, i]
            for j in range(i + 1, count):
                weight = 2.0 * (inverse[i, j] - v[i] * v[j])
                slope_a += weight * by_alpha[i, j]
                slope_g += weight * by_gamma[i, j]
                slope_b += weight * by_beta[i, j]
        slopes[t, ALPHA], slopes[t, GAMMA], slopes[t, BETA] = -0.5 * slope_a, -0.5 * slope_g, -0.5 * slope_b
        for i in range(count):
            news, loss, along, lost = z[t, i], n[i], z[t, i:], n[i:]
            row, goal, floor = q[i, i:], target[i, i:], low[i, i:]
            row_a, row_g, row_b = by_alpha[i, i:], by_gamma[i, i:], by_beta[i, i:]
            for j in range(row.shape[0]):
                row_a[j] = news * along[j] - goal[j] + beta * row_a[j]
                row_g[j] = loss * lost[j] - floor[j] + beta * row_g[j]
                row_b[j] = row[j] - goal[j] + beta * row_b[j]
                row[j] = rest * goal[j] - gamma * floor[j] + alpha * news * along[j] + gamma * loss * lost[j] + beta * row[j]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def composite(z: Floats, pairs: Pairs, start: Floats, target: Floats, low: Floats, theta: Floats, each: Floats, slopes: Floats) -> float:
    """Return the sum of the bivariate likelihoods of pairs int64[P, 2], i < j, over their number; z is float64[N, T], else as `likelihood`.

    C. Pakel, N. Shephard, K. Sheppard and R. Engle, "Fitting vast dimensional time-varying covariance models", Journal of Business &
    Economic Statistics 39 (2021) 652-668.
    """
    days = z.shape[1]
    alpha, gamma, beta = theta[ALPHA], theta[GAMMA], theta[BETA]
    rest, share = 1.0 - alpha - beta, 1.0 / pairs.shape[0]
    each[:] = 0.0
    slopes[:] = 0.0
    for p in range(pairs.shape[0]):
        i, j = pairs[p, 0], pairs[p, 1]
        s1, s2, s12, m1, m2, m12 = target[i, i], target[j, j], target[i, j], low[i, i], low[j, j], low[i, j]
        q1, q2, q12 = start[i, i], start[j, j], start[i, j]
        a1, a2, a12, g1, g2, g12, b1, b2, b12 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for t in range(days):
            x, y = z[i, t], z[j, t]
            root = 1.0 / sqrt(q1 * q2)
            rho = q12 * root
            free = 1.0 - rho * rho
            if not free > 0.0:
                return -np.inf
            xx, yy, xy = x * x, y * y, x * y
            each[t] -= 0.5 * share * (log(free) + (xx + yy - 2.0 * rho * xy) / free - xx - yy)
            slope = share * (rho * free + xy * (1.0 + rho * rho) - rho * (xx + yy)) / (free * free)
            one, two = 0.5 * rho / q1, 0.5 * rho / q2
            slopes[t, ALPHA] += slope * (a12 * root - one * a1 - two * a2)
            slopes[t, GAMMA] += slope * (g12 * root - one * g1 - two * g2)
            slopes[t, BETA] += slope * (b12 * root - one * b1 - two * b2)
            lost_x, lost_y = min(x, 0.0), min(y, 0.0)
            lxx, lyy, lxy = lost_x * lost_x, lost_y * lost_y, lost_x * lost_y
            a1, a2, a12 = xx - s1 + beta * a1, yy - s2 + beta * a2, xy - s12 + beta * a12
            g1, g2, g12 = lxx - m1 + beta * g1, lyy - m2 + beta * g2, lxy - m12 + beta * g12
            b1, b2, b12 = q1 - s1 + beta * b1, q2 - s2 + beta * b2, q12 - s12 + beta * b12
            q1 = rest * s1 - gamma * m1 + alpha * xx + gamma * lxx + beta * q1
            q2 = rest * s2 - gamma * m2 + alpha * yy + gamma * lyy + beta * q2
            q12 = rest * s12 - gamma * m12 + alpha * xy + gamma * lxy + beta * q12
    total = 0.0
    for t in range(days):
        total += each[t]
    return total
