"""Maximum likelihood of Markov-switching regression and autoregression, from many starts; the same seed gives the same bits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import log
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.regimes.checks import RegimeError, checked_chances, checked_integer, checked_states
from risk_core.regimes.em_kernels import steady
from risk_core.regimes.passes import InitialTime
from risk_core.regimes.starts import groupings
from risk_core.regimes.switching import (
    SwitchingModel,
    SwitchingProbabilities,
    checked_inputs,
    hamilton_filter,
)
from risk_core.regimes.switching_kernels import likelihood

Floats = NDArray[np.float64]

_SHORT: Final = 15
_FINISHED: Final = 3
_STEP: Final = 1e-5
_CURVE_STEP: Final = 1e-4
_FARTHEST: Final = 25.0
_GAIN: Final = 1e-4
_STAY: Final = 0.9
_BOUNDARY: Final = 12.0


class SwitchingStatus(StrEnum):
    """How far a fit can be trusted."""

    OK = "ok"
    AT_BOUND = "at_bound"
    """A chance of the transition matrix went to zero or one: it has no standard error."""
    DEGENERATE = "degenerate"
    """A deviation shrank below a hundredth of that of the series, or the likelihood is flat: the states are not told apart."""
    NOT_CONVERGED = "not_converged"


@dataclass(frozen=True, slots=True, eq=False)
class SwitchingFit:
    """A fitted switching model. States in rising order of their means, or of their deviations where means do not switch.

    Parameters
    ----------
    model : SwitchingModel
    log_likelihood : float
        Given the first p rows.
    parameters : int
    observations : int
        T - p.
    standard_errors : dict of str to float
        From the inverse of the observed information; those at a bound are left out. Names: "p[i,j]", "mean[k]", "deviation[k]",
        "ar[i]" or "ar[k,i]" (lag i from 1), "coefficient[m]" or "coefficient[k,m]"; without k where it does not switch.
    probabilities : SwitchingProbabilities
    status : SwitchingStatus
    reason : str
    """

    model: SwitchingModel
    log_likelihood: float
    parameters: int
    observations: int
    standard_errors: dict[str, float]
    probabilities: SwitchingProbabilities = field(repr=False)
    status: SwitchingStatus
    reason: str

    @property
    def bic(self) -> float:
        """log(T - p) parameters - 2 log-likelihood."""
        return log(self.observations) * self.parameters - 2.0 * self.log_likelihood

    @property
    def aic(self) -> float:
        """2 parameters - 2 log-likelihood."""
        return 2.0 * self.parameters - 2.0 * self.log_likelihood


@dataclass(frozen=True, slots=True)
class _Design:
    y: Floats
    x: Floats
    states: int
    order: int
    constant: bool
    switching: tuple[bool, bool, bool, bool]
    """Means, deviations, autoregression, coefficients."""
    initial: Floats | None
    time: InitialTime

    def parts(self, theta: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return transition, means, deviations, autoregression and coefficients."""
        k, p, m = self.states, self.order, self.x.shape[1]
        logits = np.zeros((k, k))
        logits[~np.eye(k, dtype=bool)] = np.clip(theta[: k * (k - 1)], -_FARTHEST, _FARTHEST)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        at = k * (k - 1)
        parts = []
        for size, switches in zip((int(self.constant), 1, p, m), self.switching, strict=True):
            count = size * (k if switches else 1)
            block = theta[at : at + count].reshape(-1, size) if size else np.zeros((1, 0))
            parts.append(np.repeat(block, k, axis=0) if len(block) == 1 else block)
            at += count
        means = parts[0][:, 0] if self.constant else np.zeros(k)
        return shares / shares.sum(axis=1, keepdims=True), means, np.exp(np.clip(parts[1][:, 0], -300, 300)), parts[2], parts[3]

    def unpack(self, theta: Floats) -> SwitchingModel:
        return SwitchingModel(*self.parts(theta))

    def pack(self, model: SwitchingModel) -> Floats:
        k = self.states
        p = np.maximum(model.transition, np.exp(-_FARTHEST))
        theta = [np.log(p / np.diag(p)[:, None])[~np.eye(k, dtype=bool)]]
        blocks = (model.means[:, None], np.log(model.deviations)[:, None], model.autoregression, model.coefficients)
        for block, switches, present in zip(blocks, self.switching, (self.constant, True, True, True), strict=True):
            if present:
                theta.append((block if switches else block.mean(axis=0, keepdims=True)).ravel())
        return np.concatenate(theta)

    def natural(self, theta: Floats) -> Floats:
        model = self.unpack(theta)
        blocks = (model.means[:, None], model.deviations[:, None], model.autoregression, model.coefficients)
        kept = [b if s else b[:1] for b, s in zip(blocks, self.switching, strict=True)]
        return np.concatenate([model.transition.ravel(), *(b.ravel() for b in (kept if self.constant else kept[1:]))])

    def names(self) -> list[str]:
        k = self.states
        found = [f"p[{i},{j}]" for i in range(k) for j in range(k)]
        for name, size, first, switches in zip(
            ("mean", "deviation", "ar", "coefficient"),
            (int(self.constant), 1, self.order, self.x.shape[1]),
            (None, None, 1, 0),
            self.switching,
            strict=True,
        ):
            for state in range(k if switches else 1):
                for n in range(size):
                    index = [str(state)] if switches else []
                    index += [] if first is None else [str(n + first)]
                    found.append(f"{name}[{','.join(index)}]" if index else name)
        return found

    def minus(self, theta: Floats) -> float:
        if not np.isfinite(theta).all():
            return 1e300
        transition, means, deviations, lags, slopes = self.parts(theta)
        first = steady(transition) if self.initial is None else self.initial
        if self.time is InitialTime.BEFORE:
            first = first @ transition
        centres = np.ascontiguousarray(means + self.x @ slopes.T)
        value = float(likelihood(self.y, centres, np.ascontiguousarray(lags), deviations, transition, first))
        return -value if np.isfinite(value) else 1e300

    def slope(self, theta: Floats) -> Floats:
        result = np.empty(theta.size)
        for i in range(theta.size):
            h = _STEP * max(1.0, abs(theta[i]))
            up, down = theta.copy(), theta.copy()
            up[i], down[i] = theta[i] + h, theta[i] - h
            result[i] = (self.minus(up) - self.minus(down)) / (2.0 * h)
        return result


