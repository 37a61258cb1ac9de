"""Historical scenarios: the moves that happened, day by day."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from risk_core.scenarios.scenario_set import ScenarioError, ScenarioSet
from risk_core.scenarios.weights import equal_weights


def historical_scenarios(
    prices: pd.DataFrame,
    *,
    window: int | None = 500,
    absolute: Collection[str] = (),
    proxies: Mapping[str, str] | None = None,
    default_proxy: str | None = None,
    as_of: str | pd.Timestamp | None = None,
) -> ScenarioSet:
    """Return equally weighted one-day moves from a table of prices.

    Relative instruments move by simple returns p[t] / p[t-1] - 1, `absolute` ones by differences p[t] - p[t-1]. A move needs two prices on
    neighbouring dates. A missing one is taken from the instrument's proxy on that date and flagged, never set to zero and never dropped;
    for an absolute instrument the proxy's return times its own last price.

    Parameters
    ----------
    prices : DataFrame
        Dates (ascending) by instruments; NaN where there is no price.
    window : int or None
        Number of scenarios, the newest; None takes all.
    absolute : collection of str
        Instruments whose price may be zero or negative.
    proxies : mapping of str to str, optional
        Instrument to proxy.
    default_proxy : str, optional
        For instruments without one of their own, or whose proxy has no move either: usually the index.
    as_of : str or Timestamp, optional
        Last date to use: nothing after it is looked at.

    Raises
    ------
    ScenarioError
        For unsorted dates, too short a history, a price <= 0 of a relative instrument, an unknown name, or a move that no proxy fills.
    """
    table = _checked(prices, window, absolute, as_of)
    names = tuple(str(c) for c in table.columns)
    price = table.to_numpy(np.float64)
    previous, newest = price[:-1], price[1:]
    is_absolute = np.isin(names, list(absolute))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(is_absolute & ~((previous > 0.0) & (newest > 0.0)), np.nan, newest / previous - 1.0)
    moves = np.where(is_absolute, newest - previous, relative)
    proxied = np.isnan(moves)
    filled = _filled(moves, relative, price, is_absolute, _proxy_columns(names, proxies or {}, default_proxy), names, table.index)
    return ScenarioSet(
        name="historical",
        instruments=names,
        dates=table.index.to_numpy()[1:],
        shocks=np.ascontiguousarray(filled.T),
        weights=equal_weights(len(filled)),
        absolute=is_absolute,
        proxied=np.ascontiguousarray(proxied.T),
    )


def _checked(prices: pd.DataFrame, window: int | None, absolute: Collection[str], as_of: str | pd.Timestamp | None) -> pd.DataFrame:
    if not prices.index.is_monotonic_increasing or not prices.index.is_unique:
        raise ScenarioError("dates of the price table must ascend without repeats; use prices.sort_index()")
    unknown = sorted(set(absolute) - {str(c) for c in prices.columns})
    if unknown:
        raise ScenarioError(f"absolute names {unknown[0]!r}, which is no column of the price table")
    table = prices if as_of is None else prices.loc[: pd.Timestamp(as_of)]
    if window is not None:
        if window < 1:
            raise ScenarioError(f"window must be at least one scenario, not {window}")
        if len(table) < window + 1:
            raise ScenarioError(f"{window} scenarios need {window + 1} dates of prices; there are {len(table)}")
        table = table.iloc[-window - 1 :]
    if len(table) < 2:
        raise ScenarioError("a move needs two dates of prices")
    try:
        values = table.to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise ScenarioError(f"prices must be numbers: {error}; set the dates as index and leave out other columns") from None
    relative = np.array([str(c) not in set(absolute) for c in table.columns])
    bad = np.argwhere(np.isinf(values) | ((values <= 0.0) & relative))
    if bad.size:
        t, j = bad[0]
        raise ScenarioError(
            f"price of {table.columns[j]} on {table.index[t]} is {values[t, j]:g}; prices of relative instruments are positive and finite, "
            "name it in `absolute` if it may be zero or negative"
        )
    return table


def _proxy_columns(names: tuple[str, ...], proxies: Mapping[str, str], default: str | None) -> list[list[int]]:
    """Return for each instrument the columns to look at, in order."""
    at = {name: j for j, name in enumerate(names)}
    for name in [*proxies, *proxies.values(), *([default] if default else [])]:
        if name not in at:
            raise ScenarioError(f"proxy table names {name!r}, which is no column of the price table")
    return [[at[p] for p in (proxies.get(name), default) if p is not None and p != name] for name in names]


def _filled(
    moves: NDArray[np.float64],
    relative: NDArray[np.float64],
    price: NDArray[np.float64],
    is_absolute: NDArray[np.bool_],
    candidates: list[list[int]],
    names: tuple[str, ...],
    dates: pd.Index,
) -> NDArray[np.float64]:
    filled = moves.copy()
    for t, j in np.argwhere(np.isnan(moves)):
        found = [relative[t, p] for p in candidates[j] if not np.isnan(relative[t, p])]
        if not found:
            raise ScenarioError(f"{names[j]} has no move on {dates[t + 1]} and no proxy has one; give `proxies` or `default_proxy`")
        last = price[: t + 1, j][~np.isnan(price[: t + 1, j])]
        if is_absolute[j] and not last.size:
            raise ScenarioError(f"{names[j]} has no price before {dates[t + 1]}, so a proxy's return cannot be scaled to it")
        filled[t, j] = found[0] * last[-1] if is_absolute[j] else found[0]
    return filled
