"""The state behind the mock API: which day is being replayed, how far into it, and the contract's objects for it."""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from risk_core.records import DayCloseRow
from services.common.backtests import BacktestList, Outcome, backtest
from services.common.iso import ns_from_iso
from tests.browser import mock_data
from tests.browser.mock_data import CONFIDENCES, DAYS, INDEX, METHODS, NODES, WINDOW
from tests.browser.mock_regimes import MockWatch

LABELS = {
    "historical": ("Historical", "500 equally weighted joint moves"),
    "age_weighted": ("Age-weighted", "Boudoukh-Richardson-Whitelaw weights, decay 0.98"),
    "ewma_normal": ("EWMA normal", "Delta-normal on exponentially weighted variance, decay 0.94"),
    "volatility_weighted": ("Volatility-weighted", "Each move scaled to today's volatility"),
}
# (stale, proxied, thin) shares by node; the euro book leans on a proxy and is degraded for it
QUALITY = {1: (0.004, 0.018, 0.0), 2: (0.006, 0.026, 0.0), 6: (0.038, 0.083, 0.0), 9: (0.021, 0.0, 0.0)}
DEGRADED = {6}
CLOSE_HOUR, OPEN_HOUR = 20, 13
FIRST = WINDOW


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@dataclass
class Desk:
    """A replay held at ``day`` (the day in progress) and ``fraction`` of it; every change raises ``version`` and marks nodes."""

    day: int = 990
    hz: float = 0.0
    state: str = "running"
    fraction: float = 0.35
    run_id: str = "5f3c9a1e7b20"
    key: str | None = None
    silent: bool = False
    stopping: bool = False
    extra: int = 0
    challengers: tuple[str, ...] = ()
    behind: int = 0
    history: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    checks: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {n: {"ok": True, "detail": "answers"} for n in ("history", "snapshots", "log")}
    )
    requests: list[str] = field(default_factory=list)
    closes: list[dict[str, Any]] = field(default_factory=list)
    streams: int = 0
    version: int = 1
    changed: dict[int, int] = field(default_factory=dict)
    corrected: dict[tuple[int, int], float] = field(default_factory=dict)
    watch: MockWatch = field(default_factory=MockWatch)
    keeps_zones: bool = True

    def __post_init__(self) -> None:
        self.market = mock_data.market()
        copies = [n for n in NODES if n.kind == "portfolio"] * self.extra
        self._source = {n.node_id: n.node_id for n in NODES} | {100 + i: n.node_id for i, n in enumerate(copies)}

    # --- moving on -----------------------------------------------------------------------------------------------------
    @property
    def finished(self) -> bool:
        return self.state == "finished"

    def touch(self, nodes: list[int] | None = None) -> None:
        self.version += 1
        self.changed.update(dict.fromkeys(nodes or list(self._source), self.version))

    def changed_since(self, version: int) -> list[dict[str, Any]]:
        return [self.snapshot(n) for n, v in self.changed.items() if v > version] if self.state != "seeding" else []

    def tick(self, step: float = 0.05) -> None:
        self.fraction = min(self.fraction + step, 0.999)
        self.touch()

    def close_day(self) -> None:
        """Close the day in progress: its outcome joins the history, the next day begins."""
        if self.day + 1 >= DAYS:
            self.state = "finished"
            return
        self.day, self.fraction = self.day + 1, 0.02
        done, when = self.day - 1, self.market.dates[self.day - 1]
        self.closes += [{"node_id": n} | self._close_row(n, done, when, "historical", 0.99) for n in self._source]
        del self.closes[:-100_000]
        self.touch()

    def correct(self, node_id: int, day: int, pnl: float) -> None:
        """Judge one closed day of one node again with another outcome, and say so on the stream."""
        self.corrected[node_id, day] = pnl
        self.closes.append({"node_id": node_id} | self._close_row(node_id, day, self.market.dates[day], "historical", 0.99))

    def advance(self, ticks_per_day: int) -> None:
        if self.state == "running":
            if self.fraction + 1 / ticks_per_day >= 1:
                self.close_day()
            else:
                self.tick(1 / ticks_per_day)

    # --- the contract's objects ----------------------------------------------------------------------------------------
    def close_time(self, day: int) -> datetime:
        d: date = self.market.dates[day]
        return datetime(d.year, d.month, d.day, CLOSE_HOUR, tzinfo=UTC)

    def now(self) -> datetime:
        opened = self.close_time(self.day) - timedelta(hours=CLOSE_HOUR - OPEN_HOUR)
        return opened + timedelta(seconds=round(self.fraction * 3_600 * (CLOSE_HOUR - OPEN_HOUR)))

    def as_of(self) -> str | None:
        return None if self.state == "seeding" else iso(self.close_time(self.day - 1))

    def log_seq(self) -> int:
        return self.day * 1_000 + round(self.fraction * 999)

    def run(self) -> dict[str, Any]:
        seeding = self.state == "seeding"
        clock = {
            "as_of": None if seeding else iso(self.now()),
            "first": iso(self.close_time(0)),
            "last": iso(self.close_time(DAYS - 1)),
            "days_done": 0 if seeding else self.day,
            "days_total": DAYS,
            "seed_done": 140 if seeding else WINDOW,
            "seed_total": WINDOW,
            "speed": 1.0,
            "days_per_second": 212.0 if seeding else 1.0,
        }
        return {
            "run_id": self.run_id,
            "profile": "embedded",
            "mode": "replay",
            "state": self.state,
            "clock": clock,
            "methods": [self._method(m, True) for m in METHODS] + [self._method(m, False) for m in self.challengers],
            "confidences": list(CONFIDENCES),
            "base_currency": "USD",
            "log_seq": self.log_seq(),
            "counts": {
                "ticks": self.log_seq() * 21,
                "results": self.day * 108,
                "rejected": {"not_finite": 2, "unknown_instrument": 1},
                "late": 3,
            },
            "data_note": "synthetic market of the mock server",
            "version": "0.1.0",
        }

    def _method(self, name: str, streamed: bool) -> dict[str, Any]:
        label, description = LABELS[name]
        return {"name": name, "label": label, "description": description, "streamed": streamed}

    def like(self, name: str) -> str:
        """Return the method whose numbers a challenger's are made of."""
        return METHODS[0] if name in self.challengers else name

    def methods(self, node_id: int) -> list[dict[str, Any]]:
        """Newest final numbers side by side; challengers are `behind` days, and 1.1 times the first method's."""
        rows = []
        for name in (*METHODS, *self.challengers):
            day = self.day - (self.behind if name in self.challengers else 0)
            scale = 1.1 if name in self.challengers else 1.0
            measures = self._measures(INDEX[self._source[node_id]], day, scale)[self.like(name)]
            at = {"method": name, "as_of": iso(self.close_time(day - 1)), "as_of_ns": "0", "revision": 0}
            further = {"measures": self._further(measures[str(CONFIDENCES[0])])} if name in self.challengers else {}
            rows += [at | {"confidence": c} | measures[str(c)] | self._bounds(measures[str(c)], c) | further for c in CONFIDENCES]
        return rows

    def _further(self, measure: dict[str, Any]) -> dict[str, float]:
        return {"maximum_drawdown": 3.0 * measure["es"], "shortfall_ratio": measure["es"] / measure["var"], "house_measure": 1_500_000.0}

    def _bounds(self, measure: dict[str, Any], confidence: float) -> dict[str, float | None]:
        """Intervals of a tenth to each side; the thinnest tail has no upper bound."""
        var, es = measure["var"], measure["es"]
        upper = confidence < max(CONFIDENCES)
        return {
            "var_error": 0.05 * var if upper else None,
            "var_lower": 0.9 * var,
            "var_upper": 1.1 * var if upper else None,
            "es_error": 0.05 * es if upper else None,
            "es_lower": 0.9 * es,
            "es_upper": 1.1 * es if upper else None,
        }

    def nodes(self) -> list[dict[str, Any]]:
        return [self._renamed(NODES[INDEX[source]].public(), n) for n, source in self._source.items()]

    def _renamed(self, node: dict[str, Any], node_id: int) -> dict[str, Any]:
        return node if node["node_id"] == node_id else node | {"node_id": node_id, "name": f"{node['name']} {node_id}"}

    def _progress(self, node_id: int) -> float:
        """How much of the day's P&L has shown by now: a bridge that is right at the close."""
        f = self.fraction
        return float(f + 0.35 * np.sin(9 * f + node_id) * f * (1 - f) * 4)

    def _measures(self, n: int, day: int, scale: float) -> dict[str, Any]:
        degraded = NODES[n].node_id in DEGRADED

        def status(confidence: float) -> str:
            flags = ["thin_tail"] * ((1 - confidence) * WINDOW < 1) + ["degraded"] * degraded
            return "+".join(flags) or "ok"

        return {
            m: {
                str(c): {
                    "var": float(self.market.var[m][c][day, n]) * scale,
                    "es": float(self.market.es[m][c][day, n]) * scale,
                    "status": status(c),
                }
                for c in CONFIDENCES
            }
            for m in METHODS
        }

    def snapshot(self, node_id: int) -> dict[str, Any]:
        if self.state == "seeding":
            return {"node_id": node_id, "live": None, "final": None, "last_close": None}
        source = self._source[node_id]
        n, day = INDEX[source], self.day
        stale, proxied, thin = QUALITY.get(source, (0.0, 0.0, 0.0))
        quality = {"stale_share": stale, "proxied_share": proxied, "thin_share": thin}
        pnl = float(self.market.pnl[day, n]) * self._progress(source)
        gross = float(np.abs(self.market.exposures[n]).sum())
        last = self._close_row(node_id, day - 1, self.market.dates[day - 1], "historical", 0.99)
        hits = [f"{m}@{c}" for m in METHODS for c in CONFIDENCES if self.market.pnl[day - 1, n] < -self.market.var[m][c][day - 1, n]]
        return {
            "node_id": node_id,
            "live": {
                "log_seq": self.log_seq(),
                "event_time": iso(self.now()),
                "market_value": float(self.market.exposures[n].sum()) + pnl,
                "pnl": pnl,
                "measures": self._measures(n, day, 1 + 1.5 * pnl / gross),
                "quality": quality,
            },
            "final": {
                "as_of": iso(self.close_time(day - 1)),
                "revision": 0,
                "log_seq": day * 1_000,
                "measures": self._measures(n, day, 1.0),
                "quality": quality,
            },
            "last_close": {
                "date": last["date"],
                "hypothetical_pnl": last["hypothetical_pnl"],
                "actual_pnl": last["actual_pnl"],
                "exceptions": hits,
            },
        }

    def snapshots(self) -> list[dict[str, Any]]:
        return [self.snapshot(n) for n in self._source]

    def day_closes(self, node_id: int, method: str, confidence: float, since: str | None) -> list[dict[str, Any]]:
        """Every judged day, oldest first; with ``history`` the same days come round again under earlier dates."""
        if self.state == "seeding":
            return []
        real = self.day - FIRST
        length = max(real, self.history)
        earlier = (
            np.busday_offset(np.datetime64(self.market.dates[FIRST]), np.arange(real - length, 0), roll="forward").astype(object).tolist()
        )
        dates = earlier + self.market.dates[FIRST : self.day]
        start = bisect_left(dates, date.fromisoformat(since[:10])) if since else 0
        return [self._close_row(node_id, FIRST + (k - length) % real, dates[k], method, confidence) for k in range(start, length)]

    def _close_row(self, node_id: int, day: int, when: date, method: str, confidence: float) -> dict[str, Any]:
        source = self._source[node_id]
        n = INDEX[source]
        var, pnl = float(self.market.var[method][confidence][day, n]), self.corrected.get((node_id, day), float(self.market.pnl[day, n]))
        actual = pnl * 1.02 - 900.0
        return {
            "date": when.isoformat(),
            "as_of": f"{when.isoformat()}T{CLOSE_HOUR}:00:00Z",
            "forecast_var": var,
            "forecast_es": float(self.market.es[method][confidence][day, n]),
            "hypothetical_pnl": pnl,
            "actual_pnl": actual,
            "exception_hypothetical": pnl < -var,
            "exception_actual": actual < -var,
            "status": "thin_tail" if (1 - confidence) * WINDOW < 1 else "degraded" if source in DEGRADED else "ok",
            "revision": 0,
        }

    def backtests(self, node_id: int, confidence: float, window: int, outcome: Outcome) -> BacktestList:
        """What the service makes of the same judged days; challengers have none."""
        found = []
        for method in METHODS:
            rows = [
                DayCloseRow(
                    self.run_id,
                    node_id,
                    row["date"],
                    ns_from_iso(row["as_of"]),
                    method,
                    1,
                    confidence,
                    0,
                    "USD",
                    row["forecast_var"],
                    row["forecast_es"],
                    row["hypothetical_pnl"],
                    row["actual_pnl"],
                    0.0,
                    row["exception_hypothetical"],
                    row["exception_actual"],
                    row["status"],
                )
                for row in self.day_closes(node_id, method, confidence, None)[-window:][::-1]
            ]
            found += [backtest(rows, outcome)] if rows else []
        return BacktestList(node_id, confidence, window, outcome, found)

    def components(self, node_id: int, method: str, confidence: float) -> dict[str, Any]:
        n = INDEX[self._source[node_id]]
        window = self.market.returns[self.day - WINDOW : self.day]
        exposure = self.market.exposures[n]
        var_gradient, es_gradient = mock_data.gradients(method, -(window @ exposure), confidence)
        marginal, tail = -(var_gradient @ window), -(es_gradient @ window)
        prices = self.market.prices[self.day - 1]
        items = [
            {
                "instrument_id": i + 1,
                "symbol": symbol,
                "quantity": float(exposure[i] / prices[i]),
                "price": float(prices[i]),
                "exposure": float(exposure[i]),
                "component_var": float(exposure[i] * marginal[i]),
                "component_es": float(exposure[i] * tail[i]),
                "marginal_var": float(marginal[i]),
            }
            for i, symbol in enumerate(mock_data.SYMBOLS)
            if exposure[i] != 0
        ]
        return {
            "node_id": node_id,
            "as_of": self.as_of(),
            "as_of_ns": "0",
            "groupings": ["instrument", "asset_class", "tag:sector"],
            "method": method,
            "confidence": confidence,
            "value_at_risk": float(self.market.var[method][confidence][self.day, n]),
            "expected_shortfall": float(self.market.es[method][confidence][self.day, n]),
            "currency": NODES[n].currency,
            "items": items,
            "sum_component_var": float(exposure @ marginal),
            "sum_component_es": float(exposure @ tail),
        }

    def attribution(self, result_id: str, by: str) -> dict[str, Any]:
        """Index and equities; each alone is 1.3 times its part, and the whole without it lower by 0.8 of it."""
        node_id, _, method, confidence = result_id.split(":")
        of = self.components(int(node_id), self.like(method), float(confidence))
        items = []
        for label in ("equity", "index"):
            mine = [i for i in of["items"] if (i["symbol"] == "SPX") == (label == "index")]
            parts = {name: sum(i[f"component_{name}"] for i in mine) for name in ("var", "es")}
            told = {
                name: {"component": p, "share": None, "marginal": None, "standalone": 1.3 * abs(p), "incremental": 0.8 * p}
                for name, p in parts.items()
            }
            items.append({"key": label, "label": label, "market_value": 0.0, "gross_value": 0.0, **told})
        totals = {"total_var": of["value_at_risk"], "total_es": of["expected_shortfall"]}
        return {"result_id": result_id, "by": by, **totals, "diversification_var": 0.0, "diversification_es": 0.0, "items": items}

    def positions(self, node_id: int) -> dict[str, Any]:
        n = INDEX[self._source[node_id]]
        moved = 1 + self.market.returns[self.day] * self.fraction
        prices = self.market.prices[self.day - 1] * moved
        exposure = self.market.exposures[n]
        stale = iso(self.close_time(self.day - 2))
        items = [
            {
                "instrument_id": i + 1,
                "symbol": symbol,
                "quantity": float(np.round(exposure[i] / self.market.prices[self.day - 1][i])),
                "price": float(prices[i]),
                "price_time": stale if symbol == "RRC" else iso(self.now()),
                "market_value": float(exposure[i] * moved[i]),
                "currency": NODES[n].currency,
            }
            for i, symbol in enumerate(mock_data.SYMBOLS)
            if exposure[i] != 0
        ]
        return {"node_id": node_id, "as_of": iso(self.now()), "currency": NODES[n].currency, "items": items}
