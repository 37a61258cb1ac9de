"""Bad input gets an error that says what, where and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

import risk_core.regulation as reg
from risk_core.backtests import BacktestError
from risk_core.conventions import ConventionError
from risk_core.measures import MeasureError

NAN, INF = float("nan"), float("inf")
END = date(2023, 12, 31)
TEN = {"subsets": "own", "base": "ten_days"}
TOTAL = dict.fromkeys(("default_risk", "surcharge", "standardised_models", "standardised_others", "standardised_all"), 1.0)
YEAR = np.zeros(250)

CASES: list[tuple[type[Exception], Callable[[], Any], str]] = [
    (MeasureError, lambda: reg.liquidity_horizon_shortfall({}, **TEN), "pnl is empty: give the P&L vector"),
    (MeasureError, lambda: reg.liquidity_horizon_shortfall({15: [1.0]}, **TEN), "15 is no liquidity horizon; .* round up"),
    (
        MeasureError,
        lambda: reg.liquidity_horizon_shortfall({10: [1.0], 20: [1.0, 2.0]}, **TEN),
        r"length, \{10: 1, 20: 2\}; .*same scenarios",
    ),
    (MeasureError, lambda: reg.liquidity_horizon_shortfall({20: [1.0, NAN]}, **TEN), r"pnl\[20\] is nan at position 1"),
    (
        ConventionError,
        lambda: reg.liquidity_horizon_shortfall({10: [1.0]}, subsets="all", base="ten_days"),
        "'all'; choose one of own, nested",
    ),
    (ConventionError, lambda: reg.liquidity_horizon_shortfall({10: [1.0]}, subsets="own", base="month"), "'month'; choose one of ten_days"),
    (ConventionError, lambda: reg.liquidity_horizon_shortfall({10: [1.0]}, **TEN, confidence=97.5), "0.975 may be meant"),
    (MeasureError, lambda: reg.stressed_expected_shortfall(1.0, 1.0, 0.0), "reduced_current is 0 .* choose a reduced set"),
    (MeasureError, lambda: reg.stressed_expected_shortfall(-1.0, 1.0, 1.0), "reduced_stressed is -1.0 .* count a gain as 0"),
    (MeasureError, lambda: reg.stressed_expected_shortfall(1.0, NAN, 1.0), "full_current is nan"),
    (MeasureError, lambda: reg.stressed_expected_shortfall([1.0], 1.0, 1.0), "reduced_stressed must be one number"),
    (MeasureError, lambda: reg.reduced_set_share([1.0] * 59, [1.0] * 59), "has 59 days and reduced_current 59; give both the same 60"),
    (MeasureError, lambda: reg.reduced_set_share([1.0, 0.0], [1.0, 0.0], days=2), "full_current is 0 on day 1 of the last 2"),
    (MeasureError, lambda: reg.most_severe_window(YEAR[1:], 0.99, severity="value_at_risk"), "249 days, fewer than one window of 250"),
    (MeasureError, lambda: reg.most_severe_window([1.0, INF], 0.99, severity="value_at_risk", days=2), "pnl is inf at position 1"),
    (MeasureError, lambda: reg.most_severe_window(YEAR, 0.99, severity="value_at_risk", days=0), "days must be a whole number"),
    (ConventionError, lambda: reg.most_severe_window(YEAR, 0.99, severity="loss"), "'loss'; choose one of value_at_risk"),
    (ConventionError, lambda: reg.most_severe_window(YEAR, 0.99, severity="value_at_risk", ties="first"), "'first'; choose one of newest"),
    (ConventionError, lambda: reg.modellable_capital(1.0, {"rates": 1.0}), "'rates'; choose one of interest_rate"),
    (MeasureError, lambda: reg.modellable_capital(1.0, {"equity": -1.0}), r"by_class\[equity\] is -1.0"),
    (MeasureError, lambda: reg.model_capital([1.0] * 59, [1.0] * 60, multiplier=1.5), "modellable has 59 days for an average of 60"),
    (MeasureError, lambda: reg.model_capital([1.0] * 60, [1.0] * 59, multiplier=1.5), "non_modellable has 59 days"),
    (MeasureError, lambda: reg.model_capital([1.0] * 60, [1.0] * 60, multiplier=1.49), "at least 1.5, not 1.49; backtesting_multiplier"),
    (MeasureError, lambda: reg.model_capital([[1.0]], [1.0], multiplier=1.5, days=1), "must have one dimension"),
    (MeasureError, lambda: reg.model_capital(["x"], [1.0], multiplier=1.5, days=1), "modellable must be numbers"),
    (
        MeasureError,
        lambda: reg.stressed_var_capital([1.0], [1.0], multiplier=2.99, stressed_multiplier=3.0, days=1),
        "multiplier must .* 3, not 2.99",
    ),
    (
        MeasureError,
        lambda: reg.stressed_var_capital([1.0], [1.0], multiplier=3.0, stressed_multiplier=1.5, days=1),
        "stressed_multiplier must be",
    ),
    (MeasureError, lambda: reg.non_modellable_capital(others=[1.0, -2.0]), "others is -2.0 at position 1: .* without a loss counts 0"),
    (MeasureError, lambda: reg.amber_surcharge(green=[-1.0], amber=[1.0], standardised=1.0, models=1.0), "green is -1.0"),
    (MeasureError, lambda: reg.total_capital(models=INF, **TOTAL), "models is inf"),
    (MeasureError, lambda: reg.factor_eligibility([20230101], END), "must be dates, not numbers such as 20230101"),
    (MeasureError, lambda: reg.factor_eligibility(["today's"], END), "real_prices must be dates: "),
    (MeasureError, lambda: reg.factor_eligibility([END, None], END), "no date at position 1; leave out"),
    (MeasureError, lambda: reg.factor_eligibility([[END]], END), "one dimension"),
    (MeasureError, lambda: reg.pnl_attribution(YEAR[1:], YEAR[1:], shared_pricer=False), "has 249 days and hypothetical 249; .* same 250"),
    (
        MeasureError,
        lambda: reg.pnl_attribution([1.0, NAN], [1.0, 2.0], shared_pricer=False, days=2),
        "risk_theoretical is nan at position 1",
    ),
    (BacktestError, lambda: reg.count_outliers(YEAR[1:], YEAR[1:], 1.0), "actual has 249 days, fewer than 250"),
    (BacktestError, lambda: reg.count_outliers(YEAR, np.zeros(251), 1.0), "actual has 250 days and hypothetical 251; align"),
    (BacktestError, lambda: reg.count_outliers(YEAR, YEAR, [1.0]), "actual P&L: .* align them day by day"),
    (BacktestError, lambda: reg.count_outliers(YEAR, [INF], 1.0), "hypothetical P&L: pnl is infinite at position 0"),
    (BacktestError, lambda: reg.backtesting_multiplier(251, "mar32"), "251 exceptions in 250"),
    (BacktestError, lambda: reg.backtesting_multiplier(1, "basel"), "basel"),
    (MeasureError, lambda: reg.backtesting_multiplier(1, "mar32", qualitative=-0.1), "qualitative is -0.1"),
]


@pytest.mark.parametrize(("kind", "call", "message"), CASES, ids=[message for _, _, message in CASES])
def test_refused(kind: type[Exception], call: Callable[[], Any], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