def fit_markov_regression(
    series: ArrayLike,
    states: int = 2,
    exog: ArrayLike | None = None,
    *,
    constant: bool = True,
    switching_mean: bool = True,
    switching_variance: bool = False,
    switching_coefficients: bool = True,
    initial: ArrayLike | None = None,
    initial_time: InitialTime | str = InitialTime.BEFORE,
    starts: int = 4,
    seed: int = 0,
) -> SwitchingFit:
    """Fit y_t = mean[s_t] + exog_t'coefficient[s_t] + deviation[s_t] e_t (statsmodels' `MarkovRegression`).

    Parameters
    ----------
    series : float64[T]
        Oldest first.
    states : int
        2 to 6.
    exog : float64[T, M], optional
        Regressors, lags of the series among them.
    constant : bool
        False: means are zero.
    switching_mean, switching_variance, switching_coefficients : bool
        What differs between states. With `constant=False` and `switching_variance=True`: Markov-switching variance.
    initial : float64[K], optional
        Chances of the state before the first row (`initial_time`); the stationary distribution if not given.
    initial_time : InitialTime or str
    starts : int
        Seeded, in addition to twelve fixed ones.
    seed : int

    Raises
    ------
    RegimeError
        For a series that is not finite, too short or constant, regressors that are collinear, or nothing that switches.
    """
    switching = (switching_mean and constant, switching_variance, False, switching_coefficients and exog is not None)
    return _fit(series, states, exog, 0, constant, switching, initial, initial_time, starts, seed)


