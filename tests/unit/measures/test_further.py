from __future__ import annotations

import numpy as np
import pytest

from risk_core.further_measures import FURTHER, further_measures
from risk_core.measures import MeasureError, expected_shortfall, value_at_risk
from risk_core.methods import COHERENT, METHODS

PNL = np.random.default_rng(5).standard_t(4, 500)
WEIGHTS = np.full(500, 1.0 / 500)
NAMES = tuple(FURTHER)


def test_every_name_of_a_method_is_known() -> None:
    assert set(COHERENT.measures) == set(FURTHER)
    assert not COHERENT.streamed
    assert [m.name for m in METHODS.values() if m.measures] == ["coherent"]


@pytest.mark.parametrize("confidence", [0.95, 0.975, 0.99])
def test_each_is_what_its_definition_says(confidence: float) -> None:
    found = further_measures(NAMES, PNL, WEIGHTS, confidence)
    assert found is not None
    var, es = value_at_risk(PNL, confidence).value, expected_shortfall(PNL, confidence).value
    assert found["shortfall_ratio"] == pytest.approx(es / var)
    assert es < found["entropic_value_at_risk"] <= -PNL.min()
    k, worst = 2.0 / (1.0 - confidence), np.sort(PNL)
    edges = np.exp(-k * np.arange(501) / 500)
    assert found["spectral_risk"] == pytest.approx(-worst @ -np.diff(edges) / (1.0 - np.exp(-k)), rel=1e-9)
    low = -found["expectile_value_at_risk"]
    gains, losses = np.maximum(PNL - low, 0.0).mean(), np.maximum(low - PNL, 0.0).mean()
    assert (1.0 - confidence) * gains == pytest.approx(confidence * losses)


def test_drawdowns_read_the_days_in_their_order() -> None:
    """Newest first: three losses in a row, after gains."""
    newest_first = np.array([-1.0, -2.0, -3.0, 5.0, 4.0])
    found = further_measures(NAMES, newest_first, np.full(5, 0.2), 0.6)
    assert found is not None
    assert found["maximum_drawdown"] == 6.0
    assert found["conditional_drawdown_at_risk"] == pytest.approx((6.0 + 5.0) / 2.0)
    assert found["conditional_drawdown_at_risk"] <= found["entropic_drawdown_at_risk"] <= 6.0
    backwards = further_measures(("maximum_drawdown",), newest_first[::-1], np.full(5, 0.2), 0.6)
    assert backwards == {"maximum_drawdown": 6.0}
    mixed = further_measures(("maximum_drawdown",), np.array([4.0, -3.0, 5.0, -1.0]), np.full(4, 0.25), 0.6)
    assert mixed == {"maximum_drawdown": 3.0}


def test_a_ratio_of_a_book_that_only_gains_is_left_out() -> None:
    found = further_measures(NAMES, np.linspace(1.0, 2.0, 500), WEIGHTS, 0.99)
    assert found is not None
    assert set(NAMES) - set(found) == {"shortfall_ratio"}
    assert found["maximum_drawdown"] == 0.0
    assert found["entropic_value_at_risk"] < 0.0


def test_a_book_of_nothing_has_zeros() -> None:
    found = further_measures(NAMES, np.zeros(500), WEIGHTS, 0.99)
    assert found == dict.fromkeys([n for n in NAMES if n != "shortfall_ratio"], 0.0)


def test_none_are_asked_for_and_bad_input_is_refused() -> None:
    assert further_measures((), PNL, WEIGHTS, 0.99) is None
    with pytest.raises(MeasureError, match="nan"):
        further_measures(NAMES, np.array([1.0, np.nan]), np.full(2, 0.5), 0.99)
