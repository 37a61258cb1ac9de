"""Randomised quasi-Monte Carlo of a delta-gamma book: few dimensions carry its risk, and the t divisor can be integrated out.

The few terms that matter come from Sobol sequences, the curvature of the many others from a pool of full draws, and the common divisor of t
factors is integrated in closed form given the normals (conditional Monte Carlo: S. Asmussen and P. Glynn, Stochastic Simulation, 2007,
chapter V.4), which leaves a smooth integrand.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, exp, lgamma, log, log2, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammainc, ndtri

from risk_core.conventions import tail_probability
from risk_core.delta_gamma.inversion import StudentT
from risk_core.delta_gamma.model import DeltaGamma, Quadratic
from risk_core.delta_gamma.result import SimulatedRisk
from risk_core.delta_gamma.simulation import summary
from risk_core.measures.checks import MeasureError

Floats = NDArray[np.float64]

_CELLS: Final = 1 << 14
_LOG_RANGE: Final = (-40.0, 14.0)


def quasi_monte_carlo_value_at_risk(
    book: DeltaGamma,
    confidence: float,
    seed: int,
    factors: StudentT | None = None,
    *,
    points: int = 2_048,
    replicates: int = 8,
    leading: int = 8,
    pool: int = 2_048,
) -> SimulatedRisk:
    """Return VaR and ES by randomised quasi-Monte Carlo.

    The dimensions of the Sobol sequences, one scrambled anew for each replicate, are the `leading` terms of the book by variance and, as
    one normal in the direction of the P&L, the linear part of all other terms. What is left, the curvature of these others, is drawn in
    full `pool` times from pseudo-random normals with mirror images, scaled to its known mean and variance; each point takes one of these
    draws. So no term is left out, and no distribution is assumed for the rest.

    Under normal factors losses are counted. Under t factors the probability of a loss given the normals is exact, and points are averaged.

    Parameters
    ----------
    book : DeltaGamma
    confidence : float
        In [0.5, 1).
    seed : int
        The same seed gives the same bits.
    factors : StudentT, optional
        Normal if not given.
    points : int
        Of each replicate: a power of two. Under normal factors at least 8 must lie in the tail.
    replicates : int
        Independent scramblings with their own pools, at least 2: standard errors come from their spread.
    leading : int
        Terms with a dimension of their own.
    pool : int
        Draws of the rest in all replicates together, at least 16 for each: the cost of a book of many factors, and the error that remains
        where many terms are curved.

    Raises
    ------
    MeasureError
        For points, replicates, leading or pool as they cannot be.
    ConventionError
        For an impossible confidence.
    """
    tail = tail_probability(confidence)
    least = 2 ** ceil(log2(8.0 / tail)) if factors is None else 2
    if points < least or points & (points - 1):
        raise MeasureError(f"points must be a power of two, here {least} or more, not {points!r}")
    if replicates < 2 or leading < 0 or pool < 16 * replicates:
        raise MeasureError(
            f"replicates must be 2 or more, leading 0 or more, pool 16 times the replicates or more, not {replicates}, {leading}, {pool}"
        )
    form = book.quadratic.loss if factors is None else factors.scaled(book.quadratic.loss)
    if book.standard_deviation == 0.0:
        return SimulatedRisk(form.constant, form.constant, 0.0, 0.0, confidence, points * replicates, seed)
    rng = np.random.Generator(np.random.PCG64(seed))
    linear, curved = _terms(form, points, replicates, leading, pool // replicates, rng)
    if factors is None:
        return summary(form.constant + linear + 0.5 * curved, tail, confidence, seed)
    return _conditional(form, linear, curved, factors.degrees_of_freedom, tail, confidence, seed)


def _terms(form: Quadratic, points: int, replicates: int, leading: int, pool: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return draws of (sum of b y, sum of c y²), each float64[replicates, points]."""
    from scipy.stats import qmc  # takes a second to import

    order = np.argsort(-(form.linear**2 + 0.5 * form.quadratic**2), kind="stable")
    head, rest = order[:leading], order[leading:]
    slope = float(np.linalg.norm(form.linear[rest]))
    linear, curved = np.empty((replicates, points)), np.empty((replicates, points))
    for r in range(replicates):
        tilt, cross, bowl = _rest(form.linear[rest], form.quadratic[rest], slope, pool, rng)
        sample = qmc.Sobol(head.size + 1, scramble=True, rng=rng).random(points)
        normals = ndtri(np.clip(sample, 2.0**-33, 1.0 - 2.0**-33))
        u, y = normals[:, 0], normals[:, 1:]
        j = rng.permutation(points) % cross.size
        linear[r] = slope * u + y @ form.linear[head]
        curved[r] = bowl[j] + u * (u * tilt + 2.0 * cross[j]) + (y * y) @ form.quadratic[head]
    return linear, curved


