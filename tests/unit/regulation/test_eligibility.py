"""The risk factor eligibility test (MAR31.13): both criteria, their edges, and the search for gaps."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.regulation import FactorEligibility, factor_eligibility

END = date(2023, 12, 31)
FIRST = date(2023, 1, 1)


def judged(places: list[int]) -> FactorEligibility:
    """Return the test of real prices on the given days of the year, 0 being the first."""
    return factor_eligibility([FIRST + timedelta(days=place) for place in places], END)


def evenly(count: int) -> list[int]:
    return [round((i + 0.5) * 365 / count) for i in range(count)]


@pytest.mark.parametrize(("count", "passes"), [(23, False), (24, True)])
def test_24_observations(count: int, passes: bool) -> None:
    found = judged(evenly(count))
    assert found.fewest >= 4
    assert found.observations == count
    assert found.modellable is passes


@pytest.mark.parametrize(("resumed", "passes"), [(190, True), (191, False)])
def test_four_in_every_90_days(resumed: int, passes: bool) -> None:
    """Three prices lie between day 100 and the day they come back: 89 days with three are allowed, 90 are not."""
    found = judged([*range(0, 101, 5), 120, 140, 160, *range(resumed, 365, 5)])
    assert 24 <= found.observations < 100
    assert found.fewest == (4 if passes else 3)
    assert found.modellable is passes
    if not passes:
        assert found.fewest_from == FIRST + timedelta(days=101)


@pytest.mark.parametrize(("count", "passes"), [(99, False), (100, True)])
def test_100_observations_need_no_spread(count: int, passes: bool) -> None:
    found = judged(list(range(count)))
    assert found.fewest == 0
    assert found.modellable is passes


def test_one_observation_a_day_counts() -> None:
    noon = datetime(2023, 3, 1, 12)
    assert factor_eligibility([noon, noon + timedelta(hours=1), noon.date()], END).observations == 1


def test_the_twelve_months_end_on_the_day_and_begin_the_day_after_a_year_before() -> None:
    assert factor_eligibility([date(2022, 12, 31), FIRST, END, date(2024, 1, 1)], END).observations == 2
    leap = date(2024, 2, 29)
    assert factor_eligibility([date(2023, 2, 28), date(2023, 3, 1), leap], leap).observations == 2


def test_forms_of_dates() -> None:
    days = pd.bdate_range(FIRST, END)
    found = factor_eligibility(days, pd.Timestamp(END))
    assert found.modellable
    assert found == factor_eligibility(days.to_numpy()[::-1], END) == factor_eligibility([str(d.date()) for d in days], END)
    assert found == factor_eligibility(pd.Series(days), END)


def test_nothing_observed_is_not_modellable() -> None:
    found = factor_eligibility([], END)
    assert (found.modellable, found.observations, found.fewest, found.fewest_from) == (False, 0, 0, FIRST)
    assert all("does not hold" in reason for reason in found.reasons)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 364), max_size=120))
def test_every_period_is_looked_at(places: set[int]) -> None:
    counts = [sum(start <= place < start + 90 for place in places) for start in range(365 - 90 + 1)]
    found = judged(sorted(places))
    assert found.fewest == min(counts)
    assert found.fewest_from == FIRST + timedelta(days=int(np.argmin(counts)))
    assert found.modellable is ((len(places) >= 24 and min(counts) >= 4) or len(places) >= 100)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 364), max_size=120), st.integers(0, 364))
def test_one_price_more_never_ends_eligibility(places: set[int], another: int) -> None:
    assert judged(sorted(places | {another})).modellable >= judged(sorted(places)).modellable
