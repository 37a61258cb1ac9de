"""A hidden Markov model of returns: its parameters, and what follows from them without a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.chain import expected_durations, simulate_chain, stationary_distribution
from risk_core.regimes.checks import RegimeError, checked_chances, checked_matrix, checked_transition, numbers
from risk_core.regimes.em_kernels import all_log_densities, filter_series, height
from risk_core.regimes.passes import StatePath, StateProbabilities, forward_backward, viterbi

Floats = NDArray[np.float64]


class Law(StrEnum):
    """The law of an observation within a state."""

    NORMAL = "normal"
    STUDENT_T = "student_t"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A model as the kernels read it: arguments of `em_kernels.filter_step` up to `student`, and the transition matrix."""

    means: Floats
    whiten: Floats
    heights: Floats
    df: Floats
    student: bool
    transition: Floats


@dataclass(frozen=True, slots=True, eq=False)
class HiddenMarkovModel:
    """Normal or Student t returns whose parameters follow a hidden Markov chain of K states.

    Parameters
    ----------
    initial : float64[K]
        Chances of the first observation's state.
    transition : float64[K, K]
        Row i: chances of the next state after state i.
    means : float64[K, D]
        In the unit of the returns, gains positive.
    scales : float64[K, D, D]
        Scale matrices: the covariances where the law is normal, covariance (df - 2) / df where it is Student t.
    df : float64[K] or None
        Degrees of freedom of each state, more than 2; None where the law is normal.
    labels : tuple of str
        Name of each state (`label_states`); empty for none.

    Raises
    ------
    RegimeError
        For shapes that do not fit, chances that do not sum to one, or a scale that is not positive definite.
    """

    initial: Floats
    transition: Floats
    means: Floats
    scales: Floats
    df: Floats | None = None
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        transition = checked_transition(self.transition)
        k = len(transition)
        means, scales = numbers(self.means, "means"), numbers(self.scales, "scales")
        means = means[:, None] if means.ndim == 1 else means
        scales = scales[:, None, None] if scales.ndim == 1 else scales
        if means.ndim != 2 or means.shape[0] != k or means.shape[1] < 1 or scales.shape != (*means.shape, means.shape[1]):
            raise RegimeError(f"means must be ({k}, D) and scales ({k}, D, D), not {means.shape} and {scales.shape}")
        if not (
            np.isfinite(means).all() and np.isfinite(scales).all() and np.allclose(scales, scales.transpose(0, 2, 1), rtol=1e-8, atol=0.0)
        ):
            raise RegimeError("means and scales must be finite, scales symmetric")
        df = None if self.df is None else numbers(self.df, "df")
        if df is not None and (df.shape != (k,) or not ((df > 2.0) & (df < np.inf)).all()):
            raise RegimeError(f"df must be {k} finite numbers of more than 2: a state's variance must exist")
        if self.labels and len(self.labels) != k:
            raise RegimeError(f"{len(self.labels)} labels for {k} states")
        try:
            np.linalg.cholesky(scales)
        except np.linalg.LinAlgError:
            raise RegimeError("a scale matrix is not positive definite; drop collinear columns, or raise the floor of the fit") from None
        for name, value in (("transition", transition), ("means", means), ("scales", scales), ("df", df)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "initial", checked_chances(self.initial, "initial", k))
        object.__setattr__(self, "labels", tuple(self.labels))

    @property
    def states(self) -> int:
        """K."""
        return len(self.transition)

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.means.shape[1])

    @property
    def law(self) -> Law:
        """Of an observation within a state."""
        return Law.NORMAL if self.df is None else Law.STUDENT_T

    @property
    def covariances(self) -> Floats:
        """Of each state's returns, float64[K, D, D]."""
        return self.scales if self.df is None else np.asarray(self.scales * (self.df / (self.df - 2.0))[:, None, None], np.float64)

    @property
    def deviations(self) -> Floats:
        """Standard deviation of each column in each state, float64[K, D]."""
        return np.asarray(np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2)), np.float64)

    @property
    def stationary(self) -> Floats:
        """Long-run share of each state, float64[K]; `RegimeError` where the chain has none."""
        return stationary_distribution(self.transition)

    @property
    def durations(self) -> tuple[float | None, ...]:
        """Mean length of a stay in each state, in steps; None for a state that is never left."""
        return expected_durations(self.transition)

    def compiled(self) -> Compiled:
        """Return the arrays that the kernels read."""
        roots = np.linalg.cholesky(self.scales)
        whiten = np.ascontiguousarray(np.linalg.inv(roots))
        levels = -np.sum(np.log(np.diagonal(roots, axis1=1, axis2=2)), axis=1)
        student = self.df is not None
        df = np.ones(self.states) if self.df is None else self.df
        heights = np.array([height(float(level), float(v), self.dimensions, student) for level, v in zip(levels, df, strict=True)])
        return Compiled(np.ascontiguousarray(self.means), whiten, heights, df, student, self.transition)

    def log_densities(self, series: ArrayLike) -> Floats:
        """Return the log density of each observation in each state, float64[T, K]; NaN is refused."""
        y, c = self._observed(series), self.compiled()
        return np.asarray(all_log_densities(y, c.means, c.whiten, c.heights, c.df, c.student), np.float64)

    def filtered(self, series: ArrayLike) -> Floats:
        """Return P(state of t | observations to t), float64[T, K]: what a stream knows, bit for bit that of `RegimeFilter`."""
        return self.filter(series)[0]

    def filter(self, series: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return (filtered float64[T, K], the chances of the state of T + 1, the log density of each observation given those before)."""
        y, c = self._observed(series), self.compiled()
        chances, each = np.empty((len(y), self.states)), np.empty(len(y))
        ahead = self.initial.copy()
        filter_series(y, c.means, c.whiten, c.heights, c.df, c.student, c.transition, ahead, chances, each)
        return chances, ahead, each

    def probabilities(self, series: ArrayLike) -> StateProbabilities:
        """Return predicted, filtered and smoothed probabilities; the smoothed ones know the future of each step."""
        return forward_backward(np.maximum(self.log_densities(series), -1e300), self.transition, self.initial, logs=True)

    def viterbi(self, series: ArrayLike) -> StatePath:
        """Return the likeliest sequence of states given the whole series."""
        return viterbi(self.log_densities(series), self.transition, self.initial, logs=True)

    def log_likelihood(self, series: ArrayLike) -> float:
        """Return the log-likelihood of a series."""
        return float(np.sum(self.filter(series)[2]))

    def reordered(self, order: ArrayLike, labels: tuple[str, ...] | None = None) -> HiddenMarkovModel:
        """Return the same model with state `order[k]` in place k, and with other labels if they are given."""
        o = np.asarray(order, np.int64)
        if sorted(o.tolist()) != list(range(self.states)):
            raise RegimeError(f"order must name each of {self.states} states once, not {order!r}")
        named = tuple(self.labels[i] for i in o) if self.labels and labels is None else (labels or ())
        return HiddenMarkovModel(
            self.initial[o],
            self.transition[np.ix_(o, o)],
            self.means[o],
            self.scales[o],
            None if self.df is None else self.df[o],
            named,
        )

    def labelled(self, labels: tuple[str, ...]) -> HiddenMarkovModel:
        """Return the same model with other labels."""
        return replace(self, labels=labels)

    def simulate(self, count: int, seed: int) -> tuple[NDArray[np.int64], Floats]:
        """Return (states int64[count], returns float64[count, D]) drawn from the model; seed not negative."""
        path = simulate_chain(self.transition, count, seed, self.initial)
        random = np.random.Generator(np.random.PCG64([seed, 1]))
        shocks = random.standard_normal((count, self.dimensions))
        if self.df is not None:
            shocks /= np.sqrt(random.chisquare(self.df[path]) / self.df[path])[:, None]
        roots = np.linalg.cholesky(self.scales)
        return path, self.means[path] + np.einsum("tij,tj->ti", roots[path], shocks)

    def state(self) -> dict[str, Any]:
        """Return the parameters as lists of floats: JSON keeps every bit."""
        return {
            "initial": self.initial.tolist(),
            "transition": self.transition.tolist(),
            "means": self.means.tolist(),
            "scales": self.scales.tolist(),
            "df": None if self.df is None else self.df.tolist(),
            "labels": list(self.labels),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> HiddenMarkovModel:
        """Return the model of `state()`.

        Raises
        ------
        RegimeError
            If a field is missing or bad.
        """
        try:
            initial, transition, means, scales, df = (state[n] for n in ("initial", "transition", "means", "scales", "df"))
            return cls(initial, transition, means, scales, df, tuple(state["labels"]))
        except (KeyError, TypeError) as error:
            raise RegimeError(f"this is no state of a hidden Markov model: {error!r}") from None

    def _observed(self, series: ArrayLike) -> Floats:
        y = checked_matrix(series)
        if y.shape[1] != self.dimensions:
            raise RegimeError(f"the model is of {self.dimensions} columns, the series of {y.shape[1]}")
        return y
