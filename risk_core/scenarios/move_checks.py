"""Input of scenario builders, checked once at the door; and one series that stands for all instruments."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.scenarios.scenario_set import ScenarioError

Floats = NDArray[np.float64]


class Index(StrEnum):
    """Which series of the moves stands for the market."""

    EQUAL = "equal"
    """The mean move of all instruments."""
    PRINCIPAL = "principal"
    """The first principal component about zero, its loadings of length one and of positive sum."""


def checked_moves(moves: ArrayLike, least: int = 1) -> Floats:
    """Return moves as float64[N, S].

    Raises
    ------
    ScenarioError
        Unless they have two dimensions, one instrument and `least` scenarios, and are finite.
    """
    try:
        given = np.asarray(moves, np.float64)
    except (TypeError, ValueError) as error:
        raise ScenarioError(f"moves must be numbers: {error}") from None
    if given.ndim != 2 or given.shape[0] < 1 or given.shape[1] < 1:
        raise ScenarioError(f"moves must have the shape (instruments, scenarios), not {given.shape}")
    if given.shape[1] < least:
        raise ScenarioError(f"{given.shape[1]} scenarios are too few: give at least {least}")
    bad = np.argwhere(~np.isfinite(given))
    if bad.size:
        row, column = (int(i) for i in bad[0])
        raise ScenarioError(
            f"moves is {given[row, column]} for instrument {row}, scenario {column} ({len(bad)} are not finite); "
            "fill it from a proxy, or drop the scenario from every instrument"
        )
    return given


def checked_count(value: object, name: str, least: int) -> int:
    """Return a whole number; ScenarioError unless it is one, and at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ScenarioError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def index_series(moves: ArrayLike, index: Index = Index.EQUAL) -> Floats:
    """Return the series that stands for the market, float64[S], in the order of the moves.

    Parameters
    ----------
    moves : float64[N, S]
        Finite, in one unit: price differences among returns would drown them, so give their returns, or use a P&L in place of an index.
    index : Index or str

    Raises
    ------
    ScenarioError
        For moves of another shape or not finite, or an unknown index.
    """
    given = checked_moves(moves)
    if index not in tuple(Index):
        raise ScenarioError(f"unknown index {index!r}; choose one of {', '.join(Index)}")
    if Index(index) is Index.EQUAL:
        return np.asarray(given.mean(axis=0), np.float64)
    loadings = np.linalg.svd(given, full_matrices=False)[0][:, 0]
    leading: Floats = (loadings if loadings.sum() >= 0.0 else -loadings) @ given
    return leading
