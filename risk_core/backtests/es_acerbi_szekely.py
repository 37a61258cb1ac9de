"""Acerbi and Szekely's tests of expected shortfall: Z1, Z2, and the minimally biased one, absolute and relative.

C. Acerbi and B. Szekely, "Back-testing expected shortfall", Risk (December 2014); "The minimally biased backtest for ES", Risk (September
2019). Every statistic has mean zero where the forecast is right and is negative where losses are larger than foretold; all tests are
one-sided against that. Z3 is in `es_quantile`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.backtests.es_inputs import (
    Outcomes,
    checked_count,
    checked_outcomes,
    checked_tail,
    chunks,
    normal_p_value,
    simulated_p_value,
)
from risk_core.backtests.es_laws import ForecastModel, Law, as_law, ratio_severity_law
from risk_core.backtests.result import BacktestError, DecideBy, TestResult, checked_probability, judge, not_applicable

Floats = NDArray[np.float64]


class AcerbiSzekely(StrEnum):
    """Which statistic. With I whether loss > VaR, alpha = 1 - confidence, N days and x the P&L."""

    Z1 = "z1"
    """Conditional: 1 + mean of x / ES over the exceptions. Blind to their number."""
    Z2 = "z2"
    """Unconditional: 1 + sum of I x / ES over N alpha."""
    MINIMALLY_BIASED_ABSOLUTE = "minimally_biased_absolute"
    """Mean of ES - VaR - max(loss - VaR, 0) / alpha, in the unit of the P&L. Hardly wrong where VaR is a little wrong."""
    MINIMALLY_BIASED_RELATIVE = "minimally_biased_relative"
    """The same, each day divided by its ES."""


_NAMES = {
    AcerbiSzekely.Z1: "Acerbi-Szekely Z1 (conditional)",
    AcerbiSzekely.Z2: "Acerbi-Szekely Z2 (unconditional)",
    AcerbiSzekely.MINIMALLY_BIASED_ABSOLUTE: "Acerbi-Szekely minimally biased, absolute",
    AcerbiSzekely.MINIMALLY_BIASED_RELATIVE: "Acerbi-Szekely minimally biased, relative",
}
_HYPOTHESIS = "losses beyond VaR are no larger than expected shortfall foretells"


def _statistics(kind: AcerbiSzekely, pnl: Floats, o: Outcomes) -> Floats:
    """Return the statistic of each row of float64[..., S]; NaN for Z1 without an exception."""
    exceeded = -pnl > o.value_at_risk
    if kind is AcerbiSzekely.Z1:
        count = exceeded.sum(axis=-1)
        total = (np.where(exceeded, pnl, 0.0) / o.expected_shortfall).sum(axis=-1)
        return np.where(count > 0, 1.0 + total / np.maximum(count, 1), np.nan)
    mean: Floats = _terms(kind, pnl, o).mean(axis=-1)
    return mean


def _terms(kind: AcerbiSzekely, pnl: Floats, o: Outcomes) -> Floats:
    """Return what each day adds to the mean that the statistic is."""
    if kind is AcerbiSzekely.Z2:
        ratios: Floats = 1.0 + np.where(-pnl > o.value_at_risk, pnl, 0.0) / (o.tail * o.expected_shortfall)
        return ratios
    biased: Floats = o.expected_shortfall - o.value_at_risk - np.maximum(-pnl - o.value_at_risk, 0.0) / o.tail
    return biased if kind is AcerbiSzekely.MINIMALLY_BIASED_ABSOLUTE else biased / o.expected_shortfall


def acerbi_szekely_test(
    statistic: AcerbiSzekely | str,
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    expected_shortfall: ArrayLike,
    confidence: float,
    *,
    model: ForecastModel | None = None,
    law: Law | str | float = "normal",
    simulations: int = 10_000,
    seed: int = 0,
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.EXACT,
) -> TestResult:
    """Test expected shortfall by one of the statistics.

    The asymptotic p-value takes the mean over its estimated standard error as normal. The other p-value is simulated from `model`; without
    one, that of Z2 is exact under `law` (`z2_p_value`), and the other statistics have none.

    Parameters
    ----------
    statistic : AcerbiSzekely
    pnl : float64[S]
        Gains positive.
    value_at_risk, expected_shortfall : float64[S] or float
        Loss positive. ES must be positive except for `minimally_biased_absolute`.
    confidence : float
        Of VaR and ES, such as 0.975.
    model : ForecastModel, optional
        `location_scale_model` or `draws_model`, from which VaR and ES were read; days are drawn independently.
    law : Law, str or float
        For Z2 without a model: "normal", "t3", degrees of freedom.
    simulations, seed : int
        Of the p-value, (1 + simulations no larger) / (1 + simulations).
    test_level : float
        Confidence of the decision.
    decide_by : DecideBy

    Returns
    -------
    TestResult
        `not_applicable` with status "no_exceptions" (Z1) or "no_variation" (no p-value can be had).

    Raises
    ------
    BacktestError
        For NaN, lengths that differ, ES below VaR or not positive.
    """
    try:
        kind = AcerbiSzekely(statistic)
    except ValueError:
        raise BacktestError(f"statistic must be one of {', '.join(AcerbiSzekely)}, not {statistic!r}") from None
    positive = kind is not AcerbiSzekely.MINIMALLY_BIASED_ABSOLUTE
    o = checked_outcomes(pnl, value_at_risk, expected_shortfall, confidence, positive=positive)
    if kind is AcerbiSzekely.Z1 and o.exceptions == 0:
        reason = "no loss is beyond VaR, so there is none to compare with expected shortfall"
        return not_applicable(_NAMES[kind], "no_exceptions", reason, test_level=test_level, hypothesis=_HYPOTHESIS, **o.counts)
    value = float(_statistics(kind, o.pnl, o))
    asymptotic = _asymptotic(kind, o)
    details: dict[str, float | int | str] = {"expected_value": 0.0}
    exact: float | None = None
    if model is not None:
        simulated = simulate_acerbi_szekely(kind, model, o, simulations, seed)
        exact = simulated_p_value(simulated, value, "less")
        details |= {"p_value_exact_method": "simulated", "simulations": simulations, "seed": seed}
        details["critical_value"] = float(np.quantile(simulated[np.isfinite(simulated)], 1.0 - test_level))
    elif kind is AcerbiSzekely.Z2:
        exact = z2_p_value(value, o.days, confidence, law)
        details |= {"p_value_exact_method": "exact", "degrees_of_freedom": _df(as_law(law))}
        details["critical_value"] = z2_critical_value(o.days, confidence, test_level, law)
    else:
        details["p_value_exact_reason"] = "needs a model to simulate from"
    if asymptotic is None and exact is None:
        reason = "the days do not vary (no exception, or one): there is no standard error; give a model to simulate from"
        return not_applicable(_NAMES[kind], "no_variation", reason, test_level=test_level, hypothesis=_HYPOTHESIS, **o.counts)
    few = o.exceptions == 0
    return judge(
        _NAMES[kind],
        value,
        asymptotic,
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction="losses too large" if value < 0.0 else "losses smaller than foretold",
        hypothesis=_HYPOTHESIS,
        status="no_exceptions" if few else "ok",
        reason="no loss is beyond VaR: nothing is known about its size" if few else "",
        details=details,
        **o.counts,
    )


def _df(law: Law) -> str:
    return "infinite" if law.is_normal else f"{law.degrees_of_freedom:g}"


def _asymptotic(kind: AcerbiSzekely, o: Outcomes) -> float | None:
    terms = 1.0 + o.pnl[o.exceeded] / o.expected_shortfall[o.exceeded] if kind is AcerbiSzekely.Z1 else _terms(kind, o.pnl, o)
    if terms.size < 2 or o.exceptions == 0:
        return None
    error = float(terms.std(ddof=1)) / np.sqrt(terms.size)
    return normal_p_value(float(terms.mean()) / error, "less") if error > 1e-12 * float(np.abs(terms).max()) else None


def simulate_acerbi_szekely(kind: AcerbiSzekely, model: ForecastModel, outcomes: Outcomes, simulations: int, seed: int) -> Floats:
    """Return simulated statistics float64[simulations] where the model holds; NaN for Z1 without an exception.

    Raises
    ------
    BacktestError
        If the model has another number of days.
    """
    if model.days != outcomes.days:
        raise BacktestError(f"the model has {model.days} days and pnl {outcomes.days}; give one location, scale or row of draws a day")
    count = checked_count(simulations, "simulations", 100)
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.concatenate([_statistics(kind, model.sample(rng, n), outcomes) for n in chunks(count, outcomes.days)])


def acerbi_szekely_z1(
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    expected_shortfall: ArrayLike,
    confidence: float,
    *,
    model: ForecastModel | None = None,
    simulations: int = 10_000,
    seed: int = 0,
    test_level: float = 0.95,
) -> TestResult:
    """Test ES by Z1, the mean of x / ES over the exceptions. Parameters and errors: `acerbi_szekely_test`."""
    return acerbi_szekely_test(
        AcerbiSzekely.Z1,
        pnl,
        value_at_risk,
        expected_shortfall,
        confidence,
        model=model,
        simulations=simulations,
        seed=seed,
        test_level=test_level,
    )


def acerbi_szekely_z2(
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    expected_shortfall: ArrayLike,
    confidence: float,
    *,
    law: Law | str | float = "normal",
    model: ForecastModel | None = None,
    simulations: int = 10_000,
    seed: int = 0,
    test_level: float = 0.95,
) -> TestResult:
    """Test ES and VaR together by Z2: exact under `law` ("normal", "t3"), or simulated from `model`.

    Parameters and errors: `acerbi_szekely_test`.
    """
    return acerbi_szekely_test(
        AcerbiSzekely.Z2,
        pnl,
        value_at_risk,
        expected_shortfall,
        confidence,
        law=law,
        model=model,
        simulations=simulations,
        seed=seed,
        test_level=test_level,
    )


def minimally_biased_test(
    pnl: ArrayLike,
    value_at_risk: ArrayLike,
    expected_shortfall: ArrayLike,
    confidence: float,
    *,
    relative: bool = False,
    model: ForecastModel | None = None,
    simulations: int = 10_000,
    seed: int = 0,
    test_level: float = 0.95,
) -> TestResult:
    """Test ES by the minimally biased statistic, absolute or relative. Parameters and errors: `acerbi_szekely_test`."""
    return acerbi_szekely_test(
        AcerbiSzekely.MINIMALLY_BIASED_RELATIVE if relative else AcerbiSzekely.MINIMALLY_BIASED_ABSOLUTE,
        pnl,
        value_at_risk,
        expected_shortfall,
        confidence,
        model=model,
        simulations=simulations,
        seed=seed,
        test_level=test_level,
    )


def z2_p_value(
    statistic: float, observations: int, confidence: float, law: Law | str | float = "normal", *, location: float = 0.0
) -> float:
    """Return the probability of a Z2 no larger, where P&L is independent with one law. Exact up to a fine grid; no simulation.

    Parameters
    ----------
    statistic : float
    observations : int
    confidence : float
        Of VaR and ES.
    law : Law, str or float
        "normal", "t3", or degrees of freedom; the scale does not matter.
    location : float
        Mean of the P&L, in units of the law's scale; Acerbi and Szekely tabulate several.

    Raises
    ------
    BacktestError
        If the location makes VaR negative.
    """
    days, tail = checked_count(observations, "observations"), checked_tail(confidence)
    return min(1.0, ratio_severity_law(days, tail, as_law(law), location).greater((1.0 - statistic) * days * tail))


@lru_cache(maxsize=256)
def z2_critical_value(
    observations: int, confidence: float, test_level: float = 0.95, law: Law | str | float = "normal", *, location: float = 0.0
) -> float:
    """Return the Z2 below which a right forecast falls with probability 1 - `test_level`.

    For 250 days at 97.5 % about -0.7 at 0.95 and -1.8 at 0.9999, nearly whatever the law. Parameters and errors: `z2_p_value`.
    """
    days, tail = checked_count(observations, "observations"), checked_tail(confidence)
    level = checked_probability(test_level, "test_level")
    return 1.0 - ratio_severity_law(days, tail, as_law(law), location).quantile(level) / (days * tail)
