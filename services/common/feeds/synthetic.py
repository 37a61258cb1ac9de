"""A market with known regime changes and known true VaR and ES: for tests and teaching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from risk_core.book import AssetClass
from services.common.feeds.matrix import MatrixFeed
from services.common.feeds.port import FeedError, FeedSymbol, content_hash
from services.common.feeds.sessions import load_sessions

TRADING_DAYS_PER_YEAR: Final = 252
LOSS_MAX: Final = 0.95
"""No day may lose more than this: prices stay above zero."""


@dataclass(frozen=True, slots=True)
class Regime:
    """A law of daily simple returns, the same for `days` days.

    Every instrument has `volatility` (annual) times its own scale, every pair `correlation`; returns are jointly normal, or
    jointly Student-t with `degrees_of_freedom` (above 2), scaled to the same covariance. `mean` is the annual mean return.
    """

    name: str
    days: int
    volatility: float
    correlation: float
    degrees_of_freedom: float | None = None
    mean: float = 0.0

    def __post_init__(self) -> None:
        if self.days < 1 or self.volatility <= 0.0 or not 0.0 <= self.correlation < 1.0:
            raise FeedError(f"regime {self.name!r}: needs days >= 1, volatility > 0 and correlation in [0, 1)")
        if self.degrees_of_freedom is not None and self.degrees_of_freedom <= 2.0:
            raise FeedError(
                f"regime {self.name!r}: degrees of freedom {self.degrees_of_freedom} must be above 2, or the variance is infinite"
            )


REGIMES: Final = (
    Regime("calm", 700, 0.12, 0.20),
    Regime("crisis", 120, 0.45, 0.75, degrees_of_freedom=4.0),
    Regime("recovery", 400, 0.20, 0.40, degrees_of_freedom=6.0),
    Regime("calm again", 500, 0.12, 0.20),
)

SCALES: Final = (1.0, 1.4, 0.8, 1.2, 0.7, 1.6, 0.9, 1.1, 1.3, 0.6)
"""Volatility of each instrument relative to the regime's, repeated as needed."""


class SyntheticFeed(MatrixFeed):
    """A `MatrixFeed` that knows its own law.

    Parameters
    ----------
    regimes : sequence of Regime
        In order of time.
    instruments : int
        Stocks S01, S02, ...; the last symbol, INDEX, is their even mix, rebalanced daily.
    first : date
        First trading day, on the calendar XNYS or after.
    seed : int
        Of the returns.
    """

    def __init__(
        self,
        regimes: Sequence[Regime] = REGIMES,
        instruments: int = 10,
        first: date = date(2000, 1, 3),
        seed: int = 1,
        ticks_per_day: int = 1,
    ) -> None:
        if not regimes or instruments < 1:
            raise FeedError("synthetic: needs at least one regime and one instrument")
        days = sum(r.days for r in regimes)
        every = load_sessions("XNYS", first, first + timedelta(days=days * 3 // 2 + 30))
        sessions = every.only(every.dates[:days])
        self.regimes = tuple(regimes)
        self.names = tuple(f"S{k + 1:02d}" for k in range(instruments))
        self.scales = np.resize(np.array(SCALES), instruments)
        self._regime_of: NDArray[np.int64] = np.repeat(np.arange(len(regimes)), [r.days for r in regimes])
        self._days = {d: k for k, d in enumerate(sessions.dates)}
        returns = self._draw(np.random.default_rng(seed))
        index = returns.mean(axis=1, keepdims=True)
        closes = np.asarray(100.0 * np.cumprod(1.0 + np.hstack([returns, index]), axis=0), np.float64)
        symbols = [*(FeedSymbol(s, synthetic=True) for s in self.names), FeedSymbol("INDEX", AssetClass.INDEX, synthetic=True)]
        super().__init__(
            "synthetic", "synthetic market with known regimes", sessions, symbols, closes, ticks_per_day=ticks_per_day, seed=seed
        )
        self.hash = content_hash(self.hash, repr(self.regimes))

    def regime(self, day: date) -> Regime:
        """Return the regime that drew the return of `day`."""
        return self.regimes[int(self._regime_of[self._days[day]])]

    def covariance(self, day: date) -> NDArray[np.float64]:
        """Return the true daily covariance of the stocks' returns of `day`, float64[n, n]."""
        regime = self.regime(day)
        sigma = regime.volatility / np.sqrt(TRADING_DAYS_PER_YEAR) * self.scales
        correlation = np.full((len(sigma), len(sigma)), regime.correlation)
        np.fill_diagonal(correlation, 1.0)
        covariance: NDArray[np.float64] = np.outer(sigma, sigma) * correlation
        return covariance

    def true_risk(self, day: date, exposures: Mapping[str, float], confidence: float) -> tuple[float, float]:
        """Return the true (VaR, ES) of the P&L of `day`, loss-positive, in the exposures' unit.

        Parameters
        ----------
        day : date
            The day whose return is at risk: the forecast is made at the close before.
        exposures : mapping of symbol to float
            Value held of each symbol at the close before; INDEX counts as its even mix.
        confidence : float
            For example 0.99.

        Notes
        -----
        P&L is linear in jointly elliptical returns, hence of the same family with standard deviation sqrt(w' Sigma w).
        Closed forms: McNeil, Frey and Embrechts 2015, examples 2.11, 2.14 and 2.15.
        """
        w = np.zeros(len(self.names))
        for symbol, value in exposures.items():
            if symbol == "INDEX":
                w += value / len(self.names)
            else:
                w[self.names.index(symbol)] += value
        regime = self.regime(day)
        mean = regime.mean / TRADING_DAYS_PER_YEAR * float(w.sum())
        deviation = float(np.sqrt(w @ self.covariance(day) @ w))
        nu = regime.degrees_of_freedom
        if nu is None:
            z = float(stats.norm.ppf(confidence))
            return deviation * z - mean, deviation * float(stats.norm.pdf(z)) / (1.0 - confidence) - mean
        x = float(stats.t.ppf(confidence, nu))
        scale = deviation * float(np.sqrt((nu - 2.0) / nu))
        tail = float(stats.t.pdf(x, nu)) / (1.0 - confidence) * (nu + x * x) / (nu - 1.0)
        return scale * x - mean, scale * tail - mean

    def _draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        parts = []
        for regime in self.regimes:
            shape = (regime.days, len(self.scales))
            common = rng.standard_normal((regime.days, 1))
            own = rng.standard_normal(shape)
            unit = np.sqrt(regime.correlation) * common + np.sqrt(1.0 - regime.correlation) * own
            nu = regime.degrees_of_freedom
            if nu is not None:
                # One chi-square a day mixes all instruments: jointly, not singly, Student-t.
                unit = unit * np.sqrt((nu - 2.0) / rng.chisquare(nu, (regime.days, 1)))
            parts.append(regime.mean / TRADING_DAYS_PER_YEAR + regime.volatility / np.sqrt(TRADING_DAYS_PER_YEAR) * self.scales * unit)
        returns: NDArray[np.float64] = np.vstack(parts)
        if float(returns.min()) < -LOSS_MAX:
            raise FeedError("synthetic: a drawn return would take a price below zero; take another seed, or a calmer regime")
        return returns


def synthetic_feed(
    regimes: Sequence[Regime] = REGIMES, instruments: int = 10, first: date = date(2000, 1, 3), seed: int = 1, ticks_per_day: int = 1
) -> SyntheticFeed:
    """Return a market with known regimes; see `SyntheticFeed`."""
    return SyntheticFeed(regimes, instruments, first, seed, ticks_per_day)
