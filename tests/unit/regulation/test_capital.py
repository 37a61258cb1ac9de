"""Capital rules by hand and by law: IMCC, C_A, SES, surcharge, total; Basel 2.5; the multiplier."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.regulation import (
    RiskClass,
    amber_surcharge,
    backtesting_multiplier,
    model_capital,
    modellable_capital,
    multiplier_table,
    non_modellable_capital,
    stressed_var_capital,
    total_capital,
)

amounts = st.floats(0.0, 1e6)
losses = st.lists(amounts, max_size=6)


def test_half_the_diversification_counts() -> None:
    found = modellable_capital(100.0, {"interest_rate": 80.0, "equity": 60.0})
    assert (found.value, found.unconstrained, found.constrained) == (120.0, 100.0, 140.0)


def test_one_risk_class_alone_is_itself() -> None:
    assert modellable_capital(70.0, {RiskClass.EQUITY: 70.0}).value == 70.0


def test_the_latest_day_or_the_average() -> None:
    """With m_c = 1.5, IMCC at 10 and SES at 4 the average asks 19; SES is not multiplied, days before the last sixty do not count."""
    calm = model_capital([900.0] * 5 + [10.0] * 60, [700.0] * 5 + [4.0] * 60, multiplier=1.5)
    assert (calm.value, calm.latest, calm.averaged) == pytest.approx((19.0, 14.0, 19.0))
    jump = model_capital([10.0] * 59 + [40.0], [4.0] * 60, multiplier=1.5)
    assert jump.averaged == pytest.approx(1.5 * 10.5 + 4.0)
    assert jump.value == jump.latest == 44.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(amounts, amounts), min_size=3, max_size=3), st.floats(1.5, 2.0), st.sampled_from([0.5, 8.0]))
def test_model_capital_is_homogeneous_and_rises_with_the_multiplier(
    days: list[tuple[float, float]], multiplier: float, factor: float
) -> None:
    imcc, ses = ([day[i] for day in days] for i in (0, 1))
    found = model_capital(imcc, ses, multiplier=multiplier, days=3).value
    assert model_capital([factor * x for x in imcc], [factor * x for x in ses], multiplier=multiplier, days=3).value == factor * found
    assert model_capital(imcc, ses, multiplier=2.0, days=3).value >= found >= imcc[-1] + ses[-1]


def test_stress_losses_by_hand() -> None:
    """5 of the credit names (3, 4), 13 of the equity names (5, 12), sqrt((0.6 * 7)^2 + 0.64 * 25) of the others (3, 4)."""
    found = non_modellable_capital(idiosyncratic_credit=[3.0, 4.0], idiosyncratic_equity=[5.0, 12.0], others=[3.0, 4.0])
    assert (found.credit, found.equity, found.others) == pytest.approx((5.0, 13.0, sqrt(17.64 + 16.0)))
    assert found.value == found.credit + found.equity + found.others


def test_no_such_factors_cost_nothing_and_one_costs_itself() -> None:
    assert non_modellable_capital().value == 0.0
    assert non_modellable_capital(others=[7.0]).value == pytest.approx(7.0)


@settings(max_examples=60, deadline=None)
@given(losses, losses, losses, st.sampled_from([0.5, 8.0]))
def test_stress_losses_lie_between_no_and_full_diversification(
    credit: list[float], equity: list[float], others: list[float], factor: float
) -> None:
    found = non_modellable_capital(idiosyncratic_credit=credit, idiosyncratic_equity=equity, others=others)
    root = sqrt(sum(x * x for x in others))
    assert root * (1 - 1e-12) <= found.others <= sum(others) * (1 + 1e-12)
    assert found.value <= sum(credit) + sum(equity) + sum(others) + 1e-6
    scaled = non_modellable_capital(
        idiosyncratic_credit=[factor * x for x in credit],
        idiosyncratic_equity=[factor * x for x in equity],
        others=[factor * x for x in others],
    )
    assert scaled.value == pytest.approx(factor * found.value, rel=1e-12)


@pytest.mark.parametrize(("green", "amber", "share"), [([30.0], [10.0], 0.125), ([], [10.0, 5.0], 0.5), ([30.0], [], 0.0), ([], [], 0.0)])
def test_share_of_amber_desks(green: list[float], amber: list[float], share: float) -> None:
    found = amber_surcharge(green=green, amber=amber, standardised=100.0, models=60.0)
    assert (found.share, found.value) == pytest.approx((share, 40.0 * share))


@pytest.mark.parametrize("models", [100.0, 130.0])
def test_models_that_ask_as_much_pay_no_surcharge(models: float) -> None:
    assert amber_surcharge(green=[1.0], amber=[1.0], standardised=100.0, models=models).value == 0.0


def total(**changed: float) -> tuple[float, float, float]:
    given = {
        "models": 50.0,
        "default_risk": 10.0,
        "surcharge": 5.0,
        "standardised_models": 80.0,
        "standardised_others": 30.0,
        "standardised_all": 110.0,
    }
    found = total_capital(**(given | changed))
    return found.value, found.limited, found.excess


def test_total_is_the_sum_of_its_parts() -> None:
    assert total() == (95.0, 95.0, 0.0)


def test_total_is_limited_by_the_standardised_approach_of_all_desks() -> None:
    assert total(standardised_all=94.0) == (94.0, 94.0, 0.0)
    assert total(standardised_all=95.0) == (95.0, 95.0, 0.0)


def test_models_above_the_standardised_approach_are_paid_in_full() -> None:
    """IMA of 130 against SA of 80 for the same desks: the limit of 110 holds, and the 50 beyond come on top."""
    assert total(models=120.0) == (160.0, 110.0, 50.0)


def test_risk_weighted_assets() -> None:
    zero = dict.fromkeys(("models", "default_risk", "surcharge", "standardised_models"), 0.0)
    assert total_capital(**zero, standardised_others=8.0, standardised_all=8.0).risk_weighted_assets == 100.0


def test_published_stressed_var_capital() -> None:
    """FRM practice question on Basel 2.5 (leetquiz.com), 99 %: VaR 451, on average 413; stressed VaR 995, on average 1,106; factors 3.

    Printed answer: max(451, 1,239) + max(995, 3,318) = 4,557 million.
    """
    current, stressed = ([average - (last - average) / 59.0] * 59 + [last] for average, last in ((413.0, 451.0), (1106.0, 995.0)))
    found = stressed_var_capital(current, stressed, multiplier=3.0, stressed_multiplier=3.0)
    assert (found.value, found.current, found.stressed) == pytest.approx((4557.0, 1239.0, 3318.0))


def test_either_side_may_take_its_latest_number() -> None:
    current = [1.0] * 59 + [10.0]
    found = stressed_var_capital(current, [20.0] * 60, multiplier=3.4, stressed_multiplier=3.0)
    assert found.current == 10.0  # 3.4 times the average of 1.15 is less
    assert found.stressed == 60.0


@settings(max_examples=60, deadline=None)
@given(st.lists(amounts, min_size=2, max_size=2), st.floats(3.0, 4.0), st.sampled_from([0.5, 8.0]))
def test_stressed_var_capital_is_homogeneous_and_rises_with_the_multiplier(values: list[float], m: float, factor: float) -> None:
    found = stressed_var_capital(values, values, multiplier=m, stressed_multiplier=m, days=2)
    scaled = [factor * x for x in values]
    assert stressed_var_capital(scaled, scaled, multiplier=m, stressed_multiplier=m, days=2).value == factor * found.value
    assert stressed_var_capital(values, values, multiplier=4.0, stressed_multiplier=m, days=2).value >= found.value


def test_multipliers_are_those_of_the_tables() -> None:
    """MAR32.9, table 1, and Basel 1996, table 2."""
    revised, older = multiplier_table("mar32"), multiplier_table("basel_2.5")
    assert [row.value for row in revised] == [1.5] * 5 + [1.7, 1.76, 1.83, 1.88, 1.92, 2.0]
    assert [row.value for row in older] == [3.0] * 5 + [3.4, 3.5, 3.65, 3.75, 3.85, 4.0]
    assert [row.zone.value for row in revised] == ["green"] * 5 + ["yellow"] * 5 + ["red"]
    assert backtesting_multiplier(250, "mar32").value == 2.0


def test_the_supervisor_may_add() -> None:
    found = backtesting_multiplier(7, "mar32", qualitative=0.1)
    assert found.value == pytest.approx(1.93)
    assert (found.base, found.backtesting, found.qualitative, found.exceptions) == (1.5, 0.33, 0.1, 7)