def _rest(linear: Floats, c: Floats, slope: float, size: int, rng: np.random.Generator) -> tuple[float, Floats, Floats]:
    """Draw the curvature of the terms without a dimension: u² tilt + 2 u cross + bowl, with u the normal along their linear part.

    Their normals are u q + g, with q the unit vector of the linear part and g a draw less its part along q.
    """
    if not c.any():
        return 0.0, np.zeros(1), np.zeros(1)
    q = linear / slope if slope > 0.0 else np.eye(1, c.size)[0]
    cq = c * q
    tilt = float(q @ cq)
    g = rng.standard_normal((size // 2, c.size), np.float32)  # single precision: half the time, and rounding far below the noise
    sums = g @ np.stack([q, cq], axis=1).astype(np.float32)
    np.multiply(g, g, out=g)
    part, bent = sums[:, 0].astype(np.float64), sums[:, 1].astype(np.float64)
    cross = bent - part * tilt
    bowl = (g @ c.astype(np.float32)).astype(np.float64) - 2.0 * part * bent + part * part * tilt
    cross *= _ratio(float(cq @ cq) - tilt * tilt, float(np.mean(cross * cross)))
    spread = bowl - bowl.mean()
    bowl = float(c.sum()) - tilt + spread * _ratio(2.0 * float(c @ c - 2.0 * cq @ cq + tilt * tilt), float(np.mean(spread * spread)))
    return tilt, np.concatenate((cross, -cross)), np.concatenate((bowl, bowl))


def _ratio(wanted: float, found: float) -> float:
    return sqrt(max(wanted, 0.0) / found) if found > 0.0 else 0.0


def _conditional(
    form: Quadratic, linear: Floats, curved: Floats, degrees: float, tail: float, confidence: float, seed: int
) -> SimulatedRisk:
    tables = _divisor_tables(degrees)
    deviation = sqrt(form.cumulant(2))

    def gap(x: float) -> float:
        found = float(_moment(x - form.constant, linear, curved, degrees, tables[:1])[0].mean())
        return log(max(found, 1e-300) / tail)

    low = high = form.cumulant(1) + deviation
    step = deviation
    while gap(high) > 0.0:
        low, high, step = high, high + step, 2.0 * step
    while gap(low) <= 0.0:
        high, low, step = low, low - step, 2.0 * step
    value = float(brentq(gap, low, high, xtol=1e-7 * deviation, rtol=1e-10))
    bump = 1e-3 * deviation
    density = tail * (gap(value - bump) - gap(value + bump)) / (2.0 * bump)
    k = value - form.constant
    zeroth, first, second = _moment(k, linear, curved, degrees, tables)
    excess = 0.5 * curved * second + linear * first - k * zeroth
    root = sqrt(len(linear))
    return SimulatedRisk(
        value,
        value + float(excess.mean()) / tail,
        float(zeroth.mean(axis=1).std(ddof=1)) / root / density,
        float(excess.mean(axis=1).std(ddof=1)) / root / tail,
        confidence,
        linear.size,
        seed,
    )


@lru_cache(maxsize=8)
def _divisor_tables(degrees: float) -> tuple[Floats, Floats, Floats]:
    """Return E[s**j; V < v] for j = 0, 1, 2 on an even grid of log v, where s = sqrt(degrees / V)."""
    v = 0.5 * np.exp(np.linspace(*_LOG_RANGE, _CELLS + 1))

    def table(j: int) -> Floats:
        scale = exp(0.5 * j * log(0.5 * degrees) + lgamma(0.5 * (degrees - j)) - lgamma(0.5 * degrees))
        return np.asarray(scale * gammainc(0.5 * (degrees - j), v), np.float64)

    return table(0), table(1), table(2)


def _moment(k: float, linear: Floats, curved: Floats, degrees: float, tables: tuple[Floats, ...]) -> list[Floats]:
    """Return E[s**j; linear s + curved s² / 2 > k] for each table: s lies between two roots, or outside them where k is negative."""
    sign = 1.0 if k >= 0.0 else -1.0
    k, linear, curved = sign * k, sign * linear, sign * curved
    inside = linear * linear + 2.0 * k * curved
    holds = (inside > 0.0) & ((curved > 0.0) | (linear > 0.0))
    size = np.where(holds, linear + np.sqrt(np.maximum(inside, 0.0)), 1.0)
    lower = np.where(holds, log(degrees) - 2.0 * np.log(np.maximum(2.0 * k, 1e-300) / size), -np.inf)
    closed = holds & (curved < 0.0)
    upper = np.where(closed, log(degrees) - 2.0 * np.log(size / np.where(closed, -curved, 1.0)), -np.inf)
    between = [a - b for a, b in zip(_looked_up(lower, tables), _looked_up(upper, tables), strict=True)]
    return between if sign > 0.0 else [t[-1] - m for t, m in zip(tables, between, strict=True)]


def _looked_up(log_v: Floats, tables: tuple[Floats, ...]) -> list[Floats]:
    start, end = _LOG_RANGE
    place = np.clip((log_v - start) * (_CELLS / (end - start)), 0.0, _CELLS - 1e-6)
    cell = place.astype(np.int64)
    share = place - cell
    return [t[cell] + share * (t[cell + 1] - t[cell]) for t in tables]
