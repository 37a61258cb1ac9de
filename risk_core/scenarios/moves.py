"""The moves of each named set, made from historical ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.measures.drawdown import Accumulation
from risk_core.methods import Method, ScenarioName
from risk_core.scenarios.block_bootstrap import bootstrap_moves
from risk_core.scenarios.copula_moves import MOST, CopulaFamily, copula_moves
from risk_core.scenarios.factor_model import factor_moves
from risk_core.scenarios.filtered import filtered_moves
from risk_core.scenarios.horizons import overlapping_moves, separate_moves, square_root_of_time
from risk_core.scenarios.regime_switching import regime_moves
from risk_core.scenarios.simulated import DEGREES_OF_FREEDOM, DRAWS, simulated_moves
from risk_core.scenarios.simulated_variants import aligned_sobol_moves, moment_matched_moves
from risk_core.scenarios.volatility_weighted import volatility_scaled
from risk_core.uncertainty.resampling import Scheme

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def _student_t_copula(moves: Floats, seed: int) -> Floats:
    """Pairwise where the family takes as many instruments, else by factors."""
    moving = int((np.ptp(moves, axis=1) > 0.0).sum())
    family = CopulaFamily.STUDENT_T if moving <= MOST[CopulaFamily.STUDENT_T] else CopulaFamily.FACTOR_STUDENT_T
    return copula_moves(moves, seed, family=family)


MOVES: Final[Mapping[ScenarioName, Callable[[Floats, int], Floats]]] = {
    ScenarioName.HISTORICAL: lambda moves, seed: moves,
    ScenarioName.SEPARATE: lambda moves, seed: moves,
    ScenarioName.SQUARE_ROOT: lambda moves, seed: moves,
    ScenarioName.VOLATILITY_WEIGHTED: lambda moves, seed: volatility_scaled(moves),
    ScenarioName.FILTERED: lambda moves, seed: filtered_moves(moves).moves,
    ScenarioName.BOOTSTRAPPED: bootstrap_moves,
    ScenarioName.BOOTSTRAPPED_CIRCULAR: partial(bootstrap_moves, scheme=Scheme.CIRCULAR),
    ScenarioName.SIMULATED_NORMAL: simulated_moves,
    ScenarioName.SIMULATED_STUDENT_T: partial(simulated_moves, degrees_of_freedom=DEGREES_OF_FREEDOM),
    ScenarioName.SIMULATED_MATCHED: moment_matched_moves,
    ScenarioName.SIMULATED_FACTORS: partial(factor_moves, degrees_of_freedom=DEGREES_OF_FREEDOM),
    ScenarioName.SIMULATED_SOBOL: lambda moves, seed: aligned_sobol_moves(moves, np.zeros(len(moves)), seed),
    ScenarioName.REGIME_SWITCHING: regime_moves,
    ScenarioName.COPULA_GAUSSIAN: partial(copula_moves, family=CopulaFamily.GAUSSIAN),
    ScenarioName.COPULA_STUDENT_T: _student_t_copula,
    ScenarioName.COPULA_CLAYTON: partial(copula_moves, family=CopulaFamily.CLAYTON),
    ScenarioName.COPULA_GUMBEL: partial(copula_moves, family=CopulaFamily.GUMBEL),
    ScenarioName.COPULA_FRANK: partial(copula_moves, family=CopulaFamily.FRANK),
    ScenarioName.COPULA_VINE: partial(copula_moves, family=CopulaFamily.VINE),
}
"""Moves float64[N, S], oldest first, in each instrument's own currency, and a seed, to the moves of the set.

A ValueError says that there is no such set of these moves.
"""

PATHS: Final[Mapping[ScenarioName, Callable[[Floats, int, int, Flags], Floats]]] = {
    ScenarioName.HISTORICAL: lambda moves, seed, horizon, absolute: overlapping_moves(moves, horizon, absolute),
    ScenarioName.SEPARATE: lambda moves, seed, horizon, absolute: separate_moves(moves, horizon, absolute),
    ScenarioName.SQUARE_ROOT: lambda moves, seed, horizon, absolute: square_root_of_time(moves, horizon),
    ScenarioName.BOOTSTRAPPED: lambda moves, seed, horizon, absolute: bootstrap_moves(moves, seed, horizon=horizon, absolute=absolute),
    ScenarioName.BOOTSTRAPPED_CIRCULAR: lambda moves, seed, horizon, absolute: bootstrap_moves(
        moves, seed, horizon=horizon, absolute=absolute, scheme=Scheme.CIRCULAR
    ),
    ScenarioName.FILTERED: lambda moves, seed, horizon, absolute: _filtered_paths(moves, seed, horizon, absolute),
}
"""The same over several days: moves, seed, horizon and which instruments' moves add up."""


def moves_of(method: Method, moves: Floats, seed: int, absolute: Flags | None = None, gradient: Floats | None = None) -> Floats:
    """Return the moves of a method's set over its horizon, float64[N, draws or days], oldest first.

    Parameters
    ----------
    moves : float64[N, S]
        Of one day each, oldest first.
    seed : int
    absolute : bool[N], optional
        Instruments whose moves are price differences; none if not given.
    gradient : float64[N], optional
        Of a book's P&L by the moves, for a set that is made for one book; if not given, such a set begins with the largest direction.

    Raises
    ------
    ValueError
        There is no such set of these moves.
    """
    if method.scenario_set.of_one_book and gradient is not None:
        return aligned_sobol_moves(moves, gradient, seed)
    if method.horizon_days == 1:
        return MOVES[method.scenario_set](moves, seed)
    adding = np.zeros(len(moves), np.bool_) if absolute is None else absolute
    return PATHS[method.scenario_set](moves, seed, method.horizon_days, adding)


def _filtered_paths(moves: Floats, seed: int, horizon: int, absolute: Flags) -> Floats:
    """Both kinds of moves with the same days drawn: one seed."""
    joint = np.empty((len(moves), DRAWS))
    for kind, accumulation in ((~absolute, Accumulation.COMPOUNDED), (absolute, Accumulation.UNCOMPOUNDED)):
        if kind.any():
            joint[kind] = filtered_moves(moves[kind], horizon=horizon, draws=DRAWS, seed=seed, accumulation=accumulation).moves
    return joint
