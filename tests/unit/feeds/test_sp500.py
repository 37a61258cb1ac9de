"""The real history: equal to what the package's own loader gives, at the exchange's real closing times."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from risk_core.book import AssetClass
from services.common.feeds.matrix import TICKS_PER_DAY_MAX, MatrixFeed
from services.common.feeds.port import FeedError, last_prices, select_days
from services.common.feeds.sp500 import sp500_feed, synthetic_fx


@pytest.fixture(scope="module")
def feed() -> MatrixFeed:
    return sp500_feed()


@pytest.mark.slow
def test_prices_are_those_of_the_package(feed: MatrixFeed) -> None:
    """The file is read without importing skfolio; here it is imported, to compare."""
    datasets = pytest.importorskip("skfolio.datasets")
    stocks, index = datasets.load_sp500_dataset(), datasets.load_sp500_index()
    assert [s.symbol for s in feed.symbols[:20]] == list(stocks.columns)
    assert np.array_equal(feed.closes[:, :20], stocks.to_numpy())
    assert np.array_equal(feed.closes[:, 20], index.to_numpy()[:, 0])
    assert list(feed.available) == [d.date() for d in stocks.index]


def test_marks(feed: MatrixFeed) -> None:
    assert [s.adjusted for s in feed.symbols] == [True] * 20 + [False] * 2
    assert [s.symbol for s in feed.symbols if s.synthetic] == ["EURUSD"]
    assert feed.symbols[20].asset_class is AssetClass.INDEX
    assert (feed.symbols[21].asset_class, feed.symbols[21].fx_currency) == (AssetClass.FX, "EUR")
    assert "adjusted" in feed.note
    assert "synthetic" in feed.note


@pytest.mark.parametrize(
    ("day", "close"),
    [
        (date(2008, 1, 2), "2008-01-02T21:00"),  # winter, 16:00 New York
        (date(2008, 7, 1), "2008-07-01T20:00"),  # summer
        (date(2007, 3, 9), "2007-03-09T21:00"),  # the last day before daylight saving
        (date(2007, 3, 12), "2007-03-12T20:00"),  # the first day of it
        (date(2008, 11, 28), "2008-11-28T18:00"),  # the half day after Thanksgiving
        (date(1999, 12, 31), "1999-12-31T18:00"),  # an early close of its own
    ],
)
def test_closes_at_the_exchange_time(feed: MatrixFeed, day: date, close: str) -> None:
    fed = feed.day(day)
    expected = int(datetime.fromisoformat(close).replace(tzinfo=UTC).timestamp()) * 10**9
    assert fed.close_ns == expected
    assert (fed.ticks.event_ns == expected).all()
    assert fed.open_ns < fed.close_ns


def test_known_closes(feed: MatrixFeed) -> None:
    """S&P 500 closes of public record: 19 October 1987 is outside; 2008-10-15 and 2020-03-16 fell 9 % and 12 %."""
    ticks = feed.day(date(2008, 10, 15)).ticks
    index = {ticks.symbols[c]: p for c, p in zip(ticks.symbol, ticks.price, strict=True)}["SPX"]
    assert index == pytest.approx(907.84, abs=0.005)
    ticks = feed.day(date(2020, 3, 16)).ticks
    assert ticks.price[list(ticks.symbols).index("SPX")] == pytest.approx(2386.13, abs=0.005)


def test_days_are_the_same_every_time_and_in_any_order(feed: MatrixFeed) -> None:
    again = sp500_feed()
    assert again.hash == feed.hash
    for day in (feed.available[-1], feed.available[0], feed.available[4000]):
        a, b = feed.day(day), again.day(day)
        assert (a.open_ns, a.close_ns) == (b.open_ns, b.close_ns)
        assert all(np.array_equal(getattr(a.ticks, n), getattr(b.ticks, n)) for n in ("symbol", "price", "event_ns", "sequence"))


def test_sequence_goes_on_over_days(feed: MatrixFeed) -> None:
    numbers = np.concatenate([feed.day(d).ticks.sequence for d in feed.available[:5]])
    assert np.array_equal(numbers, np.arange(1, len(numbers) + 1))


def test_synthetic_fx_looks_like_a_rate_and_is_fixed() -> None:
    rate = synthetic_fx(8313)
    moves = np.diff(np.log(rate))
    assert 0.6 < rate.min() < rate.max() < 2.0
    assert moves.std() == pytest.approx(0.006, rel=0.05)
    assert np.array_equal(synthetic_fx(100), rate[:100])
    assert np.array_equal(np.round(rate, 5), rate)


# ------------------------------------------------------------- intraday


def test_intraday_paths_end_at_the_close_exactly() -> None:
    feed, daily = sp500_feed(13), sp500_feed()
    day = date(2008, 10, 15)
    fed, at = feed.day(day), daily.sessions.index(day)
    prices = fed.ticks.price.reshape(13, 22)
    assert np.array_equal(prices[-1], daily.closes[at])
    assert (np.diff(fed.ticks.event_ns) >= 0).all()
    assert fed.ticks.event_ns[0] > fed.open_ns
    assert fed.ticks.event_ns[-1] == fed.close_ns
    assert len(np.unique(fed.ticks.event_ns)) == 13
    assert "synthetic intraday" in feed.note
    assert feed.hash != daily.hash != sp500_feed(14).hash


def test_intraday_bridges_have_the_stated_volatility() -> None:
    """A Brownian bridge at half time has standard deviation sigma/2 about the line between its ends (Glasserman 2004, 3.1)."""
    feed = sp500_feed(10)
    middles = []
    for at in range(4000, 4200):
        prices = feed.day(feed.available[at]).ticks.price.reshape(10, 22)
        line = (np.log(feed.closes[at - 1]) + np.log(feed.closes[at])) / 2
        middles.append(np.log(prices[4]) - line)
    spread = np.array(middles)
    assert spread.std() == pytest.approx(0.01 / 2, rel=0.03)
    assert abs(spread.mean()) < 3 * 0.005 / np.sqrt(spread.size)


@pytest.mark.parametrize("ticks_per_day", [0, TICKS_PER_DAY_MAX + 1])
def test_ticks_per_day_is_bounded(ticks_per_day: int) -> None:
    with pytest.raises(FeedError, match="ticks per day"):
        sp500_feed(ticks_per_day)


# ----------------------------------------------------------- choice of days


def test_days_before_seed_the_window(feed: MatrixFeed) -> None:
    span = select_days(feed, date(2008, 1, 1), date(2008, 12, 31), 500)
    assert (span.days[0], span.days[-1], len(span.days)) == (date(2008, 1, 2), date(2008, 12, 31), 253)
    assert len(span.seed) == 501
    assert span.all == span.seed + span.days == tuple(feed.available)[feed.available.index(span.seed[0]) :][: len(span.all)]


def test_without_a_range_everything_is_replayed(feed: MatrixFeed) -> None:
    span = select_days(feed, None, None, 500)
    assert span.all == tuple(feed.available)
    assert len(span.seed) == 501


@pytest.mark.parametrize(
    ("from_date", "to_date", "window", "message"),
    [
        (
            date(1991, 1, 1),
            None,
            500,
            "only 253 trading days come before it.*501; take --from 1991-12-24 or later, or a window of at most 252",
        ),
        (date(1980, 1, 1), date(2000, 1, 1), 500, "beyond the data.*1990-01-02 to 2022-12-28"),
        (date(2022, 1, 1), date(2023, 6, 1), 500, "beyond the data.*--to 2022-12-28 or earlier"),
        (date(2023, 1, 1), None, 500, "no trading day from 2023-01-01"),
        (date(2000, 1, 1), date(2000, 1, 2), 500, "no trading day from 2000-01-01 to 2000-01-02"),
        (date(2001, 1, 1), date(2000, 1, 1), 500, "swap them"),
        (None, None, 9000, "a window of 9000 needs 9001"),
    ],
)
def test_a_range_that_cannot_be_replayed_says_what_can(
    feed: MatrixFeed, from_date: date | None, to_date: date | None, window: int, message: str
) -> None:
    with pytest.raises(FeedError, match=message):
        select_days(feed, from_date, to_date, window)


def test_the_earliest_day_that_the_message_names_works(feed: MatrixFeed) -> None:
    assert select_days(feed, date(1991, 12, 24), date(1991, 12, 31), 500).seed[0] == feed.available[0]
    assert len(select_days(feed, date(1991, 1, 2), date(1991, 1, 2), 252).seed) == 253


def test_a_day_off_is_refused_with_its_neighbours(feed: MatrixFeed) -> None:
    with pytest.raises(FeedError, match="2008-11-27 is no trading day of XNYS; the nearest are 2008-11-26 and 2008-11-28"):
        feed.day(date(2008, 11, 27))


def test_last_prices_look_back_for_what_did_not_trade() -> None:
    feed = sp500_feed()
    closes = feed.closes[:30].copy()
    closes[20:, 0] = np.nan
    closes[:, 1] = np.nan
    gappy = MatrixFeed("gappy", "", feed.sessions.only(tuple(feed.available[:30])), feed.symbols, closes)
    prices = last_prices(gappy, feed.available[25])
    assert prices["AAPL"] == closes[19, 0]
    assert "AMD" not in prices
    assert prices["XOM"] == closes[25, 19]
    assert len(gappy.day(feed.available[25]).ticks) == 20
