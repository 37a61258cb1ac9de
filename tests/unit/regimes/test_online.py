"""Streams: the filter's bits, JSON, gaps; online estimation; and walking forward without a look ahead."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.regimes import (
    HiddenMarkovModel,
    OnlineHmm,
    RefitStatus,
    RegimeError,
    RegimeFilter,
    forward_backward,
    walk_forward,
)
from tests.unit.regimes.worlds import FOUR, HEAVY, PAIR, TWO, draw

MODELS = pytest.mark.parametrize("model", [TWO, FOUR, HEAVY, PAIR], ids=["two", "four", "student", "pair"])


@MODELS
def test_the_stream_has_the_bits_of_the_batch(model: HiddenMarkovModel) -> None:
    y = draw(model, 300, 1)
    batch, ahead, each = model.filter(y)
    stream = RegimeFilter(model)
    rows = np.array([stream.update(bar) for bar in y])
    assert (rows == batch).all()
    assert (stream.ahead == ahead).all()
    assert stream.log_likelihood == pytest.approx(each.sum(), rel=1e-12)
    passes = forward_backward(model.log_densities(y), model.transition, model.initial, logs=True)
    np.testing.assert_allclose(batch, passes.filtered, atol=1e-12)
    assert passes.log_likelihood == pytest.approx(model.log_likelihood(y), rel=1e-12)


@MODELS
def test_a_restored_filter_goes_on_bit_for_bit(model: HiddenMarkovModel) -> None:
    y = draw(model, 120, 2)
    one = RegimeFilter(model)
    for bar in y[:50]:
        one.update(bar)
    other = RegimeFilter.from_state(json.loads(json.dumps(one.state())))
    assert other.state() == one.state()
    for bar in y[50:]:
        assert (one.update(bar) == other.update(bar)).all()
    assert one.state() == other.state()


def test_gaps_and_bad_bars() -> None:
    """A missing bar moves the chain and teaches nothing; a bad one is refused and changes nothing."""
    y = draw(TWO, 40, 3)
    stream = RegimeFilter(TWO)
    for bar in y[:20]:
        stream.update(bar)
    expected = stream.value @ TWO.transition
    assert stream.skip() == pytest.approx(expected, abs=1e-15)
    flat = forward_backward(
        np.vstack([np.exp(TWO.log_densities(y[:20])), np.ones((1, 2)), np.exp(TWO.log_densities(y[20:21]))]), TWO.transition, TWO.initial
    )
    assert stream.update(y[20]) == pytest.approx(flat.filtered[-1], abs=1e-12)
    before = stream.state()
    for bad in (np.nan, np.inf, [1.0, 2.0], "x"):
        with pytest.raises(RegimeError):
            stream.update(bad)  # type: ignore[arg-type]
    assert stream.state() == before
    assert stream.bars == 22
    for _ in range(3_000):
        stream.skip()
    assert stream.value == pytest.approx(TWO.stationary, abs=1e-9)


def test_states_that_are_none() -> None:
    state = RegimeFilter(TWO).state()
    for change in ({"version": 2}, {"model": {}}, {"ahead": [0.5, 0.6]}, {"filtered": None}):
        with pytest.raises(RegimeError):
            RegimeFilter.from_state({**state, **change})
    online = OnlineHmm(TWO).state()
    for change in ({"version": 2}, {"pairs": [1.0]}, {"options": None}, {"means": [[np.nan], [0.0]]}):
        with pytest.raises(RegimeError):
            OnlineHmm.from_state({**online, **change})


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_any_finite_bar_leaves_probabilities(bars: list[float]) -> None:
    for stream in (RegimeFilter(TWO), OnlineHmm(TWO, warm_up=0, half_life=20)):
        for bar in bars:
            value = stream.update(bar)
            assert value.sum() == pytest.approx(1.0, abs=1e-12)
            assert (value >= 0.0).all()


@MODELS
def test_online_estimation_restores_bit_for_bit(model: HiddenMarkovModel) -> None:
    y = draw(model, 160, 4)
    one = OnlineHmm(model, half_life=100.0, warm_up=20)
    for bar in y[:90]:
        one.update(bar)
    other = OnlineHmm.from_state(json.loads(json.dumps(one.state())))
    for bar in y[90:]:
        assert (one.update(bar) == other.update(bar)).all()
    assert one.state() == other.state()


def test_online_estimation_is_the_filter_until_it_learns() -> None:
    y = draw(TWO, 200, 5)
    still = OnlineHmm(TWO, warm_up=1_000)
    rows = np.array([still.update(bar) for bar in y])
    np.testing.assert_allclose(rows, TWO.filtered(y), atol=1e-12)
    assert still.log_likelihood == pytest.approx(TWO.log_likelihood(y), rel=1e-12)


@pytest.mark.parametrize("law", ["normal", "student"])
def test_online_estimation_finds_the_parameters(law: str) -> None:
    """From a start that is wrong by half, and with long memory, to the truth."""
    truth = TWO if law == "normal" else HEAVY
    y = draw(truth, 12_000, 6)
    wrong = HiddenMarkovModel([0.5, 0.5], [[0.93, 0.07], [0.1, 0.9]], [0.0, 0.0], truth.scales * [[[1.5]], [[0.6]]], truth.df)
    online = OnlineHmm(wrong, half_life=3_000.0)
    for bar in y:
        online.update(bar)
    found = online.model
    np.testing.assert_allclose(found.deviations, truth.deviations, rtol=0.1)
    np.testing.assert_allclose(np.diag(found.transition), np.diag(truth.transition), atol=0.02)
    assert found.log_likelihood(y) > wrong.log_likelihood(y) + 100
    assert found.log_likelihood(y) > truth.log_likelihood(y) - 50


def test_forgetting_follows_a_market_that_changes() -> None:
    """After both deviations double the parameters follow, and the one-step likelihood beats a model that stands still."""
    y = draw(TWO, 6_000, 9)
    y[2_000:] *= 2.0
    online = OnlineHmm(TWO, half_life=400.0)
    for bar in y:
        online.update(bar)
    np.testing.assert_allclose(online.model.deviations, 2.0 * TWO.deviations, rtol=0.2)
    assert online.log_likelihood > TWO.log_likelihood(y) + 100


def test_a_state_that_is_not_visited_keeps_its_meaning() -> None:
    """Ten years of calm: the crisis state is starved and its deviation stays."""
    calm = 0.7 * np.random.default_rng(1).standard_normal(2_500)
    online = OnlineHmm(TWO, half_life=100.0)
    for bar in calm:
        online.update(bar)
    assert online.starved == (False, True)
    assert online.model.deviations[1, 0] > 0.6 * TWO.deviations[1, 0]


def test_truncating_the_future_changes_nothing_before_it() -> None:
    """Fits included: parameters used on day t come from rows to t."""
    y = draw(FOUR, 620, 12)
    options: dict[str, Any] = {"first": 300, "every": 100, "starts": 1}
    whole = walk_forward(y, 3, **options)
    assert len(whole.refits) == 4
    for cut in (305, 399, 400, 531):
        part = walk_forward(y[:cut], 3, **options)
        size = cut - 299
        assert (part.filtered == whole.filtered[:size]).all()
        assert (part.ahead == whole.ahead[:size]).all()
        assert (part.log_densities == whole.log_densities[:size]).all()
        assert part.labels == whole.labels[:size]
    changed = y.copy()
    changed[500:] *= -5.0
    other = walk_forward(changed, 3, **options)
    assert (other.filtered[:201] == whole.filtered[:201]).all()
    assert not (other.filtered[201:] == whole.filtered[201:]).all()


def test_walking_forward_is_filters_of_refits() -> None:
    y = draw(TWO, 400, 13)
    found = walk_forward(y, 2, first=200, every=50, window=150, starts=0)
    assert [r.day for r in found.refits] == [199, 249, 299, 349, 399]
    for refit in found.refits:
        at = refit.day - found.first
        assert (found.filtered[at] == refit.model.filtered(y[: refit.day + 1])[-1]).all()
    assert found.probability("crisis").shape == (201,)
    assert found.filtered.sum(axis=1) == pytest.approx(1.0)


def test_a_refit_that_fails_keeps_the_last_good_one() -> None:
    y = np.concatenate([draw(TWO, 300, 14), np.full(200, 0.01)])
    found = walk_forward(y, 2, first=300, every=100, window=100, starts=0)
    assert [r.status for r in found.refits][-1] is RefitStatus.HELD
    assert "does not vary" in found.refits[-1].reason
    assert found.refits[-1].model is found.refits[-2].model
    with pytest.raises(RegimeError, match="fewer than the first fit"):
        walk_forward(y[:200], 2, first=300)


def test_labels_are_kept_or_their_change_is_said() -> None:
    """Calm years, then a crash: where the state of the name changes far, the refit says `relabelled`."""
    rng = np.random.default_rng(2)
    calm = rng.standard_normal(600) * np.where(np.arange(600) // 60 % 3 == 0, 1.4, 0.5)
    crash = np.concatenate([calm, 15.0 * rng.standard_normal(60), calm[:240]])
    found = walk_forward(crash, 2, first=500, every=50, starts=1)
    statuses = [r.status for r in found.refits]
    assert RefitStatus.RELABELLED in statuses
    first = statuses.index(RefitStatus.RELABELLED)
    assert found.refits[first].day >= 600
    assert "Hellinger" in found.refits[first].reason
    steady = walk_forward(draw(TWO, 900, 15), 2, first=500, every=100, starts=0)
    assert {r.status for r in steady.refits} == {RefitStatus.OK}
    assert set(steady.labels) == {("calm", "crisis")}


@pytest.mark.parametrize("options", [{"half_life": 5.0}, {"half_life": np.nan}, {"warm_up": -1}, {"floor": 0.0}])
def test_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(RegimeError):
        OnlineHmm(TWO, **options)


def test_an_outlier_hardly_moves_a_student_t_mean() -> None:
    """Its weight falls as the square of its distance."""
    online = OnlineHmm(HEAVY, half_life=200.0, warm_up=0)
    for bar in draw(HEAVY, 300, 16):
        online.update(bar)
    before = online.model.means
    online.update(1e4)
    np.testing.assert_allclose(online.model.means, before, atol=0.02)
