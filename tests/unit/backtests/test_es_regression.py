"""ESR: against a second implementation from the paper, and a closed form for the intercept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from risk_core.backtests.es_laws import as_law
from risk_core.backtests.es_regression import esr_test, fit_joint_regression
from risk_core.backtests.result import BacktestError, Decision

LAW = as_law("normal")
VAR, ES = LAW.value_at_risk(0.05), LAW.expected_shortfall(0.05)


def outcomes(days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    scale = np.exp(0.5 * rng.standard_normal(days))
    return scale * rng.standard_normal(days), scale


def second_implementation(x: np.ndarray, xq: np.ndarray, xe: np.ndarray, alpha: float, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """FZ0 loss searched without derivatives from several starts; covariance by numerical derivatives of the estimating equations."""
    top, kq = x.max(), xq.shape[1]
    y = x - top

    def loss(b: np.ndarray) -> float:
        q, e = xq @ b[:kq] - top, xe @ b[kq:] - top
        if (e >= 0).any():
            return 1e9
        return float(np.mean(-1.0 * (y <= q) * (q - y) / (alpha * e) + q / e + np.log(-e) - 1.0))

    def equations(c: np.ndarray, b: np.ndarray) -> np.ndarray:
        q, e = xq @ b[:kq] - top, xe @ c - top
        return xe * ((e - q + (y <= q) * (q - y) / alpha) / e**2)[:, None]

    rng = np.random.default_rng(seed)
    start = np.zeros(kq + xe.shape[1])
    start[0], start[kq] = np.quantile(x, alpha), x[x <= np.quantile(x, alpha)].mean()
    found = [
        optimize.minimize(
            loss,
            start + 0.3 * rng.standard_normal(start.size),
            method="Nelder-Mead",
            options={"maxiter": 4_000, "xatol": 1e-8, "fatol": 1e-12},
        )
        for _ in range(5)
    ]
    best = min(found, key=lambda f: f.fun)
    best = optimize.minimize(loss, best.x, method="Nelder-Mead", options={"maxiter": 4_000, "xatol": 1e-10, "fatol": 1e-14})
    c, step = best.x[kq:], 1e-5
    bread = np.column_stack(
        [(equations(c + step * d, best.x) - equations(c - step * d, best.x)).mean(axis=0) / (2 * step) for d in np.eye(c.size)]
    )
    filling = equations(c, best.x).T @ equations(c, best.x) / x.size
    covariance = np.linalg.inv(bread) @ filling @ np.linalg.inv(bread).T / x.size
    return best.x, covariance, best.fun


@pytest.mark.parametrize("version", ["strict", "auxiliary", "intercept"])
def test_regressions_equal_the_second_implementation(version: str) -> None:
    x, scale = outcomes(600, 3)
    var, es = scale * VAR, 0.9 * scale * ES
    y, ones = (x + es, np.ones((600, 1))) if version == "intercept" else (x, np.column_stack([np.ones(600), -es]))
    xe = ones
    xq = np.column_stack([np.ones(600), -var]) if version == "auxiliary" else xe
    b, covariance, lowest = second_implementation(y, xq, xe, 0.05, 1)
    mine = fit_joint_regression(y, xq, xe, 0.95)
    assert mine.loss <= lowest + 1e-6
    np.testing.assert_allclose(mine.shortfall, b[xq.shape[1] :], atol=0.03)
    np.testing.assert_allclose(mine.covariance, covariance, rtol=0.08)
    away = b[xq.shape[1] :] - (np.array([0.0]) if version == "intercept" else np.array([0.0, 1.0]))
    wald = float(away @ np.linalg.solve(covariance, away))
    result = esr_test(x, es, 0.95, version=version, value_at_risk=var)
    assert result.statistic is not None
    assert (result.statistic**2 if version == "intercept" else result.statistic) == pytest.approx(wald, rel=0.1, abs=0.05)


def test_the_intercept_alone_is_a_sample_shortfall() -> None:
    """Regression on a constant: the sample quantile, and the mean of the tail beyond it."""
    x = np.random.default_rng(4).standard_t(5, 400)
    fit = fit_joint_regression(x, np.ones((400, 1)), np.ones((400, 1)), 0.95)
    ordered = np.sort(x)
    assert fit.quantile[0] == pytest.approx(ordered[19], abs=1e-9)
    assert fit.shortfall[0] == pytest.approx(ordered[:20].mean(), abs=1e-9)


def test_truth_is_accepted_units_do_not_matter_and_small_forecasts_are_found() -> None:
    rejected = {"strict": 0, "intercept": 0}
    for seed in range(40):
        x, scale = outcomes(1_500, seed)
        for version in rejected:
            rejected[version] += esr_test(x, scale * ES, 0.95, version=version).rejected if seed < 15 or version == "intercept" else 0
    assert rejected["intercept"] / 40 <= 0.2
    assert rejected["strict"] / 15 <= 0.4
    x, scale = outcomes(1_000, 1)
    small = esr_test(x, 0.6 * scale * ES, 0.95)
    assert (small.rejected, small.direction) == (True, "expected shortfall too small")
    assert esr_test(1e6 * x, 0.6e6 * scale * ES, 0.95).statistic == pytest.approx(small.statistic, rel=1e-5)
    assert esr_test(x, 0.6 * scale * ES, 0.95, version="intercept", alternative="greater").rejected
    assert not esr_test(x, 1.6 * scale * ES, 0.95, version="intercept", alternative="greater").rejected


def test_one_sided_p_value_and_bootstrap() -> None:
    x, scale = outcomes(400, 5)
    two, one = (esr_test(x, scale * ES, 0.95, version="intercept", alternative=a, simulations=300) for a in ("two-sided", "greater"))
    assert two.statistic is not None
    assert one.p_value == pytest.approx(stats.norm.cdf(two.statistic))
    assert two.p_value == pytest.approx(2 * stats.norm.sf(abs(two.statistic)))
    assert one.p_value_exact == pytest.approx(one.p_value, abs=0.2)
    assert one == esr_test(x, scale * ES, 0.95, version="intercept", alternative="greater", simulations=300)


def test_degenerate_samples() -> None:
    x, scale = outcomes(200, 6)
    assert esr_test(x, 2.0, 0.95).status == "singular"
    assert esr_test(x, 2.0, 0.95, version="intercept").decision is not Decision.NOT_APPLICABLE
    assert esr_test(x[:30], scale[:30] * ES, 0.95).status == "too_few_observations"
    assert esr_test(np.zeros(200), 2.0, 0.95, version="intercept").status == "no_variation"
    with pytest.raises(BacktestError, match="needs value_at_risk"):
        esr_test(x, scale * ES, 0.95, version="auxiliary")
    with pytest.raises(BacktestError, match="two-sided"):
        esr_test(x, scale * ES, 0.95, alternative="greater")
    with pytest.raises(BacktestError, match="strict"):
        esr_test(x, scale * ES, 0.95, version="loose")
    with pytest.raises(BacktestError, match="first column"):
        fit_joint_regression(x, scale[:, None], scale[:, None], 0.95)
    with pytest.raises(BacktestError, match="depend"):
        fit_joint_regression(x, np.ones((200, 2)), np.ones((200, 2)), 0.95)
