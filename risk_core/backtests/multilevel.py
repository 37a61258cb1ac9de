"""VaR at several levels at once: the multinomial tests of Kratz, Lok and McNeil, an implicit test of expected shortfall."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, xlogy

from risk_core.backtests.exceptions import Ties
from risk_core.backtests.likelihood import chi_square_tail
from risk_core.backtests.result import (
    AS_EXPECTED,
    DEFAULT_TEST_LEVEL,
    TOO_FEW,
    TOO_MANY,
    BacktestError,
    DecideBy,
    TestResult,
    checked_choice,
    checked_probability,
    judge,
)
from risk_core.backtests.simulation import (
    DEFAULT_SEED,
    DEFAULT_SIMULATIONS,
    NOT_ASKED,
    checked_simulations,
    simulated_details,
    simulated_p_value,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_STEPS: Final = 100
_ENOUGH: Final = 1e-10
_LEAST: Final = 1e-300
_BOUND: Final = (50.0, 3.0)


def multilevel_confidences(lowest: float = 0.975, levels: int = 4) -> Floats:
    """Return equally spaced confidences from `lowest`: 0.975, 0.98125, 0.9875, 0.99375 (Kratz, Lok and McNeil 2018)."""
    first = checked_probability(lowest, "lowest")
    if int(levels) != levels or levels < 1:
        raise BacktestError(f"levels must be a whole number of at least one, not {levels!r}")
    return first + np.arange(levels) / levels * (1.0 - first)


def multilevel_counts(pnl: ArrayLike, value_at_risk: ArrayLike, *, ties: Ties | str = Ties.STRICT) -> Integers:
    """Return on how many days the loss exceeded exactly 0, 1, ... K of the VaRs: int64[K + 1].

    Parameters
    ----------
    pnl : array_like[N]
        Gains positive.
    value_at_risk : array_like[N, K]
        Loss positive, confidences rising along the second axis.
    ties : Ties

    Raises
    ------
    BacktestError
        If shapes do not fit, a number is not finite, or VaR falls as confidence rises.
    """
    loss, limits = -np.asarray(pnl, np.float64), np.asarray(value_at_risk, np.float64)
    if loss.ndim != 1 or loss.size == 0 or limits.ndim != 2 or limits.shape[0] != loss.size:
        raise BacktestError(f"pnl must be [N] and value_at_risk [N, K], not {loss.shape} and {limits.shape}")
    if not (np.isfinite(loss).all() and np.isfinite(limits).all()):
        raise BacktestError("pnl and value_at_risk must be finite; leave days without them out of both")
    falls = (np.diff(limits, axis=1) < 0.0).any(axis=1)
    if falls.any():
        raise BacktestError(f"value_at_risk falls as confidence rises on day {int(falls.argmax())}; order its columns by confidence")
    beyond = loss[:, None] >= limits if checked_choice(Ties, ties, "ties") is Ties.INCLUSIVE else loss[:, None] > limits
    return np.bincount(beyond.sum(axis=1), minlength=limits.shape[1] + 1).astype(np.int64)


def multilevel_pearson(
    counts: Sequence[int] | Integers,
    confidences: Sequence[float] | Floats,
    *,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    simulations: int = DEFAULT_SIMULATIONS,
    seed: int = DEFAULT_SEED,
) -> TestResult:
    """Test VaRs at K levels by Pearson's statistic: chi-square with K degrees of freedom.

    Parameters
    ----------
    counts : int[K + 1]
        Days with exactly 0, 1, ... K exceptions (`multilevel_counts`).
    confidences : float[K]
        Rising.
    test_level : float
    decide_by : DecideBy
    simulations : int
        Draws of the simulated p-value, 0 for none.
    seed : int

    Raises
    ------
    BacktestError
        If counts are negative, not whole or all zero, or confidences do not rise within (0, 1).
    """
    cells, law = _checked(counts, confidences)
    k = law.size - 1
    return _result("Multilevel VaR, Pearson", "pearson", cells, law, float(k), 1.0, test_level, decide_by, simulations, seed)


def multilevel_nass(
    counts: Sequence[int] | Integers,
    confidences: Sequence[float] | Floats,
    *,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    simulations: int = DEFAULT_SIMULATIONS,
    seed: int = DEFAULT_SEED,
) -> TestResult:
    """Test VaRs at K levels by Pearson's statistic with Nass's correction: c S is chi-square with c K degrees, of the right variance.

    Parameters and errors are those of `multilevel_pearson`. Better than it where cells are small.
    """
    cells, law = _checked(counts, confidences)
    k, n = law.size - 1, float(cells.sum())
    variance = 2.0 * k + (float((1.0 / law).sum()) - (k * k + 4.0 * k + 1.0)) / n
    factor = 2.0 * k / variance
    return _result("Multilevel VaR, Nass", "pearson", cells, law, factor * k, factor, test_level, decide_by, simulations, seed)


def multilevel_lrt(
    counts: Sequence[int] | Integers,
    confidences: Sequence[float] | Floats,
    *,
    alternative: str = "normal",
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    simulations: int = DEFAULT_SIMULATIONS,
    seed: int = DEFAULT_SEED,
) -> TestResult:
    """Test VaRs at K levels by a likelihood ratio.

    Parameters
    ----------
    counts, confidences, test_level, decide_by, simulations, seed
        As `multilevel_pearson`.
    alternative : str
        "normal": normal scores of the days have a mean and a deviation other than 0 and 1, fitted to the counts; two degrees of freedom
        (one level: mean alone, one degree, and the ratio is Kupiec's). "multinomial": any probabilities, K degrees.

    Raises
    ------
    BacktestError
        As `multilevel_pearson`, and if `alternative` is another.
    """
    if alternative not in ("normal", "multinomial"):
        raise BacktestError(f"alternative must be 'normal' or 'multinomial', not {alternative!r}")
    cells, law = _checked(counts, confidences)
    k = law.size - 1
    degrees = float(k if alternative == "multinomial" else min(k, 2))
    kind = "multinomial" if k == 1 else alternative
    return _result("Multilevel VaR, likelihood ratio", kind, cells, law, degrees, 1.0, test_level, decide_by, simulations, seed)


def _result(
    name: str,
    kind: str,
    cells: Integers,
    law: Floats,
    degrees: float,
    factor: float,
    test_level: float,
    decide_by: DecideBy | str,
    simulations: int,
    seed: int,
) -> TestResult:
    n, k = int(cells.sum()), law.size - 1
    statistic = float(_statistics(kind, cells[None, :].astype(np.float64), law)[0])
    exact, extra = None, NOT_ASKED
    if checked_simulations(simulations):
        exact, draws = simulated_p_value(statistic, _null(kind, n, tuple(law.tolist()), simulations, seed))
        extra = simulated_details(draws, seed)
    breaches, expected = float(cells @ np.arange(k + 1)), n * float(law @ np.arange(k + 1))
    direction = AS_EXPECTED if abs(breaches - expected) < 1.0 else TOO_MANY if breaches > expected else TOO_FEW
    return judge(
        name,
        factor * statistic,
        chi_square_tail(factor * statistic, degrees),
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction=direction,
        observations=n,
        exceptions=int(cells[1:].sum()),
        expected_exceptions=n * float(law[1:].sum()),
        hypothesis=f"losses exceed VaR at each of {k} level{'s' * (k != 1)} as often as it says",
        details={"degrees_of_freedom": degrees, "levels": k, "breaches": breaches, "expected_breaches": expected, **extra},
    )


def _statistics(kind: str, cells: Floats, law: Floats) -> Floats:
    """Return the statistic of each row of counts float64[D, K + 1]."""
    n = cells.sum(axis=1, keepdims=True)
    if kind == "pearson":
        return np.asarray(((cells - n * law) ** 2 / (n * law)).sum(axis=1))
    if kind == "multinomial":
        return np.asarray(2.0 * (xlogy(cells, cells) - xlogy(cells, n * law)).sum(axis=1))
    return np.asarray(np.maximum(2.0 * (_best_normal(cells, law) - (cells * np.log(law)).sum(axis=1)), 0.0))


def _best_normal(cells: Floats, law: Floats) -> Floats:
    """Return the largest log-likelihood over normal scores, by Fisher's scoring of (mean, log deviation) of all rows at once.

    A step that does not raise the likelihood is taken back and shortened. Counts with no maximum end at the bounds.
    """
    edges = ndtri(np.cumsum(law)[:-1])
    n = cells.sum(axis=1)
    mean, spread, best, damp = np.zeros(n.size), np.zeros(n.size), np.full(n.size, -np.inf), np.full(n.size, 2.0)
    steps = np.zeros((2, n.size))
    for _ in range(_STEPS):
        tried, width = np.clip(mean + damp * steps[0], -_BOUND[0], _BOUND[0]), np.clip(spread + damp * steps[1], -_BOUND[1], _BOUND[1])
        scale = np.exp(width)[:, None]
        z = (edges - tried[:, None]) / scale
        density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        p = np.maximum(-np.diff(ndtr(-z), axis=1, prepend=1.0, append=0.0), _LEAST)
        value = (cells * np.log(p)).sum(axis=1)
        better = value > best
        gain = np.where(better, value - np.where(np.isfinite(best), best, -np.inf), 0.0)
        mean, spread, best = np.where(better, tried, mean), np.where(better, width, spread), np.where(better, value, best)
        damp = np.where(better, np.minimum(2.0 * damp, 1.0), 0.3 * damp)
        by_mean = np.diff(-density, axis=1, prepend=0.0, append=0.0) / scale
        by_spread = np.diff(-density * z, axis=1, prepend=0.0, append=0.0)
        g, h = (cells / p * by_mean).sum(axis=1), (cells / p * by_spread).sum(axis=1)
        a, b, c = n * (by_mean**2 / p).sum(axis=1), n * (by_mean * by_spread / p).sum(axis=1), n * (by_spread**2 / p).sum(axis=1)
        determinant = np.maximum(a * c - b * b, 1e-12 * a * c + _LEAST)
        ahead = np.clip((c * g - b * h) / determinant, -scale[:, 0], scale[:, 0]), np.clip((a * h - b * g) / determinant, -0.5, 0.5)
        steps = np.where(better, ahead, steps)
        if ((gain < _ENOUGH) & (better | (damp < _ENOUGH))).all():
            break
    return best


@lru_cache(maxsize=32)
def _null(kind: str, n: int, law: tuple[float, ...], simulations: int, seed: int) -> Floats:
    random = np.random.Generator(np.random.PCG64(seed))
    return _statistics(kind, random.multinomial(n, law, simulations).astype(np.float64), np.array(law))


def _checked(counts: Sequence[int] | Integers, confidences: Sequence[float] | Floats) -> tuple[Integers, Floats]:
    levels, cells = np.asarray(confidences, np.float64), np.asarray(counts, np.float64)
    if levels.ndim != 1 or levels.size == 0 or not (np.diff(levels, prepend=0.0, append=1.0) > 0.0).all():
        raise BacktestError(f"confidences must rise strictly within (0, 1), not {levels.tolist()}")
    if cells.shape != (levels.size + 1,):
        raise BacktestError(
            f"counts must have {levels.size + 1} cells: days with exactly 0, 1, ... {levels.size} exceptions, not shape {cells.shape}"
        )
    if not ((cells >= 0.0) & (cells == np.round(cells))).all() or cells.sum() == 0.0:
        raise BacktestError(f"counts must be whole, not negative, and not all zero, not {cells.tolist()}")
    return cells.astype(np.int64), np.diff(levels, prepend=0.0, append=1.0)
