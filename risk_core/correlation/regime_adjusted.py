"""The exponentially weighted covariance, scaled by how far realised risk has lately been from what it forecast.

G. Paleologo, The Elements of Quantitative Investing (2025): short-term volatility updating. The covariance of tomorrow is phi² S, with phi
from a second, faster average of a standardised statistic d² of each day at the forecast of the day before.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import exp, log, pi, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.checks import checked_day, checked_matrix
from risk_core.correlation.ewma import fade
from risk_core.correlation.online import symmetric_from
from risk_core.correlation.targets import correlation_of
from risk_core.measures.checks import MeasureError, checked_scalar

Floats = NDArray[np.float64]

_NOTHING = 1e-12


class RegimeTarget(StrEnum):
    """The statistic d² of a day."""

    PORTFOLIO = "portfolio"
    """N (w'r)² / w'Sw of given books, or of one with weights inverse to the volatilities."""
    DIAGONAL = "diagonal"
    """Sum of squares, each by its variance."""
    MAHALANOBIS = "mahalanobis"
    """r'S⁻¹r, which also weighs books that nobody holds; O(N³) a day."""


class RegimeMethod(StrEnum):
    """How phi is averaged from d²; each has expectation one (log: zero) where returns are normal with covariance S."""

    FIRST_MOMENT = "first_moment"
    """Mean of d / E d."""
    RMS = "rms"
    """Root of the mean of d² / N."""
    LOG = "log"
    """exp of half the mean of log d² - E log d²: least moved by one wild day."""


class RegimeAdjustedEwmaCovariance:
    """EWMA covariance with a regime multiplier, mean zero.

    Parameters
    ----------
    count : int
        Number of instruments.
    half_life : float
        Of the variances, and of the correlations if `corr_half_life` is not given, in days.
    corr_half_life : float, optional
        Correlations are then averaged apart, from returns standardised by the variance recursion (from zero) that includes the day.
    regime_half_life : float, optional
        Of the multiplier; half of `half_life` if not given.
    regime_target : RegimeTarget or str
    regime_method : RegimeMethod or str
    regime_portfolio_weights : float64[N] or float64[P, N], optional
        Books of target "portfolio", each scaled to sum to one; phi is the mean over the books.
    regime_multiplier_clip : (float, float) or None
        Range of phi.
    regime_min_observations : int, optional
        Days of d² before phi counts, one until then; the whole days of `regime_half_life` if not given.
    min_observations : int, optional
        Days before there is a value, and before a d² is taken; the whole days of the longer half-life if not given.

    Names and defaults are those of skfolio's RegimeAdjustedEWCovariance; days without gaps, no lags.
    """

    def __init__(
        self,
        count: int,
        half_life: float = 40.0,
        *,
        corr_half_life: float | None = None,
        regime_half_life: float | None = None,
        regime_target: RegimeTarget | str = RegimeTarget.PORTFOLIO,
        regime_method: RegimeMethod | str = RegimeMethod.FIRST_MOMENT,
        regime_portfolio_weights: ArrayLike | None = None,
        regime_multiplier_clip: tuple[float, float] | None = (0.7, 1.6),
        regime_min_observations: int | None = None,
        min_observations: int | None = None,
    ) -> None:
        if count < 1:
            raise MeasureError(f"there must be at least one instrument, not {count}")
        if regime_target not in list(RegimeTarget) or regime_method not in list(RegimeMethod):
            raise MeasureError(f"unknown regime target {regime_target!r} or method {regime_method!r}")
        slow = checked_scalar(half_life, "half_life", above=0.0)
        corr = None if corr_half_life is None else checked_scalar(corr_half_life, "corr_half_life", above=0.0)
        fast = 0.5 * slow if regime_half_life is None else checked_scalar(regime_half_life, "regime_half_life", above=0.0)
        if regime_multiplier_clip is not None and not 0.0 < regime_multiplier_clip[0] <= regime_multiplier_clip[1] < np.inf:
            raise MeasureError(f"regime_multiplier_clip must be two positive numbers in order, not {regime_multiplier_clip}")
        books = None if regime_portfolio_weights is None else checked_matrix(np.atleast_2d(regime_portfolio_weights), "weights", least=1)
        if books is not None and (books.shape[1] != count or not (books.sum(axis=1) > 0.0).all()):
            raise MeasureError(f"regime_portfolio_weights must have {count} columns and rows with a positive sum")
        self._settings: dict[str, Any] = {
            "count": int(count),
            "half_life": slow,
            "corr_half_life": corr,
            "regime_half_life": fast,
            "regime_target": str(regime_target),
            "regime_method": str(regime_method),
            "regime_portfolio_weights": None if books is None else books.tolist(),
            "regime_multiplier_clip": None if regime_multiplier_clip is None else [float(b) for b in regime_multiplier_clip],
            "regime_min_observations": int(fast) if regime_min_observations is None else int(regime_min_observations),
            "min_observations": max(1, int(max(slow, corr or 0.0)) if min_observations is None else int(min_observations)),
        }
        self._books = None if books is None else books / books.sum(axis=1, keepdims=True)
        self._days, self._regime_days, self._regime = 0, 0, 0.0
        self._matrix, self._variance = np.zeros((count, count)), np.zeros(count)

    @property
    def regime_multiplier(self) -> float:
        """Phi: above one where the days lately moved more than was forecast."""
        s = self._settings
        if self._regime_days < max(1, s["regime_min_observations"]):
            return 1.0
        phi = {"first_moment": self._regime, "rms": sqrt(abs(self._regime)), "log": exp(0.5 * self._regime)}[s["regime_method"]]
        clip = s["regime_multiplier_clip"]
        return phi if clip is None else min(max(phi, clip[0]), clip[1])

    def update(self, returns: ArrayLike) -> None:
        """Move on by one day float64[N]: O(N²), O(N³) with Mahalanobis. MeasureError, and no change, if a return is not finite."""
        s = self._settings
        day = checked_day(returns, s["count"])
        if self._days >= s["min_observations"]:
            self._observe(day, self._plain())
        decay = 0.5 ** (1.0 / s["half_life"])
        if s["corr_half_life"] is None:
            fade(self._matrix, day, decay)
        else:
            self._variance = decay * self._variance + (1.0 - decay) * day * day
            moving = self._variance > _NOTHING
            unit = np.divide(day, np.sqrt(self._variance), out=np.zeros_like(day), where=moving)
            fade(self._matrix, unit, 0.5 ** (1.0 / s["corr_half_life"]))
        self._days += 1

    def value(self) -> Floats:
        """Return phi² S, the covariance of the next day, float64[N, N]; MeasureError before `min_observations` days."""
        least = self._settings["min_observations"]
        if self._days < least:
            raise MeasureError(f"{self._days} days seen; the covariance is given from {least} (min_observations)")
        return np.asarray(self.regime_multiplier**2 * self._plain())

    def state(self) -> dict[str, Any]:
        """Return numbers and lists that JSON keeps to the last bit."""
        return {
            "kind": "regime_adjusted_ewma",
            "version": 1,
            "settings": dict(self._settings),
            "days": self._days,
            "regime_days": self._regime_days,
            "regime": self._regime,
            "matrix": self._matrix[np.triu_indices(len(self._matrix))].tolist(),
            "variance": self._variance.tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the estimator of a `state`; MeasureError if it is of another kind or incomplete."""
        if state.get("kind") != "regime_adjusted_ewma" or state.get("version") != 1:
            raise MeasureError(f"not a regime_adjusted_ewma state of version 1: {state.get('kind')!r}, {state.get('version')!r}")
        try:
            settings = dict(state["settings"])
            clip = settings["regime_multiplier_clip"]
            settings["regime_multiplier_clip"] = None if clip is None else tuple(clip)
            made = cls(**settings)
            count = int(settings["count"])
            made._matrix = symmetric_from(state["matrix"], count, "matrix")
            made._variance = checked_day(state["variance"], count, "variance")
            made._days, made._regime_days, made._regime = int(state["days"]), int(state["regime_days"]), float(state["regime"])
        except (KeyError, TypeError) as error:
            raise MeasureError(f"the state is incomplete: {error!r}; take one from state()") from None
        return made

    def _plain(self) -> Floats:
        """Return S without the multiplier, weights summing to one."""
        s = self._settings
        whole = 1.0 - 0.5 ** (self._days / s["half_life"])
        if s["corr_half_life"] is None:
            return np.asarray(self._matrix / whole)
        volatility = np.sqrt(np.maximum(self._variance / whole, _NOTHING))
        diagonal = np.diag(self._matrix)
        correlation = correlation_of(self._matrix + np.diag(np.where(diagonal > 0.0, 0.0, 1.0)))
        return np.asarray(correlation * np.outer(volatility, volatility))

    def _observe(self, day: Floats, covariance: Floats) -> None:
        s, count = self._settings, day.size
        squares = self._squares(day, covariance)
        if squares is None:
            return
        found = _averaged(squares, count, s["regime_method"], s["regime_target"] == RegimeTarget.PORTFOLIO)
        decay = 0.5 ** (1.0 / s["regime_half_life"])
        self._regime = found if self._regime_days == 0 else decay * self._regime + (1.0 - decay) * found
        self._regime_days += 1

    def _squares(self, day: Floats, covariance: Floats) -> Floats | None:
        """Return d² of each book, or of the day; None where the covariance has no inverse yet, or an instrument no variance."""
        target, variance = self._settings["regime_target"], np.diag(covariance)
        if not (variance > _NOTHING).all():
            return None
        if target == RegimeTarget.DIAGONAL:
            return np.array([float(np.sum(day * day / variance))])
        if target == RegimeTarget.MAHALANOBIS:
            try:
                root = np.linalg.cholesky(covariance)
            except np.linalg.LinAlgError:
                return None
            away = np.linalg.solve(root, day)
            return np.array([float(away @ away)])
        inverse = 1.0 / np.sqrt(variance)
        books = (inverse / inverse.sum())[None, :] if self._books is None else self._books
        spread = np.maximum(np.sum((books @ covariance) * books, axis=1), _NOTHING)
        return np.asarray(day.size * (books @ day) ** 2 / spread)


def _averaged(squares: Floats, count: int, method: str, portfolio: bool) -> float:
    """Return the mean of d / E d, d² / N or log d² - E log d²; d² is N chi-square(1) for books, chi-square(N) for the day."""
    from scipy.special import digamma, gammaln

    if method == RegimeMethod.RMS:
        return float(np.mean(squares / count))
    if method == RegimeMethod.FIRST_MOMENT:
        mean = sqrt(2.0 * count / pi) if portfolio else sqrt(2.0) * exp(float(gammaln(0.5 * (count + 1)) - gammaln(0.5 * count)))
        return float(np.mean(np.sqrt(squares))) / mean
    centre = log(count) + float(digamma(0.5)) + log(2.0) if portfolio else float(digamma(0.5 * count)) + log(2.0)
    return float(np.mean(np.log(np.maximum(squares, _NOTHING)))) - centre
