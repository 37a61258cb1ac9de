"""Bayesian online detection: against the sum over every way to divide a short series, and the compiled functions against libm."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import exp, log, pi

import numpy as np
import pytest
from scipy.special import gammaln

from risk_core.change_points import BayesianChangePoint
from risk_core.change_points.bayesian_kernel import exponentials, logarithms


def log_evidence(part: np.ndarray, mean: float, kappa: float, alpha: float, beta: float) -> float:
    """Log density of one run: a multivariate t in closed form."""
    n = part.size
    k, a = kappa + n, alpha + 0.5 * n
    b = beta + 0.5 * ((part - part.mean()) ** 2).sum() + 0.5 * kappa * n * (part.mean() - mean) ** 2 / k
    return float(gammaln(a) - gammaln(alpha) + alpha * log(beta) - a * log(b) + 0.5 * log(kappa / k) - 0.5 * n * log(2.0 * pi))


@pytest.mark.parametrize("prior", [(0.0, 1.0, 1.0, 1.0), (0.7, 0.2, 2.5, 0.4)])
def test_is_the_sum_over_all_divisions(prior: tuple[float, float, float, float]) -> None:
    hazard, x = 0.15, np.array([0.1, -0.4, 0.3, 5.0, 5.2, 4.7, 0.0, 12.0])
    mean, kappa, alpha, beta = prior
    detector = BayesianChangePoint(hazard=hazard, prior_mean=mean, kappa=kappa, alpha=alpha, beta=beta, bound=20, recent=3)
    logs = 0.0
    for t, value in enumerate(x):
        n = t + 1
        chances = np.zeros(20)
        for k in range(n):
            for cuts in combinations(range(1, n), k):
                edges = [0, *cuts, n]
                prior_chance = hazard**k * (1.0 - hazard) ** (n - 1 - k)
                chances[n - edges[-2]] += prior_chance * exp(sum(log_evidence(x[a:b], *prior) for a, b in pairwise(edges)))
        evidence = chances.sum()
        chances *= (1.0 - hazard) / evidence
        chances[0] = hazard
        one = detector.run([value])
        logs += one.columns["log_predictive"][0]
        np.testing.assert_allclose(detector.run_length_probabilities, chances, rtol=1e-10, atol=1e-14)
        assert logs == pytest.approx(log(evidence), rel=1e-11)
        assert detector.most_probable_run == one.columns["most_probable_run"][0] == np.argmax(chances)
        assert one.columns["expected_run"][0] == pytest.approx(chances @ np.arange(20), rel=1e-10)
        assert detector.value == pytest.approx(chances[:3].sum() if n > 3 else 0.0, rel=1e-10)
        assert detector.signal.ready == (n > 3)


def test_the_bound_changes_little_after_a_change() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    x = np.concatenate([rng.standard_normal(300), 4.0 + rng.standard_normal(40)])
    short, long = BayesianChangePoint(bound=60), BayesianChangePoint(bound=500)
    a, b = short.run(x), long.run(x)
    assert short.run_length_probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    assert long.run_length_probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    assert long.most_probable_run == short.most_probable_run == 40
    np.testing.assert_allclose(a.values[304:], b.values[304:], atol=0.02)
    assert a.columns["expected_run"].max() <= 59.0
    assert b.alarms[0] in range(300, 306)


def test_probabilities_for_any_size_of_number() -> None:
    for scale in (1e-120, 1e-6, 1e6, 1e90):
        detector = BayesianChangePoint(bound=30)
        for x in (0.0, scale, -scale, scale):
            detector.run(np.full(40, x))
            assert detector.run_length_probabilities.sum() == pytest.approx(1.0, abs=1e-9)
            assert np.isfinite(detector.run_length_probabilities).all()


def test_the_compiled_functions_are_those_of_libm() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    n = 40_000
    whole, part, out = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    x = np.concatenate([np.exp(rng.uniform(-600.0, 600.0, n // 2)), np.exp(rng.normal(0.0, 1e-3, n // 2 - 3)), [1.0, 2.0, 0.5]])
    logarithms(x, out, n, whole, part)
    np.testing.assert_allclose(out, np.log(x), rtol=5e-16)
    y = -np.concatenate([rng.uniform(0.0, 690.0, n // 2), rng.uniform(0.0, 1.0, n // 2 - 1), [0.0]])
    exponentials(y, out, n, whole)
    np.testing.assert_allclose(out, np.exp(y), rtol=5e-16)
    exponentials(np.array([-1e300, -701.0]), out[:2], 2, whole)
    assert out[:2] == pytest.approx(exp(-700.0), rel=1e-14)
