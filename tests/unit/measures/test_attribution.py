"""Components, marginal, standalone and incremental risk, for every measure."""

from __future__ import annotations

import numpy as np
import pytest

from risk_core.measures import AttributionError, attribute, components, expected_shortfall, marginal, value_at_risk
from risk_core.measures.laws import DECLARED, DeclaredMeasure, Law

RNG = np.random.default_rng(8)
SHOCKS = RNG.standard_t(4, (7, 250)) * 0.01
EXPOSURE = np.array([1e6, -4e5, 2e5, 0.0, 3e5, -1e5, 7e5])
PARTS = EXPOSURE[:, None] * SHOCKS


@pytest.mark.parametrize("declared", DECLARED, ids=lambda d: d.name)
def test_components_sum_and_follow_the_marginals(declared: DeclaredMeasure) -> None:
    risk = attribute(EXPOSURE, SHOCKS, declared.measure, 0.95, None, declared.conventions)
    assert risk.component.sum() == pytest.approx(risk.total.value, rel=1e-12)
    assert risk.component == pytest.approx(EXPOSURE * risk.marginal)
    assert risk.component[3] == risk.standalone[3] == risk.incremental[3] == 0.0
    if Law.SUBADDITIVITY in declared.laws:
        assert risk.diversification_benefit >= 0.0
        assert (risk.incremental <= risk.standalone + 1e-6).all()


@pytest.mark.parametrize("declared", DECLARED, ids=lambda d: d.name)
def test_marginal_is_the_slope_in_each_exposure(declared: DeclaredMeasure) -> None:
    risk = attribute(EXPOSURE, SHOCKS, declared.measure, 0.95, None, declared.conventions)
    for j in range(len(EXPOSURE)):
        up = EXPOSURE.copy()
        up[j] += 1.0
        slope = declared.measure(up @ SHOCKS, 0.95, None, declared.conventions).value - risk.total.value
        assert slope == pytest.approx(risk.marginal[j], abs=1e-6)


def test_components_of_es_are_tail_means() -> None:
    pnl = PARTS.sum(axis=0)
    worst = np.argsort(pnl)[:5]
    assert components(expected_shortfall(pnl, 0.98), PARTS) == pytest.approx(-PARTS[:, worst].mean(axis=1))


def test_desks_are_parts_too() -> None:
    desks = np.stack([PARTS[:3].sum(axis=0), PARTS[3:].sum(axis=0)])
    measured = value_at_risk(PARTS.sum(axis=0), 0.95)
    by_instrument = components(measured, PARTS)
    assert components(measured, desks) == pytest.approx([by_instrument[:3].sum(), by_instrument[3:].sum()])


def test_a_hedge_has_negative_component_and_incremental_risk() -> None:
    market = RNG.normal(0.0, 0.01, 250)
    risk = attribute([1e6, -3e5], np.stack([market, market]), expected_shortfall, 0.95)
    assert risk.component[1] < 0.0
    assert risk.incremental[1] < 0.0
    assert risk.standalone[1] > 0.0


def test_incremental_is_measured_again() -> None:
    risk = attribute(EXPOSURE, SHOCKS, value_at_risk, 0.99)
    without = EXPOSURE.copy()
    without[0] = 0.0
    assert risk.incremental[0] == pytest.approx(risk.total.value - value_at_risk(without @ SHOCKS, 0.99).value)


def test_parts_that_are_not_the_whole_are_refused() -> None:
    measured = value_at_risk(PARTS.sum(axis=0), 0.95)
    with pytest.raises(AttributionError, match="not the whole"):
        components(measured, PARTS[:-1])
    with pytest.raises(AttributionError, match="shape"):
        components(measured, PARTS[:, :-1])
    with pytest.raises(AttributionError, match=r"exposures \(6,\) and shocks \(7, 250\)"):
        attribute(EXPOSURE[:-1], SHOCKS, value_at_risk, 0.95)
    assert marginal(measured, SHOCKS).shape == (7,)
