"""Real history without a network: 20 S&P 500 stocks and the index, 1990 to 2022, from files inside the skfolio wheel."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.book import AssetClass
from services.common.feeds.matrix import MatrixFeed
from services.common.feeds.port import FeedError, FeedSymbol
from services.common.feeds.sessions import load_sessions

INDEX_SYMBOL: Final = "SPX"
FX_SYMBOL: Final = "EURUSD"

_FX_SEED: Final = 1990
_FX_LEVEL: Final = 1.18
_FX_DAILY_VOLATILITY: Final = 0.006
_FX_REVERSION: Final = 0.002
_FX_DECIMALS: Final = 5


def sp500_feed(ticks_per_day: int = 1, seed: int = 0) -> MatrixFeed:
    """Return closes (adjusted, marked so) of 20 stocks and the index, and an invented EURUSD history (marked so).

    The files are read from the installed package without importing it, which would take seconds.

    Raises
    ------
    FeedError
        The package is not installed, or its files are not what is expected.
    """
    dates, stocks, prices = _read("sp500_dataset.csv.gz")
    index_dates, _, index = _read("sp500_index.csv.gz")
    if dates != index_dates:
        raise FeedError("sp500: the stocks and the index of the installed skfolio have different days; install the locked version")
    symbols = [
        *(FeedSymbol(s, adjusted=True) for s in stocks),
        FeedSymbol(INDEX_SYMBOL, AssetClass.INDEX),
        FeedSymbol(FX_SYMBOL, AssetClass.FX, fx_currency="EUR", synthetic=True),
    ]
    closes = np.column_stack([prices, index, synthetic_fx(len(dates))])
    sessions = load_sessions("XNYS", dates[0], dates[-1]).only(dates)
    note = "adjusted closes; synthetic EURUSD history"
    return MatrixFeed("sp500", note, sessions, symbols, closes, ticks_per_day=ticks_per_day, seed=seed)


def synthetic_fx(days: int) -> NDArray[np.float64]:
    """Return an invented daily EURUSD history, float64[days]: a mean-reverting log walk, rounded as quoted."""
    rng = np.random.default_rng(_FX_SEED)
    steps = rng.standard_normal(days) * _FX_DAILY_VOLATILITY
    level = np.empty(days)
    at = 0.0
    for k in range(days):
        at = (1.0 - _FX_REVERSION) * at + steps[k]
        level[k] = at
    return np.round(_FX_LEVEL * np.exp(level), _FX_DECIMALS)


def _read(name: str) -> tuple[tuple[date, ...], list[str], NDArray[np.float64]]:
    spec = find_spec("skfolio")
    if spec is None or not spec.submodule_search_locations:
        raise FeedError("the sp500 feed reads files of the package skfolio, which is not installed: pip install 'plimsoll[embedded]'")
    path = Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data" / name
    if not path.exists():
        raise FeedError(f"the installed skfolio has no file datasets/data/{name}; install the locked version")
    with gzip.open(path) as packed:
        header, *rows = csv.reader(io.StringIO(packed.read().decode()))
    return tuple(date.fromisoformat(row[0][:10]) for row in rows), header[1:], np.array([row[1:] for row in rows], np.float64)