def fit_markov_autoregression(
    series: ArrayLike,
    states: int = 2,
    order: int = 1,
    exog: ArrayLike | None = None,
    *,
    constant: bool = True,
    switching_mean: bool = True,
    switching_variance: bool = False,
    switching_autoregression: bool = True,
    switching_coefficients: bool = True,
    initial: ArrayLike | None = None,
    initial_time: InitialTime | str = InitialTime.BEFORE,
    starts: int = 4,
    seed: int = 0,
) -> SwitchingFit:
    """Fit Hamilton's (1989) autoregression about a switching mean (statsmodels' `MarkovAutoregression`), order lags. See `SwitchingModel`.

    Arguments as of `fit_markov_regression`; `switching_autoregression` lets the coefficients of the lags differ between states.

    Raises
    ------
    RegimeError
        As `fit_markov_regression`.
    """
    checked_integer(order, "order", 1, 8)
    switching = (switching_mean and constant, switching_variance, switching_autoregression, switching_coefficients and exog is not None)
    return _fit(series, states, exog, order, constant, switching, initial, initial_time, starts, seed)


def _fit(
    series: ArrayLike,
    states: int,
    exog: ArrayLike | None,
    order: int,
    constant: bool,
    switching: tuple[bool, bool, bool, bool],
    initial: ArrayLike | None,
    time: InitialTime | str,
    starts: int,
    seed: int,
) -> SwitchingFit:
    from scipy.optimize import minimize

    k = checked_states(states)
    raw, x = checked_inputs(series, exog)
    checked_integer(starts, "starts", 0)
    checked_integer(seed, "seed", 0)
    if not any(switching):
        raise RegimeError("nothing switches between the states: let the mean, the variance or a coefficient do so")
    needed = max(30, 4 * (k * (k - 1) + k * (1 + order + x.shape[1])))
    if len(raw) - order < needed:
        raise RegimeError(f"{len(raw)} observations are too few for {k} states: give at least {needed + order}")
    if np.ptp(raw) <= 1e-12 * np.abs(raw).max():
        raise RegimeError("the series does not vary: it has no regimes")
    unit = float(raw.std()) if constant else float(np.sqrt(np.mean(raw**2)))
    sizes = np.sqrt(np.mean(x**2, axis=0))
    if x.size and (not (sizes > 0.0).all() or np.linalg.cond(np.column_stack([np.ones(len(raw))] * constant + [x / sizes])) > 1e10):
        raise RegimeError("the columns of exog are collinear (a constant is included already); drop one")
    given = None if initial is None else checked_chances(initial, "initial", k)
    design = _Design(raw / unit, x / sizes, k, order, constant, switching, given, InitialTime(time))
    points = [design.pack(model) for model in _starts(design, starts, seed)]
    short = [minimize(design.minus, p, jac=design.slope, method="BFGS", options={"maxiter": _SHORT}) for p in points]
    best = sorted(range(len(short)), key=lambda r: (short[r].fun, r))[:_FINISHED]
    ends = [minimize(design.minus, short[r].x, jac=design.slope, method="BFGS", options={"maxiter": 500, "gtol": 1e-6}) for r in best]
    end = min(ends, key=lambda e: e.fun)
    scaled = design.unpack(end.x)
    key = scaled.means if switching[0] else scaled.deviations if switching[1] else np.arange(k)
    o = np.argsort(key, kind="stable")
    scaled = SwitchingModel(
        scaled.transition[np.ix_(o, o)], scaled.means[o], scaled.deviations[o], scaled.autoregression[o], scaled.coefficients[o]
    )
    model = replace(scaled, means=scaled.means * unit, deviations=scaled.deviations * unit, coefficients=scaled.coefficients * unit / sizes)
    errors, status, reason = _errors(design, design.pack(scaled), unit, sizes)
    if given is not None:  # given chances are of the states in the caller's order
        found = hamilton_filter(raw, model, exog, initial=given[o], initial_time=time)
    else:
        found = hamilton_filter(raw, model, exog, initial_time=time)
    return SwitchingFit(
        model=model,
        log_likelihood=found.log_likelihood,
        parameters=points[0].size,
        observations=len(raw) - order,
        standard_errors=errors,
        probabilities=found,
        status=status,
        reason=reason,
    )


