from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.books.quantity import QuantityError, format_quantity, parse_quantity


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_quantity_comes_back(quantity: int) -> None:
    text = format_quantity(quantity)
    assert parse_quantity(text) == quantity
    assert Decimal(text) * 1_000_000 == quantity


@given(st.decimals(-(10**12), 10**12, places=6, allow_nan=False))
def test_decimals_are_exact(value: Decimal) -> None:
    assert parse_quantity(f"{value:f}") == int(value * 1_000_000)


@pytest.mark.parametrize(
    ("text", "value"), [("7", 7_000_000), ("+7.", 7_000_000), ("-0.000001", -1), ("0.1000000000", 100_000), ("-0", 0), ("007", 7_000_000)]
)
def test_plain_decimals(text: str, value: int) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a decimal"),
        (" 1", "not a decimal"),
        ("1_000", "not a decimal"),
        ("١٢", "not a decimal"),
        ("Infinity", "not a decimal"),
        ("0x10", "not a decimal"),
        (".", "not a decimal"),
        ("1 000", "thousands separators; write 1000"),
        ("1'000.5", "thousands separators; write 1000.5"),
        ("1,000,000", "thousands separators; write 1000000"),
        ("3,5", "decimal comma"),
        ("1e3", "exponent"),
        ("1.2345678", "finer"),
        ("9223372036854.775808", "beyond"),
        ("9" * 41, "not a decimal"),
    ],
)
def test_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(QuantityError, match=why):
        parse_quantity(text)
