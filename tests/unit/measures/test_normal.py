"""Delta-normal on the vector: equal to the covariance matrix, the recursion, closed forms and the parametric approach."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from risk_core.conventions import Conventions
from risk_core.measures import (
    ConventionError,
    MeasureError,
    attribute,
    covariance_matrix,
    delta_normal,
    ewma_correlation,
    ewma_covariance,
    ewma_variance,
    ewma_variances,
    normal_closed_form,
    normal_expected_shortfall,
    normal_value_at_risk,
    parametric_value_at_risk,
)
from risk_core.scenarios import exponential_weights

RNG = np.random.default_rng(4)
MOVES = RNG.multivariate_normal(np.zeros(3), [[4e-4, 1e-4, 0], [1e-4, 1e-4, -5e-5], [0, -5e-5, 9e-4]], 500).T  # oldest first
EXPOSURE = np.array([1e6, -5e5, 2e5])
WEIGHTS = exponential_weights(500, 0.94)[::-1]


def test_ewma_on_the_vector_is_the_quadratic_form_on_the_ewma_covariance() -> None:
    """One vector stands for the whole covariance matrix: VaR, ES, components, marginals, incremental."""
    pnl = EXPOSURE @ MOVES
    sigma = (MOVES * WEIGHTS) @ MOVES.T
    whole = delta_normal(EXPOSURE, sigma, 0.99)
    assert normal_value_at_risk(pnl, 0.99, WEIGHTS).value == pytest.approx(whole.value, rel=1e-12)
    assert normal_expected_shortfall(pnl, 0.99, WEIGHTS).value == pytest.approx(whole.expected_shortfall, rel=1e-12)
    by_vector = attribute(EXPOSURE, MOVES, normal_value_at_risk, 0.99, WEIGHTS)
    for field in ("component", "marginal", "standalone", "incremental"):
        assert getattr(by_vector, field) == pytest.approx(getattr(whole, field), rel=1e-9), field
    assert by_vector.diversification_benefit == pytest.approx(whole.diversification_benefit)


def test_start_zero_is_the_recursion() -> None:
    pnl = EXPOSURE @ MOVES
    variance = ewma_variances(pnl, 0.94, "zero")[-1]
    zero = Conventions(ewma_start="zero")  # type: ignore[arg-type]
    weights = exponential_weights(500, 0.94, normalised=False)[::-1]
    assert normal_value_at_risk(pnl, 0.975, weights, zero).value == pytest.approx(norm.ppf(0.975) * np.sqrt(variance), rel=1e-12)
    assert normal_value_at_risk(pnl, 0.975, WEIGHTS).value == pytest.approx(norm.ppf(0.975) * np.sqrt(variance), rel=3e-14)
    few = pnl[-20:]
    short = exponential_weights(20, 0.94, normalised=False)[::-1]
    ratio = normal_value_at_risk(few, 0.975, short, zero).value / normal_value_at_risk(few, 0.975, short).value
    assert ratio == pytest.approx(np.sqrt(1 - 0.94**20))


def test_variance_paths_by_their_start() -> None:
    returns = np.array([0.02, -0.01, 0.03])
    for start, first in (("sample", np.var(returns, ddof=1)), ("first", 0.0004), ("zero", 0.0), (0.001, 0.001)):
        path = ewma_variances(returns, 0.9, start)
        assert path[0] == pytest.approx(first)
        expected = first
        for t, r in enumerate(returns):
            expected = ewma_variance(expected, r, 0.9)
            assert path[t + 1] == pytest.approx(expected)
    assert ewma_variances(returns, 0.9, "sample", ddof=0)[0] == pytest.approx(np.var(returns))
    for bad in (0.0, 1.0, 94):
        with pytest.raises(MeasureError, match="strictly between 0 and 1"):
            ewma_variances(returns, bad)
    with pytest.raises(ConventionError, match="sample, first, zero"):
        ewma_variances(returns, 0.9, "backcast")
    with pytest.raises(MeasureError, match="no degree of freedom"):
        ewma_variances([0.1], 0.9)
    with pytest.raises(MeasureError, match="not negative"):
        ewma_variances(returns, 0.9, -1.0)


def test_correlation_step() -> None:
    assert ewma_correlation(0.3, 0.01, 0.02, 0.0, 0.0, 0.94) == pytest.approx(0.3)
    assert ewma_covariance(1e-4, 0.02, -0.01, 0.9) == pytest.approx(0.9e-4 - 0.2e-4)
    with pytest.raises(MeasureError, match="no correlation"):
        ewma_correlation(0.0, 0.0, 0.0, 0.0, 0.0, 0.94)


@pytest.mark.parametrize("ddof", [0, 1])
def test_sample_mean_and_ddof(ddof: int) -> None:
    pnl = RNG.normal(5.0, 3.0, 200)
    chosen = Conventions(mean="sample", ddof=ddof)  # type: ignore[arg-type]
    form = normal_closed_form(float(pnl.mean()), float(pnl.std(ddof=ddof)), 0.99)
    assert normal_value_at_risk(pnl, 0.99, None, chosen).value == pytest.approx(form.value_at_risk)
    assert normal_expected_shortfall(pnl, 0.99, None, chosen).value == pytest.approx(form.expected_shortfall)
    doubled = normal_value_at_risk(np.repeat(pnl, 2), 0.99, None, Conventions(mean="sample"))  # type: ignore[arg-type]
    if ddof == 0:
        assert doubled.value == pytest.approx(form.value_at_risk)


def test_no_variance_no_risk() -> None:
    flat = normal_value_at_risk(np.zeros(9), 0.99)
    assert flat.value == 0.0
    assert not flat.gradient.any()
    assert normal_value_at_risk(np.full(9, -7.3), 0.99, None, Conventions(mean="sample")).value == 7.3  # type: ignore[arg-type]
    nothing = delta_normal([0.0, 0.0], np.eye(2), 0.99)
    assert (nothing.value, nothing.component.tolist()) == (0.0, [0.0, 0.0])


def test_parametric_against_simulation() -> None:
    covariance = covariance_matrix([0.02, 0.01, 0.03], [[1, 0.5, 0], [0.5, 1, -0.2], [0, -0.2, 1]])
    simulated = RNG.multivariate_normal(np.zeros(3), covariance, 400_000) @ EXPOSURE
    whole = delta_normal(EXPOSURE, covariance, 0.99)
    assert whole.value == pytest.approx(-np.quantile(simulated, 0.01), rel=0.01)
    assert whole.component.sum() == pytest.approx(whole.value)
    assert whole.incremental == pytest.approx(
        [whole.value - delta_normal(np.where(np.arange(3) == i, 0, EXPOSURE), covariance, 0.99).value for i in range(3)]
    )
    assert whole.standalone == pytest.approx(
        [parametric_value_at_risk(x, s, 0.99) for x, s in zip(EXPOSURE, (0.02, 0.01, 0.03), strict=True)]
    )
    ten = delta_normal(EXPOSURE, covariance, 0.99, horizon_days=10)
    assert ten.value == pytest.approx(whole.value * np.sqrt(10))
    assert ten.volatility == pytest.approx(whole.volatility * np.sqrt(10))


def test_bad_covariances() -> None:
    with pytest.raises(MeasureError, match="shape"):
        delta_normal([1.0], np.eye(2), 0.99)
    with pytest.raises(MeasureError, match="not symmetric"):
        delta_normal([1.0, 1.0], [[1.0, 0.5], [0.0, 1.0]], 0.99)
    with pytest.raises(MeasureError, match="not positive semi-definite"):
        delta_normal([1.0, -1.0], covariance_matrix([1.0, 1.0], 1.5), 0.99)
    with pytest.raises(MeasureError, match="must be finite"):
        delta_normal([np.nan], [[1.0]], 0.99)
    with pytest.raises(MeasureError, match="either confidence"):
        delta_normal([1.0], [[1.0]])
    with pytest.raises(MeasureError, match="either confidence"):
        parametric_value_at_risk(1.0, 0.1, 0.99, quantile=2.33)
    with pytest.raises(MeasureError, match="horizon_days must be positive"):
        parametric_value_at_risk(1.0, 0.1, 0.99, horizon_days=0)
