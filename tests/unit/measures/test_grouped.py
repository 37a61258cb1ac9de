"""Risk by group: Jorion's portfolio, covariance closed forms, and the laws of any grouping of any measure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats

from risk_core.measures import AttributionError, Measured, attribute, expected_shortfall, normal_value_at_risk, value_at_risk
from risk_core.measures.grouped import GroupedRisk, attribute_groups, grouped
from risk_core.methods import Measure
from risk_core.tails import TAILS, tail_numbers
from risk_core.uncertainty import harrell_davis_expected_shortfall, harrell_davis_value_at_risk

Floats = NDArray[np.float64]
Numbers = Callable[[Floats], tuple[Measured, ...]]


def pair(measures: tuple[Callable[..., Measured], ...], confidence: float, vector: Floats) -> tuple[Measured, ...]:
    return tuple(measure(vector, confidence) for measure in measures)


EMPIRICAL = (value_at_risk, expected_shortfall)
SMOOTH = (harrell_davis_value_at_risk, harrell_davis_expected_shortfall)
MEASURES: dict[str, Numbers] = {
    "empirical": partial(pair, EMPIRICAL, 0.9),
    "smooth": partial(pair, SMOOTH, 0.9),
    "normal": partial(pair, (normal_value_at_risk,), 0.99),
}


def test_jorions_two_currencies() -> None:
    """P. Jorion, Value at Risk, 3rd ed., ch. 7: 2 million of 5 % and 1 million of 12 %, uncorrelated, 1.65 standard deviations."""
    moves = np.array([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]]) * [[0.05], [0.12]]
    numbers = partial(pair, (normal_value_at_risk,), float(stats.norm.cdf(1.65)))
    (risk,) = attribute_groups(np.diag([2e6, 1e6]), moves, numbers)
    assert round(risk.total.value) == 257_738
    assert risk.standalone == pytest.approx([165_000, 198_000])
    assert np.round(risk.component).tolist() == [105_630, 152_108]
    assert risk.marginal == pytest.approx([0.0528, 0.1521], abs=5e-5)
    assert np.round(risk.incremental).tolist() == [59_738, 92_738]
    assert risk.diversification_benefit == pytest.approx(363_000 - 257_738, abs=0.5)
    assert risk.share is not None
    assert risk.share == pytest.approx([0.41, 0.59], abs=2e-3)


def test_normal_groups_follow_the_covariance() -> None:
    rng = np.random.default_rng(5)
    moves = rng.normal(0.0, 0.01, (6, 400))
    cells = rng.normal(0.0, 1e6, (3, 6))
    labels = np.array([0, 0, 1, 1, 2, 2])
    x = grouped(cells, labels)
    assert x == pytest.approx(np.array([np.where(labels == g, cells.sum(axis=0), 0.0) for g in range(3)]))
    (risk,) = attribute_groups(x, moves, MEASURES["normal"])
    z, covariance = stats.norm.ppf(0.99), moves @ moves.T / 400
    whole = x.sum(axis=0)
    sigma = np.sqrt(whole @ covariance @ whole)
    assert risk.component == pytest.approx(z * (x @ covariance @ whole) / sigma, rel=1e-9)
    assert risk.standalone == pytest.approx([z * np.sqrt(one @ covariance @ one) for one in x], rel=1e-9)
    rest = whole - x
    assert risk.incremental == pytest.approx([z * (sigma - np.sqrt(one @ covariance @ one)) for one in rest], rel=1e-8)


exact = st.integers(-64, 64).map(lambda k: k / 8.0)


@st.composite
def books(draw: st.DrawFn) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Exposures [P, N], moves [N, S], and a group a cell."""
    portfolios, instruments, scenarios = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(2, 40))
    x = draw(hnp.arrays(np.float64, (portfolios, instruments), elements=exact))
    moves = draw(hnp.arrays(np.float64, (instruments, scenarios), elements=exact))
    shape = draw(st.sampled_from([(portfolios, 1), (instruments,), (portfolios, instruments)]))
    return x, moves, draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 3)))


