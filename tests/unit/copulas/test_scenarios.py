"""Scenarios: their law against closed forms and against the sample, and the standard errors against replications."""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from risk_core.copulas import (
    ClaytonCopula,
    EmpiricalMarginal,
    GaussianCopula,
    IndependenceCopula,
    KernelMarginal,
    ParametricMarginal,
    StudentTCopula,
    copula_scenarios,
    expected_shortfall_error,
    fit_vine,
    pseudo_observations,
    simulated_risk,
    tail_concentration,
    tau_matrix,
    value_at_risk_error,
)
from risk_core.measures import Status, expected_shortfall, value_at_risk
from tests.unit.copulas.cases import correlation

MATRIX = correlation(3, 6)
SCALE = np.array([0.01, 0.02, 0.015])
EXPOSURES = np.array([1e6, -4e5, 6e5])
NORMAL = [ParametricMarginal(stats.norm(scale=s)) for s in SCALE]
MOVES = (np.random.default_rng(3).standard_t(4, (750, 3)) @ np.linalg.cholesky(MATRIX).T * SCALE).T


def test_gaussian_copula_with_normal_margins_is_delta_normal() -> None:
    scenarios = copula_scenarios(MOVES, GaussianCopula(MATRIX), NORMAL, 100_000, 1)
    assert scenarios.shape == (3, 100_000)
    assert np.array_equal(scenarios, copula_scenarios(MOVES, GaussianCopula(MATRIX), NORMAL, 100_000, 1))
    sigma = sqrt(EXPOSURES @ (MATRIX * np.outer(SCALE, SCALE)) @ EXPOSURES)
    risk = simulated_risk(EXPOSURES, scenarios, 0.99)
    z = stats.norm.ppf(0.99)
    assert risk.value_at_risk_error is not None
    assert risk.expected_shortfall_error is not None
    assert risk.value_at_risk.value == pytest.approx(z * sigma, abs=4.0 * risk.value_at_risk_error)
    assert risk.expected_shortfall.value == pytest.approx(sigma * stats.norm.pdf(z) / 0.01, abs=4.0 * risk.expected_shortfall_error)
    closed = sigma * sqrt(0.01 * 0.99 / 100_000) / stats.norm.pdf(z)
    assert risk.value_at_risk_error == pytest.approx(closed, rel=0.15)
    pnl = EXPOSURES @ scenarios
    assert risk.value_at_risk.value == value_at_risk(pnl, 0.99).value
    assert risk.expected_shortfall.value == expected_shortfall(pnl, 0.99).value


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_standard_errors_against_replications(confidence: float) -> None:
    """The mean error stated over 200 independent samples of 2000 against the deviation of the 200 numbers."""
    samples = np.random.default_rng(7).standard_t(5, (200, 2000))
    var, es, var_error, es_error = np.array(
        [
            (
                value_at_risk(s, confidence).value,
                expected_shortfall(s, confidence).value,
                value_at_risk_error(s, confidence),
                expected_shortfall_error(s, confidence),
            )
            for s in samples
        ]
    ).T
    assert var_error.mean() == pytest.approx(var.std(ddof=1), rel=0.2)
    assert es_error.mean() == pytest.approx(es.std(ddof=1), rel=0.2)


def test_scenarios_take_after_the_sample() -> None:
    """Fitted copula and empirical margins: correlation, tau and tail concentration of the sample, within its own error."""
    scenarios = copula_scenarios(MOVES, StudentTCopula.fit, EmpiricalMarginal, 20_000, 2)
    observed, drawn = pseudo_observations(MOVES.T), pseudo_observations(scenarios.T)
    assert tau_matrix(drawn) == pytest.approx(tau_matrix(observed), abs=0.03)
    assert np.corrcoef(scenarios) == pytest.approx(np.corrcoef(MOVES), abs=0.12)
    for pair in ([0, 1], [0, 2], [1, 2]):
        for seen, wanted in zip(tail_concentration(drawn[:, pair], 0.05), tail_concentration(observed[:, pair], 0.05), strict=True):
            assert seen == pytest.approx(wanted, abs=4.0 * sqrt(0.5 / (0.05 * 750)))
    for row, moves in zip(scenarios, MOVES, strict=True):
        assert moves.min() <= row.min() <= row.max() <= moves.max()
        assert stats.ks_2samp(row, moves).pvalue > 0.01


def test_scenarios_converge_to_the_copula() -> None:
    """Error of tau and of lower tail concentration falls with the count."""
    copula, errors = ClaytonCopula(2.0), []
    exact = float(copula.distribution([[0.02, 0.02]])[0]) / 0.02
    for count in (1_000, 64_000):
        drawn = np.array([tail_concentration(copula.sample(count, seed), 0.02)[0] for seed in range(8)])
        errors.append(float(np.sqrt(np.mean((drawn - exact) ** 2))))
    assert errors[1] < 0.35 * errors[0]


def test_vine_and_kernel_margins() -> None:
    scenarios = copula_scenarios(MOVES, partial(fit_vine, families=["gaussian", "student_t"]), KernelMarginal, 2_000, 4)
    assert scenarios.shape == (3, 2_000)
    risk = simulated_risk(EXPOSURES, scenarios, 0.975)
    historical = value_at_risk(EXPOSURES @ MOVES, 0.975).value
    assert risk.value_at_risk.value == pytest.approx(historical, rel=0.25)
    assert risk.value_at_risk.gradient @ (EXPOSURES @ scenarios) == pytest.approx(risk.value_at_risk.value)


def test_thin_tail_has_no_error() -> None:
    scenarios = copula_scenarios(MOVES, IndependenceCopula(3), EmpiricalMarginal, 150, 4)
    risk = simulated_risk(EXPOSURES, scenarios, 0.995)
    assert (risk.value_at_risk_error, risk.expected_shortfall_error) == (None, None)
    assert risk.value_at_risk.status is Status.THIN_TAIL


def test_zero_book() -> None:
    risk = simulated_risk(np.zeros(3), copula_scenarios(MOVES, IndependenceCopula(3), EmpiricalMarginal, 1000, 4), 0.99)
    assert (risk.value_at_risk.value, risk.value_at_risk_error, risk.expected_shortfall_error) == (0.0, 0.0, 0.0)
