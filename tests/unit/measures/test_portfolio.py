"""Many measures in one call: the same bits as one by one, an independent skfolio, the product against numpy, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import skfolio.measures as skfolio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.conventions import ConventionError
from risk_core.measures import RISK_MEASURES, MeasureError, RiskMeasures, expected_shortfall, risk_measures
from risk_core.measures.portfolio import DEFAULT_NAMES

Floats = NDArray[np.float64]

NAMES = tuple(RISK_MEASURES)
some = st.sampled_from([-0.25, -0.125, 0.0, -0.0, 0.125, 0.5]) | st.floats(-0.5, 0.5)


@settings(max_examples=80, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 120), elements=some), st.sampled_from([0.5, 0.75, 0.9, 0.95, 0.99]))
def test_numbers_have_the_bits_of_the_measures(pnl: Floats, confidence: float) -> None:
    found = risk_measures(pnl, confidence, None, NAMES)
    assert tuple(found) == NAMES == tuple(found.numbers)
    for name, measure in RISK_MEASURES.items():
        alone = measure(pnl, confidence)
        assert found.numbers[name].hex() == alone.value.hex(), name
        assert found[name].value.hex() == alone.value.hex(), name
        assert found[name].gradient.tobytes() == alone.gradient.tobytes(), name
        assert risk_measures(pnl, confidence, None, (name,)).numbers == {name: alone.value}


@pytest.mark.parametrize("size", [20, 250, 1000])
def test_skfolio(size: int) -> None:
    """Coherent tails and drawdowns are those of another library, from returns and weights."""
    rng = np.random.Generator(np.random.PCG64(size))
    returns, weights = 0.01 * rng.standard_t(4, (size, 7)), rng.dirichlet(np.ones(7))
    found, series = risk_measures(returns, 0.9, weights, NAMES).numbers, returns @ weights
    wanted = {"expected_shortfall": skfolio.cvar(series, 0.9), "entropic_value_at_risk": skfolio.evar(series, 0.9)}
    for path, compounded in (("uncompounded", False), ("compounded", True)):
        falls = skfolio.get_drawdowns(series, compounded)
        wanted |= {
            f"maximum_drawdown_{path}": skfolio.max_drawdown(falls),
            f"average_drawdown_{path}": skfolio.average_drawdown(falls),
            f"ulcer_index_{path}": skfolio.ulcer_index(falls),
            f"conditional_drawdown_at_risk_{path}": skfolio.cdar(falls, 0.9),
            f"entropic_drawdown_at_risk_{path}": skfolio.edar(falls, 0.9),
        }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("make", [np.ascontiguousarray, np.asfortranarray, lambda t: t[::-1][::-1], pd.DataFrame, lambda t: t.tolist()])
def test_the_product_by_any_layout(make: Any) -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    table, exposures = rng.standard_t(4, (300, 37)), rng.normal(0.0, 1e6, 37)
    found = risk_measures(make(table), 0.95, exposures)
    assert found.pnl == pytest.approx(table @ exposures, rel=1e-12, abs=1e-6)
    assert found.numbers["expected_shortfall"] == pytest.approx(expected_shortfall(table @ exposures, 0.95).value, rel=1e-12)


def test_a_result_is_a_mapping() -> None:
    found = risk_measures([-0.2, 0.1, 0.3, -0.1], 0.75)
    assert isinstance(found, RiskMeasures)
    assert tuple(found) == DEFAULT_NAMES
    assert len(found) == 9
    assert {**found}["value_at_risk"].value == 0.2
    with pytest.raises(KeyError, match=r"ulcer_index_compounded.*was not measured; there are value_at_risk"):
        _ = found["ulcer_index_compounded"]


BAD: list[tuple[Any, Any, Any, str]] = [
    ([], None, DEFAULT_NAMES, "pnl is empty"),
    ([0.1, np.nan], None, DEFAULT_NAMES, "pnl is nan at position 1"),
    (["a"], None, DEFAULT_NAMES, "must be numbers"),
    (np.ones((3, 2)), None, DEFAULT_NAMES, r"shape \(3, 2\) need exposures, one for each of the 2 instruments"),
    (np.ones((3, 2)), [1.0], DEFAULT_NAMES, r"returns \(3, 2\) and exposures \(1,\) must have shapes"),
    (np.ones(3), [1.0], DEFAULT_NAMES, r"returns \(3,\) and exposures \(1,\)"),
    (np.ones((0, 2)), [1.0, 2.0], DEFAULT_NAMES, "none of them empty"),
    ([[0.0, 1.0], [np.inf, 1.0]], [0.0, 1.0], DEFAULT_NAMES, r"returns is inf at position \(1, 0\).*proxy"),
    ([[0.0, 1.0]], [1.0, np.nan], DEFAULT_NAMES, r"exposures is nan at position 1"),
    ([[1e100]], [1e100], DEFAULT_NAMES, r"the P&L of a scenario is beyond 1e\+150"),
    ([0.1], None, ("var",), "unknown measure 'var'; choose of value_at_risk"),
    ([0.1], None, (), "no measure is named"),
    (np.full(300, -1.5), None, ("ulcer_index_compounded",), r"series is -1.5 at position 0: a compounded path ends"),
    (np.full(400, 9.0), None, ("ulcer_index_compounded",), "grows beyond the largest number"),
]


@pytest.mark.parametrize(("returns", "exposures", "names", "message"), BAD)
def test_bad_input(returns: Any, exposures: Any, names: Any, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        risk_measures(returns, 0.9, exposures, names)


def test_bad_confidence() -> None:
    with pytest.raises(ConventionError, match=r"0\.95 may be meant"):
        risk_measures([0.1, -0.1], 95)
