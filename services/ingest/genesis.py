"""The first record of a run: what it folds, and from when it speaks."""

from __future__ import annotations

import json

import msgspec

from risk_core.book import Book
from risk_core.engine.configuration import NS_PER_SECOND, ModelConfiguration, WatchConfiguration
from risk_core.records import Genesis
from services.common.config import RegimeSettings, Settings
from services.common.feeds.port import Feed, Span, content_hash


class GenesisMismatch(Exception):
    """The log was started with something else than what is now asked for; the message says what, and what to do."""


def book_hash(book: Book) -> str:
    """Return the content hash of a book; that of one without tags is what it was before there were any."""
    content = msgspec.to_builtins(book)  # fields in the order of their declaration
    if not book.tags:
        del content["tags"]
    return content_hash(msgspec.json.encode(content))


def make_genesis(feed: Feed, book: Book, span: Span, settings: Settings, nonce: str = "") -> Genesis:
    """Return the genesis of a replay. `nonce` is empty, or new when a run is started anew over the same input.

    Results are emitted for every bucket that ends after the last seeding close.
    """
    model = settings.model
    terms = tuple((name, t.spread, t.spread_volatility, t.liquidation_days) for name, t in sorted(model.liquidity.items()))
    _check_terms(book, [name for name, *_ in terms])
    configuration = ModelConfiguration(
        window=model.window,
        methods=model.methods,
        confidences=model.confidences,
        stale_after_ns=round(model.stale_after_seconds * NS_PER_SECOND),
        degraded_share=model.degraded_share,
        correction_days=settings.history.checkpoint_keep_days,
        liquidity=terms,
        liquidity_multiplier=model.liquidity_multiplier,
        watch=_watch(book, settings.regimes),
    )
    return Genesis(
        book=book,
        feed_hash=feed.hash,
        book_hash=book_hash(book),
        nonce=nonce,
        emit_from_ns=feed.day(span.seed[-1]).close_ns + 1,
        cadence_ns=round(model.cadence_seconds * NS_PER_SECOND),
        configuration=configuration.to_json(),
    )


def _watch(book: Book, regimes: RegimeSettings) -> WatchConfiguration:
    if not regimes.enabled:
        return WatchConfiguration()
    symbols = [i.symbol for i in book.instruments]
    unknown = [name for name in regimes.of if name not in symbols]
    if unknown:
        raise GenesisMismatch(f"RISK_REGIMES__OF names {', '.join(unknown)}: no symbol of the book; there are {', '.join(symbols)}")
    default = [i.symbol for i in book.instruments if i.instrument_id == book.default_proxy_id]
    return WatchConfiguration(
        tuple(regimes.of or default), regimes.states, regimes.first, regimes.every, regimes.history, regimes.run_length
    )


def _check_terms(book: Book, names: list[str]) -> None:
    known = {i.symbol for i in book.instruments} | {str(i.asset_class) for i in book.instruments}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise GenesisMismatch(
            f"RISK_MODEL__LIQUIDITY has terms of {', '.join(unknown)}: neither a symbol nor an asset class of the book; "
            f"asset classes are {', '.join(sorted({str(i.asset_class) for i in book.instruments}))}"
        )


def check_genesis(logged: Genesis, wanted: Genesis) -> None:
    """Refuse to continue a log that folds something else; the nonce may differ, and what a log of before knows nothing of is left out.

    Raises
    ------
    GenesisMismatch
        Names every part that differs.
    """
    parts = {
        "the feed (its data, ticks per day, or the first day of its trades)": logged.feed_hash != wanted.feed_hash,
        "the book": logged.book_hash != wanted.book_hash,
        "the first day with results (--from)": logged.emit_from_ns != wanted.emit_from_ns,
        "the cadence (RISK_MODEL__CADENCE_SECONDS)": logged.cadence_ns != wanted.cadence_ns,
        "the model (RISK_MODEL__... or RISK_REGIMES__...)": _differs(logged.configuration, wanted.configuration),
    }
    differing = [name for name, differs in parts.items() if differs]
    if differing:
        raise GenesisMismatch(
            f"the log was started with another value of {', '.join(differing)}: "
            "go back to the former settings to continue it, or start anew with --anew"
        )


def _differs(logged: str, wanted: str) -> bool:
    """Return whether settings differ that the logged configuration has: an older program's had fewer."""
    before, now = json.loads(logged), json.loads(wanted)
    return any(name not in now or now[name] != value for name, value in before.items())
