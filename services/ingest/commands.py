"""Corrections and start-of-day positions: orders of the desk to bodies of the log, or a reason why not. Pure, like `validate`."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from typing import Final, NoReturn, TypeAlias

from risk_core.book import Position
from risk_core.records import BookChange, FillCorrection, PriceCorrection
from services.common.books.quantity import QuantityError, parse_quantity
from services.common.feeds.port import RawFill
from services.ingest.reasons import Reason
from services.ingest.validate import Rejection, Rules, check_fill, price_problem


@dataclass(frozen=True, slots=True)
class RawPriceCorrection:
    """The price of `symbol` at exactly `event_ns` was `price`; None: there was none."""

    correction_id: str
    symbol: str
    event_ns: int
    price: float | None
    currency: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class RawFillCorrection:
    """The fill of this id was `fill`, whose own id and time do not count; None: there was none."""

    correction_id: str
    fill_id: str
    fill: RawFill | None
    reason: str


@dataclass(frozen=True, slots=True)
class RawPositions:
    """Start-of-day positions from `event_ns` on: rows of portfolio, symbol and absolute quantity. What is not named stays."""

    reference: str
    event_ns: int
    positions: tuple[tuple[str, str, str], ...]


RawCommand: TypeAlias = RawPriceCorrection | RawFillCorrection | RawPositions
Command: TypeAlias = PriceCorrection | FillCorrection | BookChange


@dataclass(frozen=True, slots=True)
class Known:
    """What the log holds, as far as it decides: `fills` maps ids to event times, `commands` are ids taken before.

    A correction at or before `kept_from_ns` comes too late: the states to fold again from are gone.
    """

    fills: Mapping[str, int]
    commands: Container[str]
    kept_from_ns: int


class _Refused(Exception):
    def __init__(self, rejection: Rejection) -> None:
        self.rejection = rejection


_Refuse: TypeAlias = Callable[[Reason, str], NoReturn]


def check_command(rules: Rules, known: Known, raw: RawCommand, latest_ns: int, payload: bytes) -> tuple[int, Command] | Rejection:
    """Judge one order against the book and what the log holds; return its event time and body. `payload` is what arrived."""
    order_id = raw.reference if isinstance(raw, RawPositions) else raw.correction_id
    what = _WHAT[type(raw)]

    def refuse(reason: Reason, detail: str) -> NoReturn:
        raise _Refused(Rejection(reason, f"{what} {order_id!r}: {detail}", payload))

    try:
        if order_id in known.commands:
            refuse(Reason.DUPLICATE_COMMAND, "this id was taken before")
        match raw:
            case RawPriceCorrection():
                price = _price(rules, known, raw, latest_ns, refuse)
                return price.effective_ns, price
            case RawFillCorrection():
                fill = _fill(rules, known, raw, latest_ns, payload, refuse)
                return fill.effective_ns, fill
            case RawPositions():
                return raw.event_ns, _positions(rules, raw, latest_ns, refuse)
    except _Refused as refused:
        return refused.rejection


_WHAT: Final = {RawPriceCorrection: "price correction", RawFillCorrection: "fill correction", RawPositions: "positions"}


def _price(rules: Rules, known: Known, raw: RawPriceCorrection, latest_ns: int, refuse: _Refuse) -> PriceCorrection:
    column = rules.column(raw.symbol, raw.event_ns)
    if column < 0:
        refuse(Reason.UNKNOWN_INSTRUMENT, f"{raw.symbol!r} is no instrument of the book at that time")
    if raw.currency is not None and raw.currency != rules.currency_of[column]:
        refuse(Reason.WRONG_CURRENCY, f"{raw.symbol} trades in {rules.currency_of[column]}, not {raw.currency}")
    problem = None if raw.price is None else price_problem(raw.price, bool(rules.absolute[column]))
    if problem is not None:
        refuse(problem, f"price {raw.price!r}")
    if raw.event_ns > latest_ns:
        refuse(Reason.FUTURE_TIMESTAMP, f"a price of {raw.event_ns}, and it is not later than {latest_ns} now")
    _require_kept(known, raw.event_ns, refuse)
    return PriceCorrection(raw.correction_id, raw.event_ns, int(rules.instrument_ids[column]), raw.price, raw.reason)


def _fill(rules: Rules, known: Known, raw: RawFillCorrection, latest_ns: int, payload: bytes, refuse: _Refuse) -> FillCorrection:
    executed_ns = known.fills.get(raw.fill_id)
    if executed_ns is None:
        refuse(Reason.UNKNOWN_FILL, f"no fill {raw.fill_id!r} was taken, or it is long ago")
    _require_kept(known, executed_ns, refuse)
    if raw.fill is None:
        return FillCorrection(raw.correction_id, executed_ns, raw.fill_id, None, raw.reason)
    judged = check_fill(rules, (), replace(raw.fill, fill_id=raw.fill_id, event_ns=executed_ns), latest_ns, payload)
    if isinstance(judged, Rejection):
        refuse(judged.reason, judged.detail)
    return FillCorrection(raw.correction_id, executed_ns, raw.fill_id, judged, raw.reason)


def _positions(rules: Rules, raw: RawPositions, latest_ns: int, refuse: _Refuse) -> BookChange:
    if raw.event_ns > latest_ns:
        refuse(Reason.FUTURE_TIMESTAMP, f"from {raw.event_ns}, and it is not later than {latest_ns} now")
    positions: dict[tuple[int, int], Position] = {}
    for portfolio, symbol, quantity in raw.positions:
        node_id, instrument_id = rules.node_ids.get(portfolio), rules.held_instrument(symbol, raw.event_ns)
        if node_id is None:
            refuse(Reason.UNKNOWN_NODE, f"{portfolio!r} is no portfolio of the book")
        if instrument_id is None:
            refuse(Reason.UNKNOWN_INSTRUMENT, f"{symbol!r} is no instrument of the book at that time")
        key = node_id, instrument_id
        if key in positions:
            refuse(Reason.BAD_VALUE, f"{portfolio!r} holds {symbol!r} twice; net them into one row")
        try:
            positions[key] = Position(*key, parse_quantity(quantity))
        except QuantityError as error:
            refuse(Reason.BAD_QUANTITY, f"{portfolio!r}, {symbol!r}: quantity {error}")
    return BookChange(tuple(positions.values()), raw.reference)


def _require_kept(known: Known, effective_ns: int, refuse: _Refuse) -> None:
    if effective_ns <= known.kept_from_ns:
        refuse(Reason.CORRECTION_TOO_OLD, f"of {effective_ns}; states are kept from {known.kept_from_ns} on")
