"""Acerbi and Szekely's statistics: by hand, against loops over the printed formulas, and their sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.backtests.es_acerbi_szekely import (
    AcerbiSzekely,
    acerbi_szekely_test,
    acerbi_szekely_z1,
    acerbi_szekely_z2,
    minimally_biased_test,
    z2_critical_value,
    z2_p_value,
)
from risk_core.backtests.es_laws import Law, as_law, draws_model, location_scale_model
from risk_core.backtests.es_quantile import acerbi_szekely_z3, expected_sample_shortfall
from risk_core.backtests.result import BacktestError, Decision

NORMAL = as_law("normal")
VAR, ES = NORMAL.value_at_risk(0.025), NORMAL.expected_shortfall(0.025)


def series(days: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    scale = np.exp(0.4 * rng.standard_normal(days))
    return spread * scale * rng.standard_normal(days), scale


def test_statistics_by_hand() -> None:
    pnl, var, es = [-3.0, -1.0, 2.0, -6.0], [2.0, 2.0, 2.0, 4.0], [3.0, 3.0, 3.0, 5.0]
    assert acerbi_szekely_z1(pnl, var, es, 0.75).statistic == pytest.approx(1.0 - (1.0 + 1.2) / 2.0)
    assert acerbi_szekely_z2(pnl, var, es, 0.75).statistic == pytest.approx(1.0 - (1.0 + 1.2) / (4 * 0.25))
    absolute = ((3 - 2 - 4 * 1) + 1 + 1 + (5 - 4 - 4 * 2)) / 4
    assert minimally_biased_test(pnl, var, es, 0.75).statistic == pytest.approx(absolute)
    relative = ((3 - 2 - 4 * 1) / 3 + 1 / 3 + 1 / 3 + (5 - 4 - 4 * 2) / 5) / 4
    assert minimally_biased_test(pnl, var, es, 0.75, relative=True).statistic == pytest.approx(relative)


@given(st.integers(0, 10_000), st.floats(0.001, 1000.0))
@settings(max_examples=25, deadline=None)
def test_order_and_unit_do_not_matter(seed: int, unit: float) -> None:
    pnl, scale = series(120, seed, 1.6)
    var, es = scale * NORMAL.value_at_risk(0.05), scale * NORMAL.expected_shortfall(0.05)
    order = np.random.default_rng(seed).permutation(120)
    for kind in AcerbiSzekely:
        first = acerbi_szekely_test(kind, pnl, var, es, 0.95)
        other = acerbi_szekely_test(kind, unit * pnl[order], unit * var[order], unit * es[order], 0.95)
        factor = unit if kind is AcerbiSzekely.MINIMALLY_BIASED_ABSOLUTE else 1.0
        assert (first.statistic is None) is (other.statistic is None)
        if first.statistic is not None and other.statistic is not None:
            assert other.statistic == pytest.approx(factor * first.statistic, rel=1e-9, abs=1e-12 * factor)
            assert other.p_value == pytest.approx(first.p_value, rel=1e-6)


@pytest.mark.parametrize("kind", list(AcerbiSzekely))
def test_simulated_p_values_are_uniform_under_the_model_and_small_where_it_is_too_calm(kind: AcerbiSzekely) -> None:
    found = []
    for seed in range(150):
        pnl, scale = series(250, seed)
        model = location_scale_model(0.0, scale)
        found.append(acerbi_szekely_test(kind, pnl, scale * VAR, scale * ES, 0.975, model=model, simulations=300, seed=seed).p_value_exact)
    share = np.mean([p < 0.1 for p in found if p is not None])
    assert share == pytest.approx(0.1, abs=0.08)
    pnl, scale = series(500, 7, 1.5)
    bad = acerbi_szekely_test(kind, pnl, scale * VAR, scale * ES, 0.975, model=location_scale_model(0.0, scale))
    assert bad.decision is Decision.REJECT
    assert bad.direction == "losses too large"


def test_exact_and_simulated_z2_agree_and_draws_stand_for_the_law() -> None:
    pnl = NORMAL.sample(np.random.Generator(np.random.PCG64(3)), (250,)) * 1.15
    exact = acerbi_szekely_z2(pnl, VAR, ES, 0.975)
    model = location_scale_model(0.0, np.ones(250))
    simulated = acerbi_szekely_z2(pnl, VAR, ES, 0.975, model=model, simulations=20_000)
    assert exact.p_value_exact == pytest.approx(simulated.p_value_exact, abs=0.015)
    assert exact.details["critical_value"] == pytest.approx(simulated.details["critical_value"], abs=0.03)
    draws = draws_model(np.random.default_rng(5).standard_normal((250, 4_000)))
    by_draws = acerbi_szekely_z2(pnl, VAR, ES, 0.975, model=draws, simulations=5_000)
    assert by_draws.p_value_exact == pytest.approx(exact.p_value_exact, abs=0.03)
    again = acerbi_szekely_z2(pnl, VAR, ES, 0.975, model=model, simulations=20_000)
    assert again == simulated


def test_critical_value_and_p_value_are_inverse() -> None:
    for law in ("normal", "t3", Law(7.0)):
        critical = z2_critical_value(250, 0.975, 0.99, law)
        assert z2_p_value(critical, 250, 0.975, law) == pytest.approx(0.01, rel=1e-3)
    assert z2_p_value(1.0, 250, 0.975) == 1.0
    assert z2_critical_value(250, 0.975, 0.95, "normal", location=1.0) < z2_critical_value(250, 0.975, 0.95, "normal", location=-1.0)


def test_degenerate_samples() -> None:
    calm = np.full(50, 0.5)
    none = acerbi_szekely_z1(calm, 1.0, 2.0, 0.975)
    assert (none.decision, none.status) == (Decision.NOT_APPLICABLE, "no_exceptions")
    quiet = acerbi_szekely_z2(calm, 1.0, 2.0, 0.975)
    assert (quiet.statistic, quiet.p_value, quiet.p_value_exact, quiet.status) == (1.0, None, 1.0, "no_exceptions")
    assert minimally_biased_test(calm, 1.0, 2.0, 0.975).status == "no_variation"
    one = acerbi_szekely_z1([-3.0], 1.0, 2.0, 0.975)
    assert (one.decision, one.status) == (Decision.NOT_APPLICABLE, "no_variation")
    assert acerbi_szekely_z2([-3.0], 1.0, 2.0, 0.975).decision is Decision.REJECT
    everyday = acerbi_szekely_z2(np.full(50, -3.0), 1.0, 2.0, 0.975)
    assert everyday.statistic == pytest.approx(1.0 - 1.5 / 0.025)
    assert everyday.p_value_exact == pytest.approx(0.0, abs=1e-8)
    with pytest.raises(BacktestError, match="days"):
        acerbi_szekely_z2(calm, 1.0, 2.0, 0.975, model=location_scale_model(0.0, np.ones(49)))
    with pytest.raises(BacktestError, match="z1, z2"):
        acerbi_szekely_test("z4", calm, 1.0, 2.0, 0.975)


def brute_z3(pnl: np.ndarray, location: np.ndarray, scale: np.ndarray, law: Law, smallest: int, rng: np.random.Generator) -> float:
    """The printed statistic, days one after another; the expectation by simulation."""
    days = pnl.size
    pit = np.array([float(law.cdf((x - m) / s)) for x, m, s in zip(pnl, location, scale, strict=True)])
    uniforms = np.sort(rng.random((20_000, days)), axis=1)[:, :smallest]
    ratios = []
    for m, s in zip(location, scale, strict=True):
        mine = -np.sort(m + s * law.quantile(pit))[:smallest].mean()
        ratios.append(mine / -(m + s * law.quantile(uniforms)).mean())
    return 1.0 - float(np.mean(ratios))


def test_z3_equals_the_printed_formula() -> None:
    rng = np.random.Generator(np.random.PCG64(11))
    scale, location, law = np.exp(0.3 * rng.standard_normal(60)), 0.1 * rng.standard_normal(60), Law(5.0)
    pnl = location + scale * law.sample(rng, (60,))
    mine = acerbi_szekely_z3(pnl, 0.95, location_scale_model(location, scale, law), simulations=500)
    assert mine.statistic == pytest.approx(brute_z3(pnl, location, scale, law, 3, rng), abs=0.02)
    draws = location + scale * law.sample(rng, (8_000, 60))
    assert acerbi_szekely_z3(pnl, 0.95, draws_model(draws.T), simulations=500).statistic == pytest.approx(mine.statistic, abs=0.05)


def test_expected_estimates_of_a_sample() -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    for law, count, smallest in ((NORMAL, 250, 6), (Law(4.0), 100, 1), (NORMAL, 40, 40)):
        sample = np.sort(law.sample(rng, (20_000, count)), axis=1)[:, :smallest].mean(axis=1)
        error = sample.std() / np.sqrt(20_000)
        assert expected_sample_shortfall(count, smallest, law) == pytest.approx(-sample.mean(), abs=4 * error)


def test_size_power_and_limits_of_z3() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    model = location_scale_model(0.0, np.ones(250))
    found = [acerbi_szekely_z3(rng.standard_normal(250), 0.975, model, simulations=400, seed=i).p_value_exact for i in range(200)]
    assert np.mean([p < 0.1 for p in found if p is not None]) == pytest.approx(0.1, abs=0.07)
    assert acerbi_szekely_z3(1.4 * rng.standard_normal(250), 0.975, model).rejected
    assert acerbi_szekely_z3(rng.standard_normal(250) / 1.4, 0.975, model).decision is Decision.ACCEPT
    assert acerbi_szekely_z3([0.0] * 30, 0.99, location_scale_model(0.0, np.ones(30))).status == "too_few_observations"
    assert acerbi_szekely_z3([0.0] * 100, 0.95, location_scale_model(50.0, np.ones(100))).status == "not_positive"
    with pytest.raises(BacktestError, match="250 days"):
        acerbi_szekely_z3([0.0] * 30, 0.975, model)
