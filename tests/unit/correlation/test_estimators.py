"""EWMA, regime-adjusted EWMA, Ledoit-Wolf, orthogonal GARCH: against other libraries, loops and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.conventions import Conventions, EwmaStart
from risk_core.correlation import (
    CorrelationStatus,
    EwmaCovariance,
    RegimeAdjustedEwmaCovariance,
    ewma_covariances,
    fit_orthogonal_garch,
    ledoit_wolf,
)
from risk_core.covariance import ewma_covariance_matrix
from risk_core.measures import MeasureError
from risk_core.volatility import fit_garch
from tests.unit.correlation.worlds import Floats, dcc_world, equal_correlation

RETURNS = 0.01 * dcc_world(5, 400, 31)[0]


def test_ewma_is_the_weighted_matrix() -> None:
    for start in ("normalised", "zero"):
        wanted = ewma_covariance_matrix(RETURNS, 0.95, Conventions(ewma_start=EwmaStart(start)))
        np.testing.assert_allclose(ewma_covariances(RETURNS, 0.95, start)[-1], wanted, rtol=1e-10)
    first = ewma_covariances(RETURNS[:, :2], 0.95, "first")
    np.testing.assert_allclose(first[0], np.outer(RETURNS[:, 0], RETURNS[:, 0]))
    np.testing.assert_allclose(first[1], 0.95 * first[0] + 0.05 * np.outer(RETURNS[:, 1], RETURNS[:, 1]))
    with pytest.raises(MeasureError, match="no day was seen"):
        EwmaCovariance(2).value()
    for decay in (0.0, 1.0, np.nan):
        with pytest.raises(MeasureError, match="decay"):
            EwmaCovariance(2, decay)
    with pytest.raises(MeasureError, match="unknown start"):
        EwmaCovariance(2, start="mean")


@settings(max_examples=30, deadline=None)
@given(decay=st.floats(0.01, 0.999), seed=st.integers(0, 999), days=st.integers(1, 30))
def test_ewma_laws(decay: float, seed: int, days: int) -> None:
    rng = np.random.Generator(np.random.PCG64(seed))
    returns = rng.standard_normal((3, days))
    last = ewma_covariances(returns, decay)[-1]
    assert (last == last.T).all()
    assert np.linalg.eigvalsh(last)[0] >= -1e-12 * np.trace(last)
    mix = rng.standard_normal((2, 3))  # the covariance of books of the instruments
    np.testing.assert_allclose(ewma_covariances(mix @ returns, decay)[-1], mix @ last @ mix.T, atol=1e-10 * np.trace(last) * 10)


@pytest.mark.parametrize("method", ["first_moment", "rms", "log"])
@pytest.mark.parametrize("target", ["portfolio", "diagonal", "mahalanobis"])
@pytest.mark.parametrize("corr_half_life", [None, 60.0])
def test_regime_adjusted_equals_skfolio(method: str, target: str, corr_half_life: float | None) -> None:
    moments = pytest.importorskip("skfolio.moments")
    covariances = pytest.importorskip("skfolio.moments.covariance._regime_adjusted_ew_covariance")
    returns = RETURNS.copy()
    returns[:, 370:] *= 1.3  # a regime that the multiplier sees
    theirs = moments.RegimeAdjustedEWCovariance(
        half_life=30,
        corr_half_life=corr_half_life,
        regime_target=covariances.RegimeAdjustmentTarget[target.upper()],
        regime_method=covariances.RegimeAdjustmentMethod[method.upper()],
    ).fit(returns.T)
    mine = RegimeAdjustedEwmaCovariance(5, 30, corr_half_life=corr_half_life, regime_target=target, regime_method=method)
    for day in returns.T:
        mine.update(day)
    assert 1.02 < mine.regime_multiplier < 1.6
    assert mine.regime_multiplier == pytest.approx(theirs.regime_multiplier_, rel=1e-9)
    np.testing.assert_allclose(mine.value(), theirs.covariance_, rtol=1e-9)


def test_regime_multiplier_is_one_where_forecasts_stand() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    returns = np.linalg.cholesky(equal_correlation(6, 0.5)) @ rng.standard_normal((6, 2_000))
    for target, about in (("portfolio", 0.12), ("diagonal", 0.12), ("mahalanobis", 0.06)):
        for method in ("first_moment", "rms", "log"):
            made = RegimeAdjustedEwmaCovariance(6, 250, regime_half_life=200, regime_target=target, regime_method=method)
            for day in returns.T:
                made.update(day)
            assert made.regime_multiplier == pytest.approx(1.0, abs=about)
    with pytest.raises(MeasureError, match="min_observations"):
        RegimeAdjustedEwmaCovariance(2).value()
    with pytest.raises(MeasureError, match="unknown regime"):
        RegimeAdjustedEwmaCovariance(2, regime_target="book")
    with pytest.raises(MeasureError, match="positive sum"):
        RegimeAdjustedEwmaCovariance(2, regime_portfolio_weights=[1.0, -1.0])
    still = RegimeAdjustedEwmaCovariance(2, 5)
    for _ in range(20):
        still.update([0.0, 0.0])
    assert (still.value() == 0.0).all()


@pytest.mark.parametrize("shape", [(5, 60), (40, 30), (2, 3)])
@pytest.mark.parametrize("centered", [True, False])
def test_ledoit_wolf_equals_sklearn(shape: tuple[int, int], centered: bool) -> None:
    sklearn = pytest.importorskip("sklearn.covariance")
    x = np.random.Generator(np.random.PCG64(1)).standard_normal(shape) + 0.3
    matrix, shrinkage = sklearn.ledoit_wolf(x.T, assume_centered=centered)
    mine = ledoit_wolf(x, assume_centered=centered)
    assert mine.shrinkage == pytest.approx(shrinkage, rel=1e-9)
    np.testing.assert_allclose(mine.covariance, matrix, rtol=1e-9, atol=1e-12)
    assert np.linalg.eigvalsh(mine.covariance)[0] > 0.0


def test_constant_correlation_is_the_paper_in_loops() -> None:
    given = RETURNS[:4, :150] + 0.005
    given[0] -= 0.8 * given[1]
    x = given - given.mean(axis=1, keepdims=True)
    n, t = x.shape
    s = x @ x.T / t
    r = s / np.sqrt(np.outer(np.diag(s), np.diag(s)))
    mean = 2.0 / (n * (n - 1)) * sum(r[i, j] for i in range(n) for j in range(i + 1, n))
    f = np.array([[s[i, i] if i == j else mean * np.sqrt(s[i, i] * s[j, j]) for j in range(n)] for i in range(n)])
    pi = np.array([[np.mean((x[i] * x[j] - s[i, j]) ** 2) for j in range(n)] for i in range(n)])

    def theta(k: int, i: int, j: int) -> float:
        return float(np.mean((x[k] ** 2 - s[k, k]) * (x[i] * x[j] - s[i, j])))

    rho = np.trace(pi)
    for i in range(n):
        for j in range(n):
            if i != j:
                rho += mean / 2 * (np.sqrt(s[j, j] / s[i, i]) * theta(i, i, j) + np.sqrt(s[i, i] / s[j, j]) * theta(j, i, j))
    wanted = max(0.0, min(1.0, (pi.sum() - rho) / ((f - s) ** 2).sum() / t))
    mine = ledoit_wolf(given, "constant_correlation")
    assert 0.0 < wanted < 1.0
    assert mine.shrinkage == pytest.approx(wanted, rel=1e-9)
    np.testing.assert_allclose(mine.covariance, wanted * f + (1 - wanted) * s, rtol=1e-9)
    with pytest.raises(MeasureError, match="unknown target"):
        ledoit_wolf(x, "single_factor")
    with pytest.raises(MeasureError, match="at least two days"):
        ledoit_wolf(x[:, :1])
    with pytest.raises(MeasureError, match="never change"):
        ledoit_wolf(np.vstack([x, np.zeros((1, t))]), "constant_correlation")


@pytest.mark.parametrize(("target", "gain"), [("identity", 0.95), ("constant_correlation", 0.8)])
def test_shrinkage_is_nearer_the_truth(target: str, gain: float) -> None:
    truth = equal_correlation(20, 0.3)
    rng = np.random.Generator(np.random.PCG64(7))
    found = [ledoit_wolf(np.linalg.cholesky(truth) @ rng.standard_normal((20, 40)), target) for _ in range(100)]
    shrunk, plain = (np.mean([((getattr(f, name) - truth) ** 2).sum() for f in found]) for name in ("covariance", "sample"))
    assert shrunk < gain * plain


def test_orthogonal_garch_by_hand() -> None:
    fit = fit_orthogonal_garch(RETURNS)
    scale = np.sqrt((RETURNS**2).mean(axis=1))
    values, vectors = np.linalg.eigh((RETURNS / scale[:, None]) @ (RETURNS / scale[:, None]).T / 400)
    np.testing.assert_allclose(fit.explained, values[::-1] / 5, rtol=1e-9)
    top = np.abs(vectors[:, -1] @ (RETURNS / scale[:, None]))
    np.testing.assert_allclose(np.abs(fit.projection[0] @ RETURNS), top, rtol=1e-9)
    np.testing.assert_allclose(fit.loadings @ fit.projection, np.eye(5), atol=1e-12)
    alone = fit_garch(fit.projection[0] @ RETURNS)
    w = fit.loadings
    variances = [f.state.variance for f in fit.factors]
    assert variances[0] == pytest.approx(alone.state.variance)
    np.testing.assert_allclose(fit.covariance, w @ np.diag(variances) @ w.T, rtol=1e-10)
    total = sum(f.log_likelihood or 0.0 for f in fit.factors) - 400 * np.log(scale).sum()
    assert fit.log_likelihood == pytest.approx(total, rel=1e-10)
    path = fit.covariances()
    distance = np.einsum("it,it->t", RETURNS, np.linalg.solve(path[:-1], RETURNS.T[:, :, None])[:, :, 0].T)
    joint = -0.5 * float(np.sum(np.linalg.slogdet(path[:-1])[1] + distance) + 2_000 * np.log(2 * np.pi))
    assert fit.log_likelihood == pytest.approx(joint, rel=1e-10)
    np.testing.assert_allclose(fit.forecast(3)[0], fit.covariance, rtol=1e-12)


def test_orthogonal_garch_of_some_components() -> None:
    two, bare = (
        fit_orthogonal_garch(RETURNS, 2, standardised=False),
        fit_orthogonal_garch(RETURNS, 2, standardised=False, keep_remainder=False),
    )
    assert np.linalg.matrix_rank(bare.covariance) == 2
    gap: Floats = two.covariance - bare.covariance
    assert np.linalg.eigvalsh(gap)[0] > -1e-15
    assert np.linalg.matrix_rank(two.covariance) == 5
    twice = fit_orthogonal_garch(np.vstack([RETURNS, RETURNS[:1]]))
    assert twice.status is CorrelationStatus.SINGULAR
    assert twice.log_likelihood is None
    assert fit_orthogonal_garch(RETURNS[:, :50]).status is CorrelationStatus.MARGIN
    with pytest.raises(MeasureError, match="components must be 1 to 5"):
        fit_orthogonal_garch(RETURNS, 6)


def test_orthogonal_garch_recovers_a_common_factor() -> None:
    """One GARCH factor and constant noise: the model follows the volatility of a book of all better than a constant does."""
    rng = np.random.Generator(np.random.PCG64(9))
    h, factor, truth = 1.0, np.empty(2_000), np.empty(2_000)
    for t in range(2_000):
        truth[t] = h
        factor[t] = np.sqrt(h) * rng.standard_normal()
        h = 0.03 + 0.12 * factor[t] ** 2 + 0.85 * h
    x = factor + 0.5 * rng.standard_normal((4, 2_000))
    book = np.full(4, 0.25)
    found = np.einsum("i,tij,j->t", book, fit_orthogonal_garch(x, 1).covariances()[:-1], book)
    wanted = truth + 0.25 / 4
    assert np.corrcoef(found, wanted)[0, 1] > 0.95
