"""A batch recomputation of everything a fold emits, written without the fold: whole-log sorts and sums, no state machine.

It shares with the engine only what defines a number: the operation order of exposures and the measures' plain twins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from risk_core.book import QUANTITY_SCALE, AssetClass, BookIndex, Fill, Shock
from risk_core.engine import twins
from risk_core.engine.configuration import ModelConfiguration
from risk_core.engine.intervals import IntervalPlan
from risk_core.methods import MeasurePlan
from risk_core.records import (
    SPREAD,
    BookChange,
    DayClose,
    FillCorrection,
    Fills,
    Genesis,
    PriceCorrection,
    Record,
    RiskResult,
    SourceClose,
    SourceOpen,
    Split,
    Ticks,
)

ResultKey = tuple[int, int, str, float, int]
ResultNumbers = tuple[float | None, ...]
"""VaR, ES, log_seq and the six of `SPREAD`."""
"""(node, as_of_ns, method, confidence, revision)"""


@dataclass(frozen=True, slots=True)
class Expected:
    """All rows: results as (VaR, ES, log_seq); day closes as (forecast VaR, forecast ES, hypothetical, actual, fees)."""

    results: dict[ResultKey, ResultNumbers]
    day_closes: dict[ResultKey, tuple[float, float, float, float, float]]


@dataclass(frozen=True, slots=True)
class _Tick:
    event_ns: int
    source_id: int
    source_seq: int
    place: int
    price: float


@dataclass(frozen=True, slots=True)
class _Close:
    as_of_ns: int
    date: str | None
    log_seq: int


def expected(log: list[Record]) -> Expected:
    """Return every row that folding this log (genesis first) must give."""
    genesis = log[0].body
    assert isinstance(genesis, Genesis)
    records = _without_repeats(log[1:])
    closes = _closes(records, genesis)
    results: dict[ResultKey, ResultNumbers] = {}
    day_closes: dict[ResultKey, tuple[float, float, float, float, float]] = {}
    frozen: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    corrections: list[PriceCorrection | FillCorrection] = []
    through = 0
    done_through_ns = 0
    for log_seq, record in records:
        body = record.body
        if not isinstance(body, PriceCorrection | FillCorrection) or body.correction_id in {c.correction_id for c in corrections}:
            continue
        known = [c for c in closes if c.log_seq < log_seq]
        if not known or body.effective_ns > max(done_through_ns, known[-1].as_of_ns):
            corrections.append(body)
            continue
        _emit(genesis, records, [c for c in known if c.log_seq > through], corrections, results, day_closes, frozen, closes)
        through, done_through_ns = known[-1].log_seq, known[-1].as_of_ns
        corrections.append(body)
        again = [c for c in known if c.as_of_ns >= body.effective_ns]
        _emit(genesis, records, again, corrections, results, day_closes, frozen, closes, log_seq)
    _emit(genesis, records, [c for c in closes if c.log_seq > through], corrections, results, day_closes, frozen, closes)
    return Expected(results, day_closes)


def _without_repeats(log: list[Record]) -> list[tuple[int, Record]]:
    seen: dict[int, int] = {}
    kept = []
    for log_seq, record in enumerate(log, start=2):
        if record.source_seq > seen.get(record.source_id, 0):
            seen[record.source_id] = record.source_seq
            kept.append((log_seq, record))
    return kept


def _closes(records: list[tuple[int, Record]], genesis: Genesis) -> list[_Close]:
    """Which buckets close, and at which record, from watermarks and event times alone."""
    opened: dict[int, int] = {}
    watermark = 0
    closed_through = 0
    due: list[tuple[int, str | None]] = []
    found: list[_Close] = []
    for log_seq, record in records:
        body = record.body
        if isinstance(body, SourceOpen) or record.source_id in opened:
            opened[record.source_id] = max(opened.get(record.source_id, 0), record.source_watermark_ns)
        if isinstance(body, SourceClose):
            last = opened.pop(record.source_id)
        if opened:
            watermark = max(watermark, min(opened.values()))
        elif isinstance(body, SourceClose):
            watermark = max(watermark, last)
        if isinstance(body, DayClose):
            due.append((record.event_ns, body.date))
        elif genesis.cadence_ns:
            times = (
                body.event_ns.tolist()
                if isinstance(body, Ticks)
                else [record.event_ns]
                if isinstance(body, Fills | Split | BookChange)
                else []
            )
            if isinstance(body, PriceCorrection) and body.price is not None and body.effective_ns > closed_through:
                times = [body.effective_ns]
            due += [(max(t, closed_through + 1), None) for t in times]
        while due:
            day_ends = [t for t, date in due if date is not None]
            first = min(t for t, _ in due)
            ends = [t for t in day_ends if t >= first]
            if genesis.cadence_ns:
                ends.append(-(-first // genesis.cadence_ns) * genesis.cadence_ns)
            if not ends or min(ends) > watermark:
                break
            end = min(ends)
            dates = [date for t, date in due if t <= end and date is not None]
            found.append(_Close(end, dates[-1] if dates else None, log_seq))
            due = [(t, date) for t, date in due if t > end]
            closed_through = end
        if genesis.cadence_ns:
            closed_through = max(closed_through, watermark // genesis.cadence_ns * genesis.cadence_ns)
    return found


def numbers_of(row: RiskResult) -> ResultNumbers:
    """A stored row, as the oracle gives it."""
    return (row.value_at_risk, row.expected_shortfall, float(row.log_seq), *(getattr(row, name) for name in SPREAD))


def _emit(
    genesis: Genesis,
    records: list[tuple[int, Record]],
    closes: list[_Close],
    corrections: list[PriceCorrection | FillCorrection],
    results: dict[ResultKey, ResultNumbers],
    day_closes: dict[ResultKey, tuple[float, float, float, float, float]],
    frozen: dict[int, tuple[np.ndarray, np.ndarray]],
    every_close: list[_Close],
    known_through: int = 0,
) -> None:
    if not closes:
        return
    book = _BatchBook(genesis, records, corrections, every_close)
    configuration = ModelConfiguration.from_json(genesis.configuration)
    effective = [c.effective_ns for c in corrections if book.touched(c)]
    for close in closes:
        computed = book.measures(close)
        revision = sum(1 for t in effective if t <= close.as_of_ns)
        emit = close.as_of_ns >= genesis.emit_from_ns
        if close.date is not None and emit:
            before = [c.as_of_ns for c in every_close if c.date is not None and c.as_of_ns < close.as_of_ns]
            forecast = frozen.get(before[-1]) if before else None
            if forecast is not None:
                hypothetical, actual, fees = book.pnl(close)
                for p, node_id in enumerate(book.index.node_ids):
                    for m, method in enumerate(m.name for m in configuration.streamed):
                        for c, confidence in enumerate(configuration.confidences):
                            day_closes[node_id, close.as_of_ns, method, confidence, revision] = (
                                float(forecast[0][p, m, c]),
                                float(forecast[1][p, m, c]),
                                float(hypothetical[p]),
                                float(actual[p]),
                                float(fees[p]),
                            )
        if computed is None:
            continue
        if close.date is not None:
            frozen.setdefault(close.as_of_ns, computed[:2])
        if emit:
            for p, node_id in enumerate(book.index.node_ids):
                for m, method in enumerate(m.name for m in configuration.streamed):
                    for c, confidence in enumerate(configuration.confidences):
                        key = (node_id, close.as_of_ns, method, confidence, revision)
                        numbers = (float(computed[0][p, m, c]), float(computed[1][p, m, c]), float(max(close.log_seq, known_through)))
                        results[key] = (*numbers, *(None if np.isnan(x) else float(x) for x in computed[2][p, m, c]))


def _scaled(quantity: int, split: Split) -> int:
    """Whole millionths, rounded toward zero."""
    scaled = abs(quantity) * split.numerator // split.denominator
    return scaled if quantity >= 0 else -scaled


class _BatchBook:
    """Everything knowable from the log with a set of corrections, looked up by close."""

    def __init__(
        self,
        genesis: Genesis,
        records: list[tuple[int, Record]],
        corrections: list[PriceCorrection | FillCorrection],
        closes: list[_Close],
    ) -> None:
        self.genesis = genesis
        self.index = BookIndex(genesis.book)
        self.instruments = [self.index.instrument(k) for k in self.index.instrument_ids]
        self.configuration = ModelConfiguration.from_json(genesis.configuration)
        self.closes = closes
        self.records = records
        self.corrections = corrections
        self.replaced = {(c.instrument_id, c.effective_ns): c.price for c in corrections if isinstance(c, PriceCorrection)}
        self.refilled = {c.fill_id: c.fill for c in corrections if isinstance(c, FillCorrection)}
        self._prices: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def touched(self, correction: PriceCorrection | FillCorrection) -> bool:
        """Whether it corrects a bucket that was closed when it was logged."""
        log_seq = next(k for k, r in self.records if r.body == correction)
        return any(c.as_of_ns >= correction.effective_ns and c.log_seq < log_seq for c in self.closes)

    def _effect_close(self, event_ns: int, log_seq: int) -> int | None:
        """Index of the close in which a record takes effect."""
        for k, close in enumerate(self.closes):
            if close.log_seq >= log_seq and close.as_of_ns >= event_ns:
                return k
        return None

    def splits(self) -> list[tuple[int, int, Split]]:
        """(close index, event_ns, split) in order."""
        found = []
        for log_seq, record in self.records:
            if isinstance(record.body, Split):
                k = self._effect_close(record.event_ns, log_seq)
                if k is not None:
                    found.append((k, record.event_ns, record.body))
        return found

    def prices(self, close: _Close) -> tuple[np.ndarray, np.ndarray]:
        """Newest price and its time of every instrument, from everything known when the close closed."""
        at = self.closes.index(close)
        if at in self._prices:
            return self._prices[at]
        newest: dict[int, _Tick] = {}

        def offer(instrument_id: int, tick: _Tick) -> None:
            held = newest.get(instrument_id)
            if held is None or (tick.event_ns, tick.source_id, tick.source_seq, tick.place) > (
                held.event_ns,
                held.source_id,
                held.source_seq,
                held.place,
            ):
                newest[instrument_id] = tick

        for log_seq, record in self.records:
            if log_seq > close.log_seq or not isinstance(record.body, Ticks):
                continue
            for place in range(len(record.body.price)):
                instrument_id, event_ns = int(record.body.instrument_id[place]), int(record.body.event_ns[place])
                if event_ns <= close.as_of_ns and (instrument_id, event_ns) not in self.replaced:
                    offer(instrument_id, _Tick(event_ns, record.source_id, record.source_seq, place, float(record.body.price[place])))
        for (instrument_id, event_ns), price in self.replaced.items():
            if price is not None and event_ns <= close.as_of_ns:
                offer(instrument_id, _Tick(event_ns, 2**62, 0, 0, price))
        price = np.array([1.0 if i.asset_class is AssetClass.CASH else 0.0 for i in self.instruments])
        times = np.full(len(price), np.iinfo(np.int64).min)
        for j, instrument in enumerate(self.instruments):
            tick = newest.get(instrument.instrument_id)
            if tick is not None:
                price[j], times[j] = tick.price, tick.event_ns
                for k, t, split in self.splits():
                    if split.instrument_id == instrument.instrument_id and k <= at and tick.event_ns < t:
                        price[j] = price[j] * split.denominator / split.numerator
        self._prices[at] = (price, times)
        return self._prices[at]

    def quantities(self, close: _Close, opening: bool = False) -> np.ndarray:
        """Netted int64 positions at a close, or those at the close before in today's units plus today's imports."""
        at = self.closes.index(close)
        held: dict[tuple[int, int], int] = {(p.node_id, p.instrument_id): p.quantity for p in self.genesis.book.positions}
        events = []
        for log_seq, record in self.records:
            k = self._effect_close(record.event_ns, log_seq)
            if k is None or k > at:
                continue
            body = record.body
            if isinstance(body, Fills):
                for place, fill in enumerate(body.fills):
                    events.append((k, record.event_ns, record.source_id, record.source_seq, place, fill))
            elif isinstance(body, Split | BookChange):
                events.append((k, record.event_ns, record.source_id, record.source_seq, 0, body))
        since = self._day_start(at)
        opened: np.ndarray | None = None
        for k, event_ns, _, _, _, body in sorted(events, key=lambda e: e[:5]):
            if k >= since and opened is None:
                opened = self._rows(held)
            if isinstance(body, Fill):
                final = self.refilled.get(body.fill_id, body)
                if final is None:
                    continue
                key = (final.node_id, final.instrument_id)
                held[key] = held.get(key, 0) + self._today(final, event_ns, k)
            elif isinstance(body, Split):
                for key in held:
                    if key[1] == body.instrument_id:
                        held[key] = _scaled(held[key], body)
                if opened is not None:  # each node's own opening is scaled: with rounding, not quite the sum of its portfolios'
                    column = self.index.column_of[body.instrument_id]
                    opened[:, column] = [_scaled(int(q), body) for q in opened[:, column]]
            else:
                for p in body.positions:
                    key = (p.node_id, p.instrument_id)
                    if opened is not None:  # a start-of-day position moves the opening by the same change
                        opened += self._rows({key: p.quantity - held.get(key, 0)})
                    held[key] = p.quantity
        return opened if opening and opened is not None else self._rows(held)

    def _rows(self, held: dict[tuple[int, int], int]) -> np.ndarray:
        """Net portfolio positions into those of every node."""
        matrix = np.zeros((len(self.index.node_ids), len(self.instruments)), np.int64)
        for (node_id, instrument_id), quantity in held.items():
            for ancestor in self.index.ancestors[node_id]:
                matrix[self.index.row_of[ancestor], self.index.column_of[instrument_id]] += quantity
        return matrix

    def _day_start(self, at: int) -> int:
        """Index of the first bucket of the day that close `at` ends."""
        before = [k for k in range(at) if self.closes[k].date is not None]
        return before[-1] + 1 if before else 0

    def _today(self, fill: Fill, event_ns: int, k: int) -> int:
        """A late fill's quantity in the units of the bucket in which it takes effect."""
        quantity = fill.quantity
        for split_k, t, split in self.splits():
            if split.instrument_id == fill.instrument_id and event_ns < t and split_k < k:
                quantity = _scaled(quantity, split)
        return quantity

    def _rates(self, price: np.ndarray) -> dict[str, float]:
        rate = {self.genesis.book.base_currency: 1.0}
        for j, i in enumerate(self.instruments):
            if i.asset_class is AssetClass.FX and i.fx_currency:
                rate[i.fx_currency] = float(price[j])
        return rate

    def _fx(self, price: np.ndarray, node_currency: str) -> np.ndarray:
        rate = self._rates(price)
        return np.array(
            [rate[i.currency] / rate[node_currency] if rate[i.currency] and rate[node_currency] else 0.0 for i in self.instruments]
        )

    def _baseline(self, close: _Close) -> tuple[np.ndarray, np.ndarray, _Close] | None:
        """Prices of the day close before, in today's units."""
        at = self.closes.index(close)
        before = [c for c in self.closes[:at] if c.date is not None]
        if not before:
            return None
        price, times = self.prices(before[-1])
        price = price.copy()
        earlier = self.closes.index(before[-1])
        for k, t, split in self.splits():
            j = self.index.column_of[split.instrument_id]
            if earlier < k <= at and times[j] < t:
                price[j] = price[j] * split.denominator / split.numerator
        return price, times, before[-1]

    def moves(self, close: _Close) -> np.ndarray | None:
        """The day's shock of each instrument, proxies filled in."""
        base = self._baseline(close)
        if base is None:
            return None
        baseline, baseline_times, before = base
        price, times = self.prices(close)
        earlier = self._baseline(before)
        previous_ns = earlier[2].as_of_ns if earlier else np.iinfo(np.int64).min
        relative: dict[int, float] = {}
        observed: set[int] = set()
        for j, i in enumerate(self.instruments):
            fresh = times[j] > before.as_of_ns and baseline_times[j] > previous_ns
            if i.asset_class is AssetClass.CASH or not fresh:
                continue
            if baseline[j] > 0:
                relative[j] = price[j] / baseline[j] - 1.0
            if baseline[j] > 0 or i.shock is Shock.ABSOLUTE:
                observed.add(j)
        default = self.index.column_of[self.genesis.book.default_proxy_id] if self.genesis.book.default_proxy_id else -1
        total = 0.0
        for j in sorted(relative):
            total += relative[j]
        mean = total / len(relative) if relative else 0.0
        shock = np.zeros(len(self.instruments))
        for j, i in enumerate(self.instruments):
            if i.asset_class is AssetClass.CASH:
                continue
            if j in observed:
                shock[j] = price[j] - baseline[j] if i.shock is Shock.ABSOLUTE else relative[j]
                continue
            named = self.index.column_of[i.proxy_id] if i.proxy_id else default
            chain = [p for p in (named, default) if p != j and p in relative]
            move = relative[chain[0]] if chain else mean
            shock[j] = move * baseline[j] if i.shock is Shock.ABSOLUTE else move
        return shock

    def measures(self, close: _Close) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """VaR and ES [P, M, C], and intervals [P, M, C, 6], as of a close: its positions and prices, moves through then."""
        at = self.closes.index(close)
        days = [c for c in self.closes[: at + 1] if c.date is not None]
        rows = [m for m in (self.moves(c) for c in days) if m is not None][-self.configuration.window :]
        if not rows:
            return None
        shocks = np.array(rows[::-1]).T  # newest first: slot s has age s
        price, _ = self.prices(close)
        quantity = self.quantities(close)
        vectors = np.array([self._vector(n, quantity[n], price, shocks) for n in range(len(self.index.node_ids))])
        plan = MeasurePlan(shocks.shape[1], self.configuration.streamed, self.configuration.confidences)
        ages = np.arange(shocks.shape[1])
        var, es = twins.evaluate(vectors, ages, *plan.arrays)
        return var, es, twins.intervals(vectors, ages, *plan.arrays, *IntervalPlan(plan).arrays)

    def _vector(self, row: int, quantity: np.ndarray, price: np.ndarray, shocks: np.ndarray) -> np.ndarray:
        """P&L on each scenario: every holding revalued in the node's currency, instruments in order."""
        currency = {n.node_id: n.currency for n in self.genesis.book.nodes}[self.index.node_ids[row]]
        rate = self._rates(price)
        fx_row = {i.fx_currency: shocks[j] for j, i in enumerate(self.instruments) if i.asset_class is AssetClass.FX} | {
            self.genesis.book.base_currency: np.zeros(shocks.shape[1])
        }
        exposure = np.zeros(len(self.instruments))
        for absolute in (False, True):  # cash rows take the currency risk of absolute holdings after the plain exposures
            for j, i in enumerate(self.instruments):
                if not quantity[j] or not rate[i.currency] or not rate[currency]:
                    continue
                fx = rate[i.currency] / rate[currency]
                if not absolute:
                    unit = 1.0 if i.shock is Shock.ABSOLUTE else price[j]
                    exposure[j] = quantity[j] / QUANTITY_SCALE * unit * fx
                elif i.shock is Shock.ABSOLUTE:
                    cash = next(k for k, c in enumerate(self.instruments) if c.asset_class is AssetClass.CASH and c.currency == i.currency)
                    exposure[cash] += quantity[j] / QUANTITY_SCALE * price[j] * fx
        vector = np.zeros(shocks.shape[1])
        for j, i in enumerate(self.instruments):
            if exposure[j] == 0.0:
                continue
            seen = shocks[j]
            if i.currency != currency:
                factor = (1.0 + fx_row[i.currency]) / (1.0 + fx_row[currency])
                seen = shocks[j] * factor if i.shock is Shock.ABSOLUTE else (1.0 + shocks[j]) * factor - 1.0
            vector = vector + exposure[j] * seen
        return vector

    def pnl(self, close: _Close) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Hypothetical P&L, actual P&L and fees of the day that the close ends, per node."""
        base = self._baseline(close)
        assert base is not None
        baseline, _, _ = base
        price, _ = self.prices(close)
        opening, quantity = self.quantities(close, opening=True), self.quantities(close)
        at = self.closes.index(close)
        since = self._day_start(at)
        cost = np.zeros(quantity.shape)
        paid = np.zeros(quantity.shape)
        fills = []
        for log_seq, record in self.records:
            if isinstance(record.body, Fills):
                k = self._effect_close(record.event_ns, log_seq)
                if k is not None and since <= k <= at:
                    for place, fill in enumerate(record.body.fills):
                        fills.append((k, record.event_ns, record.source_id, record.source_seq, place, fill))
        for k, event_ns, _, _, _, fill in sorted(fills, key=lambda f: f[:5]):
            final = self.refilled.get(fill.fill_id, fill)
            if final is None:
                continue
            traded, at_price = final.quantity, final.price
            for split_k, t, split in self.splits():
                if split.instrument_id == final.instrument_id and event_ns < t and split_k < k:
                    traded = traded * split.numerator // split.denominator
                    at_price = at_price * split.denominator / split.numerator
            j = self.index.column_of[final.instrument_id]
            for ancestor in self.index.ancestors[final.node_id]:
                cost[self.index.row_of[ancestor], j] += traded / QUANTITY_SCALE * at_price
                paid[self.index.row_of[ancestor], j] += final.fees
        hypothetical, actual, fees = (np.zeros(len(quantity)) for _ in range(3))
        currency = {n.node_id: n.currency for n in self.genesis.book.nodes}
        for p, node_id in enumerate(self.index.node_ids):
            fx_close, fx_open = self._fx(price, currency[node_id]), self._fx(baseline, currency[node_id])
            held = made = fee = 0.0
            for j, i in enumerate(self.instruments):
                known = baseline[j] != 0.0 or i.shock is Shock.ABSOLUTE
                held += opening[p, j] / QUANTITY_SCALE * ((price[j] * fx_close[j] - baseline[j] * fx_open[j]) if known else 0.0)
                made += ((quantity[p, j] - opening[p, j]) / QUANTITY_SCALE * price[j] - cost[p, j]) * fx_close[j]
                fee += paid[p, j] * fx_close[j]
            hypothetical[p], actual[p], fees[p] = held, held + made, fee
        return hypothetical, actual, fees


def without(record: Record, **changes: object) -> Record:
    """Return a changed copy, for tests that plant errors."""
    return replace(record, **changes)  # type: ignore[arg-type]
