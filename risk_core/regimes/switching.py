"""Markov-switching regression, autoregression and variance, with given parameters: Hamilton's filter and Kim's smoother.

J. Hamilton, "A new approach to the economic analysis of nonstationary time series and the business cycle", Econometrica 57 (1989) 357-384;
C.-J. Kim, "Dynamic linear models with Markov-switching", Journal of Econometrics 60 (1994) 1-22. The models are those of statsmodels'
`MarkovRegression` (no autoregression: lags are columns of `exog`) and `MarkovAutoregression` (deviations from the mean of the state of
each lag).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.chain import expected_durations, stationary_distribution
from risk_core.regimes.checks import RegimeError, checked_chances, checked_matrix, checked_transitions, member, numbers
from risk_core.regimes.kernels import joint_backward, joint_forward, relative
from risk_core.regimes.passes import InitialTime, forward_backward

Floats = NDArray[np.float64]

_MOST_JOINT = 4096


@dataclass(frozen=True, slots=True, eq=False)
class SwitchingModel:
    """A regression whose parameters follow a hidden chain s_t of K states, with p lags.

    With m_t(k) = means[k] + exog_t'coefficients[k], y_t - m_t(s_t) is the sum over lags i of ar[s_t, i] (y_{t-i} - m_{t-i}(s_{t-i})), and
    deviations[s_t] e_t.

    Parameters
    ----------
    transition : float64[K, K] or float64[T, K, K]
        Row i: chances of the next state after state i; if it varies, transition[t] leads into row t of the series.
    means : float64[K]
        Constants; zeros for none.
    deviations : float64[K]
        Standard deviations of the errors.
    autoregression : float64[K, p]
        Of lags 1 to p; p = 0 for a regression.
    coefficients : float64[K, M]
        Of the columns of `exog`; M = 0 for none.

    Raises
    ------
    RegimeError
        For shapes that do not fit, NaN, chances that do not sum to one, a deviation that is not positive, or K^(p + 1) beyond 4,096.
    """

    transition: Floats
    means: Floats
    deviations: Floats
    autoregression: Floats = field(default_factory=lambda: np.empty((0, 0)))
    coefficients: Floats = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        transition = numbers(self.transition, "transition")
        checked = checked_transitions(transition, len(transition))
        k = checked.shape[1]
        means, deviations = numbers(self.means, "means"), numbers(self.deviations, "deviations")
        lags, slopes = numbers(self.autoregression, "autoregression"), numbers(self.coefficients, "coefficients")
        lags = np.empty((k, 0)) if lags.size == 0 else lags
        slopes = np.empty((k, 0)) if slopes.size == 0 else slopes
        if means.shape != (k,) or deviations.shape != (k,) or lags.ndim != 2 or slopes.ndim != 2 or len(lags) != k or len(slopes) != k:
            raise RegimeError(f"means, deviations, and the rows of autoregression and coefficients must be {k}, one for each state")
        if not all(np.isfinite(a).all() for a in (means, lags, slopes)) or not ((deviations > 0.0) & (deviations < np.inf)).all():
            raise RegimeError("parameters must be finite and deviations positive")
        if k ** (lags.shape[1] + 1) > _MOST_JOINT:
            raise RegimeError(
                f"{k} states and {lags.shape[1]} lags make {k ** (lags.shape[1] + 1)} joint states; {_MOST_JOINT} are the most"
            )
        kept = checked if transition.ndim == 3 else checked[0]
        for name, value in (("transition", kept), ("means", means), ("deviations", deviations), ("autoregression", lags)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "coefficients", slopes)

    @property
    def states(self) -> int:
        """K."""
        return self.means.size

    @property
    def order(self) -> int:
        """Lags, p."""
        return int(self.autoregression.shape[1])

    @property
    def durations(self) -> tuple[float | None, ...]:
        """Mean length of a stay in each state, in steps; of a matrix that does not vary."""
        return expected_durations(self.transition)


@dataclass(frozen=True, slots=True, eq=False)
class SwitchingProbabilities:
    """Probabilities of the state of rows p to T - 1 of a series, given the first p rows.

    Parameters
    ----------
    log_likelihood : float
    log_likelihoods : float64[T - p]
        Of each row given those before.
    predicted, filtered, smoothed : float64[T - p, K]
        P(state of t | rows before t), P(state of t | rows to t), P(state of t | all rows).
    predicted_joint, filtered_joint, smoothed_joint : float64[T - p, K, ..., K]
        The same of (s_t, ..., s_{t-p}).
    """

    log_likelihood: float
    log_likelihoods: Floats = field(repr=False)
    predicted: Floats = field(repr=False)
    filtered: Floats = field(repr=False)
    smoothed: Floats = field(repr=False)
    predicted_joint: Floats = field(repr=False)
    filtered_joint: Floats = field(repr=False)
    smoothed_joint: Floats = field(repr=False)


def hamilton_filter(
    series: ArrayLike,
    model: SwitchingModel,
    exog: ArrayLike | None = None,
    *,
    initial: ArrayLike | None = None,
    initial_time: InitialTime | str = InitialTime.BEFORE,
) -> SwitchingProbabilities:
    """Return predicted, filtered (Hamilton) and smoothed (Kim) probabilities of a Markov-switching model.

    Parameters
    ----------
    series : float64[T]
        Oldest first. The first p rows are given: the likelihood is of the others.
    model : SwitchingModel
    exog : float64[T, M], optional
        As `model.coefficients` asks for.
    initial : float64[K], optional
        Stationary if not given (of the first matrix, where it varies).
    initial_time : InitialTime or str
        "before": `initial` is of the step before row 0 of the series (statsmodels); "first": of row 0.

    Raises
    ------
    RegimeError
        For shapes that do not fit, values that are not finite, too short a series, or a chain without a single stationary distribution.
    """
    y, x = checked_inputs(series, exog, model.coefficients.shape[1])
    matrices = checked_transitions(model.transition, len(y))
    if len(y) <= model.order:
        raise RegimeError(f"{len(y)} observations are too few for {model.order} lags")
    logs = switching_log_densities(y, x, model)
    k, p = model.states, model.order
    if p == 0:
        found = forward_backward(logs, matrices if len(matrices) > 1 else matrices[0], initial, logs=True, initial_time=initial_time)
        three = (found.predicted, found.filtered, found.smoothed)
        return SwitchingProbabilities(found.log_likelihood, found.log_likelihoods, *three, *three)
    start = opening(matrices, p, initial, initial_time)
    steps = np.ascontiguousarray(matrices[p:]) if len(matrices) > 1 else matrices
    shift = np.empty(len(logs))
    relative(logs, shift)
    predicted, filtered, smoothed = np.empty_like(logs), np.empty_like(logs), np.empty_like(logs)
    scale = np.empty(len(logs))
    impossible = joint_forward(logs, steps, start, predicted, filtered, scale)
    if impossible >= 0:
        raise RegimeError(f"observation {p + impossible} has no density in any state that can be reached")
    joint_backward(logs, steps, filtered, scale, smoothed)
    each = np.log(scale) + shift
    cubes = [a.reshape(len(logs), *(k,) * (p + 1)) for a in (predicted, filtered, smoothed)]
    flat = [a.reshape(len(logs), k, -1).sum(axis=2) for a in (predicted, filtered, smoothed)]
    return SwitchingProbabilities(float(np.sum(each)), each, flat[0], flat[1], flat[2], cubes[0], cubes[1], cubes[2])


def switching_log_densities(y: Floats, x: Floats, model: SwitchingModel) -> Floats:
    """Return the log density of rows p to T - 1 in each joint state (s_t, ..., s_{t-p}), float64[T - p, K^(p + 1)], the newest leading."""
    k, p = model.states, model.order
    gaps = y[:, None] - model.means - x @ model.coefficients.T
    digits = np.array(np.unravel_index(np.arange(k ** (p + 1)), (k,) * (p + 1)))
    errors = gaps[p:, digits[0]]
    for i in range(1, p + 1):
        errors = errors - model.autoregression[digits[0], i - 1] * gaps[p - i : len(y) - i, digits[i]]
    deviations = model.deviations[digits[0]]
    logs = -0.5 * (errors / deviations) ** 2 - np.log(deviations) - 0.5 * np.log(2.0 * np.pi)
    return np.ascontiguousarray(np.maximum(logs, -1e300))


def opening(matrices: Floats, order: int, initial: ArrayLike | None, time: InitialTime | str) -> Floats:
    """Return the chances of (s_{p-1}, ..., s_0), float64[K^p], the newest the leading digit."""
    k = matrices.shape[1]
    first = stationary_distribution(matrices[0]) if initial is None else checked_chances(initial, "initial", k)
    joint = first @ matrices[0] if member(InitialTime, time, "initial_time") is InitialTime.BEFORE else first
    for i in range(1, order):
        matrix = matrices[i if len(matrices) > 1 else 0]
        lead = np.arange(joint.size) // (joint.size // k)
        joint = (matrix[lead].T * joint).ravel()
    return np.ascontiguousarray(joint)


def checked_inputs(series: ArrayLike, exog: ArrayLike | None, columns: int | None = None) -> tuple[Floats, Floats]:
    """Return the series float64[T] and its regressors float64[T, M]."""
    y = checked_matrix(series)
    if y.shape[1] != 1:
        raise RegimeError(f"series must be one series, not of shape {y.shape}")
    x = np.empty((len(y), 0)) if exog is None else checked_matrix(exog, "exog")
    if len(x) != len(y):
        raise RegimeError(f"exog has {len(x)} rows, the series {len(y)}")
    if columns is not None and x.shape[1] != columns:
        raise RegimeError(f"the model has coefficients for {columns} columns of exog, not {x.shape[1]}")
    return y[:, 0].copy(), x
