"""Copula sets by name: dependence and marginals of the sample, the factor copula against the full one, limits and degenerate moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from risk_core.copulas import (
    CopulaError,
    ParametricMarginal,
    StudentTCopula,
    copula_scenarios,
    pseudo_observations,
    tail_concentration,
    tau_matrix,
)
from risk_core.measures import value_at_risk
from risk_core.scenarios.copula_moves import FITS, CopulaFamily, copula_moves
from risk_core.scenarios.factor_copula import FactorStudentTCopula
from risk_core.scenarios.scenario_set import ScenarioError


def joint_t(rows: int, days: int, seed: int, freedom: float = 4.0) -> np.ndarray:
    """Moves of one factor with a common divisor: a t copula with equal correlations of 1/2."""
    random = np.random.default_rng(seed)
    normals = random.standard_normal(days) + random.standard_normal((rows, days))
    return np.asarray(0.01 * normals / np.sqrt(random.chisquare(freedom, days) / freedom))


MOVES = joint_t(3, 600, 1)
EXPOSURE = np.array([1e6, 5e5, 7e5])


@pytest.mark.parametrize("family", list(CopulaFamily))
def test_every_family_keeps_tau_and_the_marginals(family: CopulaFamily) -> None:
    """Mean Kendall's tau of the sample within four standard errors of 600 days, laws of single instruments by Kolmogorov and Smirnov."""
    found = copula_moves(MOVES, 3, family=family, draws=4_000)
    assert found.shape == (3, 4_000)
    assert found.tobytes() == copula_moves(MOVES, 3, family=str(family), draws=4_000).tobytes()  # type: ignore[arg-type]
    upper = np.triu_indices(3, 1)
    observed, drawn = tau_matrix(pseudo_observations(MOVES.T))[upper], tau_matrix(pseudo_observations(found.T))[upper]
    assert drawn.mean() == pytest.approx(observed.mean(), abs=4.0 * 0.6 / np.sqrt(600))
    for row, moves in zip(found, MOVES, strict=True):
        assert moves.min() <= row.min() <= row.max() <= moves.max()
        assert stats.ks_2samp(row, moves).pvalue > 1e-3
    historical = value_at_risk(EXPOSURE @ MOVES, 0.95).value
    assert value_at_risk(EXPOSURE @ found, 0.95).value == pytest.approx(historical, rel=0.2)


def test_tails_are_those_of_the_family() -> None:
    """Joint falls in the worst hundredth: Clayton and Student t more than Gauss and Frank; joint rises: Gumbel."""
    lower, upper = {}, {}
    for family in ("gaussian", "student_t", "clayton", "gumbel", "frank"):
        drawn = copula_moves(MOVES, 5, family=CopulaFamily(family), draws=40_000)[:2].T
        lower[family], upper[family] = tail_concentration(pseudo_observations(drawn), 0.01)
    assert lower["clayton"] > lower["student_t"] > lower["gaussian"] > lower["frank"]
    assert upper["gumbel"] > upper["gaussian"] > upper["clayton"]
    assert lower["clayton"] == pytest.approx(2.0 ** (-1.0 / (2.0 * (1 / 3) / (1 - 1 / 3))), abs=0.1)  # its limit at tau 1/3


def test_a_named_family_is_the_fit_of_the_library() -> None:
    theirs = copula_scenarios(MOVES, FITS[CopulaFamily.CLAYTON], lambda row: ParametricMarginal(stats.norm(scale=row.std())), 500, 7)
    ours = copula_moves(
        MOVES, 7, family=CopulaFamily.CLAYTON, draws=500, marginals=[ParametricMarginal(stats.norm(scale=row.std())) for row in MOVES]
    )
    assert ours.tobytes() == theirs.tobytes()


