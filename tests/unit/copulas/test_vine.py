"""Vines: those with closed forms, skfolio's, sampling, structure, truncation."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.distribution import GaussianCopula as SkfolioGaussian
from skfolio.distribution import StudentTCopula as SkfolioStudentT
from skfolio.distribution import VineCopula as SkfolioVine

from risk_core.copulas import (
    PAIR_FAMILIES,
    ClaytonCopula,
    Criterion,
    FitMethod,
    FrankCopula,
    GaussianCopula,
    GumbelCopula,
    IndependenceCopula,
    RotatedCopula,
    StudentTCopula,
    VineCopula,
    VineStructure,
    aic,
    bic,
    fit_vine,
    log_likelihood,
    pseudo_observations,
    tau_matrix,
)
from tests.unit.copulas.cases import correlation

MIXED = VineCopula.drawable(
    [2, 0, 3, 1],
    [
        [ClaytonCopula(1.2), RotatedCopula(GumbelCopula(1.5), 90), StudentTCopula.pair(0.4, 5.0)],
        [FrankCopula(-2.0), RotatedCopula(ClaytonCopula(0.7), 270)],
        [GaussianCopula.pair(0.3)],
    ],
)


def partial(matrix: np.ndarray, i: int, j: int, given: list[int]) -> float:
    precision = np.linalg.inv(matrix[np.ix_([i, j, *given], [i, j, *given])])
    return float(-precision[0, 1] / sqrt(precision[0, 0] * precision[1, 1]))


@pytest.mark.parametrize("freedom", [None, 4.0])
@pytest.mark.parametrize("drawable", [False, True])
def test_elliptical_vines_have_a_closed_form(freedom: float | None, drawable: bool) -> None:
    """Partial correlations, and one degree of freedom more for each column conditioned on, make the multivariate normal or t copula."""
    matrix = correlation(5, 4)
    order = [3, 0, 4, 1, 2]

    def pair(i: int, j: int, given: list[int]) -> GaussianCopula | StudentTCopula:
        rho = partial(matrix, i, j, given)
        return GaussianCopula.pair(rho) if freedom is None else StudentTCopula.pair(rho, freedom + len(given))

    if drawable:
        rows = [[pair(order[m], order[m + k + 1], order[m + 1 : m + k + 1]) for m in range(4 - k)] for k in range(4)]
        vine = VineCopula.drawable(order, rows)
    else:
        rows = [[pair(order[k], order[m], order[:k]) for m in range(k + 1, 5)] for k in range(4)]
        vine = VineCopula.canonical(order, rows)
    whole = GaussianCopula(matrix) if freedom is None else StudentTCopula(matrix, freedom)
    u = np.random.default_rng(0).uniform(0.001, 0.999, (200, 5))
    assert vine.log_density(u) == pytest.approx(whole.log_density(u), abs=1e-8)
    drawn = vine.sample(10_000, 1)
    assert tau_matrix(drawn) == pytest.approx(2.0 / np.pi * np.arcsin(matrix), abs=0.035)


def test_clayton_in_three_dimensions_is_a_vine() -> None:
    """The trivariate Clayton copula conditions to Clayton with theta / (1 + theta); its density is closed."""
    theta = 1.4
    pair, inner = ClaytonCopula(theta), ClaytonCopula(theta / (1.0 + theta))
    u = np.random.default_rng(1).uniform(0.01, 0.99, (200, 3))
    core = np.sum(u**-theta, axis=1) - 2.0
    closed = np.log((1.0 + theta) * (1.0 + 2.0 * theta)) - (1.0 + theta) * np.log(u).sum(axis=1) - (3.0 + 1.0 / theta) * np.log(core)
    for build in (VineCopula.canonical, VineCopula.drawable):
        assert build([1, 2, 0], [[pair, pair], [inner]]).log_density(u) == pytest.approx(closed, abs=1e-9)


@pytest.mark.parametrize(("family", "theirs"), [("gaussian", SkfolioGaussian), ("student_t", SkfolioStudentT)])
def test_skfolio_regular_vine(family: str, theirs: type) -> None:
    """The same trees and the same likelihood, one family, no truncation, no test of independence."""
    u = pseudo_observations(StudentTCopula(correlation(5, 1), 5.0).sample(400, 1))
    mine = fit_vine(u, families=[family])
    other = SkfolioVine(
        fit_marginals=False, copula_candidates=[theirs(itau=False, tolerance=1e-10)], max_depth=None, independence_level=1.0
    ).fit(u)
    for tree, their_tree in zip(mine.trees, other.trees_, strict=True):
        pairs = {(frozenset(e.cond_sets.conditioned), frozenset(e.cond_sets.conditioning)) for e in their_tree.edges}
        assert {(frozenset({e.first, e.second}), e.given) for e in tree} == pairs
    assert log_likelihood(mine, u) == pytest.approx(other.score_samples(u).sum(), abs=2e-3)


def test_density_integrates_to_one() -> None:
    """Mean over uniform draws, within four standard errors."""
    mild = VineCopula.canonical([1, 0, 2], [[FrankCopula(3.0), GumbelCopula(1.2)], [RotatedCopula(ClaytonCopula(0.4), 90)]])
    weights = np.exp(mild.log_density(IndependenceCopula(3).sample(100_000, 2)))
    assert weights.mean() == pytest.approx(1.0, abs=4.0 * weights.std() / sqrt(weights.size))


def test_samples_have_the_density() -> None:
    """Of a vine of five families: pairs of the first tree keep their tau, and the mean log density beats that of its neighbours."""
    u = MIXED.sample(20_000, 3)
    assert np.array_equal(u, MIXED.sample(20_000, 3))
    taus = tau_matrix(u)
    for edge in MIXED.trees[0]:
        assert taus[edge.first, edge.second] == pytest.approx(edge.copula.kendall_tau(), abs=0.025)
    flat = VineCopula(4, MIXED.trees[:2])
    assert log_likelihood(MIXED, u) > log_likelihood(flat, u) + 100.0
    from_first = [[e.copula for e in tree] for tree in MIXED.trees]
    from_first[1][0] = FrankCopula(2.0)
    assert log_likelihood(MIXED, u) > log_likelihood(VineCopula.drawable([2, 0, 3, 1], from_first), u) + 100.0


def test_fit_recovers_a_vine() -> None:
    u = pseudo_observations(MIXED.sample(3000, 8))
    fitted = fit_vine(u, VineStructure.DRAWABLE, order=[2, 0, 3, 1])
    by_place = {(e.members, e.given): e for e in fitted.edges}
    for true in MIXED.edges:
        mine = by_place[true.members, true.given]
        assert mine.copula.kendall_tau() == pytest.approx(true.copula.kendall_tau(), abs=0.05)
    assert isinstance(by_place[frozenset({0, 2}), frozenset()].copula, ClaytonCopula)
    assert aic(fitted, u) <= aic(MIXED, u) + 2.0 * fitted.parameter_count
    again = fit_vine(u, VineStructure.DRAWABLE, order=[2, 0, 3, 1])
    assert np.array_equal(again.sample(50, 1), fitted.sample(50, 1))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10_000), st.sampled_from(list(VineStructure)), st.data())
def test_every_structure_can_be_drawn(size: int, seed: int, structure: VineStructure, data: st.DataObject) -> None:
    """Whole or truncated, fitted vines are regular (their constructor checks), and samples keep the tau of the first tree."""
    matrix = correlation(size, seed)
    levels = data.draw(st.integers(1, size - 1))
    u = pseudo_observations(GaussianCopula(matrix).sample(200, seed))
    vine = fit_vine(u, structure, families=["gaussian"], truncation=levels, method=FitMethod.KENDALL_TAU)
    assert vine.truncation == levels
    assert [len(tree) for tree in vine.trees] == [size - 1 - k for k in range(levels)]
    drawn = vine.sample(3000, 1)
    taus = tau_matrix(u)
    for edge in vine.trees[0]:
        expected = edge.copula.kendall_tau()
        assert expected == pytest.approx(taus[edge.first, edge.second], abs=1e-9)
        assert tau_matrix(drawn[:, [edge.first, edge.second]])[0, 1] == pytest.approx(expected, abs=0.06)
    assert np.isfinite(vine.log_density(drawn)).all()


def test_regular_tree_has_the_greatest_weight() -> None:
    """No exchange of one edge of the first tree for another raises the sum of |tau|."""
    u = pseudo_observations(GaussianCopula(correlation(6, 9)).sample(300, 9))
    weight = np.abs(tau_matrix(u))
    tree = fit_vine(u, families=["gaussian"], truncation=1).trees[0]
    joined = [(e.first, e.second) for e in tree]
    for dropped in joined:
        rest = [e for e in joined if e != dropped]
        side = {dropped[0]}
        while True:
            grown = side | {i for e in rest for i in e if side & set(e)}
            if grown == side:
                break
            side = grown
        crossing = max(weight[i, j] for i in side for j in set(range(6)) - side)
        assert crossing == weight[dropped]


def test_structures_and_orders() -> None:
    u = pseudo_observations(GaussianCopula(correlation(4, 5)).sample(300, 5))
    star = fit_vine(u, VineStructure.CANONICAL, order=[2, 1, 0, 3], families=["gaussian"])
    assert all(2 in (e.first, e.second) for e in star.trees[0])
    assert all(1 in (e.first, e.second) and e.given == {2} for e in star.trees[1])
    path = fit_vine(u, VineStructure.DRAWABLE, order=[2, 1, 0, 3], families=["gaussian"])
    assert [sorted((e.first, e.second)) for e in path.trees[0]] == [[1, 2], [0, 1], [0, 3]]
    ends = fit_vine(u, VineStructure.DRAWABLE, families=["gaussian"])
    assert max(sum(i in (e.first, e.second) for e in ends.trees[0]) for i in range(4)) == 2


def test_independence_costs_no_parameter() -> None:
    """On independent columns BIC keeps most pairs free of parameters; AIC penalises less."""
    u = pseudo_observations(IndependenceCopula(4).sample(1000, 6))
    strict, loose = (fit_vine(u, criterion=criterion) for criterion in (Criterion.BIC, Criterion.AIC))
    assert strict.parameter_count <= loose.parameter_count <= 6
    assert bic(strict, u) <= bic(loose, u)
    assert set(PAIR_FAMILIES) >= {"independence", "gaussian", "student_t", "frank", "clayton", "gumbel"}
