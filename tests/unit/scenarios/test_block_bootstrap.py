"""Bootstrap sets: whole days in runs, laws of blocks, moments over a horizon against closed forms and arch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from arch.bootstrap import CircularBlockBootstrap, StationaryBootstrap
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.measures import MeasureError, value_at_risk
from risk_core.scenarios.block_bootstrap import bootstrap_days, bootstrap_moves
from risk_core.scenarios.scenario_set import ScenarioError
from risk_core.uncertainty import pnl_block_length
from risk_core.uncertainty.resampling import Scheme

RNG = np.random.default_rng(11)
MOVES = 0.01 * RNG.standard_normal((3, 250)) + 0.004 * RNG.standard_normal(250)


def clustered(count: int, seed: int) -> np.ndarray:
    """One instrument, normal with a volatility of three levels in runs of about forty days."""
    random = np.random.default_rng(seed)
    level = np.repeat(random.choice([0.5, 1.0, 3.0], count // 40 + 1), 40)[:count]
    return np.asarray(0.01 * level * random.standard_normal(count))[None, :]


@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_day_is_a_historical_day_of_every_instrument(scheme: Scheme) -> None:
    found = bootstrap_moves(MOVES, 3, draws=4_000, scheme=scheme)
    days = {column.tobytes() for column in MOVES.T}
    assert found.shape == (3, 4_000)
    assert {column.tobytes() for column in found.T} <= days
    assert value_at_risk(found[0], 0.95).value == pytest.approx(value_at_risk(MOVES[0], 0.95).value, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(
    scheme=st.sampled_from(list(Scheme)),
    count=st.integers(1, 12),
    horizon=st.integers(1, 9),
    block=st.floats(1.0, 20.0),
    seed=st.integers(0, 2**40),
)
def test_compounding_is_the_product_along_the_path(scheme: Scheme, count: int, horizon: int, block: float, seed: int) -> None:
    moves = np.random.default_rng(count).uniform(-0.5, 0.5, (2, count))
    asked = {"draws": 7, "horizon": horizon, "scheme": scheme, "block_length": block}
    found = bootstrap_moves(moves, seed, absolute=[False, True], **asked)  # type: ignore[arg-type]
    path = bootstrap_days(moves.mean(axis=0), seed, **asked)  # type: ignore[arg-type]
    assert path.min() >= 0
    assert path.max() < count
    np.testing.assert_allclose(found[0], np.prod(1.0 + moves[0][path], axis=1) - 1.0, atol=1e-12)
    np.testing.assert_allclose(found[1], moves[1][path].sum(axis=1), atol=1e-12)
    assert found.tobytes() == bootstrap_moves(moves, seed, absolute=[False, True], **asked).tobytes()  # type: ignore[arg-type]


def test_blocks_have_their_law() -> None:
    """A new block begins with chance 1/b (stationary), every b days (circular); starts are uniform on the circle."""
    for scheme, breaks in (("stationary", 1.0 / 5.0), ("circular", 1.0 / 5.0), ("iid", 1.0)):
        days = bootstrap_days(MOVES[0], 5, draws=20_000, horizon=21, scheme=Scheme(scheme), block_length=5.0)
        follows = (np.diff(days, axis=1) % 250) == 1
        expected = (1.0 - breaks) + breaks / 250.0  # a new block may follow by chance
        assert follows.mean() == pytest.approx(expected, abs=4.0 * np.sqrt(0.25 / (20_000 * 20)))
        if scheme == "circular":
            assert follows[:, [0, 1, 2, 3, 5, 6, 7, 8, 10]].all()
        assert np.bincount(days[:, 20], minlength=250) == pytest.approx(80.0, abs=5.0 * np.sqrt(80.0))


@pytest.mark.parametrize(("scheme", "theirs"), [(Scheme.STATIONARY, StationaryBootstrap), (Scheme.CIRCULAR, CircularBlockBootstrap)])
def test_variance_of_a_week_against_arch(scheme: Scheme, theirs: type) -> None:
    """The variance of the sum of five days of an autocorrelated series, from the first five days of arch's resamples."""
    random = np.random.default_rng(8)
    series = np.zeros(400)
    for t in range(1, 400):
        series[t] = 0.5 * series[t - 1] + 0.01 * random.standard_normal()
    ours = bootstrap_moves(series[None, :], 1, draws=40_000, horizon=5, scheme=scheme, block_length=4.0, absolute=[True]).var()
    sums = theirs(4, series, seed=np.random.default_rng(2)).apply(lambda x: float(x[:5].sum()), 8_000).ravel()
    assert ours == pytest.approx(sums.var(), rel=4.0 * np.sqrt(2.0 / 8_000 + 2.0 / 40_000))


