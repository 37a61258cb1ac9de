from __future__ import annotations

from services.common.ports import DeadLetter
from tests.contract.store_fixtures import LETTERS_MAX, Stores


def letter(k: int) -> DeadLetter:
    return DeadLetter("garbage", f"byte {k} is odd", "fills", 1_700_000_000_000_000_123 + k, bytes(range(256)))


def test_letters_come_back_newest_first(stores: Stores) -> None:
    assert stores.letters.recent(10) == []
    for k in range(3):
        stores.letters.put(letter(k))
    assert stores.letters.recent(10) == [letter(2), letter(1), letter(0)]
    assert stores.letters.recent(1) == [letter(2)]
    assert stores.letters.recent(0) == []
    assert stores.letters.recent(-1) == []


def test_the_oldest_give_way(stores: Stores) -> None:
    for k in range(3 * LETTERS_MAX):
        stores.letters.put(letter(k))
    assert stores.letters.recent(1000) == [letter(k) for k in range(3 * LETTERS_MAX - 1, 2 * LETTERS_MAX - 1, -1)]


def test_equal_letters_are_all_kept(stores: Stores) -> None:
    for _ in range(2):
        stores.letters.put(letter(0))
    assert stores.letters.recent(10) == [letter(0)] * 2


def test_texts_that_no_database_takes_are_spelled_out(stores: Stores) -> None:
    stores.letters.put(DeadLetter("garbage", "a\x00b \ud800", "feed é", 0, b"\x00\xff"))
    assert stores.letters.recent(1) == [DeadLetter("garbage", "a\\x00b \\ud800", "feed é", 0, b"\x00\xff")]
