"""What holds for every online detector: streaming is batch, the state goes through JSON bit for bit, bad input changes nothing."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from risk_core.change_points import BayesianChangePoint, Cusum, Detector, ExceptionCusum, Mosum
from risk_core.measures import MeasureError
from tests.unit.change_points.detectors import DETECTORS, IDS, series_for

each = pytest.mark.parametrize("detector", DETECTORS, ids=IDS)


@each
@pytest.mark.parametrize("restart", [False, True])
def test_a_stream_and_a_restored_stream_are_the_batch(detector: Detector, restart: bool) -> None:
    series = series_for(detector)
    batch = detector.fresh(restart=restart)
    monitored = batch.run(series)
    stream, values, alarms = detector.fresh(restart=restart), [], []
    for t, x in enumerate(series):
        if t % 37 == 5:
            stream = Detector.from_state(json.loads(json.dumps(stream.state(), allow_nan=False)))
        signal = stream.update(float(x))
        values.append(signal.value)
        alarms += [t] if signal.alarm else []
        assert signal == stream.signal
        assert signal.value == stream.value
    assert values == monitored.values.tolist()
    assert alarms == monitored.alarms.tolist()
    assert alarms, "a series without an alarm shows little"
    assert stream.state() == batch.state()
    assert stream.observations == series.size
    halves = detector.fresh(restart=restart)
    joined = np.concatenate([halves.run(series[:61]).values, halves.run(series[61:]).values])
    assert joined.tolist() == values


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_bad_input_changes_nothing(detector: Detector, bad: float) -> None:
    watching = detector.fresh()
    watching.run(series_for(detector))
    before = watching.state()
    with pytest.raises(MeasureError, match="finite"):
        watching.update(bad)
    with pytest.raises(MeasureError, match="missing or not finite"):
        watching.run([0.0, bad])
    with pytest.raises(MeasureError, match="empty"):
        watching.run([])
    assert watching.state() == before


@each
def test_constant_series_and_a_huge_outlier_stay_finite(detector: Detector) -> None:
    for value in (0.0, 1.0):
        watching = detector.fresh()
        assert np.isfinite(watching.run(np.full(300, value)).values).all()
        json.dumps(watching.state(), allow_nan=False)
    if isinstance(detector, ExceptionCusum):
        return
    for restart in (False, True):
        watching = detector.fresh(restart=restart)
        series = series_for(detector)
        series[30] = 1e150
        monitored = watching.run(series)
        assert np.isfinite(monitored.values).all()
        assert all(np.isfinite(c).all() for c in monitored.columns.values())
        json.dumps(watching.state(), allow_nan=False)


@each
def test_the_threshold_is_strict(detector: Detector) -> None:
    series = series_for(detector)
    values = detector.fresh().run(series).values
    top = float(values.max())
    at = detector.with_threshold(top).run(series)
    assert at.alarms.size == 0 or detector.threshold_name == "limit"
    below = detector.with_threshold(np.nextafter(top, 0.0)).run(series)
    assert int(np.argmax(values)) in below.alarms


@each
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_series_in_any_pieces(detector: Detector, data: st.DataObject) -> None:
    numbers = st.sampled_from([0.0, 1.0]) if isinstance(detector, ExceptionCusum) else st.floats(-1e3, 1e3, allow_subnormal=False)
    series = data.draw(arrays(np.float64, st.integers(2, 60), elements=numbers))
    cut = data.draw(st.integers(1, series.size - 1))
    whole, parts = detector.fresh(), detector.fresh()
    values = whole.run(series).values
    assert np.isfinite(values).all()
    assert (values >= 0.0).all()
    assert [*parts.run(series[:cut]).values, *parts.run(series[cut:]).values] == values.tolist()
    assert parts.state() == whole.state()


def test_states_of_others_are_refused() -> None:
    state = Cusum().state()
    assert Cusum.from_state(state).h == 5.0
    with pytest.raises(MeasureError, match="not of Mosum"):
        Mosum.from_state(state)
    with pytest.raises(MeasureError, match="not of Detector"):
        Detector.from_state({"detector": "Oracle"})
    with pytest.raises(MeasureError, match="damaged"):
        Detector.from_state({**state, "settings": {"k": -1.0}})
    with pytest.raises(MeasureError, match="damaged"):
        Detector.from_state({"detector": "Cusum"})
    for memory in ([0.0], [np.nan] * 8):
        with pytest.raises(MeasureError, match="8 finite numbers"):
            Detector.from_state({**state, "memory": memory})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cusum(h=0.0), "h must be positive"),
        (lambda: Cusum(standard_deviation=0.0), "standard_deviation must be positive"),
        (lambda: Cusum(head_start=5.0), "below the threshold"),
        (lambda: Cusum(sides="left"), "unknown sides 'left'; choose one of both, upper, lower"),
        (lambda: Cusum(k=np.nan), "k must be"),
        (lambda: Mosum(window=1), "window must be a whole number from 2"),
        (lambda: BayesianChangePoint(hazard=0.0), "hazard must be positive"),
        (lambda: BayesianChangePoint(recent=501), "recent must be a whole number from 1 to 500"),
        (lambda: ExceptionCusum(probability=0.99), "1 - confidence"),
        (lambda: ExceptionCusum().update(0.5), "exceptions are 0 or 1"),
    ],
)
def test_impossible_settings_are_refused(make: object, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        make()  # type: ignore[operator]


def test_a_signal_is_a_value() -> None:
    signal = Cusum().update(1.0)
    with pytest.raises((AttributeError, FrozenInstanceError)):
        signal.value = 2.0  # type: ignore[misc]
