"""Laws, models and sums of tail losses: against scipy, quadrature, closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from risk_core.backtests.es_inputs import pick_side, simulated_p_value, tail_days
from risk_core.backtests.es_laws import (
    Law,
    as_law,
    draws_model,
    location_scale_model,
    ratio_severity_law,
    uniform_severity_law,
)
from risk_core.backtests.result import BacktestError


@pytest.mark.parametrize(("name", "law"), [("normal", stats.norm()), ("t3", stats.t(3)), ("t8.5", stats.t(8.5))])
@pytest.mark.parametrize("tail", [0.01, 0.05, 0.4])
def test_tail_moments_equal_quadrature(name: str, law: stats.rv_continuous, tail: float) -> None:
    mine = as_law(name)
    q = law.ppf(tail)
    first = -integrate.quad(lambda x: x * law.pdf(x), -np.inf, q)[0] / tail
    second = integrate.quad(lambda x: x * x * law.pdf(x), -np.inf, q)[0] / tail
    assert mine.value_at_risk(tail) == pytest.approx(-q)
    assert mine.expected_shortfall(tail) == pytest.approx(first, rel=1e-7)
    assert mine.shortfall_deviation(tail) == pytest.approx(np.sqrt(second - first**2), rel=1e-5)


def test_laws_by_name() -> None:
    assert as_law("Normal").is_normal
    assert as_law(4).degrees_of_freedom == 4.0
    for bad in ("cauchy", "t1", 0.5):
        with pytest.raises(BacktestError):
            as_law(bad)
    with pytest.raises(BacktestError, match="more than 2"):
        Law(2.0).shortfall_deviation(0.01)


def test_one_and_two_days_of_uniform_severities_in_closed_form() -> None:
    tail = 0.3
    one, two = uniform_severity_law(1, tail), uniform_severity_law(2, tail)
    for s in (0.2, 0.7, 0.95):
        assert one.less(s) == pytest.approx(0.7 + 0.3 * s, abs=1e-4)
        assert two.less(s) == pytest.approx(0.49 + 2 * 0.21 * s + 0.09 * s * s / 2, abs=2e-4)
        assert one.less(s) + one.greater(s) == pytest.approx(1.0)
    assert two.less(0.0) == pytest.approx(0.49, abs=1e-4)
    assert (two.greater(0.0), two.less(-1.0), two.less(2.5)) == (1.0, 0.0, pytest.approx(1.0))
    assert two.quantile(two.less(0.6)) == pytest.approx(0.6, abs=1e-3)


@pytest.mark.parametrize(("name", "location"), [("normal", 0.0), ("t3", 0.0), ("t6", 0.4)])
def test_sums_of_ratios_equal_simulation(name: str, location: float) -> None:
    law, tail, days, count = as_law(name), 0.025, 250, 200_000
    var, shortfall = law.value_at_risk(tail) - location, law.expected_shortfall(tail) - location
    rng = np.random.default_rng(5)
    exceptions = rng.binomial(days, tail, count)
    ratios = -(location + law.quantile(tail * (1.0 - rng.random(int(exceptions.sum()))))) / shortfall
    assert ratios.min() >= var / shortfall - 1e-9
    sums = np.bincount(np.repeat(np.arange(count), exceptions), ratios, count)
    exact = ratio_severity_law(days, tail, law, location)
    for s in (2.0, 6.25, 9.0, 12.0):
        share = float((sums >= s).mean())
        assert exact.greater(s) == pytest.approx(share, abs=4.0 * np.sqrt(share * (1 - share) / count) + 1e-5)
    with pytest.raises(BacktestError, match="VaR negative"):
        ratio_severity_law(days, tail, law, 10.0)


def test_models_draw_what_they_foretell() -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    scale, pnl = np.array([1.0, 2.0, 5.0]), np.array([-1.0, 0.5, 20.0])
    model = location_scale_model(0.3, scale, "t5")
    np.testing.assert_allclose(model.pit(pnl), stats.t(5).cdf((pnl - 0.3) / scale))
    sample = model.sample(rng, 40_000)
    drawn = draws_model(sample[:20_000].T)
    np.testing.assert_allclose(drawn.pit(pnl), model.pit(pnl), atol=0.015)
    assert stats.ks_2samp(drawn.sample(rng, 5_000)[:, 1], sample[20_000:25_000, 1]).pvalue > 0.001
    np.testing.assert_allclose(drawn.quantiles(np.array([0.1, 0.5]))[2], 0.3 + 5.0 * stats.t(5).ppf([0.1, 0.5]), atol=0.2)
    tied = draws_model([[0.0, 0.0, 1.0]])
    assert tied.pit([0.0]) == pytest.approx([1.5 / 4.0])
    assert tied.pit([-9.0])[0] > 0.0
    assert tied.pit([9.0])[0] < 1.0


@pytest.mark.parametrize("draws", [[1.0, 2.0], [[1.0]], [[1.0, np.nan]]])
def test_draws_must_be_a_finite_matrix(draws: object) -> None:
    with pytest.raises(BacktestError):
        draws_model(draws)  # type: ignore[arg-type]


def test_simulated_p_values_are_never_zero_and_count_ties() -> None:
    simulated = np.array([1.0, 2.0, 2.0, np.nan])
    assert simulated_p_value(simulated, 2.0, "greater") == 3 / 4
    assert simulated_p_value(simulated, 0.5, "less") == 1 / 4
    assert simulated_p_value(simulated, 2.0, "two-sided") == 1.0
    with pytest.raises(BacktestError, match="alternative"):
        pick_side(0.5, 0.5, "lesser")


def test_whole_days_of_a_tail() -> None:
    assert [tail_days(n, p) for n, p in ((100, 0.01), (250, 0.025), (1000, 0.025), (99, 0.01), (40, 0.025))] == [1, 6, 25, 0, 1]
