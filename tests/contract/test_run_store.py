from __future__ import annotations

import dataclasses

import pytest

from risk_core.records import Genesis, Heartbeat, Record
from services.common.codec import encode
from services.common.ports import DeterminismError, Run
from tests.contract.store_fixtures import Stores
from tests.worlds import small_book


def genesis(nonce: str = "") -> bytes:
    body = Genesis(small_book(), "feed", "book", nonce, 0, 60_000_000_000, "{}")
    return encode(Record(1, 1, 0, 0, 0, body))


def run(run_id: str = "r1", parent: str | None = None, first_log_seq: int = 1) -> Run:
    return Run(run_id, parent, genesis(run_id), {"methods": ["a", "b"], "S": 500, "λ": 0.94, "deep": {"x": None}}, first_log_seq)


def test_a_run_comes_back(stores: Stores) -> None:
    assert stores.runs.latest() is None
    stores.runs.register(run())
    assert stores.runs.get("r1") == run()
    assert stores.runs.get("r2") is None


def test_the_latest_is_the_last_registered(stores: Stores) -> None:
    stores.runs.register(run("zz"))
    stores.runs.register(run("aa", "zz", 77))
    stores.runs.register(run("zz"))
    assert stores.runs.latest() == run("aa", "zz", 77)


def test_registering_again_is_harmless_and_a_difference_fatal(stores: Stores) -> None:
    stores.runs.register(run())
    stores.runs.register(run())
    for other in (
        run(parent="p"),
        run(first_log_seq=2),
        dataclasses.replace(run(), genesis=genesis("other")),
        dataclasses.replace(run(), description={}),
    ):
        with pytest.raises(DeterminismError, match="run_id='r1'"):
            stores.runs.register(other)
    assert stores.runs.get("r1") == run()


def test_a_description_comes_back_as_json_gives_it(stores: Stores) -> None:
    stores.runs.register(dataclasses.replace(run(), description={"confidences": (0.95, 0.99)}))
    kept = stores.runs.get("r1")
    assert kept is not None
    assert kept.description == {"confidences": [0.95, 0.99]}
    stores.runs.register(dataclasses.replace(run(), description={"confidences": (0.95, 0.99)}))


def test_what_is_no_genesis_or_no_json_is_refused(stores: Stores) -> None:
    with pytest.raises(ValueError, match="Heartbeat"):
        stores.runs.register(dataclasses.replace(run(), genesis=encode(Record(1, 1, 0, 0, 0, Heartbeat()))))
    with pytest.raises(ValueError, match="JSON"):
        stores.runs.register(dataclasses.replace(run(), description={"x": float("nan")}))
    assert stores.runs.latest() is None


def test_the_book_of_a_run_comes_back(stores: Stores) -> None:
    stores.runs.register(run())
    book = small_book()
    assert stores.queries.nodes("r1") == list(book.nodes)
    assert stores.queries.instruments("r1") == sorted(book.instruments, key=lambda i: i.instrument_id)
    assert stores.queries.nodes("r2") == []
    assert stores.queries.instruments("r2") == []
