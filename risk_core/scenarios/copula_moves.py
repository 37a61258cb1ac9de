"""Scenarios from a copula by name, fitted to the historical moves, on each instrument's own law: one call of `risk_core.copulas`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.copulas import (
    ClaytonCopula,
    CopulaError,
    Dependence,
    EmpiricalMarginal,
    FitMethod,
    FrankCopula,
    GaussianCopula,
    GumbelCopula,
    Marginal,
    StudentTCopula,
    VineCopula,
    copula_scenarios,
    fit_vine,
)
from risk_core.scenarios.factor_copula import FACTORS, FactorStudentTCopula
from risk_core.scenarios.move_checks import checked_count, checked_moves
from risk_core.scenarios.simulated import DRAWS

Floats = NDArray[np.float64]

TREES: Final = 3
"""Of a vine: what is left after three trees is taken as independent."""


class CopulaFamily(StrEnum):
    """How the dependence is described."""

    GAUSSIAN = "gaussian"
    """Normal scores' correlation; no tail dependence."""
    STUDENT_T = "student_t"
    """Correlation by Kendall's tau, degrees of freedom by likelihood; both tails."""
    FACTOR_STUDENT_T = "factor_student_t"
    """The same with a correlation of ten factors, for any number of instruments."""
    CLAYTON = "clayton"
    """One parameter, by the mean of Kendall's tau over all pairs: falls together."""
    GUMBEL = "gumbel"
    """One parameter: rises together."""
    FRANK = "frank"
    """One parameter: no tail dependence."""
    VINE = "vine"
    """Regular vine of three trees, each pair of its own family."""


MOST: Final[Mapping[CopulaFamily, int]] = {**dict.fromkeys(CopulaFamily, 50), CopulaFamily.VINE: 20}
"""Instruments that a family takes, as its fit takes every pair; `factor_student_t` takes any number."""


def copula_moves(
    moves: ArrayLike,
    seed: int,
    *,
    family: CopulaFamily = CopulaFamily.STUDENT_T,
    draws: int = DRAWS,
    marginals: Sequence[Marginal] | Callable[[Floats], Marginal] = EmpiricalMarginal,
) -> Floats:
    """Return joint moves of N instruments, float64[N, draws], drawn from a copula fitted to the moves and put on marginals.

    Days count the same whatever their age: volatility is that of the window, not today's.

    Parameters
    ----------
    moves : float64[N, S]
        Historical, oldest first, S >= 10. Finite. An instrument that never moved stays where it is, and the copula is of the others.
    seed : int
        Not negative; of PCG64.
    family : CopulaFamily or str
    draws : int
        At least 1.
    marginals : sequence of Marginal or callable
        One for each instrument, or what makes one of its moves float64[S]. `EmpiricalMarginal` draws no move beyond the extremes seen.

    Raises
    ------
    ScenarioError
        For moves of another shape or not finite, or impossible draws or seed.
    CopulaError
        For an unknown family, more instruments that move than `MOST` in any but "factor_student_t", marginals of another number, and as
        the family's fit: fewer than ten days, a mean Kendall's tau that the family does not have.
    """
    given = checked_moves(moves)
    count = checked_count(draws, "draws", 1)
    checked_count(seed, "seed", 0)
    if family not in tuple(CopulaFamily):
        raise CopulaError(f"unknown family {family!r}; choose one of {', '.join(CopulaFamily)}")
    if not callable(marginals) and len(marginals) != len(given):
        raise CopulaError(f"{len(given)} instruments need as many marginals, not {len(marginals)}")
    chosen, moving = CopulaFamily(family), np.ptp(given, axis=1) > 0.0
    held = int(moving.sum())
    if held > MOST[chosen] and chosen is not CopulaFamily.FACTOR_STUDENT_T:
        raise CopulaError(
            f"{chosen!s} is for at most {MOST[chosen]} instruments, not {held}: its fit takes every pair; use family 'factor_student_t', "
            "or a copula fitted elsewhere with risk_core.copulas.copula_scenarios"
        )
    joint = np.repeat(given[:, :1], count, axis=1)
    if held >= 2:
        laws = marginals if callable(marginals) else [law for law, moves_at_all in zip(marginals, moving, strict=True) if moves_at_all]
        joint[moving] = copula_scenarios(given[moving], FITS[chosen], laws, count, seed)
    elif held == 1:
        place = int(np.argmax(moving))
        law = marginals(given[place]) if callable(marginals) else marginals[place]
        joint[place] = law.from_uniform(np.random.Generator(np.random.PCG64(seed)).random(count))
    return joint


def _vine(u: Floats) -> VineCopula:
    return fit_vine(u, truncation=min(TREES, u.shape[1] - 1))


FITS: Final[Mapping[CopulaFamily, Callable[[Floats], Dependence]]] = {
    CopulaFamily.GAUSSIAN: GaussianCopula.fit,
    CopulaFamily.STUDENT_T: partial(StudentTCopula.fit, method=FitMethod.KENDALL_TAU),
    CopulaFamily.FACTOR_STUDENT_T: partial(FactorStudentTCopula.fit, factors=FACTORS),
    CopulaFamily.CLAYTON: partial(ClaytonCopula.fit, method=FitMethod.KENDALL_TAU),
    CopulaFamily.GUMBEL: partial(GumbelCopula.fit, method=FitMethod.KENDALL_TAU),
    CopulaFamily.FRANK: partial(FrankCopula.fit, method=FitMethod.KENDALL_TAU),
    CopulaFamily.VINE: _vine,
}
"""Pseudo-observations float64[S, N] to a copula."""
