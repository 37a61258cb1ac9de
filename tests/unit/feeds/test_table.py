"""Files as feeds: long and wide, CSV and Parquet; what is wrong is named by file, line and column."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from risk_core.book import AssetClass
from services.common.feeds.catalog import open_feed
from services.common.feeds.port import FeedError, RawSplit
from services.common.feeds.sessions import load_sessions
from services.common.feeds.table import TableFeed, table_feed
from services.common.feeds.times import iso_of_ns, parse_time

DAYS = load_sessions("XNYS", date(2008, 11, 20), date(2008, 12, 10)).dates


def write(path: Path, text: str, name: str = "prices.csv") -> Path:
    file = path / name
    file.write_text(text)
    return file


def long(days: tuple[date, ...] = DAYS, start: float = 100.0) -> str:
    return "time,symbol,price,currency\n" + "".join(f"{d},AAA,{start + k},USD\n{d},BBB,{50 - k},EUR\n" for k, d in enumerate(days))


def prices(feed: TableFeed) -> dict[tuple[str, int], float]:
    out = {}
    for day in feed.available:
        ticks = feed.day(day).ticks
        for code, price, event_ns in zip(ticks.symbol, ticks.price, ticks.event_ns, strict=True):
            out[ticks.symbols[code], int(event_ns)] = float(price)
    return out


def test_dates_are_the_closes_of_their_sessions(tmp_path: Path) -> None:
    feed = table_feed(write(tmp_path, long()))
    sessions = load_sessions("XNYS", DAYS[0], DAYS[-1])
    assert tuple(feed.available) == DAYS
    half_day = feed.day(date(2008, 11, 28))
    assert iso_of_ns(half_day.close_ns) == "2008-11-28T18:00:00Z"
    assert prices(feed) == {(s, int(c)): p for k, c in enumerate(sessions.close_ns) for s, p in (("AAA", 100.0 + k), ("BBB", 50.0 - k))}
    assert [(s.symbol, s.currency) for s in feed.symbols] == [("AAA", "USD"), ("BBB", "EUR")]


def test_wide_tables_with_holes(tmp_path: Path) -> None:
    rows = "".join(f"{d},{100 + k},{'' if k == 2 else 50 - k}\n" for k, d in enumerate(DAYS))
    feed = table_feed(write(tmp_path, "Date,AAA,BBB\n" + rows))
    assert [len(feed.day(d).ticks) for d in DAYS[:4]] == [2, 2, 1, 2]
    assert feed.day(DAYS[1]).ticks.currency.tolist() == [-1, -1]


def test_times_within_a_day_go_to_the_session_that_they_precede(tmp_path: Path) -> None:
    text = "time,symbol,price\n" + "".join(f"{d},AAA,{k + 1}\n" for k, d in enumerate(DAYS))
    text += "2008-11-24T21:00:00.000000001Z,AAA,7\n2008-11-25T09:30:00-05:00,AAA,8\n2008-11-25T15:59:59.999999999-05:00,AAA,9\n"
    feed = table_feed(write(tmp_path, text))
    ticks = feed.day(date(2008, 11, 25)).ticks
    assert ticks.price.tolist() == [7.0, 8.0, 9.0, 4.0]
    close = feed.day(date(2008, 11, 25)).close_ns
    assert (ticks.event_ns - close).tolist() == [-86_400 * 10**9 + 1, -6 * 3600 * 10**9 - 30 * 60 * 10**9, -1, 0]
    assert ticks.sequence.tolist() == [4, 5, 6, 7]


def test_csv_and_parquet_of_one_content_are_one_feed(tmp_path: Path) -> None:
    csv_feed = table_feed(write(tmp_path, long()))
    stamped = [datetime.fromtimestamp(csv_feed.day(d).close_ns / 10**9, UTC) for d in DAYS for _ in range(2)]
    table = pa.table(
        {
            "time": pa.array(stamped, pa.timestamp("us", "America/New_York")),
            "symbol": ["AAA", "BBB"] * len(DAYS),
            "price": [p for k in range(len(DAYS)) for p in (100.0 + k, 50.0 - k)],
            "currency": ["USD", "EUR"] * len(DAYS),
        }
    )
    pq.write_table(table, tmp_path / "prices.parquet")
    parquet_feed = table_feed(tmp_path / "prices.parquet")
    assert prices(parquet_feed) == prices(csv_feed)
    assert parquet_feed.hash == csv_feed.hash
    assert table_feed(write(tmp_path, long(start=101.0))).hash != csv_feed.hash
    by_date = table.set_column(0, "time", pa.array([d for d in DAYS for _ in range(2)], pa.date32()))
    pq.write_table(by_date, tmp_path / "dates.parquet")
    assert table_feed(tmp_path / "dates.parquet").hash == csv_feed.hash


def test_odd_numbers_are_sent_on_for_ingest_to_judge(tmp_path: Path) -> None:
    text = "date,AAA\n" + "".join(
        f"{d},{p}\n" for d, p in zip(DAYS, ["nan", "inf", "-inf", "0", "-37.63", "1e3", *["5"] * 8], strict=False)
    )
    feed = table_feed(write(tmp_path, text))
    sent = np.concatenate([feed.day(d).ticks.price for d in feed.available])
    assert np.array_equal(sent[:6], [np.nan, np.inf, -np.inf, 0.0, -37.63, 1000.0], equal_nan=True)


def test_currency_pairs_are_rates(tmp_path: Path) -> None:
    feed = table_feed(write(tmp_path, "date,EURUSD,USDJPY,ABCUSD,AAPL\n" + "".join(f"{d},1,1,1,1\n" for d in DAYS)))
    classes = {s.symbol: (s.asset_class, s.fx_currency) for s in feed.symbols}
    assert classes.pop("EURUSD") == (AssetClass.FX, "EUR")
    assert set(classes.values()) == {(AssetClass.EQUITY, None)}


def test_splits_beside_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, long())
    before = table_feed(path).hash
    write(tmp_path, "date,symbol,numerator,denominator\n2008-11-25,AAA,2,1\n", "prices.splits.csv")
    feed = table_feed(path)
    fed = feed.day(date(2008, 11, 25))
    assert fed.actions == (RawSplit("split/AAA/2008-11-25", "AAA", 2, 1, fed.open_ns),)
    assert feed.day(date(2008, 11, 26)).actions == ()
    assert feed.hash != before


BAD = {
    "empty": ("", "is empty"),
    "no columns we know": ("a,b\n1,2\n", "columns a, b; needs time, symbol, price"),
    "column twice": ("date,AAA,aaa\n2008-11-20,1,1\n", "the column 'AAA' comes twice"),
    "no rows": ("date,AAA\n", "no prices"),
    "bad time": ("time,symbol,price\n20/11/2008,A,1\n", "line 2, column time: '20/11/2008' is neither a date"),
    "time without an offset": ("time,symbol,price\n2008-11-20T15:00:00,A,1\n", "line 2, column time: .*with an offset"),
    "ten digits of a second": ("time,symbol,price\n2008-11-20T15:00:00.1234567891Z,A,1\n", "line 2, column time"),
    "no symbol": ("time,symbol,price\n2008-11-20,,1\n", "line 2, column symbol: is empty"),
    "price in words": ("time,symbol,price\n2008-11-20,A,n/a\n", "line 2, column price: 'n/a' is no number"),
    "price with underscore": ("time,symbol,price\n2008-11-20,A,1_0\n", "line 2, column price"),
    "wide price in words": ("date,A,B\n2008-11-20,1,2\n2008-11-21,1,x\n", "line 3, column B: 'x' is no number"),
    "short row": ("date,A,B\n2008-11-20,1\n", "line 2: 2 cells; the header has 3"),
    "day off": ("date,A\n2008-11-26,1\n2008-11-27,1\n2008-11-28,1\n", "line 3: 2008-11-27 is no trading day of XNYS"),
    "sparse": ("date,A\n2008-11-03,1\n2008-11-28,1\n", "no tick on 17 of the 19 XNYS trading days"),
    "open quotation mark": ('date,A\n2008-11-20,"1\n', "unexpected end"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named(case: str, tmp_path: Path) -> None:
    text, message = BAD[case]
    path = write(tmp_path, text)
    with pytest.raises(FeedError, match=message) as caught:
        table_feed(path)
    assert str(path) in str(caught.value)


def test_many_errors_are_listed_within_a_bound(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"line 2, .*line 21, .*and more") as caught:
        table_feed(write(tmp_path, "date,A\n" + "never,1\n" * 500))
    assert "line 22" not in str(caught.value)


def test_bad_files_of_splits(tmp_path: Path) -> None:
    path = write(tmp_path, long())
    for text, message in (
        ("day,symbol,ratio\n", "needs date, symbol, numerator, denominator"),
        ("date,symbol,numerator,denominator\n2008-11-25,AAA,2\n", "line 2: .*write for example"),
        ("date,symbol,numerator,denominator\n2008-11-27,AAA,2,1\n", "line 2: 2008-11-27 is no trading day"),
    ):
        write(tmp_path, text, "prices.splits.csv")
        with pytest.raises(FeedError, match=message):
            table_feed(path)


def test_parquet_times_need_a_zone(tmp_path: Path) -> None:
    pq.write_table(pa.table({"time": [datetime(2008, 11, 20)], "symbol": ["A"], "price": [1.0]}), tmp_path / "naive.parquet")
    with pytest.raises(FeedError, match="column time: times without a time zone"):
        table_feed(tmp_path / "naive.parquet")
    (tmp_path / "text.parquet").write_text("date,A")
    with pytest.raises(FeedError, match=r"text\.parquet"):
        table_feed(tmp_path / "text.parquet")


def test_feeds_by_name(tmp_path: Path) -> None:
    assert open_feed("sp500").name == "sp500"
    assert open_feed("synthetic", ticks_per_day=4).day(date(2000, 1, 5)).ticks.event_ns.size == 44
    assert open_feed(str(write(tmp_path, long()))).name == "prices"
    for name, message in (("bloomberg", "unknown: give sp500, synthetic, or a file"), (str(tmp_path / "none.csv"), "no such file")):
        with pytest.raises(FeedError, match=message):
            open_feed(name)
    with pytest.raises(FeedError, match="a file brings its own ticks"):
        open_feed(str(tmp_path / "prices.csv"), ticks_per_day=2)


def test_unknown_calendars_are_refused() -> None:
    with pytest.raises(FeedError, match="calendar 'MOON' is unknown"):
        load_sessions("MOON", date(2008, 1, 1), date(2008, 2, 1))


@pytest.mark.parametrize(
    ("text", "event_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T01:00:00.5+01:00", 500_000_000),
        ("1969-12-31T23:59:59.25Z", -750_000_000),
        ("2262-04-11T23:47:16.854775807Z", 2**63 - 1),
    ],
)
def test_times_are_exact(text: str, event_ns: int) -> None:
    assert parse_time(text) == event_ns
    assert parse_time(iso_of_ns(event_ns)) == event_ns


def test_dates_are_not_times() -> None:
    assert parse_time("2008-11-20") == date(2008, 11, 20)
    assert parse_time("2008-11-31") is None
    assert parse_time("2008-11-20T25:00:00Z") is None
