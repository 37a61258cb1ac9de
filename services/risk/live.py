"""Live numbers of one shard: every tick and fill at once, provisional, never the record."""

from __future__ import annotations

import numpy as np

from risk_core.book import QUANTITY_SCALE, Fill
from risk_core.engine.canonical import Evaluator
from risk_core.engine.collapse import not_older
from risk_core.engine.fold import Bucket, Fold
from risk_core.engine.live import LiveVectors
from risk_core.engine.valuation import conversion, market_values, sequential_sum
from risk_core.records import BookChange, FillCorrection, Fills, PriceCorrection, Record, Split, Ticks
from services.common.live_payload import encode_live
from services.common.ports import Snapshot

QUALITY_SECONDS = 0.25
"""Shares of stale, proxied and thin exposure are recomputed this often, after live numbers were shown: it takes as long as showing them."""


class LiveBook:
    """Incremental vectors, P&L since the last close and quality of a shard's nodes.

    Made from a fold and an evaluator that stand at the same entry. `take` follows the log; `roll` follows closed buckets.
    """

    def __init__(self, fold: Fold, evaluator: Evaluator) -> None:
        self.fold = fold
        self.evaluator = evaluator
        self.layout = fold.layout
        self.node_ids = fold.node_ids
        self.node_currency = evaluator.node_currency
        self._methods = tuple(m.name for m in evaluator.methods)
        self.window = evaluator.window.copy()
        self.event_ns = max(fold.watermark_ns, 0)
        self._imported = self._import_waits()
        self._dropped = dict(fold.dropped)
        self._quality_due_ns = 0
        self._flags: list[str] = []
        self._shares = np.zeros((0, 3))
        self._restart()

    def _restart(self) -> None:
        """Start the vectors from the fold's newest prices and positions."""
        price, price_ns, quantity = self.fold.newest()
        self.price_ns = price_ns
        self.event_ns = max(self.event_ns, int(price_ns.max(initial=0)))
        groups = sorted(self.window.shock)
        layout = self.layout
        rate_currency = np.full(len(layout.currency), -1, np.int64)
        for currency, column in enumerate(layout.fx_column):
            if column >= 0:
                rate_currency[column] = currency
        self.plan = self.evaluator.plan_for(self.window.count)
        self.vectors = LiveVectors(
            self.plan,
            quantity=quantity,
            price=price,
            fx_to_base=layout.fx_to_base(price),
            instrument_currency=layout.currency,
            rate_currency=rate_currency,
            absolute=layout.absolute,
            cash=layout.cash_column[layout.currency],
            node_currency=self.node_currency,
            node_group=np.array([groups.index(int(c)) for c in self.node_currency], np.int64),
            shocks=np.array([self.window.matrix(c) for c in groups]),
            age_order=self.window.age_order(),
        )
        self._groups = groups
        self.quantity = quantity
        self._open_day()

    def _open_day(self) -> None:
        """Set the P&L basis: the opening position at the last close, and what was traded since."""
        holdings, market = self.fold.holdings, self.fold.market
        opening = market_values(self.layout, holdings.opening, market.baseline, self.node_currency)
        self.opening_value = sequential_sum(opening)
        fx = conversion(self.layout, market.price, self.node_currency)
        self.trade_cost = sequential_sum(holdings.trade_cost * fx)
        for w in self.fold.waiting:
            if isinstance(w.body, Fill):
                self._add_cost(w.body)

    def _add_cost(self, fill: Fill) -> None:
        column = self.fold.index.column_of[fill.instrument_id]
        for row in self.fold.holdings.rows(fill.node_id):
            to_base = self.vectors.fx_to_base
            own, other = to_base[self.layout.currency[column]], to_base[self.node_currency[row]]
            fx = own / other if other else 0.0
            self.trade_cost[row] += fill.quantity / QUANTITY_SCALE * fill.price * fx

    # ------------------------------------------------------------- input

    def take(self, record: Record) -> None:
        """Apply one record at once, after the fold took it; what the fold dropped is dropped here."""
        dropped = self._dropped
        self._dropped = dict(self.fold.dropped)
        if self._dropped["repeat"] > dropped["repeat"]:
            return
        body = record.body
        if self._dropped["duplicate_fill"] > dropped["duplicate_fill"] or self._in_old_units(record):
            self._restart()
            return
        match body:
            case Ticks():
                self._take_ticks(body)
            case Fills():
                for fill in body.fills:
                    replaced = self.fold.fill_overrides.get(fill.fill_id, fill)
                    if replaced is not None:
                        self._take_fill(replaced)
            case Split() | PriceCorrection() | FillCorrection():
                self._restart()
            case BookChange():
                self._imported = True  # shown from the next bucket on, where the fold applies them
            case _:
                pass

    def _in_old_units(self, record: Record) -> bool:
        """Return whether ticks or fills lie before a split that came first: the fold restates them."""
        match record.body:
            case Ticks(instrument_id=ids, event_ns=event_ns):
                return self.fold.before_a_split(ids, event_ns)
            case Fills(fills=fills):
                ids = np.array([f.instrument_id for f in fills], np.int32)
                return self.fold.before_a_split(ids, np.full(len(fills), record.event_ns))
            case _:
                return False

    def _take_ticks(self, body: Ticks) -> None:
        ids, event_ns, price = body.instrument_id, body.event_ns, body.price
        if self.fold.price_overrides:
            keep = self.fold.not_overridden(ids, event_ns)
            ids, event_ns, price = ids[keep], event_ns[keep], price[keep]
        column, price = not_older(ids, event_ns, price, self.fold.column_lookup, self.price_ns)
        if len(column):
            self.vectors.apply_prices(column, price)
            self.event_ns = max(self.event_ns, int(self.price_ns[column].max()))

    def _take_fill(self, fill: Fill) -> None:
        rows = self.fold.holdings.rows(fill.node_id)
        if not rows:
            return
        column = self.fold.index.column_of[fill.instrument_id]
        self.quantity[rows, column] += fill.quantity
        for row in rows:
            self.vectors.apply_quantity(row, column, fill.quantity)
        self._add_cost(fill)

    def _import_waits(self) -> bool:
        return any(isinstance(w.body, BookChange) for w in self.fold.waiting)

    def roll(self, bucket: Bucket) -> None:
        """Follow a closed bucket: imports take effect; after a day close the window has the day's move, and a new P&L day begins."""
        again = self._imported and not self._import_waits()
        self._imported = self._imported and not again
        if bucket.shock is not None and bucket.proxied is not None and bucket.date is not None:
            full = self.window.count == self.window.size
            slot = self.window.roll(bucket.shock, bucket.proxied, bucket.date)
            if full and not again:
                self.vectors.roll(slot, np.array([self.window.shock[c][:, slot] for c in self._groups]))
            else:
                again = True
        if again:
            self._restart()
        elif bucket.date is not None:
            self._open_day()
        if bucket.date is not None:
            self._quality_due_ns = 0

    # ------------------------------------------------------------ output

    def snapshots(self, log_seq: int, now_ns: int) -> list[Snapshot]:
        """Return the changed nodes' newest numbers."""
        dirty = self.vectors.take_dirty()
        if not len(dirty):
            return []
        if self._quality_due_ns == 0:  # none yet, or a day has closed
            self._judge_quality(now_ns)
        var, es = self.vectors.measures(dirty)
        value = self.vectors.market_value
        configuration = self.fold.configuration
        payloads = encode_live(
            log_seq=log_seq,
            event_ns=self.event_ns,
            market_value=value[dirty],
            pnl=(value - self.opening_value - self.trade_cost)[dirty],
            value_at_risk=var,
            expected_shortfall=es,
            thin=self.plan.thin,
            methods=self._methods,
            confidences=configuration.confidences,
            shares=self._shares[dirty],
            flags=[self._flags[p] for p in dirty.tolist()],
        )
        return [Snapshot(self.node_ids[p], (log_seq, 0), text) for p, text in zip(dirty.tolist(), payloads, strict=True)]

    def tend(self, now_ns: int) -> None:
        """Do what may wait until the newest numbers are shown."""
        if now_ns >= self._quality_due_ns:
            self._judge_quality(now_ns)

    def _judge_quality(self, now_ns: int) -> None:
        self._quality_due_ns = now_ns + int(QUALITY_SECONDS * 1e9)
        stale, proxied, thin, unpriced = self.evaluator.quality(
            self.window, self.quantity, self.vectors.price, self.price_ns, self.event_ns
        )
        self._shares = np.column_stack((stale, proxied, thin))
        self._flags = ["+".join(self.evaluator.flags(self.window, *q)) for q in zip(stale, proxied, unpriced, strict=True)]
