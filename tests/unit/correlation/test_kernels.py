"""The likelihood and its scores against plain numpy, finite differences and scipy's densities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from risk_core.correlation import Target, dcc_correlations, dcc_log_likelihood
from risk_core.correlation.errors import evaluation
from risk_core.correlation.search import jacobian, theta_of
from risk_core.correlation.targets import targets
from risk_core.measures import MeasureError
from tests.unit.correlation.worlds import Floats, dcc_world, equal_correlation, plain_likelihood, plain_path

Z = dcc_world(4, 150, 3, garch=None)[0]
S = Z @ Z.T / 150
START = equal_correlation(4, 0.1)


@pytest.mark.parametrize("theta", [(0.05, 0.9, 0.0), (0.02, 0.9, 0.05), (0.0, 0.0, 0.0), (0.3, 0.0, 0.1)])
def test_likelihood_and_path_are_the_definition(theta: tuple[float, float, float]) -> None:
    for start in (S, START):
        assert dcc_log_likelihood(Z, *theta, start=start) == pytest.approx(plain_likelihood(Z, *theta, S, start), rel=1e-10)
        np.testing.assert_allclose(dcc_correlations(Z, *theta, start=start), plain_path(Z, *theta, S, start), atol=1e-13)


def test_it_is_the_normal_density_less_that_of_independence() -> None:
    path = dcc_correlations(Z, 0.04, 0.9, 0.02)
    joint = sum(
        multivariate_normal.logpdf(z, cov=r) - multivariate_normal.logpdf(z, cov=np.eye(4)) for z, r in zip(Z.T, path[:-1], strict=True)
    )
    assert dcc_log_likelihood(Z, 0.04, 0.9, 0.02) == pytest.approx(joint, rel=1e-10)


@pytest.mark.parametrize("pairs", [None, np.array([(0, 1), (1, 3)])])
def test_scores_are_derivatives_of_each_day(pairs: Floats | None) -> None:
    goal = targets(Z)
    evaluate = evaluation(Z, START, goal, pairs)
    theta = np.array([0.04, 0.03, 0.88])
    scores = evaluate(theta)[1]
    for k in range(3):
        step = 1e-6 * np.eye(3)[k]
        slope = (evaluate(theta + step)[0] - evaluate(theta - step)[0]) / 2e-6
        assert scores[:, k].sum() == pytest.approx(slope, rel=1e-6)
    # day by day: the likelihood of the first days only, targets held
    one = [evaluation(np.ascontiguousarray(Z[:, :t]), START, goal, pairs)(theta)[1].sum(axis=0) for t in (70, 71)]
    np.testing.assert_allclose(one[1] - one[0], scores[70], rtol=1e-9, atol=1e-12)


def test_composite_is_the_mean_of_the_pairs() -> None:
    pairs = np.array([(0, 1), (0, 3), (2, 3)])
    goal = targets(Z)
    value = evaluation(Z, S, goal, pairs)(np.array([0.05, 0.02, 0.9]))[0]
    low = np.minimum(Z, 0.0)
    single = []
    for pair in pairs:
        block = np.ix_(pair, pair)
        np.testing.assert_allclose((low @ low.T / 150)[block], goal.low[block])
        single.append(plain_likelihood(Z[pair], 0.05, 0.9, 0.02, S[block], S[block]))
    assert value == pytest.approx(np.mean(single), rel=1e-10)


def test_coordinates_of_the_search() -> None:
    point, reach = np.array([0.9, 0.2, 0.3]), 1.7
    alpha, gamma, beta = theta_of(point, reach)
    assert alpha + reach * gamma + beta == pytest.approx(0.9)
    for k in range(3):
        step = 1e-6 * np.eye(3)[k]
        slope = (theta_of(point + step, reach) - theta_of(point - step, reach)) / 2e-6
        np.testing.assert_allclose(jacobian(point, reach)[:, k], slope, atol=1e-9)


def test_targets() -> None:
    np.testing.assert_allclose(targets(Z, Target.COVARIANCE).level, np.cov(Z))
    unit = targets(Z, "correlation").level
    assert (np.diag(unit) == 1.0).all()
    np.testing.assert_allclose(unit, S / np.sqrt(np.outer(np.diag(S), np.diag(S))))
    goal = targets(Z)
    # the reach is the least r for which r S - M has no negative eigenvalue
    assert np.linalg.eigvalsh(goal.reach * goal.level - goal.low)[0] == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(MeasureError, match="less than 1 for a stationary model"):
        dcc_correlations(Z, 0.1, 0.89, 0.02)
    with pytest.raises(MeasureError, match="unknown target"):
        dcc_correlations(Z, 0.1, 0.8, target="mean")
    with pytest.raises(MeasureError, match="one instrument twice"):
        dcc_log_likelihood(np.vstack([Z, Z[:1]]), 0.1, 0.8)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(2, 6),
    seed=st.integers(0, 10_000),
    total=st.floats(0.0, 0.999),
    news=st.floats(0.0, 1.0),
    losses=st.floats(0.0, 1.0),
    wild=st.floats(1.0, 50.0),
)
def test_correlations_are_positive_definite_with_unit_diagonal(
    count: int, seed: int, total: float, news: float, losses: float, wild: float
) -> None:
    rng = np.random.Generator(np.random.PCG64(seed))
    z = rng.standard_t(3, (count, 40))
    z[0, 20] *= wild
    goal = targets(z)
    alpha, gamma, beta = theta_of(np.array([total, news, losses]), goal.reach)
    path = dcc_correlations(z, alpha, beta, gamma)
    assert (path[:, range(count), range(count)] == 1.0).all()
    assert (np.abs(path) <= 1.0).all()
    assert (path == path.transpose(0, 2, 1)).all()
    assert np.linalg.eigvalsh(path).min() > -1e-12
    mixed = z[::-1]  # the order of the instruments does not matter
    np.testing.assert_allclose(dcc_correlations(mixed, alpha, beta, gamma)[-1][::-1, ::-1], path[-1], atol=1e-9)
