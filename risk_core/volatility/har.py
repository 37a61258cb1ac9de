"""HAR-RV: tomorrow's realised variance from its means over a day, a week and a month, by least squares; and the same on a stream.

F. Corsi, "A simple approximate long-memory model of realized volatility", Journal of Financial Econometrics 7 (2009) 174-196; W. K. Newey
and K. D. West, Econometrica 55 (1987) 703-708 (standard errors).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import LARGEST, MeasureError, checked_pnl
from risk_core.methods import normal_quantile

Floats = NDArray[np.float64]

CORSI: Final = (1, 5, 22)


class Transform(StrEnum):
    """What the regression is of; means over days are of the transformed values."""

    VARIANCE = "variance"
    VOLATILITY = "volatility"
    """The square root."""
    LOG = "log"


@dataclass(frozen=True, slots=True, eq=False)
class HarFit:
    """A HAR model.

    Parameters
    ----------
    parameters : dict
        "const", and "lag_1", "lag_5", "lag_22" for the mean of the last 1, 5 and 22 values.
    lags : tuple of int
    transform : Transform
    fitted, residuals : float64[S - L]
        Of the transformed values, L the longest lag.
    recent : float64[L]
        The last transformed values, oldest first.
    residual_variance : float
        Sum of squares over S - L - K, with K parameters.
    r_squared : float
    design : float64[S - L, K]
    """

    parameters: dict[str, float]
    lags: tuple[int, ...]
    transform: Transform
    fitted: Floats = field(repr=False)
    residuals: Floats = field(repr=False)
    recent: Floats = field(repr=False)
    residual_variance: float
    r_squared: float
    design: Floats = field(repr=False)

    def standard_errors(self, *, hac_lags: int | None = None) -> dict[str, float]:
        """Return standard errors by name: of least squares, or, with `hac_lags`, of Newey and West without correction for small samples."""
        inverse = np.linalg.inv(self.design.T @ self.design)
        if hac_lags is None:
            matrix = self.residual_variance * inverse
        else:
            if not 0 <= hac_lags < self.residuals.size:
                raise MeasureError(f"hac_lags must lie in [0, {self.residuals.size - 1}], not {hac_lags!r}")
            moments = self.design * self.residuals[:, None]
            middle = moments.T @ moments
            for lag in range(1, hac_lags + 1):
                across = moments[lag:].T @ moments[:-lag]
                middle = middle + (1.0 - lag / (hac_lags + 1.0)) * (across + across.T)
            matrix = inverse @ middle @ inverse
        return {n: float(np.sqrt(v)) for n, v in zip(self.parameters, np.diag(matrix), strict=True)}

    def forecast(self, days: int = 1, *, level: float = 0.9) -> HarForecast:
        """Return the expected variance of each of the next days with an interval, see `HarForecast`.

        MeasureError for impossible numbers.
        """
        return har_forecast(self, self.recent, days, level)


@dataclass(frozen=True, slots=True, eq=False)
class HarForecast:
    """Realised variances of the next days, parameters taken as known and errors as normal.

    Parameters
    ----------
    variance : float64[D]
        Expected: the mean of the square or of the exponential, where the regression is of volatilities or logarithms.
    lower, upper : float64[D]
        Hold `level`, of errors in all days up to the one told. Of variances `lower` may be negative.
    level : float
    """

    variance: Floats
    lower: Floats
    upper: Floats
    level: float


def fit_har(realised: ArrayLike, *, lags: Sequence[int] = CORSI, transform: Transform | str = Transform.VARIANCE) -> HarFit:
    """Fit a HAR model by least squares.

    Parameters
    ----------
    realised : float64[S]
        Realised variances, one a day, oldest first: not negative, positive for logarithms.
    lags : sequence of int
        Days of each mean, rising.
    transform : Transform or str
        "variance" (Corsi), "volatility" or "log".

    Raises
    ------
    MeasureError
        For missing or impossible values, fewer than 3 days more than longest lag and parameters, values that do not move, unknown names.
    """
    if transform not in list(Transform):
        raise MeasureError(f"unknown transform {transform!r}; choose one of {', '.join(Transform)}")
    spans = tuple(int(n) for n in lags)
    if not spans or spans[0] < 1 or any(a >= b for a, b in pairwise(spans)):
        raise MeasureError(f"lags must be whole days, rising, from 1 on, not {tuple(lags)}")
    kind = Transform(transform)
    values = _transformed(checked_pnl(realised, "realised"), kind)
    longest, count = spans[-1], len(spans) + 1
    if values.size < longest + count + 3:
        raise MeasureError(f"{values.size} days; lags to {longest} and {count} parameters need {longest + count + 3}")
    sums = np.concatenate([[0.0], np.cumsum(values - values[0])])
    at = np.arange(longest, values.size)
    columns = [np.ones(at.size)] + [values[0] + (sums[at] - sums[at - n]) / n for n in spans]
    design, target = np.column_stack(columns), values[longest:]
    found, _, rank, _ = np.linalg.lstsq(design, target, rcond=1e-10)
    if rank < count:
        raise MeasureError("realised variances do not move enough to tell the lags apart: take fewer lags, or more days")
    fitted = design @ found
    residuals = target - fitted
    spread = float(np.sum((target - target.mean()) ** 2))
    return HarFit(
        parameters=dict(zip(["const", *(f"lag_{n}" for n in spans)], found.tolist(), strict=True)),
        lags=spans,
        transform=kind,
        fitted=fitted,
        residuals=residuals,
        recent=values[-longest:].copy(),
        residual_variance=float(residuals @ residuals) / (target.size - count),
        r_squared=1.0 - float(residuals @ residuals) / spread,
        design=design,
    )


def har_forecast(fit: HarFit, recent: Floats, days: int = 1, level: float = 0.9) -> HarForecast:
    """Return the forecast after given transformed values float64[L], oldest first; see `HarFit.forecast`."""
    if days < 1:
        raise MeasureError(f"a forecast needs at least one day, not {days!r}")
    if not 0.0 < level < 1.0:
        raise MeasureError(f"level is the coverage of the interval, in (0, 1), not {level!r}")
    held, means, spreads = list(recent), np.empty(days), np.empty(days)
    answers: list[float] = []  # of the value `day` days on to an error today
    total = 0.0
    for day in range(days):
        means[day] = _next(fit, np.array(held))
        held = [*held[1:], float(means[day])]
        past = np.concatenate([np.zeros(len(held)), answers])[-len(held) :] if answers else np.zeros(len(held))
        answers.append(1.0 if day == 0 else _next(fit, past) - fit.parameters["const"])
        total += answers[-1] ** 2
        spreads[day] = fit.residual_variance * total
    reach = normal_quantile(0.5 - 0.5 * level) * np.sqrt(spreads)
    lower, upper = means - reach, means + reach
    if fit.transform is Transform.LOG:
        return HarForecast(np.exp(means + 0.5 * spreads), np.exp(lower), np.exp(upper), level)
    if fit.transform is Transform.VOLATILITY:
        return HarForecast(means**2 + spreads, np.maximum(lower, 0.0) ** 2, np.maximum(upper, 0.0) ** 2, level)
    return HarForecast(means, lower, upper, level)


class OnlineHar:
    """A HAR forecast that follows a stream of realised variances: O(L) a day, whatever came before.

    Parameters
    ----------
    fit : HarFit
        Parameters stay as fitted.
    warm : bool
        True: go on after the data of the fit. False: begin empty; the first L values are warm-up.
    """

    __slots__ = ("_fit", "_recent")

    def __init__(self, fit: HarFit, *, warm: bool = True) -> None:
        self._fit = fit
        self._recent: list[float] = fit.recent.tolist() if warm else []

    def update(self, realised: float) -> float | None:
        """Take one more day's realised variance and give `value`.

        Raises
        ------
        MeasureError
            If it is missing, not finite or impossible; the state is what it was.
        """
        if not abs(realised) <= LARGEST:
            raise MeasureError(f"the realised variance is {realised!r}: skip the day, or fill it")
        value = float(_transformed(np.array([float(realised)]), self._fit.transform)[0])
        self._recent = [*self._recent, value][-self._fit.lags[-1] :]
        return self.value

    @property
    def value(self) -> float | None:
        """Expected realised variance of the next day; None during warm-up."""
        if len(self._recent) < self._fit.lags[-1]:
            return None
        return float(har_forecast(self._fit, np.array(self._recent)).variance[0])

    @property
    def state(self) -> dict[str, Any]:
        """All there is to know, of JSON's own types; numbers keep their bits."""
        fit = self._fit
        return {
            "version": 1,
            "parameters": dict(fit.parameters),
            "lags": list(fit.lags),
            "transform": fit.transform.value,
            "residual_variance": fit.residual_variance,
            "recent": list(self._recent),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> OnlineHar:
        """Return the estimator that `state` was taken from, bit for bit. MeasureError for another version or a missing field."""
        if state.get("version") != 1:
            raise MeasureError(f"the state has version {state.get('version')!r}; this reads 1: fit again")
        try:
            recent, lags = [float(v) for v in state["recent"]], tuple(int(n) for n in state["lags"])
            named, nothing = {str(n): float(v) for n, v in state["parameters"].items()}, np.empty(0)
            kind, spread = Transform(state["transform"]), float(state["residual_variance"])
        except (KeyError, TypeError, ValueError) as error:
            raise MeasureError(f"the state of a HAR model cannot be read ({error!r}): fit again") from None
        return cls(HarFit(named, lags, kind, nothing, nothing, np.array(recent), spread, 0.0, np.empty((0, len(named)))))


def _next(fit: HarFit, recent: Floats) -> float:
    """Return the regression's value after float64[L], oldest first."""
    total = fit.parameters["const"]
    for n in fit.lags:
        total += fit.parameters[f"lag_{n}"] * float(np.mean(recent[-n:]))
    return total


def _transformed(values: Floats, kind: Transform) -> Floats:
    if (values < 0.0).any() or (kind is Transform.LOG and not (values > 0.0).all()):
        at = int(np.flatnonzero(values <= 0.0)[0])
        raise MeasureError(f"a realised variance is {values[at]} (position {at}): it cannot be negative, nor zero under a logarithm")
    if kind is Transform.LOG:
        return np.asarray(np.log(values))
    return np.asarray(np.sqrt(values)) if kind is Transform.VOLATILITY else values
