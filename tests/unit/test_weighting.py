from __future__ import annotations

import numpy as np
import pytest

from risk_core.methods import ADAPTIVE_WINDOW, AGE_WEIGHTED, HISTORICAL, METHODS, REGIME_WEIGHTED, MeasurePlan, MethodError
from risk_core.tails import TAILS
from risk_core.weighting import weigh


def newest_first(calm: int, wild: int, seed: int = 1) -> np.ndarray:
    """P&L whose volatility became five times what it was, `wild` days ago."""
    random = np.random.default_rng(seed)
    return np.concatenate((random.standard_normal(calm), 5.0 * random.standard_normal(wild)))[::-1].copy()


def test_by_age_it_is_the_method_s_own_rule() -> None:
    pnl = newest_first(100, 100)
    for method in (HISTORICAL, AGE_WEIGHTED):
        found = weigh(method, pnl)
        assert found.doubts == ()
        assert found.weights.sum() == pytest.approx(1.0)
    assert weigh(AGE_WEIGHTED, pnl).weights[0] > weigh(AGE_WEIGHTED, pnl).weights[1]


def test_an_adaptive_window_begins_at_the_change_and_says_so() -> None:
    found = weigh(ADAPTIVE_WINDOW, newest_first(350, 150))
    held = int((found.weights > 0.0).sum())
    assert 130 < held < 170
    assert found.doubts == ("window_shortened",)
    assert "the window begins there" in found.reason
    whole = weigh(ADAPTIVE_WINDOW, newest_first(500, 0))
    assert whole.doubts == ()
    assert (whole.weights > 0.0).all()


def test_days_of_today_s_regime_count_for_more() -> None:
    pnl = newest_first(400, 100)
    found = weigh(REGIME_WEIGHTED, pnl)
    assert found.doubts == ()
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.weights[:100].sum() > 0.8, "today is wild, and the hundred wild days are the newest"
    tails = [TAILS[m.measure](pnl, weigh(m, pnl).weights).value_at_risk(0.99).value for m in (REGIME_WEIGHTED, HISTORICAL)]
    assert tails[0] > tails[1]


@pytest.mark.parametrize("method", [ADAPTIVE_WINDOW, REGIME_WEIGHTED], ids=lambda m: m.name)
@pytest.mark.parametrize("pnl", [np.zeros(300), np.array([1.0, -1.0])], ids=["nothing held", "two days"])
def test_without_a_rule_all_days_count_the_same_and_it_is_said(method: object, pnl: np.ndarray) -> None:
    found = weigh(method, pnl)  # type: ignore[arg-type]
    assert (found.weights == 1.0 / len(pnl)).all()
    assert found.doubts or method is ADAPTIVE_WINDOW


def test_such_methods_are_challengers() -> None:
    for name in ("adaptive_window", "regime_weighted"):
        assert not METHODS[name].streamed
        with pytest.raises(MethodError, match="weigh"):
            METHODS[name].weights_by_age(10, MeasurePlan(10).conventions)
