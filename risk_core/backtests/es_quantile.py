"""Acerbi and Szekely's third test, Z3: the whole tail of the PIT, turned into losses of each day.

Over N days with k the whole part of N alpha, ES is estimated as minus the mean of the k smallest of a sample. The sample of day t is the
day's law at the N PITs, and the statistic 1 - mean over t of (its estimate) / (the expectation of the estimate under independent uniforms).
C. Acerbi and B. Szekely, "Back-testing expected shortfall", Risk (December 2014), test 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, ndtr

from risk_core.backtests.es_inputs import checked_count, checked_tail, chunks, simulated_p_value, tail_days
from risk_core.backtests.es_laws import Draws, Law, LocationScale
from risk_core.backtests.result import BacktestError, TestResult, judge, not_applicable

Floats = NDArray[np.float64]

_NAME = "Acerbi-Szekely Z3 (quantile)"
_HYPOTHESIS = "the tail of the forecast law is right"
_NODES = 8


def acerbi_szekely_z3(
    pnl: ArrayLike,
    confidence: float,
    model: LocationScale | Draws,
    *,
    simulations: int = 10_000,
    seed: int = 0,
    test_level: float = 0.95,
) -> TestResult:
    """Test the tail of forecast laws by Z3; one-sided, negative where losses are larger than foretold.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    confidence : float
    model : LocationScale or Draws
        Of the same S days. With draws, quantiles are linear between them, and a PIT beyond all draws is set between the last and the end.
    simulations, seed : int
        Of the p-value: independent uniform PITs.
    test_level : float

    Returns
    -------
    TestResult
        With a simulated p-value only. `not_applicable` with status "too_few_observations" if S alpha < 1, and "not_positive" if the
        expected estimate of a day is not positive, since the statistic divides by it.

    Raises
    ------
    BacktestError
        For NaN, or a model of another number of days.
    """
    tail, count = checked_tail(confidence), checked_count(simulations, "simulations", 100)
    days = model.days
    if np.size(np.asarray(pnl)) != days:
        raise BacktestError(f"the model has {days} days and pnl {np.size(np.asarray(pnl))}; give one location, scale or row of draws a day")
    smallest = tail_days(days, tail)
    if smallest < 1:
        reason = f"{days} days at {confidence:g} hold less than one day of the tail; at least {int(np.ceil(1.0 / tail))} are needed"
        return not_applicable(_NAME, "too_few_observations", reason, observations=days, test_level=test_level, hypothesis=_HYPOTHESIS)
    expected = _expected(model, smallest)
    if not (expected > 0.0).all():
        reason = f"expected shortfall of day {int(np.argmin(expected))} is not positive, and the statistic divides by it"
        return not_applicable(_NAME, "not_positive", reason, observations=days, test_level=test_level, hypothesis=_HYPOTHESIS)
    lowest = np.sort(model.pit(pnl))[:smallest]
    value = float(_statistics(model, expected, lowest[None])[0])
    rng = np.random.Generator(np.random.PCG64(seed))
    parts = []
    for n in chunks(count, max(smallest, days if isinstance(model, LocationScale) else days * smallest)):
        waits = np.cumsum(rng.standard_exponential((n, smallest)), axis=1)
        uniforms = waits / (waits[:, -1:] + rng.standard_gamma(days + 1 - smallest, (n, 1)))
        parts.append(_statistics(model, expected, uniforms))
    simulated = np.concatenate(parts)
    return judge(
        _NAME,
        value,
        None,
        p_value_exact=simulated_p_value(simulated, value, "less"),
        test_level=test_level,
        direction="losses too large" if value < 0.0 else "losses smaller than foretold",
        observations=days,
        hypothesis=_HYPOTHESIS,
        details={
            "tail_observations": smallest,
            "critical_value": float(np.quantile(simulated, 1.0 - test_level)),
            "p_value_exact_method": "simulated",
            "simulations": count,
            "seed": seed,
        },
    )


def _statistics(model: LocationScale | Draws, expected: Floats, lowest: Floats) -> Floats:
    """Return the statistic of each row of the lowest PITs float64[n, k]."""
    if isinstance(model, LocationScale):
        shortfall = -model.law.quantile(lowest).mean(axis=1)
        values: Floats = 1.0 - ((-model.location / expected).mean() + (model.scale / expected).mean() * shortfall)
        return values
    quantiles = model.quantiles(lowest.ravel()).reshape(model.days, *lowest.shape)
    from_draws: Floats = 1.0 + (quantiles.mean(axis=2) / expected[:, None]).mean(axis=0)
    return from_draws


def _expected(model: LocationScale | Draws, smallest: int) -> Floats:
    """Return the expected estimate of each day, float64[S]."""
    days = model.days
    if isinstance(model, LocationScale):
        days_es: Floats = model.scale * expected_sample_shortfall(days, smallest, model.law) - model.location
        return days_es
    nodes = model.sorted_draws.shape[1] * _NODES
    u = (np.arange(nodes) + 0.5) / nodes
    weights = betainc(days - smallest, smallest, 1.0 - u) if smallest < days else np.ones(nodes)
    mean: Floats = -(model.quantiles(u) @ (weights / weights.sum()))
    return mean


def expected_sample_shortfall(observations: int, smallest: int, law: Law) -> float:
    """Return the expectation of minus the mean of the `smallest` lowest of `observations` draws of a law.

    -N / k times the integral of I_{1-u}(N - k, k) F^{-1}(u) over u, I the regularised incomplete beta function.
    """
    if smallest == observations:
        return 0.0
    x = np.linspace(-9.0, 9.0, 6001)  # u = normal cdf(x): the integrand is smooth in x and vanishes at both ends
    u = np.minimum(ndtr(x), 1.0 - 1e-16)
    weights = betainc(observations - smallest, smallest, ndtr(-x)) * np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)
    return -observations / smallest * float(weights @ law.quantile(u)) * float(x[1] - x[0])
