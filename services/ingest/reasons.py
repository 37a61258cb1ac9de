"""Why something is refused, or taken with a warning: closed sets, the labels of the metric and of dead letters."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a message is refused: it is counted, kept raw in the dead letters, and changes nothing."""

    # payloads
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    UNKNOWN_VERSION = "unknown_version"
    OVERSIZE = "oversize"
    BAD_VALUE = "bad_value"
    # prices
    NOT_A_NUMBER = "not_a_number"
    INFINITE = "infinite"
    ZERO_PRICE = "zero_price"
    NEGATIVE_PRICE = "negative_price"
    WRONG_CURRENCY = "wrong_currency"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    # order
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out_of_order"
    FUTURE_TIMESTAMP = "future_timestamp"
    # fills
    UNKNOWN_NODE = "unknown_node"
    BAD_QUANTITY = "bad_quantity"
    DUPLICATE_FILL = "duplicate_fill"
    # corrections and positions
    UNKNOWN_FILL = "unknown_fill"
    CORRECTION_TOO_OLD = "correction_too_old"
    DUPLICATE_COMMAND = "duplicate_command"
    # corporate actions
    BAD_SPLIT_RATIO = "bad_split_ratio"
    SPLIT_ALREADY_APPLIED = "split_already_applied"


class Warn(StrEnum):
    """What is strange but taken: counted only."""

    SEQUENCE_GAP = "sequence_gap"
    SEQUENCE_RESET = "sequence_reset"
    REORDERED = "reordered"


EXPLANATION: dict[Reason | Warn, str] = {
    Reason.TRUNCATED: "the payload ends in the middle",
    Reason.GARBAGE: "the payload is not JSON",
    Reason.UNKNOWN_VERSION: "the payload's schema version is not read by this build",
    Reason.OVERSIZE: "the payload is larger than the bound",
    Reason.BAD_VALUE: "a field is missing, unknown, or of the wrong type",
    Reason.NOT_A_NUMBER: "the price is NaN, null or text",
    Reason.INFINITE: "the price is infinite",
    Reason.ZERO_PRICE: "a price of zero, and the instrument's shocks are relative",
    Reason.NEGATIVE_PRICE: "a price below zero, and the instrument's shocks are relative",
    Reason.WRONG_CURRENCY: "the currency is not the instrument's",
    Reason.UNKNOWN_INSTRUMENT: "no instrument of the book has the symbol at that time",
    Reason.DUPLICATE: "the source's sequence number, or the same price of the same time, was seen before",
    Reason.OUT_OF_ORDER: "older than a price already taken, and behind what its source promised: it could change nothing",
    Reason.FUTURE_TIMESTAMP: "the event lies further ahead of the clock than allowed",
    Reason.UNKNOWN_NODE: "no portfolio of the book has the name",
    Reason.BAD_QUANTITY: "zero, finer than a millionth, or beyond 64 bits of millionths",
    Reason.DUPLICATE_FILL: "the fill id was taken before",
    Reason.UNKNOWN_FILL: "the correction is of a fill that was not taken, or is long ago",
    Reason.CORRECTION_TOO_OLD: "it reaches back further than states are kept to calculate from",
    Reason.DUPLICATE_COMMAND: "the correction id, or the reference of the positions, was taken before",
    Reason.BAD_SPLIT_RATIO: "numerator and denominator must be different whole numbers from 1 to 10,000",
    Reason.SPLIT_ALREADY_APPLIED: "this action, or a split of the instrument at that time, was taken before",
    Warn.SEQUENCE_GAP: "numbers are missing in the source's sequence",
    Warn.SEQUENCE_RESET: "the source began to number anew",
    Warn.REORDERED: "older than a price already taken, but within what its source still promises",
}
