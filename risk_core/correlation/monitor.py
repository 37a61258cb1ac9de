"""A watch over forecast covariances: says when a model is stale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.correlation.calibration import SMALLEST_SQUARE, Band, bias_band, mahalanobis, mahalanobis_band, qlike_band
from risk_core.correlation.checks import checked_day, checked_matrix
from risk_core.covariance.repair import checked_symmetric
from risk_core.measures.checks import MeasureError

Floats = NDArray[np.float64]


class MonitorStatus(StrEnum):
    """What the last days say of the forecasts."""

    OK = "ok"
    TOO_FEW = "too_few"
    """Fewer days than asked for: no judgement."""
    UNDERSTATED = "understated"
    """Realised risk lies above the band: the model is stale, and forecasts too little."""
    OVERSTATED = "overstated"
    """Realised risk lies below the band: the model is stale, and forecasts too much."""
    SHAPE = "shape"
    """The mean square is right but QLIKE is not: the forecast does not move with the risk, or returns have heavier tails than stated."""


@dataclass(frozen=True, slots=True, eq=False)
class MonitorReading:
    """The state of a watch.

    Parameters
    ----------
    days : int
        In the window.
    bias : float64[P]
        Root mean squares of standardised returns of the books.
    qlike : float64[P]
        Mean "ratio" losses, see `Qlike`.
    mahalanobis : float or None
        Mean of r' H⁻¹ r / N; None where it is not kept, or before the first day.
    bias_band, qlike_band, mahalanobis_band : Band or None
        At the level of one statistic among all; None before the first day.
    status : MonitorStatus
    reason : str
        Which statistic stands farthest out, and since how many days one has; empty when "ok".
    days_out : int
        Updates in a row with a statistic outside, the last included.
    """

    days: int
    bias: Floats
    qlike: Floats
    mahalanobis: float | None
    bias_band: Band | None
    qlike_band: Band | None
    mahalanobis_band: Band | None
    status: MonitorStatus
    reason: str = field(default="")
    days_out: int = 0

    @property
    def stale(self) -> bool:
        """Whether the forecasts should not be relied on."""
        return self.status in (MonitorStatus.UNDERSTATED, MonitorStatus.OVERSTATED, MonitorStatus.SHAPE)


class CovarianceMonitor:
    """Bias statistic, QLIKE and Mahalanobis of the last days, each against its band under a right model.

    Bands share `level` among all statistics (Bonferroni), so one date alarms falsely with about that probability at most (a little more
    under heavy tails, whose sums are slow to become normal). A watch read every day alarms falsely more often over a year; `patience` and a
    small `level` hold that down.

    Parameters
    ----------
    count : int
        Number of instruments.
    window : int
        Days that count.
    level : float
        Probability of a false alarm on one date, such as 0.01.
    least : int, optional
        Days before there is a judgement; the window if not given.
    patience : int
        Days in a row outside a band before the model is called stale.
    portfolios : float64[P, N], optional
        Books of the bias statistic and QLIKE; if not given, each instrument, and all of them equally.
    df : float, optional
        Degrees of freedom, more than 4, if standardised returns are Student t.
    with_mahalanobis : bool
        False leaves out r' H⁻¹ r, which is O(N³) a day and needs an inverse.
    """

    def __init__(
        self,
        count: int,
        window: int = 250,
        *,
        level: float = 0.01,
        least: int | None = None,
        patience: int = 1,
        portfolios: ArrayLike | None = None,
        df: float | None = None,
        with_mahalanobis: bool = True,
    ) -> None:
        books = np.vstack([np.eye(count), np.full(count, 1.0 / count)]) if portfolios is None else portfolios
        self._books = checked_matrix(np.atleast_2d(np.asarray(books, np.float64)), "portfolios", least=1)
        if self._books.shape[1] != count or not self._books.any(axis=1).all():
            raise MeasureError(f"portfolios must have {count} columns, one for each instrument, and no row of zeros")
        enough = window if least is None else least
        if not 2 <= enough <= window or patience < 1:
            raise MeasureError(f"need 2 <= least <= window and patience >= 1, not {enough}, {window} and {patience}")
        self._settings: dict[str, Any] = {
            "count": int(count),
            "window": int(window),
            "level": float(level),
            "least": int(enough),
            "patience": int(patience),
            "portfolios": self._books.tolist(),
            "df": None if df is None else float(df),
            "with_mahalanobis": bool(with_mahalanobis),
        }
        bias_band(window, 1.0 - level, df)
        self._squares = np.empty((0, len(self._books) + int(with_mahalanobis)))
        self._days_out = 0

    def update(self, returns: ArrayLike, covariance: ArrayLike) -> None:
        """Take one day of returns float64[N] and the covariance float64[N, N] that was forecast for it.

        MeasureError, and no change, if one is not finite, a book has no forecast variance, or the covariance has no inverse.
        """
        s = self._settings
        day, forecast = checked_day(returns, s["count"]), checked_symmetric(covariance)
        if forecast.shape[0] != s["count"]:
            raise MeasureError(f"covariance must have shape ({s['count']}, {s['count']}), not {forecast.shape}")
        variance = np.sum((self._books @ forecast) * self._books, axis=1)
        if not (variance > 0.0).all():
            raise MeasureError(f"book {int(np.argmin(variance))} has forecast variance {variance.min():g}: it must be positive")
        row = (self._books @ day) ** 2 / variance
        if s["with_mahalanobis"]:
            row = np.append(row, mahalanobis(day, forecast) / s["count"])
        self._squares = np.vstack([self._squares, row])[-s["window"] :]
        worst = self._worst()
        self._days_out = self._days_out + 1 if worst is not None and worst[0] > 1.0 else 0

    def value(self) -> MonitorReading:
        """Return the reading of the last days."""
        days, books = len(self._squares), len(self._books)
        if days == 0:
            empty = np.empty(0)
            return MonitorReading(0, empty, empty, None, None, None, None, MonitorStatus.TOO_FEW, "no day was seen yet")
        bias, loss, distance = self._statistics()
        bands = self._bands()
        held = (days, bias, loss, distance, *bands)
        s = self._settings
        worst = self._worst()
        if worst is None:
            return MonitorReading(*held, MonitorStatus.TOO_FEW, f"{days} days; a judgement needs {s['least']}")
        if self._days_out < s["patience"]:
            return MonitorReading(*held, MonitorStatus.OK, "", self._days_out)
        _, status, which, value, band = worst
        name = f"{which[0]} of book {which[1]}" if which[1] < books else which[0]
        reason = f"{name} over {days} days is {value:.4g}, outside [{band.lower:.4g}, {band.upper:.4g}], for {self._days_out} days in a row"
        return MonitorReading(*held, status, reason, self._days_out)

    def state(self) -> dict[str, Any]:
        """Return numbers and lists that JSON keeps to the last bit."""
        return {
            "kind": "covariance_monitor",
            "version": 1,
            "settings": dict(self._settings),
            "squares": self._squares.tolist(),
            "days_out": self._days_out,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the watch of a `state`; MeasureError if it is of another kind or incomplete."""
        if state.get("kind") != "covariance_monitor" or state.get("version") != 1:
            raise MeasureError(f"not a covariance_monitor state of version 1: {state.get('kind')!r}, {state.get('version')!r}")
        try:
            made = cls(**state["settings"])
            width = made._squares.shape[1]
            made._squares = np.array([checked_day(row, width, "squares") for row in state["squares"]]).reshape(-1, width)
            made._days_out = int(state["days_out"])
        except (KeyError, TypeError) as error:
            raise MeasureError(f"the state is incomplete: {error!r}; take one from state()") from None
        return made

    def _statistics(self) -> tuple[Floats, Floats, float | None]:
        table, books = self._squares, len(self._books)
        squares = table[:, :books]
        floored = np.maximum(squares, SMALLEST_SQUARE)
        distance = float(table[:, books].mean()) if self._settings["with_mahalanobis"] else None
        return np.sqrt(squares.mean(axis=0)), (floored - np.log(floored) - 1.0).mean(axis=0), distance

    def _bands(self) -> tuple[Band, Band, Band]:
        s, days = self._settings, len(self._squares)
        inside = 1.0 - s["level"] / (2 * len(self._books) + int(s["with_mahalanobis"]))
        return bias_band(days, inside, s["df"]), qlike_band(days, inside, s["df"]), mahalanobis_band(s["count"], days, inside, s["df"])

    def _worst(self) -> tuple[float, MonitorStatus, tuple[str, int], float, Band] | None:
        """Return how far out the worst statistic stands, in half-widths of its band (more than 1: outside), with its papers."""
        if len(self._squares) < self._settings["least"]:
            return None
        bias, loss, distance = self._statistics()
        for_bias, for_loss, for_distance = self._bands()
        found = [("bias statistic", k, float(v), for_bias) for k, v in enumerate(bias)]
        found += [("QLIKE", k, float(v), for_loss) for k, v in enumerate(loss)]
        found += [] if distance is None else [("Mahalanobis distance", len(self._books), distance, for_distance)]
        ranked = [(_outside(value, band), name, k, value, band) for name, k, value, band in found]
        # a mean square that is out says which way, so it speaks before QLIKE
        far, name, k, value, band = max(ranked, key=lambda f: (f[0] > 1.0 and f[1] != "QLIKE", f[0]))
        side = MonitorStatus.UNDERSTATED if value > band.expected else MonitorStatus.OVERSTATED
        return far, MonitorStatus.SHAPE if name == "QLIKE" else side, (name, k), value, band


def _outside(value: float, band: Band) -> float:
    edge = band.upper if value > band.expected else band.lower
    return (value - band.expected) / (edge - band.expected) if edge != band.expected else 0.0
