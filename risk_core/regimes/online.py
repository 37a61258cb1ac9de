"""The forward filter as a stream: one bar, O(K²), the bits of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.checks import RegimeError, checked_chances, numbers
from risk_core.regimes.em_kernels import filter_series
from risk_core.regimes.model import HiddenMarkovModel

Floats = NDArray[np.float64]

VERSION = 1


class RegimeFilter:
    """Probabilities of the regime, bar after bar, with parameters that stand still.

    Parameters
    ----------
    model : HiddenMarkovModel
    ahead : float64[K], optional
        Chances of the state of the first bar to come; `model.initial` if not given.

    Notes
    -----
    `update` gives the bits of `HiddenMarkovModel.filtered` over the whole series. Bars that are missing are passed over with `skip`: the
    chain moves on, nothing is learnt. A bar that is not finite is refused and leaves the state as it was.
    """

    def __init__(self, model: HiddenMarkovModel, ahead: ArrayLike | None = None) -> None:
        self.model = model
        self._compiled = model.compiled()
        self._ahead = model.initial.copy() if ahead is None else checked_chances(ahead, "ahead", model.states)
        self._filtered = np.empty((1, model.states))
        self._filtered[0] = self._ahead
        self._each = np.zeros(1)
        self._log_likelihood = 0.0
        self._bars = 0

    def update(self, observation: ArrayLike) -> Floats:
        """Take one bar, a number or float64[D]; return `value`.

        Raises
        ------
        RegimeError
            For another shape, or a value that is missing or not finite.
        """
        y = observed(observation, self.model.dimensions)
        c = self._compiled
        filter_series(y, c.means, c.whiten, c.heights, c.df, c.student, c.transition, self._ahead, self._filtered, self._each)
        self._log_likelihood += float(self._each[0])
        self._bars += 1
        return self.value

    def skip(self) -> Floats:
        """Pass over a missing bar: the chances of its state, without an observation."""
        self._filtered[0] = self._ahead
        self._ahead = np.asarray(self._ahead @ self._compiled.transition, np.float64)
        self._bars += 1
        return self.value

    @property
    def value(self) -> Floats:
        """P(state of the last bar | bars so far), float64[K]; before the first bar the chances of the first."""
        return np.array(self._filtered[0])

    @property
    def ahead(self) -> Floats:
        """P(state of the next bar | bars so far), float64[K]."""
        return self._ahead.copy()

    @property
    def likeliest(self) -> str:
        """Label of the likeliest state of the last bar ("state k" without labels)."""
        k = int(np.argmax(self._filtered[0]))
        return self.model.labels[k] if self.model.labels else f"state {k}"

    @property
    def log_likelihood(self) -> float:
        """Of the bars taken."""
        return self._log_likelihood

    @property
    def bars(self) -> int:
        """Taken or passed over."""
        return self._bars

    def state(self) -> dict[str, Any]:
        """Return everything as plain numbers: JSON keeps every bit."""
        return {
            "version": VERSION,
            "model": self.model.state(),
            "filtered": self._filtered[0].tolist(),
            "ahead": self._ahead.tolist(),
            "log_likelihood": self._log_likelihood,
            "bars": self._bars,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> RegimeFilter:
        """Return the filter of `state()`; it goes on with the same bits.

        Raises
        ------
        RegimeError
            If a field is missing or bad, or the version is another.
        """
        try:
            if state["version"] != VERSION:
                raise RegimeError(f"version {VERSION} of the filter's state is read, not {state['version']!r}")
            found = cls(HiddenMarkovModel.from_state(state["model"]), state["ahead"])
            found._filtered[0] = checked_chances(state["filtered"], "filtered", found.model.states)
            found._log_likelihood, found._bars = float(state["log_likelihood"]), int(state["bars"])
        except (KeyError, TypeError) as error:
            raise RegimeError(f"this is no state of a regime filter: {error!r}") from None
        return found


def observed(observation: ArrayLike, dimensions: int) -> Floats:
    """Return one bar as float64[1, D].

    Raises
    ------
    RegimeError
        For another shape, or a value that is missing or not finite.
    """
    y = numbers(observation, "observation")
    if y.size != dimensions or y.ndim > 1:
        raise RegimeError(f"an observation is {dimensions} numbers, not an array of shape {y.shape}")
    if not (np.abs(y) <= 1e150).all():
        raise RegimeError(f"the observation is {observation!r}: it must be finite; pass over a missing bar with skip()")
    return np.ascontiguousarray(y.reshape(1, dimensions))
