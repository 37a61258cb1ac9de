"""What copulas, fits, vines, marginals and scenarios refuse, and how they say it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from risk_core.conventions import ConventionError
from risk_core.copulas import (
    ClaytonCopula,
    CopulaError,
    EmpiricalMarginal,
    FitMethod,
    FrankCopula,
    GaussianCopula,
    GumbelCopula,
    IndependenceCopula,
    KernelMarginal,
    ParametricMarginal,
    RotatedCopula,
    SemiParametricMarginal,
    StudentTCopula,
    VineCopula,
    VineEdge,
    VineStructure,
    copula_scenarios,
    fit_pair,
    fit_vine,
    pseudo_observations,
    select_pair,
    simulated_risk,
    tail_concentration,
)
from risk_core.measures import MeasureError

U = pseudo_observations(GaussianCopula.pair(0.5).sample(50, 1))
U3 = pseudo_observations(IndependenceCopula(3).sample(50, 1))
AGAINST = np.column_stack((U[:, 0], 1.0 - U[:, 1]))
CONSTANT = np.column_stack((U[:, 0], np.full(50, 0.5)))
PAIR = GaussianCopula.pair(0.5)
MOVES = np.random.default_rng(0).normal(size=(2, 50))

REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: ClaytonCopula(0.0), "IndependenceCopula"),
    (lambda: ClaytonCopula(float("nan")), "theta must lie in"),
    (lambda: ClaytonCopula(1.0, 1), "dimension must be"),
    (lambda: ClaytonCopula(1.0, 2.5), "dimension must be"),  # type: ignore[arg-type]
    (lambda: GumbelCopula(0.9), "rotate by 90 or 270"),
    (lambda: FrankCopula(0.0), "IndependenceCopula"),
    (lambda: FrankCopula(-2.0, 3), "two columns"),
    (lambda: GaussianCopula.pair(1.0), "strictly between"),
    (lambda: GaussianCopula(np.ones((2, 2))), "least eigenvalue"),
    (lambda: GaussianCopula(np.array([[1.0, 0.3], [0.2, 1.0]])), "symmetric"),
    (lambda: GaussianCopula(np.array([[2.0, 0.3], [0.3, 2.0]])), "standard deviations"),
    (lambda: GaussianCopula(np.array([[1.0, np.nan], [np.nan, 1.0]])), "NaN"),
    (lambda: GaussianCopula(np.ones(3)), "square"),
    (lambda: StudentTCopula.pair(0.5, 0.0), "freedom must lie"),
    (lambda: RotatedCopula(ClaytonCopula(1.0), 45), "90, 180 or 270"),
    (lambda: RotatedCopula(ClaytonCopula(1.0, 3), 90), "two columns"),
    (lambda: RotatedCopula.fit(U, ClaytonCopula, 0), "90, 180 or 270"),
    (lambda: PAIR.log_density([[0.1, 0.2, 0.3]]), r"\(n, 2\)"),
    (lambda: PAIR.log_density([[0.1, np.nan]]), r"nan at \[0, 1\]"),
    (lambda: PAIR.log_density([["a", "b"]]), "must be numbers"),
    (lambda: PAIR.log_density(np.empty((0, 2))), "shape"),
    (lambda: PAIR.h(1.2, 0.5), "probabilities lie in"),
    (lambda: PAIR.kendall_tau(0, 2), "two different columns"),
    (lambda: PAIR.sample(0, 1), "count must be"),
    (lambda: PAIR.sample(5, -1), "seed must be"),
    (lambda: PAIR.sample(5, 1.5), "seed must be"),  # type: ignore[arg-type]
    (lambda: ClaytonCopula(1.0, 3).log_density(U3), "VineCopula"),
    (lambda: GaussianCopula(np.eye(3)).h(0.1, 0.2), "VineCopula"),
    (lambda: StudentTCopula(np.eye(3), 4.0).distribution(U3), "VineCopula"),
    (lambda: GaussianCopula.fit(U[:9]), "at least 10"),
    (lambda: GaussianCopula.fit(U[:, :1]), "two columns"),
    (lambda: GaussianCopula.fit(np.vstack((U, [[0.0, 0.5]]))), "pseudo_observations"),
    (lambda: StudentTCopula.fit(CONSTANT), "column 1 of u is constant"),
    (lambda: ClaytonCopula.fit(AGAINST, FitMethod.KENDALL_TAU), "rotate by 90"),
    (lambda: GumbelCopula.fit(AGAINST, FitMethod.KENDALL_TAU), "rotate by 90"),
    (lambda: ClaytonCopula.fit(U3), "KENDALL_TAU"),
    (lambda: fit_pair(U, "joe"), "unknown family 'joe'; choose among"),
    (lambda: select_pair(U, ["gaussian", "plackett"]), "unknown family"),
    (lambda: select_pair(U, []), "at least one family"),
    (lambda: fit_vine(U3, truncation=3), "truncation must lie between 1 and 2"),
    (lambda: fit_vine(U3, order=[0, 1, 2]), "C- or D-vine"),
    (lambda: fit_vine(U3, VineStructure.DRAWABLE, order=[0, 1]), "once"),
    (lambda: VineCopula.canonical([0, 1, 1], [[PAIR, PAIR]]), "once"),
    (lambda: VineCopula.drawable([0, 1, 2], [[PAIR]]), "has 2 copulas"),
    (lambda: VineCopula(3, ()), "1 to 2 trees"),
    (lambda: VineCopula(3, ((VineEdge(0, 1, frozenset(), PAIR),),)), "has 2 edges"),
    (lambda: VineCopula(3, ((VineEdge(0, 1, frozenset(), PAIR), VineEdge(1, 0, frozenset(), PAIR)),)), "once"),
    (
        lambda: VineCopula(
            3, ((VineEdge(0, 1, frozenset(), PAIR), VineEdge(1, 2, frozenset(), PAIR)), (VineEdge(0, 1, frozenset({2}), PAIR),))
        ),
        "does not follow",
    ),
    (lambda: pseudo_observations([[1.0, np.inf], [2.0, 3.0]]), "row 0, column 1"),
    (lambda: pseudo_observations([1.0, 2.0]), "shape"),
    (lambda: tail_concentration(U, 0.6), "level must lie"),
    (lambda: EmpiricalMarginal(np.array([])), "at least 1"),
    (lambda: EmpiricalMarginal(np.array([1.0, np.nan])), "position 1"),
    (lambda: EmpiricalMarginal(np.array([1.0, 2.0])).from_uniform(1.1), "probabilities lie in"),
    (lambda: KernelMarginal(np.ones(20)), "bandwidth"),
    (lambda: KernelMarginal(np.array([1.0, 2.0]), -1.0), "bandwidth"),
    (lambda: ParametricMarginal(stats.norm(scale=-1.0)).from_uniform(0.5), "parameters"),
    (lambda: SemiParametricMarginal(np.arange(50.0), lambda e: (0.1, 1.0), share=0.01), "excesses"),
    (lambda: SemiParametricMarginal(np.arange(500.0), lambda e: (0.1, -1.0)), "scale must be positive"),
    (lambda: SemiParametricMarginal(np.arange(50.0), share=0.5), "share must lie"),
    (lambda: copula_scenarios(MOVES[0], PAIR, EmpiricalMarginal, 5, 1), "two instruments"),
    (lambda: copula_scenarios(MOVES * np.nan, PAIR, EmpiricalMarginal, 5, 1), "instrument 0, scenario 0"),
    (lambda: copula_scenarios(MOVES, IndependenceCopula(3), EmpiricalMarginal, 5, 1), "2 instruments need"),
    (lambda: copula_scenarios(MOVES, PAIR, [EmpiricalMarginal(MOVES[0])], 5, 1), "2 instruments need"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(CopulaError, match=message):
        call()


def test_an_edge_that_cannot_come_last() -> None:
    """Three edges in a triangle and a column left out are as many as a tree has, but no tree."""
    triangle = tuple(VineEdge(i, j, frozenset(), PAIR) for i, j in ((0, 1), (1, 2), (0, 2)))
    with pytest.raises(CopulaError, match="no regular vine"):
        VineCopula(4, (triangle,))


def test_risk_of_bad_books() -> None:
    scenarios = copula_scenarios(MOVES, PAIR, EmpiricalMarginal, 200, 1)
    with pytest.raises(MeasureError, match=r"shape \(3, count\)"):
        simulated_risk([1.0, 2.0, 3.0], scenarios, 0.99)
    with pytest.raises(MeasureError, match="exposures is nan"):
        simulated_risk([1.0, np.nan], scenarios, 0.99)
    with pytest.raises(ConventionError):
        simulated_risk([1.0, 2.0], scenarios, 99.0)


def test_one_observed_scenario() -> None:
    """Nothing can be fitted to it; given a copula, empirical marginals repeat it."""
    one = MOVES[:, :1]
    with pytest.raises(CopulaError, match="at least 10"):
        copula_scenarios(one, GaussianCopula.fit, EmpiricalMarginal, 5, 1)
    assert np.array_equal(copula_scenarios(one, PAIR, EmpiricalMarginal, 5, 1), np.repeat(one, 5, axis=1))
