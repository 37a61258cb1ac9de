from __future__ import annotations

import numpy as np
import pytest

from risk_core.book import AssetClass, Instrument
from risk_core.liquidity.terms import Liquidity, LiquidityTerms
from risk_core.measures import MeasureError

BOOK = (
    Instrument(1, "AAPL", AssetClass.EQUITY, "USD"),
    Instrument(2, "THIN", AssetClass.EQUITY, "USD"),
    Instrument(3, "EURUSD", AssetClass.FX, "USD"),
)


def test_a_symbol_goes_before_its_class_and_what_has_none_is_perfectly_liquid() -> None:
    found = Liquidity.of(BOOK, [LiquidityTerms("equity", 0.001, 0.0005, 1.0), LiquidityTerms("THIN", 0.02, 0.01, 10.0)], 3.0)
    assert found.half_spread == pytest.approx([0.5 * 0.0025, 0.5 * 0.05, 0.0])
    assert found.scale == pytest.approx([1.0, np.sqrt(11 * 21 / 60), 1.0])
    assert found.known.tolist() == [True, True, False]


def test_every_scenario_pays_the_cost_on_longs_and_shorts() -> None:
    liquid = Liquidity.of(BOOK, [LiquidityTerms("equity", 0.01)], 3.0)
    moves, exposure = np.random.default_rng(1).normal(size=(3, 50)), np.array([100.0, -300.0, 50.0])
    assert exposure @ liquid.crossed(moves, exposure) == pytest.approx(exposure @ moves - 0.5 * 0.01 * 400.0)
    assert (liquid.held_longer(moves, exposure) == moves).all()


@pytest.mark.parametrize("changed", [{"spread": -0.1}, {"spread_volatility": float("nan")}, {"liquidation_days": float("inf")}])
def test_impossible_terms_are_named(changed: dict[str, float]) -> None:
    with pytest.raises(MeasureError, match=f"THIN.*{next(iter(changed))}"):
        LiquidityTerms("THIN", **changed)


def test_an_impossible_multiplier_is_refused() -> None:
    with pytest.raises(MeasureError, match="multiplier"):
        Liquidity.of(BOOK, [], -1.0)