def test_the_factor_copula_is_the_student_t_copula_of_its_correlation() -> None:
    random = np.random.default_rng(2)
    loadings = random.uniform(-0.6, 0.6, (6, 2))
    ours = FactorStudentTCopula(loadings, 4.5)
    full = StudentTCopula(loadings @ loadings.T + np.diag(ours.specific), 4.5)
    u = random.random((50, 6))
    np.testing.assert_allclose(ours.log_density(u), full.log_density(u), rtol=1e-9, atol=1e-9)
    assert ours.parameter_count == 6 * 2 - 1 + 1
    drawn = ours.sample(20_000, 1)
    expected = 2.0 / np.pi * np.arcsin(full.correlation)
    np.testing.assert_allclose(tau_matrix(drawn), expected, atol=4.0 * 0.67 / np.sqrt(20_000))
    assert all(stats.kstest(column, "uniform").pvalue > 1e-3 for column in drawn.T)


def test_the_factor_copula_is_recovered() -> None:
    moves = joint_t(60, 1_500, 4)
    fit = FactorStudentTCopula.fit(pseudo_observations(moves.T), factors=1)
    assert fit.freedom == pytest.approx(4.0, abs=0.8)
    assert (fit.loadings @ fit.loadings.T)[np.triu_indices(60, 1)].mean() == pytest.approx(0.5, abs=0.05)


def test_many_instruments() -> None:
    moves = joint_t(120, 300, 6)
    found = copula_moves(moves, 1, family=CopulaFamily.FACTOR_STUDENT_T, draws=5_000)
    held = np.ones(120)
    assert value_at_risk(held @ found, 0.95).value == pytest.approx(value_at_risk(held @ moves, 0.95).value, rel=0.25)
    for family in set(CopulaFamily) - {CopulaFamily.FACTOR_STUDENT_T}:
        with pytest.raises(CopulaError, match=r"instruments, not 120.*use family 'factor_student_t'"):
            copula_moves(moves, 1, family=family)
    with pytest.raises(CopulaError, match="vine is for at most 20 instruments, not 30"):
        copula_moves(moves[:30], 1, family=CopulaFamily.VINE)


def test_instruments_that_never_move_stay() -> None:
    moves = np.vstack((np.zeros(600), MOVES, np.full(600, 0.01)))
    found = copula_moves(moves, 2, draws=200)
    assert not found[0].any()
    assert (found[4] == 0.01).all()
    assert np.array_equal(found[1:4], copula_moves(MOVES, 2, draws=200))
    single = copula_moves(moves[:2], 2, draws=2_000)
    assert stats.ks_2samp(single[1], MOVES[0]).pvalue > 1e-3
    assert not copula_moves(np.zeros((2, 1)), 2, draws=3).any()
    twin = copula_moves(np.vstack((MOVES[0], MOVES[0])), 2, family=CopulaFamily.FACTOR_STUDENT_T, draws=500)
    assert np.corrcoef(twin)[0, 1] > 0.99


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (lambda: copula_moves(MOVES, 1, family="joe"), CopulaError, "unknown family 'joe'"),  # type: ignore[arg-type]
        (lambda: copula_moves(MOVES, 1, draws=0), ScenarioError, "draws"),
        (lambda: copula_moves(MOVES, -1), ScenarioError, "seed"),
        (lambda: copula_moves(MOVES[:, :9], 1), CopulaError, "ten|10"),
        (lambda: copula_moves([[1.0, np.nan]], 1), ScenarioError, "instrument 0, scenario 1"),
        (lambda: copula_moves(MOVES, 1, marginals=[]), CopulaError, "as many marginals"),
        (lambda: copula_moves(np.vstack((MOVES[0], -MOVES[0])), 1, family=CopulaFamily.CLAYTON), CopulaError, "Kendall's tau"),
        (lambda: FactorStudentTCopula(np.ones((2, 1)), 4.0), CopulaError, "shorter than one"),
        (lambda: FactorStudentTCopula(np.full((2, 1), np.nan), 4.0), CopulaError, "finite"),
        (lambda: FactorStudentTCopula(np.zeros((1, 1)), 4.0), CopulaError, "two columns"),
        (lambda: FactorStudentTCopula(np.zeros((2, 1)), 0.0), CopulaError, "freedom"),
        (lambda: FactorStudentTCopula.fit(np.random.default_rng(1).random((20, 2)), 0), ScenarioError, "factors"),
    ],
)
def test_bad_input(bad: Callable[[], object], error: type[ValueError], message: str) -> None:
    with pytest.raises(error, match=message):
        bad()