@settings(max_examples=100, deadline=None)
@given(books(), st.sampled_from(sorted(MEASURES)))
def test_laws_of_every_grouping(book: tuple[Floats, Floats, NDArray[np.int64]], name: str) -> None:
    cells, moves, labels = book
    numbers, x = MEASURES[name], grouped(*book[::2], 4)
    scale = 1e-9 * (1.0 + np.abs(cells).sum() * np.abs(moves).max())
    assert x.sum(axis=0) == pytest.approx(cells.sum(axis=0))
    whole = cells.sum(axis=0) @ moves
    by_cell = attribute_groups(grouped(cells, np.arange(cells.size).reshape(cells.shape)), moves, numbers)
    for k, risk in enumerate(attribute_groups(x, moves, numbers)):
        assert risk.total.value == pytest.approx(numbers(whole)[k].value, abs=scale)
        assert risk.component.sum() == pytest.approx(risk.total.value, abs=scale)
        of = np.broadcast_to(labels, cells.shape)
        for g in range(4):
            mine = np.where(of == g, cells, 0.0)
            assert risk.component[g] == pytest.approx(by_cell[k].component[(of == g).ravel()].sum(), abs=scale)
            assert risk.standalone[g] == pytest.approx(numbers(mine.sum(axis=0) @ moves)[k].value, abs=scale)
            without = numbers((cells - mine).sum(axis=0) @ moves)[k].value
            assert risk.incremental[g] == pytest.approx(numbers(whole)[k].value - without, abs=scale)
            assert risk.marginal[g] * np.abs(mine.sum(axis=0)).sum() == pytest.approx(risk.component[g], abs=scale)
        if k == 1 or name == "normal":  # expected shortfall and the normal number are subadditive
            assert risk.diversification_benefit >= -4 * scale
            assert (risk.component <= risk.standalone + scale).all()
            assert (risk.incremental <= risk.component + scale).all()


@pytest.mark.parametrize("measure", list(Measure))
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_every_tail_of_the_service_adds_up(measure: Measure, confidence: float) -> None:
    """Fitted tails too: components sum, and are the slope of the number as the group grows."""
    rng = np.random.default_rng(11)
    moves = rng.standard_t(4, (6, 500)) * 0.01
    moves[1] = 0.7 * moves[0] + 0.3 * moves[1]
    x = grouped(np.diag([1e6, -5e5, 3e5, 2e5, 4e5, -1e5]), np.array([0, 0, 1, 1, 2, 2]))
    weights = np.full(500, 1 / 500)

    def numbers(v: Floats) -> tuple[Measured, ...]:
        (found,), fallback = tail_numbers(measure, v, weights, (confidence,))
        assert not fallback
        return found

    for k, risk in enumerate(attribute_groups(x, moves, numbers)):
        assert risk.component.sum() == pytest.approx(risk.total.value, rel=1e-9)
        whole = x.sum(axis=0)
        for g in range(3):
            step = 1e-5
            up, down = ((numbers((whole + h * x[g]) @ moves)[k].value) for h in (step, -step))
            assert (up - down) / (2 * step) == pytest.approx(risk.component[g], rel=1e-4, abs=1e-4 * risk.total.value)


def test_smooth_components_hold_still() -> None:
    """Three hundred resampled windows: the spread of a desk's component of VaR by one order statistic and by Harrell and Davis."""
    rng = np.random.default_rng(21)
    moves = rng.standard_t(5, (2, 500)) * [[0.01], [0.012]]
    x = np.diag([1e6, 1e6])
    spread = {}
    for name, measures in (("single", EMPIRICAL), ("smooth", SMOOTH)):
        found = []
        draws = np.random.default_rng(1)
        for _ in range(300):
            sample = moves[:, draws.integers(0, 500, 500)]
            (total,) = pair(measures[:1], 0.99, x.sum(axis=0) @ sample)
            found.append(float(x[0] @ sample @ total.gradient))
        spread[name] = float(np.std(found))
    assert spread["smooth"] < 0.5 * spread["single"]


