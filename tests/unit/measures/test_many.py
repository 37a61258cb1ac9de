"""Expected shortfall of many portfolios at once, against `attribute` one by one, a t(4) closed form, and its own laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.conventions import ConventionError
from risk_core.measures import (
    AttributionError,
    MeasureError,
    Status,
    attribute,
    expected_shortfall,
    student_t_closed_form,
    value_at_risk,
)
from risk_core.measures.many import component_expected_shortfalls

Floats = NDArray[np.float64]

whole = st.integers(-8, 8).map(float)  # products and sums are exact, so that ties are ties for both


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, Floats, float, Floats | None]:
    portfolios, instruments, scenarios = (draw(st.integers(1, n)) for n in (4, 4, 30))
    x = draw(hnp.arrays(np.float64, (portfolios, instruments), elements=whole))
    moves = draw(hnp.arrays(np.float64, (instruments, scenarios), elements=whole))
    some = hnp.arrays(np.float64, scenarios, elements=st.integers(0, 3).map(float)).filter(lambda w: bool(w.any()))
    return x, moves, draw(st.sampled_from([0.5, 0.75, 0.9, 0.95, 0.99])), draw(st.none() | some)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_one_by_one(case: tuple[Floats, Floats, float, Floats | None]) -> None:
    """With ties: the first scenario comes first, so that not only the values but the components are the same."""
    x, moves, confidence, weights = case
    many = component_expected_shortfalls(x, moves, confidence, weights)
    for p, exposures in enumerate(x):
        one = attribute(exposures, moves, expected_shortfall, confidence, weights)
        assert many.value[p] == pytest.approx(one.total.value, abs=1e-12)
        assert many.component[p] == pytest.approx(one.component, abs=1e-11)
        assert many.marginal[p] == pytest.approx(one.marginal, abs=1e-12)
        assert (many.status, many.reason) == (one.total.status, one.total.reason)
    assert many.component.sum(axis=1) == pytest.approx(many.value, abs=1e-11)


@pytest.mark.parametrize("confidence", [0.95, 0.975, 0.99, 0.999])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_by_one_of_heavy_tails(confidence: float, weighted: bool) -> None:
    random = np.random.Generator(np.random.PCG64(3))
    x, moves = random.normal(0.0, 1e6, (20, 30)), 0.01 * random.standard_t(4, (30, 500))
    weights = random.uniform(size=500) if weighted else None
    many = component_expected_shortfalls(x, moves, confidence, weights)
    for p, exposures in enumerate(x):
        one = attribute(exposures, moves, expected_shortfall, confidence, weights)
        assert many.value[p] == pytest.approx(one.total.value, rel=1e-12)
        assert many.component[p] == pytest.approx(one.component, rel=1e-9, abs=1e-6)
    assert many.status is (Status.THIN_TAIL if confidence == 0.999 else Status.OK)


def test_values_approach_the_closed_form() -> None:
    """Portfolios of one common t(4) factor and of its negative: 200,000 scenarios, within three standard errors (2 %)."""
    factor = np.random.Generator(np.random.PCG64(4)).standard_t(4, 200_000)
    many = component_expected_shortfalls([[2.0, 1.0], [-3.0, 0.0]], np.stack([factor, factor]), 0.99)
    true = 3.0 * student_t_closed_form(0.0, np.sqrt(2.0), 4.0, 0.99).expected_shortfall
    assert many.value == pytest.approx([true, true], rel=0.02)
    assert many.component[0] == pytest.approx(many.value[0] * np.array([2.0, 1.0]) / 3.0)


def test_degenerate_books() -> None:
    nothing = component_expected_shortfalls(np.zeros((2, 3)), np.ones((3, 10)), 0.9)
    assert (nothing.value == 0.0).all()
    assert (nothing.component == 0.0).all()
    assert nothing.marginal == pytest.approx(-np.ones((2, 3)))
    single = component_expected_shortfalls([[2.0]], [[-1.5]], 0.99)
    assert single.value.tolist() == [3.0]
    assert single.status is Status.THIN_TAIL
    assert "of 1 effective scenarios" in single.reason
    weight = np.zeros(10)
    weight[7] = 5.0
    assert component_expected_shortfalls([[1.0]], [np.arange(10.0)], 0.95, weight).value.tolist() == [-7.0]


BAD: list[tuple[Any, Any, Any, type[ValueError], str]] = [
    ([1.0], [[1.0]], None, AttributionError, r"must have shapes \(P, N\) and \(N, S\)"),
    ([[1.0, 2.0]], [[1.0]], None, AttributionError, r"exposures \(1, 2\) and shocks \(1, 1\)"),
    (np.empty((0, 2)), np.ones((2, 3)), None, AttributionError, "none of them empty"),
    (np.ones((1, 2)), np.empty((2, 0)), None, AttributionError, "none of them empty"),
    ([[1.0, np.nan]], np.ones((2, 3)), None, MeasureError, r"exposures is nan at position \(0, 1\)"),
    ([[0.0, 1.0]], [[1.0, np.inf], [0.0, 1.0]], None, MeasureError, r"shocks is inf at position \(0, 1\).*proxy"),
    ([[1e100]], [[1e100]], None, MeasureError, r"P&L is 1e\+200 at position \(0, 0\)"),
    ([[1.0]], [[1.0, 2.0]], [1.0], MeasureError, "weights must have the length"),
    ([[1.0]], [[1.0, 2.0]], [0.0, 0.0], MeasureError, "weights are all zero"),
]


@pytest.mark.parametrize(("exposures", "shocks", "weights", "error", "message"), BAD)
def test_bad_input(exposures: Any, shocks: Any, weights: Any, error: type[ValueError], message: str) -> None:
    with pytest.raises(error, match=message):
        component_expected_shortfalls(exposures, shocks, 0.99, weights)


def test_bad_confidence() -> None:
    with pytest.raises(ConventionError, match="may be meant"):
        component_expected_shortfalls([[1.0]], [[1.0]], 99)


@settings(max_examples=150, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.integers(-5, 5).map(float)), st.sampled_from([0.75, 0.9, 0.95, 0.99]))
def test_selection_gives_the_bits_of_sorting(pnl: Floats, confidence: float) -> None:
    """Equal weights are selected, unequal ones sorted: an observation more, of weight zero, changes the way and nothing else."""
    longer, weights = np.append(pnl, -9.0), np.append(np.full(pnl.size, 1.0 / pnl.size), 0.0)
    for measure in (value_at_risk, expected_shortfall):
        selected, ordered = measure(pnl, confidence), measure(longer, confidence, weights)
        assert selected.value == ordered.value
        assert selected.gradient.tobytes() == ordered.gradient[:-1].tobytes()
