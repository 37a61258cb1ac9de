"""Betting tests of VaR and expected shortfall that may be looked at every day, for ever.

Q. Wang, R. Wang and J. Ziegel, "E-backtesting" (2022, arXiv:2209.00991). A day's e-value is non-negative and has mean at most one where the
forecast is large enough, whatever the law. A share of the capital, fixed before the day, is bet on it: capital is multiplied by
1 - bet + bet e. Where forecasts are large enough, the chance that capital ever reaches 1 / a is at most a (Ville), on any number of days,
with any dependence, at any time one cares to stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, isfinite, log, log1p
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.backtests.es_inputs import checked_count, checked_like, checked_outcomes, checked_tail, checked_vector
from risk_core.backtests.result import BacktestError, checked_probability

Floats = NDArray[np.float64]

_MIXED: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_FORMAT: Final = 1


class Target(StrEnum):
    """What is tested: the hypothesis is that the forecast is not too small (too large)."""

    VAR_TOO_SMALL = "var_too_small"
    """e = 1{loss > VaR} / (1 - confidence)."""
    VAR_TOO_LARGE = "var_too_large"
    """e = 1{loss <= VaR} / confidence: a slow test, since a careful VaR shows only by what does not happen."""
    ES_TOO_SMALL = "es_too_small"
    """e = max(loss - VaR, 0) / ((1 - confidence) (ES - VaR)). VaR may be too large as long as ES is no less than the true one."""


class Betting(StrEnum):
    """How much of the capital is bet."""

    GREE = "gree"
    """What would have grown the last `window` days most (growth rate of the empirical e-values), at most `largest_bet`."""
    TAYLOR = "taylor"
    """The same over all days, to second order: sum of e - 1 over sum of (e - 1)²; state of two numbers."""
    FIXED = "fixed"
    """`bet`, every day."""
    MIXTURE = "mixture"
    """Equal capital at the start in six fixed bets, from 1 % to 40 %."""


def var_e_values(pnl: ArrayLike, value_at_risk: ArrayLike, confidence: float, *, too_large: bool = False) -> Floats:
    """Return the e-value of each day for VaR; `Target` has the formulas. Errors as `quantile_loss`."""
    x, tail = checked_vector(pnl, "pnl"), checked_tail(confidence)
    exceeded = -x > checked_like(value_at_risk, x, "value_at_risk")
    return np.where(exceeded, 0.0, 1.0 / (1.0 - tail)) if too_large else np.where(exceeded, 1.0 / tail, 0.0)


def es_e_values(pnl: ArrayLike, value_at_risk: ArrayLike, expected_shortfall: ArrayLike, confidence: float) -> Floats:
    """Return the e-value of each day for ES.

    Where ES equals VaR no bet is possible: the e-value is one there (the paper: infinite if loss > VaR).

    Raises
    ------
    BacktestError
        For NaN, lengths that differ, ES below VaR.
    """
    o = checked_outcomes(pnl, value_at_risk, expected_shortfall, confidence)
    gap = o.expected_shortfall - o.value_at_risk
    return np.where(gap > 0.0, np.maximum(-o.pnl - o.value_at_risk, 0.0) / (o.tail * np.where(gap > 0.0, gap, 1.0)), 1.0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a betting test stands.

    Parameters
    ----------
    e_value : float
        Capital now, from one at the start; the largest float where it would overflow.
    largest : float
        Largest so far.
    p_value : float
        1 / largest, at most one: valid at any time.
    next_bet : float
        Share of the capital on the next day; of the mixture, the mean by capital.
    days, skipped : int
        Days judged, and days without a bet because ES was VaR.
    """

    e_value: float
    largest: float
    p_value: float
    next_bet: float
    days: int
    skipped: int

    def rejected(self, test_level: float = 0.95) -> bool:
        """Return whether capital has ever reached 1 / (1 - test_level)."""
        return self.p_value <= (1.0 - checked_probability(test_level, "test_level")) * (1.0 + 1e-12)


