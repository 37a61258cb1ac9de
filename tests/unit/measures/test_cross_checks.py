"""Against independent implementations (skfolio, scipy) and closed forms by large simulation."""

from __future__ import annotations

import numpy as np
import pytest
import skfolio.measures as skfolio
from scipy import stats
from scipy.integrate import quad

from risk_core.conventions import Conventions
from risk_core.measures import expected_shortfall, lognormal_closed_form, normal_closed_form, preset, student_t_closed_form, value_at_risk
from risk_core.measures.closed_form import ClosedForm
from risk_core.scenarios import exponential_weights

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("confidence", [0.95, 0.975, 0.99])
@pytest.mark.parametrize("size", [100, 250, 333, 500, 1000])
def test_skfolio(size: int, confidence: float) -> None:
    """skfolio reads VaR off the losses: where (1 - c) S is an integer, one order statistic less than the default here. ES is the same."""
    pnl = RNG.standard_t(4, size)
    theirs = preset("skfolio")
    assert value_at_risk(pnl, confidence, None, theirs).value == pytest.approx(skfolio.value_at_risk(pnl, confidence), rel=1e-12)
    assert expected_shortfall(pnl, confidence, None, theirs).value == pytest.approx(skfolio.cvar(pnl, confidence), rel=1e-9)
    assert expected_shortfall(pnl, confidence).value == pytest.approx(skfolio.cvar(pnl, confidence), rel=1e-9)
    on_a_step = abs((1 - confidence) * size - round((1 - confidence) * size)) < 1e-9
    assert (value_at_risk(pnl, confidence).value > skfolio.value_at_risk(pnl, confidence)) == on_a_step


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_skfolio_with_weights(confidence: float) -> None:
    pnl, weights = RNG.standard_t(4, 500), exponential_weights(500, 0.98)[::-1]
    assert value_at_risk(pnl, confidence, weights).value == pytest.approx(skfolio.value_at_risk(pnl, confidence, weights), rel=1e-12)
    assert expected_shortfall(pnl, confidence, weights).value == pytest.approx(skfolio.cvar(pnl, confidence, weights), rel=1e-9)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.975])
def test_age_weighted_interpolation(confidence: float) -> None:
    """Strata cumulates weight from the worst loss, quarks from the best gain; both draw lines between the steps."""
    pnl, weights = RNG.standard_t(4, 300), exponential_weights(300, 0.98)[::-1]
    worst_first = np.argsort(pnl)
    strata = -np.interp(1 - confidence, np.cumsum(weights[worst_first]), pnl[worst_first])
    quarks = np.interp(confidence, np.cumsum(weights[worst_first[::-1]]), -pnl[worst_first[::-1]])
    assert value_at_risk(pnl, confidence, weights, preset("strata_exponential")).value == pytest.approx(strata, rel=1e-9)
    assert value_at_risk(pnl, confidence, weights, preset("quarks_age")).value == pytest.approx(quarks, rel=1e-9)
    levels = (np.arange(200_000) + 0.5) / 200_000 * (1 - confidence)
    shortfall = -np.interp(levels, np.cumsum(weights[worst_first]), pnl[worst_first]).mean()
    assert expected_shortfall(pnl, confidence, weights, preset("strata_exponential")).value == pytest.approx(shortfall, rel=1e-6)


CLOSED = [
    (normal_closed_form(0.3, 2.0, 0.99), stats.norm(0.3, 2.0)),
    (student_t_closed_form(0.3, 2.0, 5.0, 0.99), stats.t(5.0, 0.3, 2.0 * np.sqrt(3.0 / 5.0))),
    (lognormal_closed_form(100.0, 0.01, 0.2, 0.99), stats.lognorm(0.2, -100.0, 100.0 * np.exp(0.01))),
]


@pytest.mark.parametrize(("form", "law"), CLOSED, ids=["normal", "t", "lognormal"])
def test_closed_forms_equal_scipy(form: ClosedForm, law: stats.rv_continuous) -> None:
    """VaR is the quantile, ES the integral of the quantile function, of the law of the P&L."""
    assert form.value_at_risk == pytest.approx(-law.ppf(0.01), rel=1e-12)
    assert form.expected_shortfall == pytest.approx(-quad(law.ppf, 0.0, 0.01)[0] / 0.01, rel=1e-6)


@pytest.mark.parametrize(("form", "law"), CLOSED, ids=["normal", "t", "lognormal"])
def test_large_simulations_reach_the_closed_forms(form: ClosedForm, law: stats.rv_continuous) -> None:
    """One million draws; tolerance of four standard errors: sqrt(c (1 - c) / n) / density for VaR, the tail's deviation for ES."""
    draws, size = law.rvs(1_000_000, random_state=RNG), 1_000_000
    error = np.sqrt(0.01 * 0.99 / size) / law.pdf(-form.value_at_risk)
    assert value_at_risk(draws, 0.99).value == pytest.approx(form.value_at_risk, abs=4 * error)
    assert value_at_risk(draws, 0.99, None, Conventions(quantile="excel")).value == pytest.approx(form.value_at_risk, abs=4 * error)  # type: ignore[arg-type]
    excess = np.minimum(draws + form.value_at_risk, 0.0)
    assert expected_shortfall(draws, 0.99).value == pytest.approx(form.expected_shortfall, abs=4 * excess.std() / (0.01 * np.sqrt(size)))


def test_bad_laws() -> None:
    with pytest.raises(ValueError, match="exceed 2"):
        student_t_closed_form(0.0, 1.0, 2.0, 0.99)
    with pytest.raises(ValueError, match="must not be negative"):
        normal_closed_form(0.0, -1.0, 0.99)
    with pytest.raises(ValueError, match="must be positive"):
        lognormal_closed_form(-1.0, 0.0, 0.1, 0.99)
