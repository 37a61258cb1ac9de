"""The window: its statistic against plain loops, size and power by simulation, laws, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.measures import MeasureError, value_at_risk
from risk_core.methods import effective_count
from risk_core.scenarios.adaptive_window import WindowStatus, adaptive_moves, adaptive_window
from risk_core.scenarios.scenario_set import ScenarioError
from risk_core.scenarios.variance_changes import Correction, largest_deviation, variance_changes
from tests.unit.scenarios.breaks import LAWS, changed, garch, normal, share_found, student


def by_hand(series: np.ndarray, correction: Correction) -> float:
    """The statistic as the papers write it, sum by sum."""
    n = len(series)
    squares = [float(x) ** 2 for x in series]
    total = sum(squares)
    largest = max(abs(sum(squares[:k]) - k / n * total) for k in range(1, n))
    if correction is Correction.NORMAL:
        return sqrt(n / 2) * largest / total
    mean = total / n
    spread = sum(x * x for x in squares) / n - mean**2
    if correction is Correction.LONG_RUN:
        lags = int(12 * (n / 100) ** 0.25)
        for lag in range(1, lags + 1):
            products = sum((squares[t] - mean) * (squares[t - lag] - mean) for t in range(lag, n))
            spread += 2 / n * (1 - lag / (lags + 1)) * products
    return largest / sqrt(n * spread)


@pytest.mark.parametrize("correction", list(Correction))
@pytest.mark.parametrize("count", [30, 137])
def test_the_statistic_is_that_of_the_papers(correction: Correction, count: int) -> None:
    series = np.random.default_rng(count).standard_t(6, count)
    assert variance_changes(series, correction=correction).statistic == pytest.approx(by_hand(series, correction), rel=1e-12)


def test_the_critical_value_is_that_of_the_papers() -> None:
    """1.358 at 0.05, of the supremum of a Brownian bridge (Inclán and Tiao 1994, table 1)."""
    assert variance_changes([1.0]).critical == pytest.approx(1.358, abs=5e-4)
    assert variance_changes([1.0], level=0.01).critical == pytest.approx(1.628, abs=5e-4)


@pytest.mark.parametrize(
    ("law", "correction", "low", "high"),
    [
        ("normal", Correction.NORMAL, 0.01, 0.09),
        ("normal", Correction.LONG_RUN, 0.01, 0.09),
        ("student", Correction.NORMAL, 0.25, 0.5),  # what the corrections are for
        ("student", Correction.KURTOSIS, 0.0, 0.08),
        ("garch", Correction.KURTOSIS, 0.55, 0.85),
        ("garch", Correction.LONG_RUN, 0.08, 0.3),
    ],
)
def test_size(law: str, correction: Correction, low: float, high: float) -> None:
    """False changes at 0.05 in 500 days, 200 runs (a standard error of at most 0.035)."""
    assert low <= share_found(LAWS[law], correction, 500, 0, 1.0, 200, 7) <= high


@pytest.mark.parametrize("law", list(LAWS))
def test_power(law: str) -> None:
    """Volatility doubled a hundred days ago is found in at least four of five windows."""
    assert share_found(LAWS[law], Correction.LONG_RUN, 500, 100, 2.0, 100, 8) > 0.8


def test_the_change_lies_where_the_likelihood_is_greatest() -> None:
    """Against the best single cut of normal likelihood, by trying every one: both lie near the truth, day 380."""
    for seed in range(5):
        series = changed(normal, np.random.default_rng(seed), 500, 120, 3.0)
        cost = [k * np.log(np.mean(series[:k] ** 2)) + (500 - k) * np.log(np.mean(series[k:] ** 2)) for k in range(30, 470)]
        best = 30 + int(np.argmin(cost))
        found = variance_changes(series).changes
        assert len(found) == 1
        assert abs(found[0] - best) <= 5
        assert abs(found[0] - 380) <= 10


def test_several_changes() -> None:
    random = np.random.default_rng(3)
    series = np.repeat([1.0, 4.0, 1.5, 6.0], [300, 250, 250, 200]) * random.standard_normal(1000)
    found = variance_changes(series)
    assert np.abs(np.array(found.changes) - [300, 550, 800]).max() <= 15
    np.testing.assert_allclose(np.sqrt(found.variances), [1.0, 4.0, 1.5, 6.0], rtol=0.2)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    law=st.sampled_from([normal, student, garch]),
    ratio=st.sampled_from([1.0, 2.0, 5.0]),
    count=st.integers(1, 300),
    least=st.integers(1, 320),
    factor=st.sampled_from([2.0**-300, 0.5, 2.0**200]),
)
def test_laws(seed: int, law: Callable[..., np.ndarray], ratio: float, count: int, least: int, factor: float) -> None:
    """Weights are one equal run; the unit and the sign do not count; the mirrored series has mirrored changes."""
    series = changed(law, np.random.default_rng(seed), count, count // 3, ratio)
    window = adaptive_window(series, least=least)
    assert window.weights.sum() == pytest.approx(1.0)
    assert effective_count(window.weights) == pytest.approx(window.scenarios)
    assert window.scenarios >= min(least, count)
    assert (window.weights[: window.scenarios] > 0.0).all()
    assert not window.weights[window.scenarios :].any()
    assert window.reason
    assert (window.status in (WindowStatus.OK, WindowStatus.UNTESTED)) == (window.change is None)
    assert adaptive_window(-factor * series, least=least).weights.tobytes() == window.weights.tobytes()
    statistic, place = largest_deviation(series * series, Correction.LONG_RUN)
    mirrored, other = largest_deviation((series * series)[::-1], Correction.LONG_RUN)
    assert mirrored == pytest.approx(statistic, rel=1e-9)
    assert place + other == (count if place else 0)


def test_the_window_says_what_it_did() -> None:
    series = changed(normal, np.random.default_rng(1), 500, 150, 3.0)
    window = adaptive_window(series)
    assert window.status is WindowStatus.SHORTENED
    assert window.start == window.change
    assert abs(window.scenarios - 150) <= 10
    assert window.reason.startswith("volatility went from 0.9")
    assert window.reason.endswith(f"at scenario {window.start} of 500, {window.scenarios} ago; the window begins there")
    newest_first = series[::-1]
    after = value_at_risk(newest_first, 0.95, window.weights).value
    assert after == pytest.approx(3.0 * 1.645, rel=0.25)
    assert after > 1.5 * value_at_risk(newest_first, 0.95).value
    held = adaptive_window(series, least=200)
    assert (held.status, held.scenarios, held.change) == (WindowStatus.MIXED, 200, window.change)
    assert f"keeps 200, {200 - window.scenarios} from before" in held.reason
    calm = adaptive_window(normal(np.random.default_rng(4), 500))
    assert (calm.status, calm.scenarios, calm.change) == (WindowStatus.OK, 500, None)
    assert calm.reason.startswith("no change of variance in 500 scenarios")


@pytest.mark.parametrize("pnl", [[3.0], [0.0] * 50, [7.0] * 50, [1.0, -1.0] * 40, [0.1] * 29])
def test_degenerate_vectors_keep_all(pnl: list[float]) -> None:
    window = adaptive_window(pnl)
    assert window.change is None
    assert window.scenarios == len(pnl)
    assert window.status is (WindowStatus.UNTESTED if len(pnl) < 30 else WindowStatus.OK)


def test_from_silence_to_moves() -> None:
    series = np.concatenate((np.zeros(200), normal(np.random.default_rng(2), 120)))
    window = adaptive_window(series)
    assert window.reason.startswith("volatility went from 0")
    assert abs(window.start - 200) <= 5


@pytest.mark.parametrize("index", ["equal", "principal"])
def test_moves_of_the_window(index: str) -> None:
    random = np.random.default_rng(6)
    moves = np.array([[1.0], [0.7], [0.2]]) * changed(normal, random, 400, 130, 3.0) + 0.1 * random.standard_normal((3, 400))
    kept, window = adaptive_moves(moves, index=index)  # type: ignore[arg-type]
    assert kept.tobytes() == moves[:, window.start :].tobytes()
    assert abs(kept.shape[1] - 130) <= 10


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (lambda: adaptive_window([]), MeasureError, "pnl is empty"),
        (lambda: adaptive_window([1.0, np.inf]), MeasureError, "position 1"),
        (lambda: adaptive_window([1.0], least=0), ScenarioError, "least"),
        (lambda: adaptive_window([1.0], level=0.95), ScenarioError, "chance of a false change"),
        (lambda: adaptive_window([1.0], correction="none"), ScenarioError, "unknown correction"),  # type: ignore[arg-type]
        (lambda: adaptive_moves([[1.0, np.nan]]), ScenarioError, "instrument 0, scenario 1"),
        (lambda: adaptive_moves([[1.0]], index="first"), ScenarioError, "unknown index"),  # type: ignore[arg-type]
    ],
)
def test_bad_input(bad: Callable[[], object], error: type[ValueError], message: str) -> None:
    with pytest.raises(error, match=message):
        bad()
