"""Do exceptions have a memory: the duration tests of Christoffersen and Pelletier, Weibull and gamma."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincc, gammaln

from risk_core.backtests.coverage import rate_of
from risk_core.backtests.exceptions import ExceptionSeries, checked_hits
from risk_core.backtests.likelihood import chi_square_tail
from risk_core.backtests.result import DEFAULT_TEST_LEVEL, DecideBy, TestResult, checked_choice, judge, not_applicable
from risk_core.backtests.simulation import (
    DEFAULT_SEED,
    DEFAULT_SIMULATIONS,
    NOT_ASKED,
    checked_simulations,
    simulated_details,
    simulated_hits,
    simulated_p_value,
)

Floats = NDArray[np.float64]

LEAST_EXCEPTIONS: Final = 3
"""With fewer there is at most one whole duration, and the shape has no maximum."""
_LOG_SHAPES: Final = (-3.5, 3.5)
_AT_BOUND: Final = 0.01
_GOLDEN: Final = 0.6180339887498949
_SECTIONS: Final = 30
_NEWTON: Final = 12
_CLOSE: Final = 1e-9
_LEAST: Final = 1e-300


class DurationLaw(StrEnum):
    """Law of durations that holds the memoryless one as shape 1."""

    WEIBULL = "weibull"
    GAMMA = "gamma"


class DurationHypothesis(StrEnum):
    """What is tested."""

    INDEPENDENCE = "independence"
    """Shape 1, any rate: one degree of freedom."""
    CONDITIONAL_COVERAGE = "conditional_coverage"
    """Shape 1 and the rate of VaR: two."""


@dataclass(frozen=True, slots=True, eq=False)
class Durations:
    """Spells between exceptions of D series: `whole` float64[D, K], zero where there is none; `cut` float64[D, 2], those at both ends."""

    whole: Floats
    cut: Floats

    @property
    def count(self) -> Floats:
        """Whole spells of each series."""
        return np.asarray((self.whole > 0.0).sum(axis=1), np.float64)


def durations_of(hits: NDArray[np.bool_], *, censored: bool = True) -> Durations:
    """Return the spells of each row of bool[D, N].

    The first spell is the days to the first exception, cut unless that is the first day; the last, the days after the last exception.
    Without `censored` both ends are left out.
    """
    rows, days = np.nonzero(hits)
    count, n = hits.shape
    fresh = np.diff(rows, prepend=-1) > 0
    step = (days - np.roll(days, 1)).astype(np.float64)
    rank = np.arange(rows.size) - np.repeat(np.flatnonzero(fresh), np.diff(np.append(np.flatnonzero(fresh), rows.size)))
    whole = np.zeros((count, max(int(rank.max(initial=1)), 1)))
    whole[rows[~fresh], rank[~fresh] - 1] = step[~fresh]
    cut = np.zeros((count, 2))
    if censored:
        last = np.roll(fresh, -1)
        cut[rows[fresh], 0] = np.where(days[fresh] > 0, days[fresh] + 1.0, 0.0)
        cut[rows[last], 1] = n - 1.0 - days[last]
    return Durations(whole, cut)


def duration_test(
    hits: ExceptionSeries | ArrayLike,
    confidence: float,
    *,
    law: DurationLaw | str = DurationLaw.WEIBULL,
    hypothesis: DurationHypothesis | str = DurationHypothesis.INDEPENDENCE,
    censored: bool = True,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    simulations: int = DEFAULT_SIMULATIONS,
    seed: int = DEFAULT_SEED,
) -> TestResult:
    """Test that the days between exceptions have no memory (Christoffersen and Pelletier 2004), by a likelihood ratio.

    Weibull: hazard a^b b d^(b - 1); gamma: density a^b d^(b - 1) e^(-a d) / Gamma(b). Shape b = 1 is exponential; below one exceptions
    come in clusters.

    Parameters
    ----------
    hits : ExceptionSeries or array_like[N] of 0 and 1
        Oldest first.
    confidence : float
        Of VaR: the rate of the hypothesis of conditional coverage, and of simulated series.
    law : DurationLaw
    hypothesis : DurationHypothesis
    censored : bool
        Whether the spells before the first and after the last exception enter, by their survival probabilities (the paper).
    test_level : float
    decide_by : DecideBy
    simulations : int
        Draws of the simulated p-value, 0 for none. Draws to which the test does not apply are left out.
    seed : int

    Returns
    -------
    TestResult
        `details`: "shape" b and "rate" a. Not applicable below three exceptions, or where all durations are
        so alike that the shape has no maximum below 33.

    Raises
    ------
    BacktestError
        If hits are not 0 and 1, or a probability is not within (0, 1).
    """
    series, rate = checked_hits(hits), rate_of(confidence)
    chosen, tested = checked_choice(DurationLaw, law, "law"), checked_choice(DurationHypothesis, hypothesis, "hypothesis")
    n, x, asked = series.size, int(series.sum()), checked_simulations(simulations)
    name = f"Christoffersen-Pelletier {chosen} duration"
    words = "the wait for an exception has no memory" + (
        f" and a mean of {1 / rate:.4g} days" if tested is not DurationHypothesis.INDEPENDENCE else ""
    )
    if x < LEAST_EXCEPTIONS:
        reason = f"{x} exceptions leave fewer than two durations between them"
        return not_applicable(name, "too_few_exceptions", reason, observations=n, exceptions=x, test_level=test_level, hypothesis=words)
    ratios, shapes, rates = _ratios(durations_of(series[None, :], censored=censored), chosen, tested, rate)
    ratio, shape = float(ratios[0]), float(shapes[0])
    if np.isnan(ratio):
        reason = "durations are so alike, or so unlike, that the shape has no maximum"
        return not_applicable(name, "no_maximum", reason, observations=n, exceptions=x, test_level=test_level, hypothesis=words)
    degrees = 1 if tested is DurationHypothesis.INDEPENDENCE else 2
    exact, extra = None, NOT_ASKED
    if asked:
        exact, draws = simulated_p_value(ratio, _null(n, rate, chosen, tested, censored, asked, seed))
        extra = simulated_details(draws, seed)
    return judge(
        name,
        ratio,
        chi_square_tail(ratio, degrees),
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction="clustered" if shape < 1.0 else "spread out",
        observations=n,
        exceptions=x,
        expected_exceptions=n * rate,
        hypothesis=words,
        details={"degrees_of_freedom": degrees, "shape": shape, "rate": float(rates[0]), "hypothesis": str(tested), **extra},
    )


@lru_cache(maxsize=16)
def _null(
    observations: int, rate: float, law: DurationLaw, hypothesis: DurationHypothesis, censored: bool, simulations: int, seed: int
) -> Floats:
    spells = durations_of(simulated_hits(observations, rate, simulations, seed), censored=censored)
    return _ratios(spells, law, hypothesis, rate)[0]


def _ratios(spells: Durations, law: DurationLaw, hypothesis: DurationHypothesis, rate: float) -> tuple[Floats, Floats, Floats]:
    """Return (likelihood ratio, shape, rate) of each series; a NaN ratio where there are too few spells or no maximum."""
    count = spells.count
    enough = count >= LEAST_EXCEPTIONS - 1
    kept = Durations(spells.whole[enough], spells.cut[enough])
    profile = _weibull(kept) if law is DurationLaw.WEIBULL else _gamma(kept)
    log_shape = _golden(profile, int(enough.sum()))
    best, a = profile(log_shape)
    total, m = kept.whole.sum(axis=1) + kept.cut.sum(axis=1), kept.count
    free = hypothesis is DurationHypothesis.INDEPENDENCE
    memoryless = m * np.log(m / total) - m if free else m * np.log(rate) - rate * total
    inside = (log_shape > _LOG_SHAPES[0] + _AT_BOUND) & (log_shape < _LOG_SHAPES[1] - _AT_BOUND)
    found = np.full((3, count.size), np.nan)
    found[:, enough] = np.where(inside, np.maximum(2.0 * (best - memoryless), 0.0), np.nan), np.exp(log_shape), a
    return found[0], found[1], found[2]


Profile = Callable[[Floats], tuple[Floats, Floats]]


def _weibull(spells: Durations) -> Profile:
    """Return the function of log b: (log-likelihood at the best rate, that rate)."""
    every = np.concatenate([spells.whole, spells.cut], axis=1)
    logs = np.log(np.where(every > 0.0, every, 1.0))
    m, log_sum = spells.count, np.log(np.where(spells.whole > 0.0, spells.whole, 1.0)).sum(axis=1)
    top = logs.max(axis=1)

    def profile(log_shape: Floats) -> tuple[Floats, Floats]:
        b = np.exp(log_shape)
        power = np.where(every > 0.0, np.exp(b[:, None] * (logs - top[:, None])), 0.0).sum(axis=1)
        log_rate = (np.log(m) - np.log(power)) / b - top
        return m * (log_shape + b * log_rate - 1.0) + (b - 1.0) * log_sum, np.exp(log_rate)

    return profile


def _gamma(spells: Durations) -> Profile:
    """Return the function of log b: (log-likelihood at the best rate, that rate), the rate by Newton's steps in its logarithm."""
    m, whole, cut = spells.count, spells.whole.sum(axis=1), spells.cut
    log_sum = np.log(np.where(spells.whole > 0.0, spells.whole, 1.0)).sum(axis=1)

    def profile(log_shape: Floats) -> tuple[Floats, Floats]:
        b = np.exp(log_shape)
        log_rate = np.log(m * b / (whole + cut.sum(axis=1)))
        for _ in range(_NEWTON):
            z = np.exp(log_rate)[:, None] * cut
            beyond = np.maximum(gammaincc(b[:, None], z), _LEAST)
            hazard = np.where(cut > 0.0, np.exp(b[:, None] * np.log(np.maximum(z, _LEAST)) - z - gammaln(b)[:, None]) / beyond, 0.0)
            slope = m * b - np.exp(log_rate) * whole - hazard.sum(axis=1)
            bend = np.exp(log_rate) * whole + (hazard * np.maximum(b[:, None] - z + hazard, 0.0)).sum(axis=1)
            step = np.clip(slope / bend, -1.0, 1.0)
            log_rate = log_rate + step
            if np.abs(step).max(initial=0.0) < _CLOSE:
                break
        a = np.exp(log_rate)
        survived = np.log(np.maximum(gammaincc(b[:, None], a[:, None] * cut), _LEAST)).sum(axis=1)
        return m * (b * log_rate - gammaln(b)) + (b - 1.0) * log_sum - a * whole + survived, a

    return profile


def _golden(profile: Profile, count: int) -> Floats:
    """Return where each profile is largest, by golden sections over all series at once."""
    left, right = np.full(count, _LOG_SHAPES[0]), np.full(count, _LOG_SHAPES[1])
    inner, outer = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
    low, high = profile(inner)[0], profile(outer)[0]
    for _ in range(_SECTIONS):
        up = low < high
        left, right = np.where(up, inner, left), np.where(up, right, outer)
        inner, outer = np.where(up, outer, right - _GOLDEN * (right - left)), np.where(up, left + _GOLDEN * (right - left), inner)
        asked = np.where(up, outer, inner)
        value = profile(asked)[0]
        low, high = np.where(up, high, value), np.where(up, value, low)
    return np.asarray(0.5 * (left + right))
