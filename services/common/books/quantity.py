"""Decimal text to exact millionths of a unit and back."""

from __future__ import annotations

import re
from typing import Final

from risk_core.book import QUANTITY_SCALE

PLACES: Final = 6
TEXT_MAX: Final = 40

_DECIMAL: Final = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]*))?", re.ASCII)


class QuantityError(ValueError):
    """Text that is no exact count of millionths; the message says why and how to mend it."""


def parse_quantity(text: str) -> int:
    """Return decimal text in millionths, exactly.

    Raises
    ------
    QuantityError
        Not a plain decimal (thousands separators, exponents and blanks are not taken), finer than a millionth, or beyond 64 bits.
    """
    match = _DECIMAL.fullmatch(text) if len(text) <= TEXT_MAX else None
    if match is None:
        raise QuantityError(_why_not(text))
    sign, whole, part = match[1], match[2], (match[3] or "").rstrip("0")
    if len(part) > PLACES:
        raise QuantityError(f"{text!r} is finer than a millionth; round it to {PLACES} decimal places")
    scaled = int(whole) * QUANTITY_SCALE + int(part.ljust(PLACES, "0"))
    scaled = -scaled if sign == "-" else scaled
    if not -(2**63) <= scaled < 2**63:
        raise QuantityError(f"{text!r} is beyond the largest quantity, 9,223,372,036,854 units")
    return scaled


def format_quantity(quantity: int) -> str:
    """Return millionths as the shortest decimal text; `parse_quantity` gives them back."""
    whole, part = divmod(abs(quantity), QUANTITY_SCALE)
    text = f"{whole}.{part:0{PLACES}d}".rstrip("0").rstrip(".")
    return f"-{text}" if quantity < 0 else text


def _why_not(text: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]{1,3}([,'  ’][0-9]{3})+(\.[0-9]*)?", text):
        return f"{text!r} has thousands separators; write {re.sub('[^0-9.+-]', '', text)}"
    if re.fullmatch(r"[+-]?[0-9.]+[eE][+-]?[0-9]+", text):
        return f"{text!r} is in exponent notation, which loses digits; format the column as a plain number and save again"
    if re.fullmatch(r"[+-]?[0-9]*,[0-9]+", text):
        return f"{text!r} has a decimal comma; write a decimal point"
    if re.fullmatch(r"\([0-9.,]+\)", text):
        return f"{text!r} is in accounting brackets; write -{text[1:-1]}"
    shown = text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"
    return f"{shown!r} is not a decimal number such as -1250 or 0.5"
