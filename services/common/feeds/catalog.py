"""Feeds by name: the one place that knows them all."""

from __future__ import annotations

from pathlib import Path

from services.common.feeds.port import Feed, FeedError


def open_feed(name: str, ticks_per_day: int = 1) -> Feed:
    """Return a feed: `sp500`, `synthetic`, or the path of a CSV or Parquet file.

    Parameters
    ----------
    name : str
        As in `RISK_REPLAY__FEED`.
    ticks_per_day : int
        More than 1 asks for invented intraday paths; files bring their own ticks.

    Raises
    ------
    FeedError
        No such feed or file, or the file cannot be used: says where.
    """
    if name == "sp500":
        from services.common.feeds.sp500 import sp500_feed

        return sp500_feed(ticks_per_day)
    if name == "synthetic":
        from services.common.feeds.synthetic import synthetic_feed

        return synthetic_feed(ticks_per_day=ticks_per_day)
    path = Path(name)
    if path.suffix.lower() not in {".csv", ".parquet"}:
        raise FeedError(f"feed {name!r} is unknown: give sp500, synthetic, or a file that ends in .csv or .parquet")
    if ticks_per_day > 1:
        raise FeedError(f"feed {name!r}: intraday paths are invented for sp500 and synthetic only; a file brings its own ticks")
    from services.common.feeds.table import table_feed

    return table_feed(path)
