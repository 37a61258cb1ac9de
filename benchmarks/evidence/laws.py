"""Laws of one day's P&L with the true value at risk and expected shortfall of the next day.

A law draws moves of its instruments and says what the truth is after them: a number for independent days, another in each sample where the
next day depends on the last ones. Every law has mean zero, as the methods assume.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, ndtr, ndtri, stdtr, stdtrit
from scipy.stats import norm, t

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Floats, float]]

CONFIDENCES: Final = (0.95, 0.99)


@dataclass(frozen=True)
class Law:
    """A law of the P&L.

    Parameters
    ----------
    title : str
        For people.
    exposures : tuple of float
        Of each instrument.
    draw : callable
        A generator and S to moves float64[N, S], oldest first, and the scale of the truth in this sample.
    truth : tuple of (value at risk, expected shortfall)
        At each of `CONFIDENCES` and scale one; losses positive.
    """

    title: str
    exposures: tuple[float, ...]
    draw: Draw
    truth: tuple[tuple[float, float], ...]


def normal_truth(confidence: float) -> tuple[float, float]:
    """Return VaR and ES of a standard normal P&L."""
    z = float(ndtri(confidence))
    return z, float(norm.pdf(z)) / (1.0 - confidence)


DEGREES: Final = 4.0


def student_truth(confidence: float) -> tuple[float, float]:
    """Return VaR and ES of a Student t P&L with `DEGREES` of freedom, not scaled to variance one."""
    q = float(t.isf(1.0 - confidence, DEGREES))
    return q, float(t.pdf(q, DEGREES)) / (1.0 - confidence) * (DEGREES + q * q) / (DEGREES - 1.0)


OMEGA, ALPHA, BETA = 0.05, 0.10, 0.85
"""Unconditional variance one, kurtosis 3.77."""
BURN: Final = 250


def garch(random: np.random.Generator, count: int) -> tuple[Floats, float]:
    """Return a GARCH(1,1) path with normal innovations, and the volatility of the day after it: known at its end."""
    noise, path, variance = random.standard_normal(BURN + count), np.empty(BURN + count), 1.0
    for day, shock in enumerate(noise.tolist()):
        path[day] = move = sqrt(variance) * shock
        variance = OMEGA + ALPHA * move * move + BETA * variance
    return path[None, BURN:], sqrt(variance)


JUMPS_A_DAY, JUMP_MEAN, JUMP_DEVIATION = 0.05, -2.0, 1.5
"""In units of the diffusion's daily volatility: a fall about once a month."""


def merton(random: np.random.Generator, count: int) -> tuple[Floats, float]:
    """Return days of a jump diffusion (R. C. Merton, Journal of Financial Economics 3 (1976) 125-144), compensated to mean zero."""
    jumps = random.poisson(JUMPS_A_DAY, count)
    spread = np.sqrt(1.0 + JUMP_DEVIATION**2 * jumps)
    return (JUMP_MEAN * (jumps - JUMPS_A_DAY) + spread * random.standard_normal(count))[None, :], 1.0


def merton_truth(confidence: float) -> tuple[float, float]:
    """Return VaR and ES of the same as a Poisson mixture of normals: the quantile by a root, the tail mean in closed form."""
    counts = np.arange(30.0)
    share = np.exp(counts * np.log(JUMPS_A_DAY) - JUMPS_A_DAY - gammaln(counts + 1.0))
    mean, deviation = JUMP_MEAN * (counts - JUMPS_A_DAY), np.sqrt(1.0 + JUMP_DEVIATION**2 * counts)
    tail = 1.0 - confidence

    def excess(q: float) -> float:
        return float(share @ ndtr((q - mean) / deviation)) - tail

    q = float(brentq(excess, -60.0, 0.0, xtol=1e-13))
    z = (q - mean) / deviation
    return -q, float(share @ (deviation * norm.pdf(z) - mean * ndtr(z))) / tail


COPULA_DEGREES: Final = 4.0
BOOK: Final = (1.0, 0.8, 0.6, 0.5, -0.7)
VOLATILITY: Final = (1.0, 1.2, 1.5, 0.8, 1.1)
MARGINAL_DEGREES: Final = (None, None, None, 5.0, 5.0)
"""Three normal instruments and two Student t ones of the same copula."""
CORRELATION: Final = np.full((5, 5), 0.5) + 0.5 * np.eye(5)
COPULA_TRUTH: Final = ((3.5886823, 4.6738576), (5.3344252, 6.3462653))
"""By `book_truth(1, 60)`, thirty million draws; standard errors below."""
COPULA_ERROR: Final = 0.0005
"""Bound of the relative standard errors: 0.00028, 0.00027, 0.00034 and 0.00043."""


def book(random: np.random.Generator, count: int) -> tuple[Floats, float]:
    """Return moves of five instruments joined by a t copula."""
    joint = np.linalg.cholesky(CORRELATION) @ random.standard_normal((5, count))
    joint *= np.sqrt(COPULA_DEGREES / random.chisquare(COPULA_DEGREES, count))
    moves: Floats = np.asarray(stdtr(COPULA_DEGREES, joint), np.float64)
    for row, volatility, degrees in zip(moves, VOLATILITY, MARGINAL_DEGREES, strict=True):
        row[:] = volatility * (ndtri(row) if degrees is None else stdtrit(degrees, row) * sqrt((degrees - 2.0) / degrees))
    return moves, 1.0


def book_truth(seed: int, blocks: int, draws: int = 500_000) -> tuple[Floats, Floats]:
    """Return (VaR, ES) of the book float64[C, 2] and their standard errors, relative: the mean over independent blocks of draws."""
    found = np.empty((blocks, len(CONFIDENCES), 2))
    for block in range(blocks):
        random = np.random.Generator(np.random.PCG64([seed, block]))
        pnl = np.sort(np.array(BOOK) @ book(random, draws)[0])
        for c, confidence in enumerate(CONFIDENCES):
            inside = round((1.0 - confidence) * draws)
            found[block, c] = -pnl[inside - 1], -pnl[:inside].mean()
    truth: Floats = found.mean(axis=0)
    return truth, found.std(axis=0, ddof=1) / sqrt(blocks) / truth


@cache
def laws() -> Mapping[str, Law]:
    """Return the laws by name."""

    def single(draw: Callable[[np.random.Generator, int], Floats]) -> Draw:
        return lambda random, count: (draw(random, count)[None, :], 1.0)

    def at_all(truth: Callable[[float], tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        return tuple(truth(c) for c in CONFIDENCES)

    return {
        "normal": Law("Normal", (1.0,), single(lambda random, n: random.standard_normal(n)), at_all(normal_truth)),
        "student_t": Law("Student t(4)", (1.0,), single(lambda random, n: random.standard_t(DEGREES, n)), at_all(student_truth)),
        "garch": Law("GARCH(1,1), normal innovations; the truth is of the next day", (1.0,), garch, at_all(normal_truth)),
        "merton": Law("Merton jump diffusion", (1.0,), merton, at_all(merton_truth)),
        "t_copula": Law("Five instruments, t copula", BOOK, book, COPULA_TRUTH),
    }
