"""Drawdowns: published AAPL numbers, skfolio, riskfolio, a plain loop, finite differences, the laws, dates and durations."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skfolio.measures as skfolio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from risk_core.conventions import ConventionError, Conventions
from risk_core.measures import MeasureError, Status
from risk_core.measures.drawdown import (
    Accumulation,
    DrawdownEpisode,
    DrawdownRisk,
    average_drawdown,
    conditional_drawdown_at_risk,
    drawdown_at_risk,
    drawdowns,
    entropic_drawdown_at_risk,
    maximum_drawdown,
    ulcer_index,
    worst_drawdown,
)

Floats = NDArray[np.float64]
Measure = Callable[[Floats, str], DrawdownRisk]

MEASURES: dict[str, Measure] = {
    "maximum": maximum_drawdown,
    "average": average_drawdown,
    "ulcer": ulcer_index,
    "at_risk": lambda x, how: drawdown_at_risk(x, 0.8, how),
    "conditional": lambda x, how: conditional_drawdown_at_risk(x, 0.8, how),
    "entropic": lambda x, how: entropic_drawdown_at_risk(x, 0.8, how),
}
CONVEX = [name for name in MEASURES if name != "at_risk"]
BOTH = ["uncompounded", "compounded"]

exact = st.integers(-(2**16), 2**16).map(lambda k: k / 64.0)
few = st.sampled_from([-2.0, -1.0, 0.0, 1.0])
pairs = st.integers(1, 30).flatmap(lambda n: st.tuples(*(hnp.arrays(np.float64, n, elements=exact | few) for _ in range(2))))


@pytest.fixture(scope="module")
def aapl() -> pd.Series[float]:
    """Simple daily returns of AAPL, 1990 to 2022, from the file inside the skfolio wheel."""
    spec = find_spec("skfolio")
    assert spec is not None
    assert spec.submodule_search_locations
    packed = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "sp500_dataset.csv.gz"
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(packed.read_bytes()).decode())))
    prices = pd.Series([float(r["AAPL"]) for r in rows], pd.to_datetime([next(iter(r.values())) for r in rows]))
    return prices.pct_change().iloc[1:]


def test_published_aapl_compounded(aapl: pd.Series[float]) -> None:
    """skfolio (BSD-3), tests/test_measures/test_measures.py at c06db840: compounded, 0.95, 1e-7."""
    assert aapl.size == 8312
    assert maximum_drawdown(aapl, "compounded").value == pytest.approx(0.81809872, abs=1e-7)
    assert conditional_drawdown_at_risk(aapl, 0.95, "compounded").value == pytest.approx(0.78282175, abs=1e-7)


def test_published_aapl_entropic(aapl: pd.Series[float]) -> None:
    """skfolio, the same file: uncompounded, 0.95, 1e-6; its own function agrees to 1e-9."""
    measured = entropic_drawdown_at_risk(aapl, 0.95, "uncompounded")
    assert measured.value == pytest.approx(0.996230976, abs=1e-6)
    assert measured.value == pytest.approx(skfolio.edar(skfolio.get_drawdowns(aapl.to_numpy())), abs=1e-9)


def test_published_aapl_moments(aapl: pd.Series[float]) -> None:
    """skfolio, the same file, 6e-8: that these are the returns it measured."""
    assert aapl.mean() == pytest.approx(0.0011233, abs=6e-8)
    assert aapl.var(ddof=1) == pytest.approx(0.0007479707, abs=6e-8)


def test_aapl_dates(aapl: pd.Series[float]) -> None:
    """The fall of the dot-com years, with prices read off the path itself."""
    worst = worst_drawdown(aapl, "compounded")
    assert worst is not None
    wealth = (1.0 + aapl).cumprod()
    assert (worst.peak_date, worst.trough_date) == (pd.Timestamp("2000-03-22"), pd.Timestamp("2003-04-17"))
    assert worst.peak_date == wealth[: worst.trough_date].idxmax()
    at = wealth.to_numpy()
    back = worst.trough + int(np.flatnonzero(at[worst.trough :] >= at[worst.peak])[0])
    assert (worst.recovery, worst.recovery_date) == (back, wealth.index[back])
    assert worst.depth == pytest.approx(1.0 - at[worst.trough] / at[worst.peak], abs=1e-12)
    assert worst.climb == back - worst.trough
    assert worst.under_water == back - worst.peak == worst.decline + worst.climb


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("seed", range(4))
def test_skfolio(how: str, seed: int) -> None:
    """The same path and start; its drawdown at risk reads the loss side."""
    rng = np.random.default_rng(seed)
    x, weights = rng.standard_t(4, 400) * 0.01, rng.uniform(size=400)
    theirs = skfolio.get_drawdowns(x, compounded=how == "compounded")
    assert drawdowns(x, how) == pytest.approx(-theirs, abs=1e-14)
    assert maximum_drawdown(x, how).value == pytest.approx(skfolio.max_drawdown(theirs), abs=1e-14)
    loss_side = Conventions(quantile_side="loss")  # type: ignore[arg-type]
    for w in (None, weights):
        assert average_drawdown(x, how, w).value == pytest.approx(skfolio.average_drawdown(theirs, w), abs=1e-14)
        assert ulcer_index(x, how, w).value == pytest.approx(skfolio.ulcer_index(theirs, w), abs=1e-14)
        assert drawdown_at_risk(x, 0.95, how, w, loss_side).value == pytest.approx(skfolio.drawdown_at_risk(theirs, 0.95, w), abs=1e-14)
        assert conditional_drawdown_at_risk(x, 0.95, how, w).value == pytest.approx(skfolio.cdar(theirs, 0.95, w), abs=1e-13)
        assert entropic_drawdown_at_risk(x, 0.95, how, w).value == pytest.approx(skfolio.edar(theirs, 0.95, w), abs=1e-9)


@pytest.mark.parametrize(("how", "suffix"), [("uncompounded", "Abs"), ("compounded", "Rel")])
def test_riskfolio(how: str, suffix: str) -> None:
    """The same path and start; its drawdown at risk is the ceil(T (1 - c))-th deepest, as the default here; its EDaR stops early."""
    theirs = pytest.importorskip("riskfolio.src.RiskFunctions")
    x = np.random.default_rng(21).standard_t(4, 400) * 0.01
    assert maximum_drawdown(x, how).value == pytest.approx(getattr(theirs, f"MDD_{suffix}")(x), abs=1e-13)
    assert average_drawdown(x, how).value == pytest.approx(getattr(theirs, f"ADD_{suffix}")(x), abs=1e-13)
    assert ulcer_index(x, how).value == pytest.approx(getattr(theirs, f"UCI_{suffix}")(x), abs=1e-13)
    assert drawdown_at_risk(x, 0.95, how).value == pytest.approx(getattr(theirs, f"DaR_{suffix}")(x, 0.05), abs=1e-13)
    assert conditional_drawdown_at_risk(x, 0.93, how).value == pytest.approx(getattr(theirs, f"CDaR_{suffix}")(x, 0.07), abs=1e-13)
    entropic, _ = getattr(theirs, f"EDaR_{suffix}")(x, 0.05)
    assert 0.0 <= entropic - entropic_drawdown_at_risk(x, 0.95, how).value + 1e-9 <= 1e-4


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 40), elements=few | exact))
def test_paths_equal_a_plain_loop(x: Floats) -> None:
    """A drawdown is the deepest sum of the observations up to now: all starts are tried."""
    wanted = [max(-sum(x[k : t + 1]) for k in range(t + 2)) for t in range(x.size)]
    assert drawdowns(x, Accumulation.UNCOMPOUNDED) == pytest.approx(wanted, abs=1e-8)
    small = x / 2048.0
    shares = [max(1.0 - float(np.prod(1.0 + small[k : t + 1])) for k in range(t + 2)) for t in range(x.size)]
    assert drawdowns(small, Accumulation.COMPOUNDED) == pytest.approx(shares, abs=1e-11)


@pytest.mark.parametrize("name", MEASURES)
@settings(max_examples=60, deadline=None)
@given(pair=pairs)
def test_laws_of_uncompounded_measures(name: str, pair: tuple[Floats, Floats]) -> None:
    """Euler, homogeneous, monotone, not negative; all but drawdown at risk subadditive."""
    one, two = pair

    def rho(x: Floats) -> float:
        return MEASURES[name](x, "uncompounded").value

    slack = 1e-9 * (1.0 + np.abs(one).sum() + np.abs(two).sum())
    measured = MEASURES[name](one, "uncompounded")
    assert measured.gradient @ one == pytest.approx(measured.value, abs=slack)
    assert rho(16.0 * one) == pytest.approx(16.0 * rho(one), abs=16.0 * slack)
    assert rho(np.maximum(one, two)) <= rho(one) + slack
    assert rho(one) >= 0.0
    assert (measured.gradient <= 0.0).all()
    if name in CONVEX:
        assert rho(one + two) <= rho(one) + rho(two) + slack


def test_drawdown_at_risk_is_not_subadditive() -> None:
    """Each falls in one period of ten, and never in the same: at 0.9 neither counts alone, both count together."""
    one = np.array([0.0, 0, -4, 4, 0, 0, 0, 0, 0, 0])
    two = np.array([0.0, 0, 0, 0, 0, 0, -4, 4, 0, 0])
    loss_side = Conventions(quantile_side="loss")  # type: ignore[arg-type]
    alone = [drawdown_at_risk(x, 0.85, "uncompounded", None, loss_side).value for x in (one, two, one + two)]
    assert alone == [0.0, 0.0, 4.0]


def test_translation_moves_a_drawdown_by_no_fixed_amount() -> None:
    rising = np.array([1.0, 1.0, 1.0])
    assert maximum_drawdown(rising + 1.0, "uncompounded").value == maximum_drawdown(rising, "uncompounded").value == 0.0
    assert maximum_drawdown(rising - 2.0, "uncompounded").value == 3.0


def test_compounded_measures_are_not_homogeneous() -> None:
    x = np.array([-0.2, -0.2, 0.05])
    measured = maximum_drawdown(x, "compounded")
    assert maximum_drawdown(2.0 * x, "compounded").value < 2.0 * measured.value - 0.01
    assert abs(measured.gradient @ x - measured.value) > 0.01


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("name", MEASURES)
def test_gradients_equal_finite_differences(name: str, how: str) -> None:
    x, step = np.random.default_rng(5).normal(size=40) * 0.05, 1e-6
    gradient = MEASURES[name](x, how).gradient
    for t in range(40):
        bump = step * (np.arange(40) == t)
        slope = (MEASURES[name](x + bump, how).value - MEASURES[name](x - bump, how).value) / (2 * step)
        assert gradient[t] == pytest.approx(slope, abs=1e-6)


def test_weighted_gradient_and_components() -> None:
    """Drawdown risk of a book splits by position."""
    rng = np.random.default_rng(6)
    exposures, shocks = np.array([3.0, -1.0, 2.0]), rng.normal(size=(3, 300)) * 0.01
    weights = rng.uniform(size=300)
    book = conditional_drawdown_at_risk(exposures @ shocks, 0.9, "uncompounded", weights)
    assert (exposures * (shocks @ book.gradient)).sum() == pytest.approx(book.value)


def test_one_is_the_bound_of_the_next() -> None:
    x = np.random.default_rng(7).normal(size=500)
    mean, at_risk, conditional, entropic, deepest = (
        MEASURES[n](x, "uncompounded").value for n in ("average", "at_risk", "conditional", "entropic", "maximum")
    )
    assert mean < conditional
    assert at_risk < conditional < entropic < deepest
    assert mean < ulcer_index(x, "uncompounded").value < deepest


def test_by_hand() -> None:
    """Sums 1, -2, 0, 2, 1, 3; peaks 1, 1, 1, 2, 2, 3."""
    x = [1.0, -3.0, 2.0, 2.0, -1.0, 2.0]
    assert drawdowns(x, "uncompounded").tolist() == [0.0, 3.0, 1.0, 0.0, 1.0, 0.0]
    assert worst_drawdown(x, "uncompounded") == DrawdownEpisode(3.0, 0, 1, 3, None, None, None, 1, 2, 3)
    assert average_drawdown(x, "uncompounded").value == pytest.approx(5 / 6)
    assert ulcer_index(x, "uncompounded").value == pytest.approx(np.sqrt(11 / 6))
    assert conditional_drawdown_at_risk(x, 0.75, "uncompounded").value == pytest.approx((3 + 0.5) / 1.5)
    assert drawdowns([0.1, -0.5, 0.5], "compounded") == pytest.approx([0.0, 0.5, 0.25])


def test_a_loss_from_the_start_and_no_recovery() -> None:
    days = pd.bdate_range("2024-01-01", periods=4)
    worst = worst_drawdown(pd.Series([-1.0, -1.0, 0.5, 0.25], days), "uncompounded")
    assert worst == DrawdownEpisode(2.0, -1, 1, None, None, days[1], None, 2, None, 4)


def test_rounding_of_sums_is_no_drawdown() -> None:
    x = [0.1, -0.3, 0.1, 0.1, 0.1, 0.1, -0.1, 0.1]
    worst = worst_drawdown(x, "uncompounded")
    assert worst is not None
    assert worst.recovery == 4
    assert drawdowns(x, "uncompounded")[[4, 5, 7]].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("x", [[0.0], [0.25], np.zeros(5), np.full(9, 0.1)], ids=str)
def test_paths_that_never_fall(how: str, x: Floats) -> None:
    assert worst_drawdown(x, how) is None
    for measure in MEASURES.values():
        measured = measure(x, how)
        assert float(measured) == 0.0
        assert not measured.gradient.any()


@pytest.mark.parametrize("how", BOTH)
def test_one_loss(how: str) -> None:
    for name, measure in MEASURES.items():
        measured = measure(np.array([-0.25]), how)
        assert measured.value == 0.25, name
        assert measured.gradient.tolist() == [-1.0]
        assert measured.status is (Status.THIN_TAIL if measured.confidence and name != "entropic" else measured.status)
    assert "fills the tail" in MEASURES["entropic"](np.array([-0.25]), how).reason


def test_weights_count_drawdowns_and_leave_the_path() -> None:
    x, weights = [-1.0, -1.0, -1.0], [0.0, 1.0, 0.0]
    for measured in (
        average_drawdown(x, "uncompounded", weights),
        ulcer_index(x, "uncompounded", weights),
        drawdown_at_risk(x, 0.9, "uncompounded", weights),
        conditional_drawdown_at_risk(x, 0.9, "uncompounded", weights),
        entropic_drawdown_at_risk(x, 0.9, "uncompounded", weights),
    ):
        assert measured.value == 2.0
        assert measured.gradient.tolist() == [-1.0, -1.0, 0.0]
    assert ulcer_index([-1.0, 1.0], "uncompounded", [0.0, 1.0]).value == 0.0


def test_bad_input() -> None:
    with pytest.raises(MeasureError, match="unknown accumulation 'geometric'; choose one of uncompounded, compounded"):
        maximum_drawdown([1.0], "geometric")
    with pytest.raises(MeasureError, match=r"series is -1.5 at position 1: a compounded path ends.*or P&L with 'uncompounded'"):
        maximum_drawdown([0.5, -1.5], "compounded")
    with pytest.raises(MeasureError, match="grows beyond the largest number"):
        maximum_drawdown(np.full(400, 9.0), "compounded")
    with pytest.raises(MeasureError, match="series is nan at position 1"):
        ulcer_index([1.0, np.nan], "uncompounded")
    with pytest.raises(MeasureError, match="series is empty"):
        worst_drawdown([], "uncompounded")
    with pytest.raises(MeasureError, match="must have the length"):
        average_drawdown([1.0, 2.0], "uncompounded", [1.0])
    for measure in (drawdown_at_risk, conditional_drawdown_at_risk, entropic_drawdown_at_risk):
        with pytest.raises(ConventionError, match=r"0.95 may be meant"):
            measure([1.0, 2.0], 95, "uncompounded")
