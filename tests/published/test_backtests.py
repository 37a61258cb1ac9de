"""Printed results of VaR backtests: MATLAB's documentation, Basel, Kupiec, quarks, OpenSourceRisk, ExactVaRTest."""

from __future__ import annotations

import pytest

from risk_core.backtests import (
    basel_multiplier,
    binomial_test,
    chi_square_tail,
    christoffersen_conditional_coverage,
    christoffersen_conditional_coverage_counts,
    christoffersen_independence_counts,
    desk_eligible,
    kupiec_pof,
    kupiec_tuff,
    overlapping_bounds,
    pof_acceptance_region,
    traffic_light,
    traffic_light_bounds,
)

PRINTED = 2e-5
"""Relative: half of the last of five digits."""


@pytest.mark.parametrize(
    ("count", "days", "confidence", "ratio", "p_value"),
    [
        (57, 1043, 0.95, 0.46147, 0.49694),  # MATLAB varbacktest.pof
        (17, 1043, 0.99, 3.5118, 0.060933),  # the same
        (15, 1000, 0.99, 2.18925, 0.13898),  # Miller, Quantitative Financial Risk Management, 9.14
    ],
)
def test_proportion_of_failures(count: int, days: int, confidence: float, ratio: float, p_value: float) -> None:
    found = kupiec_pof(count, days, confidence)
    assert found.statistic == pytest.approx(ratio, rel=PRINTED)
    assert found.p_value == pytest.approx(p_value, rel=PRINTED * 2)
    assert not found.rejected


def test_proportion_of_failures_of_which_only_the_p_value_is_printed() -> None:
    """MATLAB esbacktestbysim.conditional, 1,966 days at 95 %: .70347 is that of 102 exceptions and of no other count."""
    p_values = [kupiec_pof(x, 1966, 0.95).p_value for x in range(60, 150)]
    near = [x for x, p in enumerate(p_values, 60) if p == pytest.approx(0.70347, abs=1e-5)]
    assert near == [102]
    assert kupiec_pof(4, 250, 0.975).p_value == pytest.approx(0.3296, abs=5e-5)  # quarks cvgtest, DAX
    assert kupiec_pof(3, 250, 0.99).p_value == pytest.approx(0.758, abs=5e-4)  # quarks cvgtest, HSI


def test_binomial() -> None:
    """MATLAB varbacktest.bin."""
    found = binomial_test(57, 1043, 0.95)
    assert found.statistic == pytest.approx(0.68905, rel=PRINTED)
    assert found.p_value == pytest.approx(0.49079, rel=PRINTED)


def test_time_until_first_failure() -> None:
    """MATLAB varbacktest.tuff."""
    found = kupiec_tuff(58, 0.95, observations=1043)
    assert found.statistic == pytest.approx(1.7354, rel=3e-5)
    assert found.p_value == pytest.approx(0.18773, rel=PRINTED)


def test_conditional_coverage() -> None:
    """MATLAB varbacktest.cc: the proportion counts 1,043 days, the Markov part 1,042 transitions."""
    found = christoffersen_conditional_coverage_counts(57, 1043, 932, 53, 53, 4, 0.95)
    assert found.statistic == pytest.approx(0.72013, rel=PRINTED)
    assert found.p_value == pytest.approx(0.69763, rel=PRINTED)
    alone = christoffersen_independence_counts(932, 53, 53, 4, 0.95)
    assert alone.statistic == pytest.approx(0.72013 - 0.46147, abs=2e-5)
    assert alone.p_value == pytest.approx(0.61104, rel=1e-4)


def test_exact_conditional_coverage() -> None:
    """ExactVaRTest's introduction: 300 days at 95 %, ratio 5.8882, exact p-value 0.0442. Only seven single exceptions have that ratio."""
    hits = [day in (20, 60, 100, 140, 180, 220, 260) for day in range(300)]
    found = christoffersen_conditional_coverage(hits, 0.95, decide_by="exact")
    assert found.statistic == pytest.approx(5.8882, abs=5e-5)
    assert found.p_value_exact == pytest.approx(0.0442, abs=5e-5)
    assert found.rejected
    assert found.p_value is not None
    assert found.p_value > 0.05


def test_time_between_failures() -> None:
    """MATLAB varbacktest.tbf: gaps are not printed, so only the law and the sum rule are checked."""
    assert chi_square_tail(88.952, 58) == pytest.approx(0.0055565, rel=3e-4)
    assert chi_square_tail(88.491, 57) == pytest.approx(0.0047475, rel=3e-4)
    assert kupiec_pof(57, 1043, 0.95).statistic == pytest.approx(88.952 - 88.491, abs=1e-3)


def test_traffic_light() -> None:
    found = traffic_light(57, 1043, 0.95).details  # MATLAB varbacktest.tl
    assert (found["zone"], found["plus_factor_basel_2.5"]) == ("green", 0.0)
    assert (found["probability"], found["type_i"]) == (pytest.approx(0.77913, rel=PRINTED), pytest.approx(0.26396, rel=PRINTED))
    assert traffic_light(40, 250, 0.9).details["zone"] == "yellow"  # MATLAB risk.validation.trafficLightVaRTest
    cumulative = [traffic_light(x, 250, c).details["probability"] for x, c in ((3, 0.99), (4, 0.975))]
    assert cumulative == pytest.approx([0.7581, 0.2495], abs=6e-5)  # quarks trftest


def test_basels_table_of_1996() -> None:
    """Supervisory framework for the use of backtesting, table 2: cumulative probabilities of 0 to 10 exceptions, zones, plus factors."""
    printed = [0.0811, 0.2858, 0.5432, 0.7581, 0.8922, 0.9588, 0.9863, 0.9960, 0.9989, 0.9997, 0.9999]
    assert [traffic_light(x).details["probability"] for x in range(11)] == pytest.approx(printed, abs=6e-5)
    assert [traffic_light(x).details["zone"] for x in range(11)] == ["green"] * 5 + ["yellow"] * 5 + ["red"]
    assert traffic_light_bounds(250, 0.99) == (4, 9)


def test_multipliers_and_desks() -> None:
    assert [basel_multiplier(x, "mar32") for x in range(4, 11)] == [1.5, 1.7, 1.76, 1.83, 1.88, 1.92, 2.0]
    assert [basel_multiplier(x, "basel_2.5") for x in range(4, 11)] == [3.0, 3.4, 3.5, 3.65, 3.75, 3.85, 4.0]
    assert [desk_eligible(*x) for x in ((12, 30), (13, 0), (0, 31))] == [True, False, False]  # MAR32.18


def test_kupiecs_regions() -> None:
    """Kupiec 1995, table 3: N < 7, 1 < N < 11, 4 < N < 17 at 99 %. At 255 days the ratio also rejects N = 0."""
    assert [pof_acceptance_region(n, 0.99) for n in (255, 510, 1000)] == [(1, 6), (2, 10), (5, 16)]
    assert [pof_acceptance_region(n, 0.95) for n in (255, 510, 1000)] == [(7, 20), (17, 35), (38, 64)]


def test_overlapping_horizons_of_three_correlated_portfolios() -> None:
    """OpenSourceRisk testMultiplePortfoliosAgainstReferenceResults (ISDA SIMM report): 19 and 51, by 1.5 million simulations."""
    bounds = overlapping_bounds(250, 0.99, horizon=10, portfolios=3, correlation=0.5, simulations=300_000)
    assert bounds[0] == 19
    assert abs(bounds[1] - 51) <= 1
