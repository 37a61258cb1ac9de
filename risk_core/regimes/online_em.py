"""Expectation-maximisation on a stream, with forgetting: parameters that follow the market, one bar at a time.

O. Cappé, "Online EM algorithm for hidden Markov models", Journal of Computational and Graphical Statistics 20 (2011) 728-749; G. Mongillo
and S. Denève, Neural Computation 20 (2008) 1706-1716.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.checks import RegimeError, numbers
from risk_core.regimes.em_kernels import filter_series, height, whitening
from risk_core.regimes.fit import FLOOR
from risk_core.regimes.model import HiddenMarkovModel
from risk_core.regimes.online import observed

Floats = NDArray[np.float64]

VERSION = 1
STARVED: Final = 0.002
"""Remembered share of days in a state below which its parameters stand still: a state that is not visited keeps its meaning."""


@njit(cache=True, nogil=True, error_model="numpy")
def _remember(
    z: Floats,
    weights: Floats,
    before: Floats,
    transition: Floats,
    after: Floats,
    gain: float,
    pairs: Floats,
    mass: Floats,
    pull: Floats,
    first: Floats,
    second: Floats,
) -> None:
    """Carry the expected statistics over one transition; the last index but those of the columns is the state now."""
    k, d = transition.shape[0], z.shape[0]
    back = np.empty((k, k))
    for j in range(k):
        total = 0.0
        for i in range(k):
            back[i, j] = before[i] * transition[i, j]
            total += back[i, j]
        for i in range(k):
            back[i, j] = back[i, j] / total if total > 0.0 else before[i]
    keep = 1.0 - gain
    old_pairs, old_mass, old_pull, old_first, old_second = pairs.copy(), mass.copy(), pull.copy(), first.copy(), second.copy()
    for j in range(k):
        for i in range(k):
            for m in range(k):
                total = 0.0
                for x in range(k):
                    total += old_pairs[i, m, x] * back[x, j]
                pairs[i, m, j] = keep * total + (gain * back[i, j] if m == j else 0.0)
            share = gain if i == j else 0.0
            zero, tilt = 0.0, 0.0
            for x in range(k):
                zero += old_mass[i, x] * back[x, j]
                tilt += old_pull[i, x] * back[x, j]
            mass[i, j] = keep * zero + share
            pull[i, j] = keep * tilt + share * weights[j]
            for a in range(d):
                one = 0.0
                for x in range(k):
                    one += old_first[i, x, a] * back[x, j]
                first[i, j, a] = keep * one + share * weights[j] * z[a]
                for b in range(d):
                    two = 0.0
                    for x in range(k):
                        two += old_second[i, x, a, b] * back[x, j]
                    second[i, j, a, b] = keep * two + share * weights[j] * z[a] * z[b]


class OnlineHmm:
    """A hidden Markov model whose parameters are re-estimated after each bar, with exponential forgetting.

    Parameters
    ----------
    model : HiddenMarkovModel
        Where it begins, such as a fit; degrees of freedom stay as they are.
    half_life : float
        Bars after which an observation counts half.
    warm_up : int
        Bars before parameters begin to move.
    free_means : bool
        False: means stay as they are.
    floor : float
        Least eigenvalue of a scale matrix, over the long-run variances of the first model.

    Notes
    -----
    A state whose remembered share of days is below `STARVED` keeps its parameters (`starved`). States keep their places, so a label may
    drift away from its rule: compare with `match_states` before it is believed.

    Raises
    ------
    RegimeError
        For a half-life below ten bars, or a chain without a single stationary distribution.
    """

    def __init__(
        self, model: HiddenMarkovModel, *, half_life: float = 500.0, warm_up: int = 50, free_means: bool = True, floor: float = FLOOR
    ) -> None:
        if not 10.0 <= half_life < np.inf:
            raise RegimeError(f"half_life must be at least ten bars and finite, not {half_life!r}")
        if isinstance(warm_up, bool) or not isinstance(warm_up, int) or warm_up < 0:
            raise RegimeError(f"warm_up must be a whole number of bars, not {warm_up!r}")
        if not 0.0 < floor < 1.0:
            raise RegimeError(f"floor must lie between 0 and 1, not {floor!r}")
        self._half_life, self._warm_up, self._free_means, self._floor = float(half_life), warm_up, free_means, float(floor)
        self._gain = -float(np.expm1(-np.log(2.0) / half_life))
        share = model.stationary
        self._centre = share @ model.means
        gaps = model.means - self._centre
        self._unit = np.sqrt(share @ (np.diagonal(model.covariances, axis1=1, axis2=2) + gaps**2))
        self.labels, self._df = model.labels, model.df
        self._transition, self._initial = model.transition.copy(), model.initial.copy()
        self._means = np.ascontiguousarray(gaps / self._unit)
        self._scales = np.ascontiguousarray(model.scales / np.outer(self._unit, self._unit))
        k = model.states
        raw = self._scales + self._means[:, :, None] * self._means[:, None, :]
        self._pairs = np.repeat((share[:, None] * model.transition)[:, :, None], k, axis=2)
        self._mass = np.repeat(share[:, None], k, axis=1)
        self._pull = self._mass.copy()
        self._first = np.repeat((share[:, None] * self._means)[:, None, :], k, axis=1)
        self._second = np.repeat((share[:, None, None] * raw)[:, None], k, axis=1)
        self._ahead = self._initial.copy()
        self._filtered = np.empty((1, k))
        self._filtered[0] = self._ahead
        self._each = np.zeros(1)
        self._log_likelihood, self._bars = 0.0, 0
        self._compile()

    def update(self, observation: ArrayLike) -> Floats:
        """Take one bar, a number or float64[D]: filter with the parameters so far, then move them. Return `value`.

        Raises
        ------
        RegimeError
            For another shape, or a value that is missing or not finite; the state stays as it was.
        """
        z = np.ascontiguousarray((observed(observation, len(self._unit)) - self._centre) / self._unit)
        student, df = self._df is not None, np.ones(len(self._means)) if self._df is None else self._df
        before = self._filtered[0].copy()
        filter_series(z, self._means, self._whiten, self._heights, df, student, self._transition, self._ahead, self._filtered, self._each)
        self._log_likelihood += float(self._each[0]) - float(np.log(self._unit).sum())
        if self._bars > 0:
            weights = np.ones(len(df))
            if student:
                squares = np.sum(np.einsum("kab,kb->ka", self._whiten, z[0] - self._means) ** 2, axis=1)
                weights = (df + z.shape[1]) / (df + squares)
            statistics = (self._pairs, self._mass, self._pull, self._first, self._second)
            _remember(z[0], weights, before, self._transition, self._filtered[0], self._gain, *statistics)
        self._bars += 1
        if self._bars > self._warm_up:
            self._maximise()
        return self.value

    def skip(self) -> Floats:
        """Pass over a missing bar: the chain moves on, nothing is learnt."""
        self._filtered[0] = self._ahead
        self._ahead = np.asarray(self._ahead @ self._transition, np.float64)
        self._bars += 1
        return self.value

    @property
    def value(self) -> Floats:
        """P(state of the last bar | bars so far), float64[K]."""
        return np.array(self._filtered[0])

    @property
    def ahead(self) -> Floats:
        """P(state of the next bar | bars so far), float64[K]."""
        return self._ahead.copy()

    @property
    def log_likelihood(self) -> float:
        """Of the bars taken, each under the parameters before it."""
        return self._log_likelihood

    @property
    def bars(self) -> int:
        """Taken or passed over."""
        return self._bars

    @property
    def starved(self) -> tuple[bool, ...]:
        """States whose parameters stand still because they are hardly remembered."""
        return tuple(bool(v) for v in self._mass @ self._filtered[0] < STARVED)

    @property
    def model(self) -> HiddenMarkovModel:
        """The parameters now."""
        size = np.outer(self._unit, self._unit)
        return HiddenMarkovModel(
            self._initial, self._transition, self._means * self._unit + self._centre, self._scales * size, self._df, self.labels
        )

    def state(self) -> dict[str, Any]:
        """Return everything as plain numbers: JSON keeps every bit."""
        return {
            "version": VERSION,
            "options": [self._half_life, self._warm_up, self._free_means, self._floor],
            "labels": list(self.labels),
            "df": None if self._df is None else self._df.tolist(),
            "log_likelihood": self._log_likelihood,
            "bars": self._bars,
            **{name: getattr(self, f"_{name}").tolist() for name in _ARRAYS},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> OnlineHmm:
        """Return what `state()` described; it goes on with the same bits.

        Raises
        ------
        RegimeError
            If a field is missing or bad, or the version is another.
        """
        try:
            if state["version"] != VERSION:
                raise RegimeError(f"version {VERSION} of the state is read, not {state['version']!r}")
            half_life, warm_up, free_means, floor = state["options"]
            initial, transition, means, scales, df = (state[n] for n in ("initial", "transition", "means", "scales", "df"))
            model = HiddenMarkovModel(initial, transition, means, scales, df, tuple(state["labels"]))
            found = cls(model, half_life=half_life, warm_up=warm_up, free_means=free_means, floor=floor)
            for name in _ARRAYS:
                array = np.ascontiguousarray(numbers(state[name], name))
                if array.shape != getattr(found, f"_{name}").shape or not np.isfinite(array).all():
                    raise RegimeError(f"{name} of the state has the shape {array.shape}, or is not finite")
                setattr(found, f"_{name}", array)
            found._log_likelihood, found._bars = float(state["log_likelihood"]), int(state["bars"])
        except (KeyError, TypeError) as error:
            raise RegimeError(f"this is no state of an online model: {error!r}") from None
        return found

    def _maximise(self) -> None:
        now = self._filtered[0]
        pairs, mass, pull = self._pairs @ now, self._mass @ now, self._pull @ now
        first = np.einsum("ixa,x->ia", self._first, now)
        second = np.einsum("ixab,x->iab", self._second, now)
        for i in np.flatnonzero(mass >= STARVED):
            left = pairs[i].sum()
            if left > 0.0:
                self._transition[i] = pairs[i] / left
            if self._free_means:
                self._means[i] = first[i] / pull[i]
            m = self._means[i]
            spread = second[i] - np.outer(m, first[i]) - np.outer(first[i], m) + pull[i] * np.outer(m, m)
            self._scales[i] = 0.5 * (spread + spread.T) / mass[i]
        self._compile()
        self._ahead = np.asarray(now @ self._transition, np.float64)

    def _compile(self) -> None:
        k, d = self._means.shape
        self._whiten, self._heights = np.empty((k, d, d)), np.empty(k)
        for i in range(k):
            self._scales[i], self._whiten[i], level, _ = whitening(self._scales[i], self._floor, False)
            self._heights[i] = height(level, 1.0 if self._df is None else float(self._df[i]), d, self._df is not None)


_ARRAYS: Final = (
    "centre",
    "unit",
    "initial",
    "transition",
    "means",
    "scales",
    "pairs",
    "mass",
    "pull",
    "first",
    "second",
    "ahead",
    "filtered",
    "whiten",
    "heights",
)
