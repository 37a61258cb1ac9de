"""The book: instruments, the tree of nodes, and positions in scaled integers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

QUANTITY_SCALE: Final = 1_000_000
"""Quantities are int64 counts of one millionth of a unit, so that sums and splits are exact."""


TAG_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
TAG_VALUE_MAX: Final = 100


class BookError(ValueError):
    """A book that contradicts itself; the message names the entry and the fix."""


class AssetClass(StrEnum):
    """What an instrument is. FUTURE and OPTION are places kept for later."""

    EQUITY = "equity"
    INDEX = "index"
    FX = "fx"
    CASH = "cash"
    FUTURE = "future"
    OPTION = "option"


class Shock(StrEnum):
    """How a scenario moves a price: by a simple return, or by a difference where a price may be zero or negative."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One priced thing.

    Parameters
    ----------
    instrument_id : int
        Positive, never reused.
    symbol : str
        Its name today; `SymbolValidity` holds names through time.
    asset_class : AssetClass
        FX instruments quote base currency per one unit of `fx_currency`.
    currency : str
        ISO 4217 currency of its price.
    proxy_id : int or None
        Instrument whose return stands in for a missing one; None takes the book's default proxy.
    shock : Shock
        ABSOLUTE allows prices <= 0.
    fx_currency : str or None
        For FX: the currency that is priced.
    adjusted, synthetic : bool
        Marks on the price history: adjusted closes; an invented series.
    """

    instrument_id: int
    symbol: str
    asset_class: AssetClass
    currency: str
    proxy_id: int | None = None
    shock: Shock = Shock.RELATIVE
    fx_currency: str | None = None
    adjusted: bool = False
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class SymbolValidity:
    """A symbol's meaning from `valid_from_ns` (inclusive) to `valid_to_ns` (exclusive), UTC nanoseconds."""

    symbol: str
    instrument_id: int
    valid_from_ns: int = 0
    valid_to_ns: int = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Tag:
    """What a person says of an instrument, by which its risk can be grouped: sector is tech. It changes no number.

    Parameters
    ----------
    key : str
        Small letters, digits and underscores, a letter first; one value a key and instrument.
    value : str
        Printable, without `;` and `=`.
    """

    instrument_id: int
    key: str
    value: str


class NodeKind(StrEnum):
    """Level of a node in the tree."""

    FIRM = "firm"
    DESK = "desk"
    PORTFOLIO = "portfolio"


@dataclass(frozen=True, slots=True)
class Node:
    """A point of the book tree with netted positions, valued in its own currency."""

    node_id: int
    name: str
    kind: NodeKind
    parent_id: int | None
    currency: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Start-of-day holding of a portfolio: `quantity` in millionths of a unit, negative when short."""

    node_id: int
    instrument_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Fill:
    """An executed trade. `quantity` in millionths (negative sells), `price` and `fees` in the instrument's currency."""

    fill_id: str
    node_id: int
    instrument_id: int
    quantity: int
    price: float
    fees: float = 0.0


@dataclass(frozen=True, slots=True)
class Book:
    """Instruments, nodes (parents before children), start-of-day positions of portfolios, and tags of instruments."""

    base_currency: str
    calendar: str
    instruments: tuple[Instrument, ...]
    nodes: tuple[Node, ...]
    positions: tuple[Position, ...] = ()
    symbols: tuple[SymbolValidity, ...] = ()
    default_proxy_id: int | None = None
    tags: tuple[Tag, ...] = ()

    def __post_init__(self) -> None:
        _check_instruments(self)
        _check_nodes(self)
        _check_positions(self)
        _check_tags(self)


@dataclass(frozen=True, slots=True)
class BookIndex:
    """Dense indices of a book: instruments by ascending id (the canonical order), nodes by ascending id."""

    book: Book
    instrument_ids: tuple[int, ...] = field(init=False)
    node_ids: tuple[int, ...] = field(init=False)
    column_of: dict[int, int] = field(init=False)
    row_of: dict[int, int] = field(init=False)
    ancestors: dict[int, tuple[int, ...]] = field(init=False)
    """node_id -> itself and its ancestors, nearest first."""

    def __post_init__(self) -> None:
        instrument_ids = tuple(sorted(i.instrument_id for i in self.book.instruments))
        node_ids = tuple(sorted(n.node_id for n in self.book.nodes))
        parents = {n.node_id: n.parent_id for n in self.book.nodes}
        ancestors: dict[int, tuple[int, ...]] = {}
        for node_id in node_ids:
            chain, at = [node_id], parents[node_id]
            while at is not None:
                chain.append(at)
                at = parents[at]
            ancestors[node_id] = tuple(chain)
        object.__setattr__(self, "instrument_ids", instrument_ids)
        object.__setattr__(self, "node_ids", node_ids)
        object.__setattr__(self, "column_of", {k: i for i, k in enumerate(instrument_ids)})
        object.__setattr__(self, "row_of", {k: i for i, k in enumerate(node_ids)})
        object.__setattr__(self, "ancestors", ancestors)

    def instrument(self, instrument_id: int) -> Instrument:
        """Return the instrument with this id."""
        return next(i for i in self.book.instruments if i.instrument_id == instrument_id)


