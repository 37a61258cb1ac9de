"""Duration tests against a likelihood written out spell by spell and maximised by scipy; size; degenerate series."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from risk_core.backtests import BacktestError, Decision, duration_test


def spells(hits: NDArray[np.bool_], censored: bool) -> tuple[list[float], list[float]]:
    """The whole spells and the cut ones, by walking along the days."""
    whole, cut, length, seen = [], [], 0, False
    for day, hit in enumerate(hits):
        length += 1
        if hit:
            if seen:
                whole.append(float(length))
            elif day > 0:
                cut.append(float(length))
            length, seen = 0, True
    if length:
        cut.append(float(length))
    return whole, cut if censored else []


def log_likelihood(law: str, a: float, b: float, whole: list[float], cut: list[float]) -> float:
    frozen = stats.weibull_min(b, scale=1 / a) if law == "weibull" else stats.gamma(b, scale=1 / a)
    return float(np.sum(frozen.logpdf(whole)) + np.sum(frozen.logsf(cut)))


def best(law: str, whole: list[float], cut: list[float]) -> tuple[float, float]:
    found = optimize.minimize(
        lambda t: -log_likelihood(law, np.exp(t[0]), np.exp(t[1]), whole, cut),
        [np.log(1 / np.mean(whole)), 0.0],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000},
    )
    return -float(found.fun), float(np.exp(found.x[1]))


@pytest.mark.parametrize("law", ["weibull", "gamma"])
@pytest.mark.parametrize("censored", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ratios_are_those_of_the_likelihood(law: str, censored: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hits = rng.random(500) < 0.03
    if seed == 3:
        hits[:2] = hits[-1] = True  # no cut spell at either end
    whole, cut = spells(hits, censored)
    top, shape = best(law, whole, cut)
    rate = len(whole) / (sum(whole) + sum(cut))
    found = duration_test(hits, 0.97, law=law, censored=censored, simulations=0)
    assert found.statistic == pytest.approx(2 * (top - log_likelihood(law, rate, 1.0, whole, cut)), abs=1e-6)
    assert found.details["shape"] == pytest.approx(shape, rel=1e-4)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 1), abs=1e-9)
    joint = duration_test(hits, 0.97, law=law, censored=censored, hypothesis="conditional_coverage", simulations=0)
    assert joint.statistic == pytest.approx(2 * (top - log_likelihood(law, 0.03, 1.0, whole, cut)), abs=1e-6)
    assert joint.details["degrees_of_freedom"] == 2


@pytest.mark.parametrize("law", ["weibull", "gamma"])
def test_clusters_have_a_falling_hazard(law: str) -> None:
    hits = np.zeros(500, bool)
    hits[[50, 51, 53, 200, 201, 202, 400, 401]] = True
    found = duration_test(hits, 0.99, law=law)
    assert found.decision is Decision.REJECT
    assert found.direction == "clustered"
    assert found.details["shape"] < 1  # type: ignore[operator]
    assert found.p_value_exact is not None
    assert found.p_value_exact < 0.02
    regular = np.zeros(500, bool)
    regular[20::50] = True
    regular[[70, 170, 270]] = False
    regular[[60, 173, 290]] = True
    assert duration_test(regular, 0.98, law=law, simulations=0).direction == "spread out"


def test_the_simulated_p_value_has_the_right_size() -> None:
    hits = np.random.default_rng(4).random((400, 250)) < 0.05
    p_values = [duration_test(h, 0.95).p_value_exact for h in hits if h.sum() >= 3]
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 400))
    assert duration_test(hits[0], 0.95, seed=5).p_value_exact == duration_test(hits[0], 0.95, seed=5).p_value_exact


@pytest.mark.parametrize("law", ["weibull", "gamma"])
def test_series_without_a_shape(law: str) -> None:
    for hits in (np.zeros(9), np.eye(1, 9)[0], np.array([0, 1, 0, 0, 1, 0])):
        found = duration_test(hits, 0.99, law=law)
        assert (found.decision, found.status) == (Decision.NOT_APPLICABLE, "too_few_exceptions")
    alike = np.tile([0, 0, 0, 1], 20)
    assert duration_test(alike, 0.75, law=law, censored=False).status == "no_maximum"
    every_day = duration_test(np.ones(30), 0.99, law=law)
    assert every_day.status == "no_maximum"
    with pytest.raises(ValueError, match="weibull"):
        duration_test(alike, 0.75, law="frechet")
    with pytest.raises(BacktestError):
        duration_test(alike, 0.75, simulations=-1)
