"""Daily trades for a feed: a plan whose targets are pure functions of closes, so a replay may start on any day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np

from services.common.feeds.port import Feed, FeedDay, FeedError, FeedSymbol, RawFill, content_hash, last_prices

CLOSES_KEPT_MAX: Final = 8
NS_PER_MINUTE: Final = 60_000_000_000


@dataclass(frozen=True, slots=True)
class TradingPlan:
    """A portfolio that leans against yesterday's winners.

    Each symbol's target is its base weight times 1 - clip(`lean` * (its return - the mean return), ±`lean_max`), of the last
    day, in whole units of the last close. Fills happen `minutes_before_close`, up to `slippage_max` off the close, and cost
    `fee_rate` of their value.
    """

    portfolio: str
    notional: float
    weights: tuple[tuple[str, float], ...]
    lean: float = 10.0
    lean_max: float = 0.5
    slippage_max: float = 0.0005
    fee_rate: float = 0.00005
    minutes_before_close: int = 15
    seed: int = 9


class TradedFeed:
    """A feed whose days from `first` on carry the plan's fills.

    The position after day d is `target(d)`; the book starts with `target` of the day before `first`.
    """

    def __init__(self, feed: Feed, plan: TradingPlan, first: date) -> None:
        self._feed = feed
        self._plan = plan
        self._first = first
        self._dates = {d: k for k, d in enumerate(feed.available)}
        self._closes: dict[date, dict[str, float]] = {}
        self.name = feed.name
        self.note = feed.note
        self.calendar = feed.calendar
        self.symbols: tuple[FeedSymbol, ...] = feed.symbols
        self.available: Sequence[date] = feed.available
        self.hash = content_hash(feed.hash, repr(plan), str(first))

    def target(self, day: date) -> dict[str, int]:
        """Return whole units per symbol held after `day`, from its close and the one before."""
        plan, prices, before = self._plan, self._prices(day), self._prices(self._before(day))
        for symbol, _ in plan.weights:
            if not prices.get(symbol, 0.0) > 0.0:
                raise FeedError(f"the portfolio {plan.portfolio!r} needs a price above zero for {symbol} at {day}")
        moves = [prices[s] / before[s] - 1.0 if before.get(s, 0.0) > 0.0 else 0.0 for s, _ in plan.weights]
        mean = sum(moves) / len(moves)
        leans = [min(max(plan.lean * (move - mean), -plan.lean_max), plan.lean_max) for move in moves]
        return {s: units(plan.notional * w * (1.0 - lean), prices[s]) for (s, w), lean in zip(plan.weights, leans, strict=True)}

    def day(self, day: date) -> FeedDay:
        """See `Feed.day`."""
        fed = self._feed.day(day)
        return fed if day < self._first else replace(fed, fills=fed.fills + self._fills(fed))

    def _fills(self, fed: FeedDay) -> tuple[RawFill, ...]:
        plan, prices = self._plan, self._prices(fed.day)
        held = self.target(self._before(fed.day))
        for action in fed.actions:
            if action.symbol in held:
                held[action.symbol] = held[action.symbol] * action.numerator // action.denominator
        rng = np.random.default_rng([plan.seed, fed.day.toordinal()])
        event_ns = max(fed.close_ns - plan.minutes_before_close * NS_PER_MINUTE, fed.open_ns + 1)
        fills = []
        for k, (symbol, wanted) in enumerate(self.target(fed.day).items()):
            price = round(prices[symbol] * (1.0 + plan.slippage_max * (2.0 * rng.random() - 1.0)), 6)
            traded = wanted - held[symbol]
            if traded:
                fees = round(abs(traded) * price * plan.fee_rate, 2)
                fill_id = f"{plan.portfolio}/{fed.day}/{k + 1}"
                fills.append(RawFill(fill_id, plan.portfolio, symbol, str(traded), price, event_ns, fees))
        return tuple(fills)

    def _before(self, day: date) -> date:
        return self.available[max(self._dates[day] - 1, 0)]

    def _prices(self, day: date) -> dict[str, float]:
        if day not in self._closes:
            self._closes[day] = last_prices(self._feed, day)
            while len(self._closes) > CLOSES_KEPT_MAX:
                del self._closes[next(iter(self._closes))]
        return self._closes[day]


def units(value: float, price: float) -> int:
    """Return the whole number of units nearest to `value`, negative when short."""
    return round(value / price)