class BettingTest:
    """One sequential test of one forecast series, fed day by day.

    Parameters
    ----------
    target : Target
    confidence : float
        Of VaR and ES.
    strategy : Betting
    bet : float
        Of `fixed`, within (0, 1).
    largest_bet : float
        Of `gree` and `taylor`, within (0, 1); the paper's 1/2.
    window : int
        Days that `gree` looks back; bounds its state.

    Raises
    ------
    BacktestError
        For numbers or names outside their range.
    """

    def __init__(
        self,
        target: Target | str,
        confidence: float,
        *,
        strategy: Betting | str = Betting.GREE,
        bet: float = 0.05,
        largest_bet: float = 0.5,
        window: int = 500,
    ) -> None:
        try:
            self.target, self.strategy = Target(target), Betting(strategy)
        except ValueError as error:
            raise BacktestError(f"{error}; targets are {', '.join(Target)}, strategies {', '.join(Betting)}") from None
        self._tail = checked_tail(confidence)
        self.confidence = confidence
        self.bet, self.largest_bet = checked_probability(bet, "bet"), checked_probability(largest_bet, "largest_bet")
        self.window = checked_count(window, "window")
        self._bets = list(_MIXED) if self.strategy is Betting.MIXTURE else [self.bet if self.strategy is Betting.FIXED else 0.0]
        self._logs = [0.0] * len(self._bets)
        self._largest = 0.0
        self._days = self._skipped = 0
        self._sums = [0.0, 0.0]
        self._history: list[float] = []

    def update(self, pnl: float, value_at_risk: float, expected_shortfall: float | None = None) -> Evidence:
        """Judge one more day.

        Parameters
        ----------
        pnl : float
            Gains positive.
        value_at_risk, expected_shortfall : float
            Loss positive, made before the day. ES is needed for ES.

        Raises
        ------
        BacktestError
            For NaN, ES missing or below VaR; the state is then as before.
        """
        e = self._e_value(float(pnl), float(value_at_risk), expected_shortfall)
        if e is None:
            self._skipped += 1
            return self.value
        self._logs = [done + log1p(b * (e - 1.0)) for done, b in zip(self._logs, self._bets, strict=True)]
        self._days += 1
        self._largest = max(self._largest, self._log_capital())
        if self.strategy is Betting.TAYLOR:
            self._sums = [self._sums[0] + (e - 1.0), self._sums[1] + (e - 1.0) ** 2]
            self._bets = [min(max(self._sums[0] / self._sums[1], 0.0), self.largest_bet) if self._sums[1] > 0.0 else 0.0]
        elif self.strategy is Betting.GREE:
            self._history = [*self._history[-self.window + 1 :], e] if self.window > 1 else [e]
            self._bets = [growing_bet(self._history, self.largest_bet)]
        return self.value

    def _e_value(self, pnl: float, var: float, shortfall: float | None) -> float | None:
        """Return the e-value of one day, as the functions for many; None where there is nothing to bet on."""
        if self.target is Target.ES_TOO_SMALL and shortfall is None:
            raise BacktestError("expected_shortfall is missing: this test judges it")
        es = var if shortfall is None else float(shortfall)
        if not (isfinite(pnl) and isfinite(var) and isfinite(es)):
            raise BacktestError(f"pnl {pnl}, value_at_risk {var} and expected_shortfall {es} must be finite; leave the day out")
        if self.target is Target.VAR_TOO_SMALL:
            return 1.0 / self._tail if -pnl > var else 0.0
        if self.target is Target.VAR_TOO_LARGE:
            return 0.0 if -pnl > var else 1.0 / (1.0 - self._tail)
        if es < var - 1e-9 * abs(var):
            raise BacktestError(f"expected_shortfall {es} is below value_at_risk {var}; both are losses, positive")
        return max(-pnl - var, 0.0) / (self._tail * (es - var)) if es > var else None

    @property
    def value(self) -> Evidence:
        """Where the test stands."""
        capital, top = self._log_capital(), max(self._logs)
        shares = [exp(x - top) for x in self._logs]
        bet = sum(b * s for b, s in zip(self._bets, shares, strict=True)) / sum(shares)
        return Evidence(_exp(capital), _exp(self._largest), min(1.0, exp(-self._largest)), bet, self._days, self._skipped)

    def state(self) -> dict[str, Any]:
        """Return everything as plain values; JSON and `from_state` give back a test that continues with the same bits."""
        return {
            "format": _FORMAT,
            "target": str(self.target),
            "confidence": self.confidence,
            "strategy": str(self.strategy),
            "bet": self.bet,
            "largest_bet": self.largest_bet,
            "window": self.window,
            "bets": list(self._bets),
            "logs": list(self._logs),
            "largest": self._largest,
            "days": self._days,
            "skipped": self._skipped,
            "sums": list(self._sums),
            "history": list(self._history),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the test of a state.

        Raises
        ------
        BacktestError
            If the state is of another format, or a part is missing or not finite.
        """
        if state.get("format") != _FORMAT:
            raise BacktestError(f"the state has format {state.get('format')!r}, this version reads {_FORMAT}")
        try:
            names = ("strategy", "bet", "largest_bet", "window")
            test = cls(state["target"], state["confidence"], **{name: state[name] for name in names})
            bets, logs, sums, history = ([float(x) for x in state[name]] for name in ("bets", "logs", "sums", "history"))
            test._largest, test._days, test._skipped = float(state["largest"]), int(state["days"]), int(state["skipped"])
        except (KeyError, TypeError) as error:
            raise BacktestError(f"the state is incomplete: {error}") from None
        if len(bets) != len(test._bets) or len(logs) != len(bets) or len(sums) != 2 or len(history) > test.window:
            raise BacktestError("the state has lists of the wrong length; it was not written by this class")
        if not all(isfinite(x) for x in (*bets, *logs, *sums, *history, test._largest)):
            raise BacktestError("the state has numbers that are not finite")
        test._bets, test._logs, test._sums, test._history = bets, logs, sums, history
        return test

    def _log_capital(self) -> float:
        top = max(self._logs)
        return top + log(sum(exp(x - top) for x in self._logs) / len(self._logs))


def growing_bet(e_values: ArrayLike, largest_bet: float = 0.5) -> float:
    """Return the bet in [0, largest_bet] that maximises the mean of log(1 - bet + bet e), by bisection on its derivative."""
    values, counts = np.unique(np.asarray(e_values, np.float64), return_counts=True)
    gains = [(float(e) - 1.0, int(n)) for e, n in zip(values, counts, strict=True)]

    def slope(bet: float) -> float:
        return sum(n * gain / (1.0 + bet * gain) for gain, n in gains)

    if not slope(0.0) > 0.0:
        return 0.0
    if slope(largest_bet) >= 0.0:
        return largest_bet
    low, high = 0.0, largest_bet
    for _ in range(45):
        middle = 0.5 * (low + high)
        if slope(middle) > 0.0:
            low = middle
        else:
            high = middle
    return low


def _exp(x: float) -> float:
    value = exp(x) if x < 709.0 else inf
    return value if isfinite(value) else float(np.finfo(np.float64).max)
