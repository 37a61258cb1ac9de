"""Bayer and Dimitriadis' regression tests of expected shortfall.

S. Bayer and T. Dimitriadis, "Regression-based expected shortfall backtesting", Journal of Financial Econometrics 20 (2022) 437-471. P&L is
regressed on forecasts by a joint model of its quantile and its ES, fitted by the FZ0 loss (T. Dimitriadis and S. Bayer, Electronic Journal
of Statistics 13 (2019) 1823-1871); a right forecast has intercept 0 and slope 1 in the equation of ES. In the P&L's sign, e = -ES.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from risk_core.backtests.es_inputs import (
    checked_count,
    checked_like,
    checked_outcomes,
    checked_tail,
    checked_vector,
    normal_p_value,
    simulated_p_value,
)
from risk_core.backtests.result import BacktestError, DecideBy, TestResult, judge, not_applicable

Floats = NDArray[np.float64]

_ROUNDS = 100
_TOLERANCE = 1e-10


class EsrVersion(StrEnum):
    """Which regression."""

    STRICT = "strict"
    """Both equations on (1, e): ES forecasts alone are judged."""
    AUXILIARY = "auxiliary"
    """The quantile on (1, -VaR), ES on (1, e)."""
    INTERCEPT = "intercept"
    """x - e on a constant: allows a one-sided test."""


@dataclass(frozen=True, slots=True, eq=False)
class JointRegression:
    """A joint linear model of quantile and ES, fitted.

    Parameters
    ----------
    quantile, shortfall : float64[k]
        Coefficients, in the sign of the P&L.
    covariance : float64[k, k]
        Of `shortfall`: sandwich of the estimating equations, n in the divisor.
    loss : float
        Mean FZ0 loss of the shifted data.
    converged : bool
    """

    quantile: Floats
    shortfall: Floats
    covariance: Floats
    loss: float
    converged: bool


def fit_joint_regression(pnl: ArrayLike, quantile_design: ArrayLike, shortfall_design: ArrayLike, confidence: float) -> JointRegression:
    """Fit quantile and ES of P&L, each linear in its own regressors, by the FZ0 loss.

    Data are shifted by their maximum first, as Dimitriadis and Bayer propose, so that ES is negative; coefficients are shifted back. Given
    ES the loss is a weighted quantile regression (a linear programme), given the quantile the equation of ES is weighted least squares,
    repeated with its own weights: the two alternate from ordinary quantile regression until the loss stands still.

    Parameters
    ----------
    pnl : float64[n]
        Gains positive.
    quantile_design, shortfall_design : float64[n, k]
        The first column constant.
    confidence : float

    Raises
    ------
    BacktestError
        For NaN, shapes that differ, a first column that is not constant, or designs without full rank.
    """
    x, tail = checked_vector(pnl, "pnl"), checked_tail(confidence)
    designs = [np.asarray(d, np.float64) for d in (quantile_design, shortfall_design)]
    for name, design in zip(("quantile_design", "shortfall_design"), designs, strict=True):
        if design.ndim != 2 or design.shape[0] != x.size or not np.isfinite(design).all():
            raise BacktestError(f"{name} must be finite, with {x.size} rows, not of shape {design.shape}")
        if not (design[:, 0] == design[0, 0]).all() or design[0, 0] != 1.0:
            raise BacktestError(f"{name} must have a first column of ones: the data are shifted")
        if np.linalg.matrix_rank(design) < design.shape[1]:
            raise BacktestError(f"{name} has columns that depend on one another; a constant forecast has no slope to test")
    return _fit(x, designs[0], designs[1], tail)


def _fit(x: Floats, first: Floats, second: Floats, tail: float) -> JointRegression:
    top = float(x.max())
    unit = max(float(x.std()), 1e-300)
    y = (x - top) / unit
    first, second = first.copy(), second.copy()
    widths = [np.concatenate([[1.0], np.maximum(np.abs(d[:, 1:]).max(axis=0), 1e-300)]) for d in (first, second)]
    first, second = first / widths[0], second / widths[1]
    quantile = _quantile_regression(y, first, np.ones(x.size), tail)
    shortfall = np.zeros(second.shape[1])
    shortfall[0] = min(float(y[y <= first @ quantile].mean()), -1e-3)
    best, converged = np.inf, False
    for _ in range(_ROUNDS):
        tail_part = _tail_part(y, first @ quantile, tail)
        shortfall = _weighted_shortfall(tail_part, second, shortfall)
        e = second @ shortfall
        quantile = _quantile_regression(y, first, -1.0 / e, tail)
        loss = float((_tail_part(y, first @ quantile, tail) / -e + np.log(-e)).mean()) - 1.0
        converged = best - loss < _TOLERANCE
        best = min(best, loss)
        if converged:
            break
    tail_part = _tail_part(y, first @ quantile, tail)
    shortfall = _weighted_shortfall(tail_part, second, shortfall)
    e = second @ shortfall
    score = second * ((tail_part + e) / (e * e))[:, None]
    bread = np.linalg.inv(second.T @ (second / (e * e)[:, None]))
    covariance = bread @ (score.T @ score) @ bread
    back = unit / widths[1]
    quantile, shortfall = quantile * unit / widths[0], shortfall * back
    quantile[0] += top
    shortfall[0] += top
    return JointRegression(quantile, shortfall, covariance * np.outer(back, back), best + float(np.log(unit)), converged)


def _tail_part(y: Floats, q: Floats, tail: float) -> Floats:
    """Return max(q - y, 0) / alpha - q: its mean given the regressors is -ES where the quantile is right."""
    part: Floats = np.maximum(q - y, 0.0) / tail - q
    return part


def _quantile_regression(y: Floats, design: Floats, weights: Floats, tail: float) -> Floats:
    """Return the coefficients of a weighted quantile regression, by its dual linear programme; in closed form for a constant."""
    if design.shape[1] == 1:
        order = np.argsort(y, kind="stable")
        reached = np.cumsum(weights[order])
        return np.array([y[order[int(np.searchsorted(reached, tail * reached[-1] * (1.0 - 1e-12)))]]])
    from scipy.optimize import linprog

    scaled = design * weights[:, None]
    found = linprog(-y * weights, A_eq=scaled.T, b_eq=(1.0 - tail) * scaled.sum(axis=0), bounds=(0.0, 1.0), method="highs")
    coefficients: Floats = -np.asarray(found.eqlin.marginals, np.float64)
    return coefficients


def _weighted_shortfall(tail_part: Floats, design: Floats, start: Floats) -> Floats:
    """Return the coefficients b that solve sum of z (tail_part + e) / e² = 0, e = design b < 0, by weighted least squares repeated."""
    b = start

    def loss(c: Floats) -> float:
        e = design @ c
        return float((tail_part / -e + np.log(-e)).mean()) if (e < 0.0).all() else np.inf

    now = loss(b)
    for _ in range(_ROUNDS):
        root = 1.0 / np.abs(design @ b)
        step = np.linalg.lstsq(design * root[:, None], -tail_part * root, rcond=None)[0] - b
        size = 1.0
        while (ahead := loss(b + size * step)) > now and size > 1e-10:
            size *= 0.5
        if size <= 1e-10:
            break
        b, gained, now = b + size * step, now - ahead, ahead
        if gained < 1e-14 * (1.0 + abs(now)):
            break
    return b


def esr_test(
    pnl: ArrayLike,
    expected_shortfall: ArrayLike,
    confidence: float,
    *,
    version: EsrVersion | str = EsrVersion.STRICT,
    value_at_risk: ArrayLike | None = None,
    alternative: str = "two-sided",
    simulations: int = 0,
    seed: int = 0,
    test_level: float = 0.95,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
) -> TestResult:
    """Test expected shortfall by regression.

    Strict and auxiliary: Wald statistic of (intercept, slope) = (0, 1) in the equation of ES, chi-squared with 2 degrees of freedom.
    Intercept: t statistic of 0, normal. The sandwich covariance allows for misspecification. In small samples the asymptotic test rejects
    too often (docs/methods/backtests-es.md); the bootstrap redraws days, refits, and centres at the estimate.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    expected_shortfall : float64[S]
        Loss positive.
    confidence : float
    version : EsrVersion
    value_at_risk : float64[S], optional
        For `auxiliary`.
    alternative : str
        "two-sided"; for `intercept` also "greater": risk is larger than foretold.
    simulations, seed : int
        Bootstrap samples, some ten milliseconds each; 0 (default): none.
    test_level : float
    decide_by : DecideBy

    Returns
    -------
    TestResult
        `not_applicable` with status "too_few_observations" (fewer than 4 days in the tail expected), "singular" (constant forecasts),
        or "no_variation".

    Raises
    ------
    BacktestError
        For NaN, lengths that differ, VaR missing, or a one-sided test of another version.
    """
    try:
        chosen = EsrVersion(version)
    except ValueError:
        raise BacktestError(f"version must be one of {', '.join(EsrVersion)}, not {version!r}") from None
    if alternative not in ("two-sided", "greater") or (alternative == "greater" and chosen is not EsrVersion.INTERCEPT):
        raise BacktestError(f'alternative must be "two-sided", or "greater" for the intercept version, not {alternative!r}')
    x, tail = checked_vector(pnl, "pnl"), checked_tail(confidence)
    e = -checked_like(expected_shortfall, x, "expected_shortfall")
    name = f"Bayer-Dimitriadis ESR, {chosen}"
    hypothesis = "expected shortfall is right" if alternative == "two-sided" else "expected shortfall is right or too large"
    ones = np.ones(x.size)
    y, first, second, target = x - e, ones[:, None], ones[:, None], np.zeros(1)
    if chosen is not EsrVersion.INTERCEPT:
        y, second, target = x, np.column_stack([ones, e]), np.array([0.0, 1.0])
        first = second
    if chosen is EsrVersion.AUXILIARY:
        if value_at_risk is None:
            raise BacktestError("the auxiliary version needs value_at_risk")
        first = np.column_stack([ones, -checked_outcomes(x, value_at_risk, -e, confidence).value_at_risk])
    status, reason = "", ""
    if x.size * tail < 4.0:
        status, reason = "too_few_observations", f"{x.size * tail:.2g} days in the tail are expected; at least 4 are needed"
    elif float(np.ptp(y)) <= 1e-12 * float(np.abs(y).max()):
        status, reason = "no_variation", "outcomes do not vary about the forecasts"
    elif any(d.shape[1] == 2 and float(np.ptp(d[:, 1])) <= 1e-9 * float(np.abs(d[:, 1]).max()) for d in (first, second)):
        status, reason = "singular", "forecasts are the same every day: there is no slope; take the intercept version"
    if status:
        return not_applicable(name, status, reason, observations=x.size, test_level=test_level, hypothesis=hypothesis)
    fit = _fit(y, first, second, tail)
    statistic = _statistic(fit, target)
    if statistic is None:
        reason = "the covariance of the coefficients is singular; more days are needed"
        return not_applicable(name, "singular", reason, observations=x.size, test_level=test_level, hypothesis=hypothesis)
    count = checked_count(simulations, "simulations", 0)
    one = chosen is EsrVersion.INTERCEPT
    side = {"two-sided": "two-sided", "greater": "less"}[alternative] if one else "greater"
    exact = None
    how: dict[str, float | int | str] = {"p_value_exact_reason": "not asked for"}
    if count:
        drawn = _bootstrap(y, first, second, tail, fit.shortfall, count, seed)
        exact = simulated_p_value(drawn, statistic, side)
        how = {"p_value_exact_method": "bootstrap", "simulations": count, "seed": seed}
    leaning = float((second @ (fit.shortfall - target)).mean()) if not one else float(fit.shortfall[0])
    return judge(
        name,
        statistic,
        normal_p_value(statistic, side) if one else float(chdtrc(2, statistic)),
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction="expected shortfall too small" if leaning < 0.0 else "expected shortfall too large",
        observations=x.size,
        hypothesis=hypothesis,
        status="ok" if fit.converged else "not_converged",
        reason="" if fit.converged else f"the fit had not settled after {_ROUNDS} rounds",
        details={
            "intercept": float(fit.shortfall[0]),
            "intercept_standard_error": sqrt(float(fit.covariance[0, 0])),
            **({} if one else {"slope": float(fit.shortfall[1]), "slope_standard_error": sqrt(float(fit.covariance[1, 1]))}),
            "alternative": alternative,
            **how,
        },
    )


def _statistic(fit: JointRegression, target: Floats) -> float | None:
    """Return t of one coefficient, Wald's statistic of two; None where the covariance is singular."""
    away = fit.shortfall - target
    scale = np.sqrt(np.diag(fit.covariance))
    if not (scale > 0.0).all() or np.linalg.cond(fit.covariance / np.outer(scale, scale)) > 1e13:
        return None
    if away.size == 1:
        return float(away[0] / scale[0])
    return float(away @ np.linalg.solve(fit.covariance, away))


def _bootstrap(y: Floats, first: Floats, second: Floats, tail: float, centre: Floats, count: int, seed: int) -> Floats:
    rng = np.random.Generator(np.random.PCG64(seed))
    found = []
    for _ in range(count):
        days = rng.integers(0, y.size, y.size)
        statistic = _statistic(_fit(y[days], first[days], second[days], tail), centre)
        if statistic is not None:
            found.append(statistic)
    return np.array(found)
