"""Regime-switching scenarios: joint moves from the mixture of regimes forecast for the next day, and weights of days by regime.

The regimes are those of one series (`fit_regimes`); each has the covariance of all instruments over the days weighted with its smoothed
probabilities. Each draw takes a regime by its chance tomorrow, then a random normal combination of that regime's days, so that no matrix
is factorised (as in `simulated_moves`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.scenarios.move_checks import Index, checked_count, checked_moves, index_series
from risk_core.scenarios.regimes import RegimeFit, RegimeStatus, fit_regimes
from risk_core.scenarios.scenario_set import ScenarioError
from risk_core.scenarios.simulated import DRAWS

Floats = NDArray[np.float64]

_SUM_TOLERANCE = 1e-9


def regime_moves(
    moves: ArrayLike,
    seed: int,
    *,
    draws: int = DRAWS,
    states: int = 2,
    index: Index = Index.EQUAL,
    free_means: bool = False,
    fit: RegimeFit | None = None,
) -> Floats:
    """Return joint moves of N instruments for the next day, float64[N, draws].

    Parameters
    ----------
    moves : float64[N, S]
        Historical, oldest first. Finite.
    seed : int
        Not negative; of PCG64.
    draws : int
        Even, at least 2: pairs of one regime, mirrored about its mean. Regimes come in their expected numbers, but for rounding, in
        random order.
    states : int
        2 or 3.
    index : Index or str
        The series that the regimes are fitted to: "equal" or "principal".
    free_means : bool
        True: moves have a mean in each regime. False: zero, exactly.
    fit : RegimeFit, optional
        Fitted before, to any series of S days; `states` and `index` are then not read. Its `status` says what it is worth.

    Raises
    ------
    ScenarioError
        For moves of another shape or not finite, too few days, an index that does not vary, impossible draws or seed, a fit of another
        length, or one with a singular state: its draws would hardly move.
    """
    given = checked_moves(moves)
    pairs = checked_count(draws, "draws", 2) // 2
    if draws % 2:
        raise ScenarioError(f"draws come in pairs: give an even number, not {draws!r}")
    checked_count(seed, "seed", 0)
    regimes = fit_regimes(index_series(given, index), states, free_means=free_means) if fit is None else fit
    if len(regimes.smoothed) != given.shape[1]:
        raise ScenarioError(f"the fit is of {len(regimes.smoothed)} days, the moves of {given.shape[1]}")
    if regimes.status is RegimeStatus.SINGULAR:
        raise ScenarioError(f"no scenarios from regimes: {regimes.reason}")
    random = np.random.Generator(np.random.PCG64(seed))
    levels = random.permutation((np.arange(pairs) + random.random()) / pairs)
    chosen = np.searchsorted(np.cumsum(regimes.predictive)[:-1], levels, side="right")
    joint = np.empty((given.shape[0], 2 * pairs))
    for state in range(regimes.states):
        at = np.flatnonzero(chosen == state)
        if at.size == 0:
            continue
        weights = regimes.smoothed[:, state] / regimes.smoothed[:, state].sum()
        middle = given @ weights if free_means else np.zeros(given.shape[0])
        spread = ((given - middle[:, None]) * np.sqrt(weights)) @ random.standard_normal((given.shape[1], at.size))
        joint[:, 2 * at], joint[:, 2 * at + 1] = middle[:, None] + spread, middle[:, None] - spread
    return joint


def regime_weights(probabilities: ArrayLike, today: ArrayLike) -> Floats:
    """Return weights of historical days by regime, float64[S], newest first: sum over k of today_k p_sk / (sum over days of p_sk).

    Each regime has the weight of today's chance, shared among its days.

    Parameters
    ----------
    probabilities : float64[S, K]
        Of each day's regime, oldest first: `RegimeFit.smoothed`.
    today : float64[K]
        Chances to weight by: `RegimeFit.predictive`. They sum to one.

    Raises
    ------
    ScenarioError
        For other shapes, NaN, negative numbers, chances that do not sum to one, or a chance for a regime that no day has.
    """
    days, chances = np.asarray(probabilities, np.float64), np.asarray(today, np.float64)
    if days.ndim != 2 or days.shape[0] < 1 or chances.shape != days.shape[1:]:
        raise ScenarioError(f"probabilities must have the shape (days, regimes) and today (regimes,), not {days.shape} and {chances.shape}")
    for name, array in (("probabilities", days), ("today", chances)):
        if not ((array >= 0.0) & (array <= 1.0 + _SUM_TOLERANCE)).all() or (abs(array.sum(axis=-1) - 1.0) > _SUM_TOLERANCE).any():
            raise ScenarioError(f"{name} must lie in [0, 1] and sum to one over the regimes")
    total = days.sum(axis=0)
    empty = np.flatnonzero((total <= 0.0) & (chances > 0.0))
    if empty.size:
        raise ScenarioError(f"regime {empty[0]} has the chance {chances[empty[0]]:g} today, but no day has it")
    share = np.divide(chances, total, out=np.zeros_like(chances), where=total > 0.0)
    weights = (days @ share)[::-1]
    normalised: Floats = weights / weights.sum()
    return normalised
