"""What every streaming estimator must hold: one check, for all of the house.

An estimator has `update(x)`, `value` (None while warming up), `state` (of JSON's own types, a property or a method) and the class method
`from_state`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, Protocol

import pytest


class StreamingEstimator(Protocol):
    """One observation at a time."""

    def update(self, x: Any, /) -> Any:
        """Take one more observation."""

    @property
    def value(self) -> Any:
        """The estimate; None while warming up."""

    @property
    def state(self) -> Any:
        """All there is to know, of JSON's own types."""

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Any:
        """Take up where `state` was taken."""


def check_estimator(
    make: Callable[[], StreamingEstimator],
    observations: Sequence[Any],
    batch: Callable[[Sequence[Any]], Any] | None = None,
    *,
    warm_up: int = 0,
    refused: Sequence[Any] = (float("nan"), float("inf"), float("-inf")),
    error: type[Exception] = ValueError,
) -> None:
    """Check the laws of a streaming estimator.

    Parameters
    ----------
    make : callable
        A new estimator, the same each time.
    observations : sequence
        At least three more than `warm_up`.
    batch : callable, optional
        The value after all observations so far, from scratch. Equal to the stream's, bit for bit.
    warm_up : int
        Observations before which there is no value.
    refused : sequence
        Observations that are no numbers: they raise `error` and leave the state as it was.
    """
    assert len(observations) >= warm_up + 3
    one, values, states = make(), [], []
    for count, x in enumerate(observations):
        assert (one.value is None) == (count < warm_up), f"a value before {warm_up} observations, or none after"
        _check_refusals(one, refused, error)
        one.update(x)
        values.append(one.value)
        states.append(_text(one))
    assert all(isfinite(number) for v in values if v is not None for number in _numbers(v))
    _check_batch(batch, observations, values, warm_up)
    _check_same(make, observations, values, states)
    for cut in {0, warm_up, len(observations) // 2, len(observations) - 1}:
        _check_cut(make, observations, values, states, cut)


def _check_refusals(one: StreamingEstimator, refused: Sequence[Any], error: type[Exception]) -> None:
    before = _text(one)
    for bad in refused:
        with pytest.raises(error):
            one.update(bad)
        assert _text(one) == before, f"{bad!r} was refused and left its mark"


def _check_batch(batch: Callable[[Sequence[Any]], Any] | None, observations: Sequence[Any], values: Sequence[Any], warm_up: int) -> None:
    if batch is None:
        return
    for count in {warm_up + 1, len(observations) // 2, len(observations)}:
        if count > warm_up:
            assert batch(observations[:count]) == values[count - 1], f"the stream is not the batch after {count}"


def _check_same(make: Callable[[], StreamingEstimator], observations: Sequence[Any], values: Sequence[Any], states: Sequence[str]) -> None:
    again = make()
    for x, value, state in zip(observations, values, states, strict=True):
        again.update(x)
        assert (again.value, _text(again)) == (value, state), "two runs differ"


def _check_cut(
    make: Callable[[], StreamingEstimator], observations: Sequence[Any], values: Sequence[Any], states: Sequence[str], cut: int
) -> None:
    """Put away as text after `cut` observations and taken up again: the same bits to the end, and no state is shared."""
    one = make()
    for x in observations[:cut]:
        one.update(x)
    kept = _text(one)
    other = type(one).from_state(json.loads(kept))
    assert (_text(other), other.value) == (kept, one.value), f"the state after {cut} does not come back from JSON"
    one.update(observations[cut])
    assert _text(other) == kept, "two estimators share a state"
    for at in range(cut, len(observations)):
        other.update(observations[at])
        assert (other.value, _text(other)) == (values[at], states[at]), f"restored after {cut}, the stream differs at {at}"


def _text(one: StreamingEstimator) -> str:
    state = one.state() if callable(one.state) else one.state
    return json.dumps(state, allow_nan=False, sort_keys=True)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, (int, float)):
        return [float(value)]
    return [n for v in (value.values() if isinstance(value, Mapping) else value) for n in _numbers(v)]
