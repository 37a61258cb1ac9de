"""Scenarios seen from one currency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from risk_core.engine.twins import currency_shocks
from risk_core.scenarios.scenario_set import ScenarioError, ScenarioSet


def in_currency(
    scenarios: ScenarioSet, currency: str, *, currency_of: Mapping[str, str], rate_of: Mapping[str, str], base: str
) -> ScenarioSet:
    """Return moves in one currency: (1 + r)(1 + fx) - 1, or a (1 + fx) for a price difference a.

    Parameters
    ----------
    scenarios : ScenarioSet
        Moves in each instrument's own currency.
    currency : str
        The currency to see them from.
    currency_of : mapping of str to str
        Currency of instruments; those left out are in `base`.
    rate_of : mapping of str to str
        Currency to the instrument of the set that prices one unit of it in `base`.
    base : str
        Currency in which all rates are quoted.

    Raises
    ------
    ScenarioError
        For a currency without a rate.
    """
    row = {name: j for j, name in enumerate(scenarios.instruments)}
    own = [currency_of.get(name, base) for name in scenarios.instruments]
    currencies = sorted({base, currency, *own})
    fx = np.zeros((len(currencies), len(scenarios.dates)))
    for k, c in enumerate(currencies):
        if c == base:
            continue
        if c not in rate_of or rate_of[c] not in row:
            raise ScenarioError(f"currency {c}: rate_of must name an instrument of the set that prices it in {base}")
        fx[k] = scenarios.shocks[row[rate_of[c]]]
    at = np.array([currencies.index(c) for c in own], np.int64)
    moved = currency_shocks(scenarios.shocks, fx, at, currencies.index(currency), scenarios.absolute)
    return replace(scenarios, shocks=moved, name=f"{scenarios.name} in {currency}")