def test_the_closed_form_of_independent_days() -> None:
    """iid paths: mean (1 + m)^h - 1 and variance (v + (1 + m)²)^h - (1 + m)^(2h), with the sample's mean and variance of a day."""
    h, draws = 10, 100_000
    found = bootstrap_moves(MOVES, 4, draws=draws, horizon=h, scheme=Scheme.IID)
    m, v = MOVES.mean(axis=1), MOVES.var(axis=1)
    variance = (v + (1.0 + m) ** 2) ** h - (1.0 + m) ** (2 * h)
    np.testing.assert_array_less(np.abs(found.mean(axis=1) - ((1.0 + m) ** h - 1.0)), 4.0 * np.sqrt(variance / draws))
    np.testing.assert_allclose(found.var(axis=1), variance, rtol=4.0 * np.sqrt(2.2 / draws))


def test_blocks_keep_clusters_and_single_days_lose_them() -> None:
    """Kurtosis of ten days: near 3 + (k - 3)/10 for independent days; blocks keep the excess that runs of volatility give."""
    moves = clustered(2_000, 4)
    lengths = pnl_block_length(moves[0])
    assert lengths.stationary > 10.0

    def kurtosis(sample: np.ndarray) -> float:
        centred = sample - sample.mean()
        return float(np.mean(centred**4) / np.mean(centred**2) ** 2)

    of_days, asked = kurtosis(moves[0]), {"draws": 50_000, "horizon": 10, "absolute": [True]}
    blocks = kurtosis(bootstrap_moves(moves, 1, **asked)[0])  # type: ignore[arg-type]
    single = kurtosis(bootstrap_moves(moves, 1, scheme=Scheme.IID, **asked)[0])  # type: ignore[arg-type]
    sums = kurtosis(np.convolve(moves[0], np.ones(10), "valid"))
    assert single == pytest.approx(3.0 + (of_days - 3.0) / 10.0, abs=0.15)
    assert blocks > single + 0.5 * (sums - single)


def test_one_scenario_and_a_dead_instrument() -> None:
    assert bootstrap_moves([[0.1]], 0, draws=2, horizon=2) == pytest.approx(1.1 * 1.1 - 1.0)
    assert not bootstrap_moves(np.zeros((2, 30)), 0, draws=5, horizon=3).any()
    assert (bootstrap_moves([[-1.0, -1.0]], 0, draws=3, horizon=3) == -1.0).all()


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (lambda: bootstrap_moves([0.1, 0.2], 0), ScenarioError, "shape"),
        (lambda: bootstrap_moves([[0.1, np.nan]], 0), ScenarioError, "instrument 0, scenario 1"),
        (lambda: bootstrap_moves(np.empty((2, 0)), 0), ScenarioError, "shape"),
        (lambda: bootstrap_moves([["a"]], 0), ScenarioError, "must be numbers"),
        (lambda: bootstrap_moves([[-1.5, 0.1]], 0), ScenarioError, "no simple return"),
        (lambda: bootstrap_moves([[0.1]], 0, absolute=[True, False]), ScenarioError, "absolute must have one entry"),
        (lambda: bootstrap_moves([[0.1]], 0, draws=0), ScenarioError, "draws"),
        (lambda: bootstrap_moves([[0.1]], 0, horizon=1.5), ScenarioError, "horizon"),  # type: ignore[arg-type]
        (lambda: bootstrap_moves([[0.1]], 0, scheme="moving"), MeasureError, "unknown scheme"),  # type: ignore[arg-type]
        (lambda: bootstrap_moves([[0.1]], 0, block_length=0.5), MeasureError, "block_length"),
        (lambda: bootstrap_moves([[0.1]], -1), MeasureError, "seed"),
    ],
)
def test_bad_input(bad: Callable[[], object], error: type[ValueError], message: str) -> None:
    with pytest.raises(error, match=message):
        bad()
