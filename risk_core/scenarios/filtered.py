"""Filtered historical simulation: past surprises of each instrument at the volatility of today.

G. Barone-Adesi, K. Giannopoulos and L. Vosper, "VaR without correlations for portfolios of derivative securities", Journal of Futures
Markets 19 (1999) 583-602. Residuals of all instruments are drawn as whole days, so that their dependence is the one of history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import LARGEST, MeasureError
from risk_core.measures.drawdown import Accumulation
from risk_core.scenarios.simulated import DRAWS
from risk_core.volatility import VolatilityFit, VolatilityStatus, ewma_volatility, fit_garch, riskmetrics_2006
from risk_core.volatility.state import Recursion, VolatilityState

Floats = NDArray[np.float64]

MODELS: Final[Mapping[str, Callable[[Floats], VolatilityFit]]] = {
    "garch": fit_garch,
    "garch_t": partial(fit_garch, innovation="student_t"),
    "gjr": partial(fit_garch, asymmetric=True),
    "gjr_t": partial(fit_garch, asymmetric=True, innovation="student_t"),
    "riskmetrics_2006": riskmetrics_2006,
    "ewma": ewma_volatility,
}
"""Volatility models by name: one series, oldest first, to its fit."""

AS_IT_IS: Final = "as_it_is"
_UNSCALED = Recursion(0.0, np.ones(1), np.zeros(1), np.zeros(1), np.zeros(1), np.ones(1))
_REFUSED = (VolatilityStatus.TOO_SHORT, VolatilityStatus.NOT_CONVERGED)


@dataclass(frozen=True, slots=True)
class Filtered:
    """What was done with one instrument.

    Parameters
    ----------
    model : str
        That scaled it: the one asked for, "ewma" in its place, or "as_it_is".
    status : VolatilityStatus
        Of the model asked for.
    reason : str
        Why the status is what it is; empty when "ok".
    """

    model: str
    status: VolatilityStatus
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class FilteredMoves:
    """Moves of a filtered historical simulation.

    Parameters
    ----------
    moves : float64[N, S] or float64[N, draws]
        One column a scenario, in the kind of the moves given.
    instruments : tuple of Filtered, N
    floored : int
        Simulated days on which a price would have fallen below zero and was left at zero (compounded moves only).
    """

    moves: Floats = field(repr=False)
    instruments: tuple[Filtered, ...] = field(repr=False)
    floored: int = 0

    @property
    def replaced(self) -> dict[int, Filtered]:
        """Instruments, by row, that the model asked for did not scale."""
        return {row: each for row, each in enumerate(self.instruments) if each.status in (*_REFUSED, VolatilityStatus.CONSTANT)}


def filtered_moves(
    moves: ArrayLike,
    model: str = "garch",
    *,
    horizon: int = 1,
    draws: int | None = None,
    seed: int | None = None,
    accumulation: Accumulation | str = Accumulation.COMPOUNDED,
    centred: bool = False,
) -> FilteredMoves:
    """Return past moves at today's volatility, each instrument by its own model.

    Without draws, the days of history: mean + residual * tomorrow's volatility, float64[N, S], oldest first. With draws, or a horizon of
    several days: for each draw `horizon` days are taken at random with replacement, the same for all instruments; on the way each drawn
    residual moves its instrument's variance on, and the daily moves are accumulated, float64[N, draws].

    Parameters
    ----------
    moves : float64[N, S]
        Simple returns or price differences, oldest first. Finite.
    model : str
        One of `MODELS`.
    horizon : int
        Days, at least 1.
    draws : int, optional
        Of paths; 10,000 if the horizon is more than one day.
    seed : int, optional
        Of PCG64, not negative; needed for draws.
    accumulation : Accumulation or str
        "compounded": simple returns, product of 1 + r, less one. A simulated price that would fall below zero stays at zero.
        "uncompounded": price differences, their sum.
    centred : bool
        True: the mean of each instrument's residuals is taken off first, so that a chance trend is not drawn `horizon` times.

    Returns
    -------
    FilteredMoves
        An instrument with too few days for the model, or whose fit does not converge, is scaled by EWMA; one that never changes stays as it
        is. `replaced` says which, and why.

    Raises
    ------
    MeasureError
        For moves that are no matrix, empty or not finite, an unknown model or accumulation, an impossible horizon or number of draws, or
        draws without a seed.
    """
    given = _checked(moves)
    if model not in MODELS:
        raise MeasureError(f"unknown volatility model {model!r}; choose one of {', '.join(MODELS)}")
    if accumulation not in list(Accumulation):
        raise MeasureError(f"unknown accumulation {accumulation!r}; choose one of {', '.join(Accumulation)}")
    if horizon < 1 or (draws is not None and draws < 1):
        raise MeasureError(f"horizon and draws must be at least 1, not {horizon!r} and {draws!r}")
    days = None
    if horizon > 1 or draws is not None:
        if seed is None or seed < 0:
            raise MeasureError(f"draws need a seed, a whole number that is not negative, not {seed!r}")
        random = np.random.Generator(np.random.PCG64(seed))
        days = random.integers(0, given.shape[1], (DRAWS if draws is None else draws, horizon))
    compounded = accumulation == Accumulation.COMPOUNDED
    result = np.empty((given.shape[0], given.shape[1] if days is None else days.shape[0]))
    done, floored = [], 0
    for row, series in enumerate(given):
        residuals, state, what = _filter(series, model)
        done.append(what)
        if centred:
            residuals = residuals - residuals.mean()
        if days is None:
            result[row] = state.recursion.mean + residuals * state.volatility
        else:
            a = state.recursion
            floored += _paths(
                days, residuals, a.mean, a.level, a.up, a.down, a.persistence, a.mass, state.components, compounded, result[row]
            )
    return FilteredMoves(result, tuple(done), floored)


def _filter(series: Floats, model: str) -> tuple[Floats, VolatilityState, Filtered]:
    fit = MODELS[model](series)
    what = Filtered(model, fit.status, fit.reason)
    if fit.status is VolatilityStatus.CONSTANT:
        return series, VolatilityState(_UNSCALED, np.ones(1)), Filtered(AS_IT_IS, fit.status, fit.reason)
    if fit.status in _REFUSED:
        fit, what = ewma_volatility(series), Filtered("ewma", fit.status, fit.reason)
    return fit.residuals, fit.state, what


def _checked(moves: ArrayLike) -> Floats:
    try:
        given = np.ascontiguousarray(moves, np.float64)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"moves must be numbers: {error}") from None
    if given.ndim != 2 or not given.size:
        raise MeasureError(f"moves must be a matrix of instruments by days with at least one of each, not of shape {given.shape}")
    bad = np.argwhere(~(np.abs(given) <= LARGEST))
    if bad.size:
        row, day = bad[0]
        raise MeasureError(
            f"moves are {given[row, day]} at instrument {row}, day {day} ({len(bad)} are missing or not finite); "
            "fill missing moves from a proxy, or drop the day from every instrument"
        )
    return given


@njit(cache=True, nogil=True, error_model="numpy")
def _paths(
    days: NDArray[np.int64],
    residuals: Floats,
    mean: float,
    level: Floats,
    up: Floats,
    down: Floats,
    persistence: Floats,
    mass: Floats,
    opening: Floats,
    compounded: bool,
    result: Floats,
) -> int:
    """Write the accumulated move of each path to result float64[draws]; return on how many days a price was left at zero."""
    held, floored = np.empty_like(opening), 0
    for path in range(days.shape[0]):
        held[:] = opening
        worth = 1.0 if compounded else 0.0
        for day in range(days.shape[1]):
            variance = 0.0
            for k in range(held.shape[0]):
                variance += mass[k] * held[k]
            e = np.sqrt(variance) * residuals[days[path, day]]
            square = e * e
            for k in range(held.shape[0]):
                held[k] = level[k] + (down[k] if e < 0.0 else up[k]) * square + persistence[k] * held[k]
            move = mean + e
            if not compounded:
                worth += move
            elif move < -1.0:
                worth = 0.0
                floored += 1
            else:
                worth *= 1.0 + move
        result[path] = worth - 1.0 if compounded else worth
    return floored
