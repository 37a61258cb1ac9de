"""Small record bodies as plain lists, for checkpoints."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeAlias

from risk_core.book import Fill, Position
from risk_core.records import BookChange, DayClose, FillCorrection, PriceCorrection, Split

Plain: TypeAlias = list[Any]
PlainBody: TypeAlias = Fill | Split | BookChange | DayClose | PriceCorrection | FillCorrection | Position

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Fill, Split, BookChange, DayClose, PriceCorrection, FillCorrection, Position)}


def to_plain(body: PlainBody) -> Plain:
    """Return [kind, field, ...], nested bodies likewise."""
    return [type(body).__name__, *(_value_to_plain(getattr(body, f.name)) for f in fields(body))]


def from_plain(plain: Plain) -> Any:
    """Inverse of `to_plain`."""
    kind = _KINDS[str(plain[0])]
    return kind(*(_value_from_plain(v) for v in plain[1:]))


def _value_to_plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return ["tuple", *(_value_to_plain(v) for v in value)]
    if type(value).__name__ in _KINDS:
        return to_plain(value)
    return value


def _value_from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_value_from_plain(v) for v in value[1:]) if value[0] == "tuple" else from_plain(value)
    return value
