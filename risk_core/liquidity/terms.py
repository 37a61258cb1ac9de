"""What it costs and how long it takes to trade each instrument, and the scenarios that hold it.

Half a widened spread is lost whatever happens (Bangia, Diebold, Schuermann and Stroughair 1999); a position that takes days to sell is
exposed while it is sold (Jorion, Value at Risk, 3rd ed. 2006, ch. 13). Both enter as moves, so components, groups and explanations of the
number hold the cost of each position, and sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from risk_core.book import Instrument
from risk_core.liquidity.horizon import liquidation_scale
from risk_core.liquidity.spread import spread_cost
from risk_core.measures.checks import MeasureError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LiquidityTerms:
    """Liquidity of an instrument, or of all of an asset class that have no terms of their own.

    Parameters
    ----------
    of : str
        Symbol or asset class.
    spread, spread_volatility : float
        Mean and standard deviation of the bid-ask spread, not negative: relative to the price, or in its unit for instruments whose moves
        are price differences.
    liquidation_days : float
        Days to sell a position at a pace that the market bears, not negative (`liquidation_days` gives them from volume).
    """

    of: str
    spread: float = 0.0
    spread_volatility: float = 0.0
    liquidation_days: float = 1.0

    def __post_init__(self) -> None:
        for name in ("spread", "spread_volatility", "liquidation_days"):
            value = getattr(self, name)
            if not 0.0 <= value < float("inf"):
                raise MeasureError(f"liquidity of {self.of!r}: {name} must be finite and not negative, not {value!r}")


@dataclass(frozen=True, slots=True, eq=False)
class Liquidity:
    """Terms by column of a book.

    Parameters
    ----------
    half_spread : float64[N]
        Stressed: 0.5 * (mean + multiplier * standard deviation).
    scale : float64[N]
        At least 1: risk of a position while it is sold, over that of holding it one day.
    known : bool[N]
        Whether there are terms.
    """

    half_spread: Floats
    scale: Floats
    known: NDArray[np.bool_]

    @staticmethod
    def of(instruments: Sequence[Instrument], terms: Sequence[LiquidityTerms], multiplier: float) -> Liquidity:
        """Return the terms of instruments in their order; symbols go before asset classes.

        Parameters
        ----------
        multiplier : float
            Standard deviations by which spreads are stressed, not negative.

        Raises
        ------
        MeasureError
            For a negative or infinite multiplier.
        """
        by_name = {t.of: t for t in terms}
        found = [by_name.get(i.symbol, by_name.get(str(i.asset_class))) for i in instruments]
        used = [LiquidityTerms("") if t is None else t for t in found]
        one = np.ones(len(used))
        return Liquidity(
            half_spread=spread_cost(one, [t.spread for t in used], [t.spread_volatility for t in used], multiplier=multiplier * one),
            scale=liquidation_scale([t.liquidation_days for t in used]),
            known=np.array([t is not None for t in found], np.bool_),
        )

    def crossed(self, moves: Floats, exposure: Floats) -> Floats:
        """Return moves float64[N, S] less half a spread for longs, and more it for shorts: each scenario pays 0.5 * spread * |exposure|."""
        return moves - (np.sign(exposure) * self.half_spread)[:, None]

    def held_longer(self, moves: Floats, exposure: Floats) -> Floats:
        """Return moves float64[N, S] scaled to the time that each position takes to sell."""
        return moves * self.scale[:, None]