def cash_instruments(instruments: Iterable[Instrument], base_currency: str, first_id: int) -> tuple[Instrument, ...]:
    """Return one cash instrument for each currency that has none yet (price 1, return 0 in its own currency).

    Every currency of a book has one: it carries the currency risk of holdings with absolute shocks.
    """
    listed = tuple(instruments)
    have = {i.currency for i in listed if i.asset_class is AssetClass.CASH}
    wanted = {i.currency for i in listed} | {i.fx_currency for i in listed if i.fx_currency} | {base_currency}
    return tuple(Instrument(first_id + k, c, AssetClass.CASH, c) for k, c in enumerate(sorted(wanted - have)))


def tag_problem(key: str, value: str) -> str | None:
    """Return why a tag cannot be, and what would be right; None for one that can."""
    if not TAG_KEY.fullmatch(key):
        return f"{key!r} is no key: small letters, digits and underscores, a letter first, at most 40, such as sector"
    if not value or value != value.strip() or not value.isprintable() or len(value) > TAG_VALUE_MAX or set(value) & set(";="):
        return f"{value!r} is no value of {key}: 1 to {TAG_VALUE_MAX} printable characters without ; and =, no blank around them"
    return None


def _check_instruments(book: Book) -> None:
    seen: set[int] = set()
    for i in book.instruments:
        if i.instrument_id <= 0:
            raise BookError(f"instrument {i.symbol!r}: id {i.instrument_id} must be a positive integer")
        if i.instrument_id in seen:
            raise BookError(f"instrument {i.symbol!r}: id {i.instrument_id} is used twice; ids are never reused")
        seen.add(i.instrument_id)
    for i in book.instruments:
        if i.proxy_id is not None and i.proxy_id not in seen:
            raise BookError(f"instrument {i.symbol!r}: proxy {i.proxy_id} is not an instrument of the book")
        if i.proxy_id == i.instrument_id:
            raise BookError(f"instrument {i.symbol!r}: cannot be its own proxy")
        if (i.asset_class is AssetClass.FX) != (i.fx_currency is not None):
            raise BookError(f"instrument {i.symbol!r}: fx_currency belongs to FX instruments, and every one needs it")
        if i.asset_class is AssetClass.FX and i.currency != book.base_currency:
            raise BookError(f"instrument {i.symbol!r}: FX must be quoted in the base currency {book.base_currency}, not {i.currency}")
    if book.default_proxy_id is not None and book.default_proxy_id not in seen:
        raise BookError(f"default proxy {book.default_proxy_id} is not an instrument of the book")
    priced = {i.fx_currency for i in book.instruments if i.asset_class is AssetClass.FX} | {book.base_currency}
    cash = {i.currency for i in book.instruments if i.asset_class is AssetClass.CASH}
    used = {i.currency for i in book.instruments} | {n.currency for n in book.nodes}
    for currency in sorted(used):
        if currency not in priced:
            raise BookError(f"currency {currency}: needs an FX instrument quoted in {book.base_currency}")
        if currency not in cash:
            raise BookError(f"currency {currency}: needs a cash instrument; see cash_instruments()")


def _check_nodes(book: Book) -> None:
    seen: set[int] = set()
    for n in book.nodes:
        if n.node_id <= 0 or n.node_id in seen:
            raise BookError(f"node {n.name!r}: id {n.node_id} must be positive and used once")
        if n.parent_id is not None and n.parent_id not in seen:
            raise BookError(f"node {n.name!r}: parent {n.parent_id} must be listed before it")
        seen.add(n.node_id)
    if not book.nodes:
        raise BookError("a book needs at least one node")


def _check_positions(book: Book) -> None:
    kinds = {n.node_id: n.kind for n in book.nodes}
    instruments = {i.instrument_id for i in book.instruments}
    seen: set[tuple[int, int]] = set()
    for p in book.positions:
        where = f"position of node {p.node_id} in instrument {p.instrument_id}"
        if kinds.get(p.node_id) is not NodeKind.PORTFOLIO:
            raise BookError(f"{where}: only portfolios of the book hold positions; desks and firms net their children")
        if p.instrument_id not in instruments:
            raise BookError(f"{where}: unknown instrument")
        if (p.node_id, p.instrument_id) in seen:
            raise BookError(f"{where}: given twice; net it into one row")
        if not -(2**63) <= p.quantity < 2**63:
            raise BookError(f"{where}: quantity is beyond 64-bit millionths")
        seen.add((p.node_id, p.instrument_id))


def _check_tags(book: Book) -> None:
    symbols = {i.instrument_id: i.symbol for i in book.instruments}
    seen: set[tuple[int, str]] = set()
    for tag in book.tags:
        if tag.instrument_id not in symbols:
            raise BookError(f"tag {tag.key}={tag.value}: {tag.instrument_id} is not an instrument of the book")
        where = f"instrument {symbols[tag.instrument_id]!r}"
        problem = tag_problem(tag.key, tag.value)
        if problem:
            raise BookError(f"{where}, tags: {problem}")
        if (tag.instrument_id, tag.key) in seen:
            raise BookError(f"{where}: has two values of the tag {tag.key}; keep one")
        seen.add((tag.instrument_id, tag.key))