def _starts(design: _Design, seeded: int, seed: int) -> list[SwitchingModel]:
    """Regress within groups of rows; lags in turn absent and those of the pooled residuals."""
    y, x, k, p = design.y, design.x, design.states, design.order
    columns = np.column_stack([np.ones(len(y))] * design.constant + [x]) if design.constant or x.shape[1] else np.zeros((len(y), 0))
    pooled = np.linalg.lstsq(columns, y, rcond=None)[0]
    residual = y - columns @ pooled
    lagged = np.column_stack([residual[p - i : len(y) - i] for i in range(1, p + 1)]) if p else np.empty((len(y), 0))
    lags = np.linalg.lstsq(lagged, residual[p:], rcond=None)[0] if p else np.empty(0)
    transition = np.full((k, k), (1.0 - _STAY) / (k - 1))
    np.fill_diagonal(transition, _STAY)
    found = []
    for turn, group in enumerate(groupings((residual / max(residual.std(), 1e-12))[:, None], k, seeded, seed)):
        slopes, deviations = np.empty((k, columns.shape[1])), np.empty(k)
        for s in range(k):
            rows = group == s
            enough = rows.sum() >= 3 * columns.shape[1] + 3
            slopes[s] = np.linalg.lstsq(columns[rows], y[rows], rcond=None)[0] if enough else pooled
            deviations[s] = max(float(np.sqrt(np.mean((y[rows] - columns[rows] @ slopes[s]) ** 2))) if enough else residual.std(), 0.05)
        means = slopes[:, 0] if design.constant else np.zeros(k)
        phi = np.tile(lags if turn % 2 else np.zeros(p), (k, 1))
        found.append(SwitchingModel(transition, means, deviations, phi, slopes[:, int(design.constant) :]))
    return found


def _errors(design: _Design, theta: Floats, unit: float, sizes: Floats) -> tuple[dict[str, float], SwitchingStatus, str]:
    """Invert the information of the coordinates that are inside; go to natural parameters by the delta method."""
    k = design.states
    chances = k * (k - 1)
    inside = np.array([i >= chances or abs(theta[i]) < _BOUNDARY for i in range(theta.size)])
    free = np.flatnonzero(inside)
    model = design.unpack(theta)
    if model.deviations.min() < 0.01:
        return {}, SwitchingStatus.DEGENERATE, "a state's deviation shrank below a hundredth of that of the series"
    slope = design.slope(theta)[free]
    curve = np.empty((free.size, free.size))
    for n, i in enumerate(free):
        h = _CURVE_STEP * max(1.0, abs(theta[i]))
        up, down = theta.copy(), theta.copy()
        up[i], down[i] = theta[i] + h, theta[i] - h
        curve[n] = (design.slope(up)[free] - design.slope(down)[free]) / (2.0 * h)
    curve = 0.5 * (curve + curve.T)
    try:
        np.linalg.cholesky(curve)
    except np.linalg.LinAlgError:
        return {}, SwitchingStatus.DEGENERATE, "the likelihood is not curved down at its best point: the states are not told apart"
    covariance = np.linalg.inv(curve)
    map_ = np.empty((design.natural(theta).size, free.size))
    for n, i in enumerate(free):
        up, down = theta.copy(), theta.copy()
        up[i], down[i] = theta[i] + _STEP, theta[i] - _STEP
        map_[:, n] = (design.natural(up) - design.natural(down)) / (2.0 * _STEP)
    spread = np.einsum("ai,ij,aj->a", map_, covariance, map_)
    units = [1.0] * (k * k)
    for name in design.names()[k * k :]:
        column = int(name.rstrip("]").split("[")[1].split(",")[-1]) if name.startswith("coefficient") else 0
        units.append(unit / float(sizes[column]) if name.startswith("coefficient") else 1.0 if name.startswith("ar") else unit)
    named = {name: u * float(np.sqrt(v)) for name, u, v in zip(design.names(), units, spread, strict=True) if v > 1e-14}
    if 0.5 * float(slope @ covariance @ slope) > _GAIN:
        return named, SwitchingStatus.NOT_CONVERGED, "the search stopped before the maximum"
    if not inside.all():
        return named, SwitchingStatus.AT_BOUND, "a chance of the transition matrix went to its bound"
    return named, SwitchingStatus.OK, ""