def test_attribution_by_instrument_is_the_same() -> None:
    rng = np.random.default_rng(8)
    x, moves = rng.normal(0.0, 1e6, 5), rng.normal(0.0, 0.01, (5, 250))
    plain = attribute(x, moves, value_at_risk, 0.99)
    risk, _ = attribute_groups(np.diag(x), moves, partial(pair, EMPIRICAL, 0.99))
    for name in ("component", "standalone", "incremental"):
        assert getattr(risk, name) == pytest.approx(getattr(plain, name), rel=1e-9)
    assert risk.marginal == pytest.approx(np.sign(x) * plain.marginal, rel=1e-9)


def test_what_is_zero_has_no_risk_and_is_not_measured() -> None:
    def numbers(v: Floats) -> tuple[Measured, ...]:
        assert v.any(), "measured nothing"
        return pair(EMPIRICAL, 0.9, v)

    moves = np.array([[-0.02, 0.01, 0.03], [0.0, 0.0, 0.0]])
    risk, _ = attribute_groups(np.diag([100.0, 50.0]), moves, numbers)
    assert (risk.component[1], risk.standalone[1], risk.incremental[1], risk.marginal[1]) == (0.0, 0.0, 0.0, 0.0)
    assert risk.incremental[0] == risk.total.value == risk.standalone[0] == 2.0
    nothing = attribute_groups(np.zeros((2, 2)), moves, partial(pair, EMPIRICAL, 0.9))[0]
    assert (nothing.total.value, nothing.share, nothing.marginal.tolist()) == (0.0, None, [0.0, 0.0])
    assert isinstance(nothing, GroupedRisk)


def test_one_scenario_and_one_group() -> None:
    (risk, _) = attribute_groups([[2.0]], [[-0.5]], partial(pair, EMPIRICAL, 0.99))
    assert [risk.component[0], risk.standalone[0], risk.incremental[0], risk.diversification_benefit] == [1.0, 1.0, 1.0, 0.0]


def test_bad_input_is_named() -> None:
    moves, numbers = np.ones((2, 3)), MEASURES["empirical"]
    with pytest.raises(AttributionError, match=r"exposures \(1, 3\) and moves \(2, 3\) must have shapes"):
        attribute_groups(np.ones((1, 3)), moves, numbers)
    with pytest.raises(AttributionError, match=r"exposures\[0, 1\] = nan: replace it"):
        attribute_groups([[1.0, np.nan]], moves, numbers)
    with pytest.raises(AttributionError, match=r"moves\[1, 0\] = inf"):
        attribute_groups([[1.0, 1.0]], [[1.0], [np.inf]], numbers)
    with pytest.raises(AttributionError, match="sizes must be 1 numbers"):
        attribute_groups([[1.0, 1.0]], moves, numbers, [1.0, 2.0])
    with pytest.raises(AttributionError, match="not the whole"):
        attribute_groups([[1.0, 1.0]], moves, numbers, pnl=[-1.0, -5.0, -9.0])
    with pytest.raises(AttributionError, match="labels run from -1 to 1; groups are 0 to 1"):
        grouped(np.ones((2, 2)), [-1, 1])
    with pytest.raises(AttributionError, match=r"labels \(3,\) do not fit exposures \(2, 2\)"):
        grouped(np.ones((2, 2)), [0, 1, 1])
    with pytest.raises(AttributionError, match="whole numbers, not float64"):
        grouped(np.ones((2, 2)), [0.0, 1.0])


def test_a_fit_without_an_answer_is_stood_in_for() -> None:
    v, w = np.array([-1.0, 2.0, 0.5]), np.full(3, 1 / 3)
    (found,), fallback = tail_numbers(Measure.PEAKS, v, w, (0.9,))
    assert fallback
    assert found[0].value == value_at_risk(v, 0.9).value
    (smooth,), _ = tail_numbers(Measure.PEAKS, v, w, (0.9,), Measure.SMOOTH)
    assert smooth[0].value == harrell_davis_value_at_risk(v, 0.9).value
    assert set(TAILS) == set(Measure)
