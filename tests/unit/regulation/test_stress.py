"""Stressed calibration (MAR33.5, 33.6) and the search for the window of stress."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.regulation import most_severe_window, reduced_set_share, stressed_expected_shortfall, ten_day_value_at_risk

Floats = NDArray[np.float64]
amounts = st.floats(1e-3, 1e6)


def test_scaled_by_the_ratio_of_today() -> None:
    found = stressed_expected_shortfall(200.0, full_current=120.0, reduced_current=100.0)
    assert (found.value, found.ratio) == pytest.approx((240.0, 1.2))


@pytest.mark.parametrize(("full", "ratio"), [(99.0, 1.0), (100.0, 1.0), (101.0, 1.01)])
def test_ratio_has_a_floor_of_one(full: float, ratio: float) -> None:
    assert stressed_expected_shortfall(200.0, full, 100.0).ratio == pytest.approx(ratio)


def test_a_class_without_risk_has_none_under_stress() -> None:
    assert stressed_expected_shortfall(0.0, 0.0, 0.0).value == 0.0


@settings(max_examples=60, deadline=None)
@given(amounts, amounts, amounts, st.sampled_from([0.5, 4.0]))
def test_calibration_is_homogeneous_and_never_below_stress(stressed: float, full: float, reduced: float, factor: float) -> None:
    found = stressed_expected_shortfall(stressed, full, reduced).value
    assert found >= stressed
    assert stressed_expected_shortfall(factor * stressed, factor * full, factor * reduced).value == factor * found


@pytest.mark.parametrize(("last", "enough"), [(75.0, True), (74.9, False)])
def test_share_of_the_reduced_set(last: float, enough: bool) -> None:
    """Sixty days at 75 % are enough; one of them a little lower is not. Days before do not count."""
    reduced = [0.0] * 5 + [75.0] * 59 + [last]
    found = reduced_set_share([100.0] * 65, reduced)
    assert found.enough is enough
    assert found.value == pytest.approx((59 * 0.75 + last / 100.0) / 60.0)


def test_share_is_the_mean_of_ratios() -> None:
    assert reduced_set_share([100.0, 400.0], [100.0, 200.0], days=2).value == 0.75


def test_window_by_hand() -> None:
    """VaR at 75 % of four days is the worst of them: -9 lies in the windows that begin at 2 to 5 and fit."""
    pnl = [1.0, -2.0, 3.0, 0.0, 1.0, -9.0, 2.0, 2.0, 2.0, 2.0]
    newest = most_severe_window(pnl, 0.75, severity="value_at_risk", days=4)
    oldest = most_severe_window(pnl, 0.75, severity="value_at_risk", days=4, ties="oldest")
    assert (newest.value, newest.start, newest.stop, newest.tied) == (9.0, 5, 9, 4)
    assert (oldest.value, oldest.start, oldest.stop, oldest.tied) == (9.0, 2, 6, 4)


@pytest.mark.parametrize(
    ("severity", "measure", "confidence"), [("value_at_risk", value_at_risk, 0.99), ("expected_shortfall", expected_shortfall, 0.975)]
)
def test_window_holds_the_crisis(severity: str, measure: Any, confidence: float) -> None:
    rng = np.random.default_rng(11)
    scale = np.ones(1500)
    scale[600:850] = 5.0
    pnl = scale * rng.standard_normal(1500)
    found = most_severe_window(pnl, confidence, severity=severity)
    assert found.stop - found.start == 250
    assert 500 < found.start < 700
    assert found.value == measure(pnl[found.start : found.stop], confidence).value


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float64, 30, elements=st.integers(-20, 20).map(float)), st.sampled_from(["value_at_risk", "expected_shortfall"]))
def test_no_other_window_is_worse(pnl: Floats, severity: str) -> None:
    measure: Any = value_at_risk if severity == "value_at_risk" else expected_shortfall
    all_of_them = [measure(pnl[s : s + 20], 0.9).value for s in range(11)]
    found = most_severe_window(pnl, 0.9, severity=severity, days=20)
    assert found.value == max(all_of_them)
    assert found.start == max(s for s, value in enumerate(all_of_them) if value == found.value)
    assert found.tied == all_of_them.count(found.value)


def test_a_history_of_one_window_is_that_window() -> None:
    assert most_severe_window(np.arange(250.0), 0.99, severity="value_at_risk").start == 0


def test_stressed_value_at_risk_of_one_day_profit_and_loss() -> None:
    pnl = -np.arange(1.0, 251.0)
    assert ten_day_value_at_risk(pnl, base="ten_days") == value_at_risk(pnl, 0.99).value == 248.0
    assert ten_day_value_at_risk(pnl, base="one_day_scaled") == pytest.approx(248.0 * sqrt(10))
