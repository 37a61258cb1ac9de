"""Regimes, refits, change points and volatility ahead of the mock's instruments, made of its one return matrix."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from risk_core.regimes import regime_statistics
from risk_core.volatility import forecast_volatility, model_state
from tests.browser.mock_data import SYMBOLS, market

Array = npt.NDArray[np.float64]

LABELS = ("bull", "neutral", "bear", "crisis")
FIRST, EVERY, RUN_LENGTH, SPAN = 500, 63, 500, 20
CLOSE_HOUR = 20
TRANSITION = ((0.97, 0.03, 0.0, 0.0), (0.02, 0.95, 0.03, 0.0), (0.0, 0.04, 0.93, 0.03), (0.0, 0.0, 0.05, 0.95))
ERRORS = ((0.011, 0.011, None, None), (0.006, 0.012, 0.009, None), (None, 0.013, 0.017, 0.012), (None, None, 0.021, 0.021))
GJR = {"omega": 2e-6, "alpha": 0.03, "beta": 0.9, "gamma": 0.1, "df": 6.0}
CHANGES = ((720, "drift", "down", 11.3, 10.7), (950, "drift", "down", 10.9, 10.7), (950, "volatility", "up", 2.82, 2.45))
"""Day, detector, direction, statistic, threshold; the last two on one day."""


@cache
def chances(column: int) -> Array:
    """Chances by day and label: how near the volatility of the last days is to what is usual in each regime."""
    returns = market().returns[:, column]
    squares = np.convolve(returns**2, np.ones(SPAN) / SPAN)[: len(returns)]
    usual = np.log(0.009) + np.log(2.0) * np.array([-0.6, 0.0, 0.6, 1.5])
    distance = (0.5 * np.log(squares + 1e-8)[:, None] - usual) / 0.25
    raw = np.exp(-0.5 * distance**2)
    return np.asarray(raw / raw.sum(axis=1, keepdims=True), dtype=np.float64)


def volatility(column: int, day: int) -> float:
    """Return the forecast made at a day's close."""
    return float(np.sqrt(np.mean(market().returns[day - SPAN + 1 : day + 1, column] ** 2)))


@dataclass
class MockWatch:
    """What is watched: nobody's regime, those of `symbols` from `first` closes on, or nothing where it is not `enabled`."""

    symbols: tuple[str, ...] = ("SPX",)
    enabled: bool = True
    first: int = FIRST
    failed: str = ""
    corrected: dict[int, float] = field(default_factory=dict)
    """Prices by day, newer than the first that were told."""

    def regimes(self, day: int) -> dict[str, Any]:
        """What is followed, after `day` closes."""
        symbols = self.symbols if self.enabled else ()
        settings = {"regimes_of": list(symbols), "states": 4, "first": self.first, "every": EVERY, "history": 2_500}
        settings["run_length"] = RUN_LENGTH if self.enabled else 0
        items = []
        for symbol in symbols:
            instrument_id = SYMBOLS.index(symbol) + 1
            newest = self.states(instrument_id, day)[:1]
            items.append({"instrument_id": instrument_id, "symbol": symbol, "shock": "relative", "state": newest[0] if newest else None})
        return {"settings": settings, "items": items}

    def states(self, instrument_id: int, day: int) -> list[dict[str, Any]]:
        """States after `day` closes, newest first."""
        column = instrument_id - 1
        return [self._state(column, d) for d in range(day - 1, self.first - 1, -1)]

    def _state(self, column: int, day: int) -> dict[str, Any]:
        filtered = chances(column)[day]
        return _when(day) | {
            "revision": int(day in self.corrected),
            "price": self.corrected.get(day, float(market().prices[day, column])),
            "move": float(market().returns[day, column]),
            "model_version": 1 + (day - self.first) // EVERY,
            "labels": list(LABELS),
            "filtered": filtered.tolist(),
            "ahead": (filtered @ np.array(TRANSITION)).tolist(),
            "volatility": volatility(column, day),
            "status": "ok",
        }

    def models(self, instrument_id: int, day: int) -> list[dict[str, Any]]:
        """Refits, newest first: the second regime model is relabelled, the third volatility model refused."""
        if self.failed:
            return [_refit(FIRST - 50, "regimes", 0, "failed", self.failed, {}, used=False)]
        rows = []
        for count, d in enumerate(range(self.first, day, EVERY), 1):
            relabelled, refused = count == 2, count == 3
            said = ("relabelled", "by the rule bear would be neutral") if relabelled else ("ok", "")
            rows.append(_refit(d, "regimes", count, *said, self._parameters(instrument_id - 1, d)))
            taken = {"model": "gjr", "innovation": "student_t", "parameters": GJR}
            said = ("near_unit_root", "persistence is 1") if refused else ("ok", "")
            rows.append(_refit(d, "volatility", count, *said, taken, used=not refused))
        return rows[::-1]

    def _parameters(self, column: int, day: int) -> dict[str, Any]:
        rows = regime_statistics(market().returns[:day, column], chances(column)[:day], LABELS)
        return {
            "labels": list(LABELS),
            "transition": [list(row) for row in TRANSITION],
            "durations": [1.0 / (1.0 - row[k]) for k, row in enumerate(TRANSITION)],
            "errors": {"status": "ok", "reason": "", "transition": [list(row) for row in ERRORS], "durations": [12.2, 4.8, 3.5, None]},
            "statistics": [{name: getattr(row, name) for name in row.__slots__} for row in rows],
        }

    def changes(self, day: int) -> list[dict[str, Any]]:
        """Change points, newest first; the same for each instrument."""
        names = ("detector", "direction", "statistic", "threshold")
        return [_when(d) | {"revision": 0} | dict(zip(names, said, strict=True)) for d, *said in CHANGES if d < day][::-1]

    def forecast(self, instrument_id: int, day: int, days: int, level: float) -> dict[str, Any]:
        """What the service calculates from the newest state."""
        held = model_state("gjr", GJR, volatility(instrument_id - 1, day - 1) ** 2)
        said = forecast_volatility(held, days, level=level, paths=500)
        assert said.variance is not None
        assert held.long_run_variance is not None
        columns = (said.variance, said.median, said.lower, said.upper)
        names = ("volatility", "median", "lower", "upper")
        items = [{"day": d + 1} | {n: float(np.sqrt(c[d])) for n, c in zip(names, columns, strict=True)} for d in range(days)]
        fitted = market().dates[day - 1 - (day - 1 - self.first) % EVERY].isoformat()
        papers = {"instrument_id": instrument_id, "symbol": SYMBOLS[instrument_id - 1], "model": "gjr", "innovation": "student_t"}
        told = {"fitted": fitted, "level": level, "closed_form": True, "long_run": float(np.sqrt(held.long_run_variance)), "items": items}
        return papers | {k: v for k, v in _when(day - 1).items() if k.startswith("as_of")} | told


def _refit(day: int, kind: str, version: int, status: str, reason: str, parameters: dict[str, Any], used: bool = True) -> dict[str, Any]:
    told = {"kind": kind, "model_version": version, "observations": day, "used": used}
    return _when(day) | {"revision": 0} | told | {"status": status, "reason": reason, "parameters": parameters}


def _when(day: int) -> dict[str, Any]:
    date = market().dates[day]
    closed = datetime(date.year, date.month, date.day, CLOSE_HOUR, tzinfo=UTC)
    as_of_ns = str(int(closed.timestamp()) * 10**9)
    return {"as_of": closed.isoformat().replace("+00:00", "Z"), "as_of_ns": as_of_ns, "date": date.isoformat(), "log_seq": day * 1_000}
