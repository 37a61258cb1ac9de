"""The corpus of bad input (tests/golden/bad_input) through the real ingest.

Each case is sent between good messages of its own source and of another. What is refused is counted under its reason, kept raw,
and leaves the stream as it would have been without it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.book import Book, SymbolValidity
from risk_core.engine.fold import Fold
from risk_core.records import BookChange, FillCorrection, Fills, PriceCorrection, Split, Ticks
from services.common.adapters.memory_topics import MemoryBroker
from services.common.feeds.port import RawSplit
from services.common.feeds.times import parse_time
from services.ingest.inbox import DeskInbox
from services.ingest.live import LiveSources
from services.ingest.payloads import read_command, read_ticks
from services.ingest.reasons import EXPLANATION, Reason, Warn
from services.ingest.validate import Rejection
from tests.unit.ingest.doubles import Bench, live_limits
from tests.worlds import small_book

CORPUS = Path(__file__).parents[2] / "golden" / "bad_input"
FILES = {path.stem: json.loads(path.read_text()) for path in sorted(CORPUS.glob("*.json"))}
CASES = {f"{name}/{case['name']}": (name, case) for name, file in FILES.items() for case in file["cases"]}
CHANGE_NS = parse_time("2024-01-02T14:00:00Z")


def renamed_book() -> Book:
    """The small book, with OLD as a former name of AAA and REUSED as one that passed from AAA to BBB."""
    assert isinstance(CHANGE_NS, int)
    symbols = (SymbolValidity("OLD", 2, 0, CHANGE_NS), SymbolValidity("REUSED", 2, 0, CHANGE_NS), SymbolValidity("REUSED", 3, CHANGE_NS))
    return replace(small_book(), symbols=symbols)


def payload_of(form: Any) -> bytes:
    """Return the bytes that a case's `send` stands for."""
    match form:
        case {"text": str(text)}:
            return text.encode()
        case {"base64": str(text)}:
            return base64.b64decode(text)
        case {"repeat": [str(text), int(count)]}:
            return (text * count).encode()
        case {"padded": [dict(order), int(count)]}:
            return json.dumps(order).encode() + b" " * count
        case {"many": [dict(tick), int(count)]}:
            return json.dumps({"version": 1, "ticks": [tick] * count}).encode()
        case _:
            return json.dumps(form).encode()


@dataclass
class Stream:
    """One channel into a real `Ingest`."""

    bench: Bench
    channel: str

    def __post_init__(self) -> None:
        self.live = LiveSources(self.bench.ingest, self.bench.clock, live_limits())
        self.broker = MemoryBroker()
        self.inbox = DeskInbox(self.bench.ingest, self.broker.inbox("fills", "ingest"), epoch=1)
        self.actions = self.bench.ingest.source("actions")

    def send(self, form: Any) -> bytes:
        if "closes" in form:
            for close_ns in map(parse_time, form["closes"]):
                assert isinstance(close_ns, int)
                self.bench.ingest.day_close(self.bench.ingest.source("calendar"), "TEST", "2023-12-29", close_ns)
            return b""
        payload = payload_of(form)
        match self.channel:
            case "ticks":
                self.live.receive("venue", payload)
            case "fills":
                self.broker.publish("fills", "key", payload)
                self.inbox.step()
            case "splits":
                self.bench.ingest.split(self.actions, RawSplit(**form), 0)
                payload = json.dumps(form, sort_keys=True).encode()
        return payload

    def witness(self, price: float, seconds_ago: float) -> None:
        """Send a good tick of the index by another source, and a good message on the case's own channel."""
        at = self.bench.clock.now_ns() - round(seconds_ago * 1e9)
        tick = {"version": 1, "ticks": [{"symbol": "INDEX", "price": price, "time": at}]}
        self.live.receive("witness", json.dumps(tick).encode())

    def good(self, name: str) -> None:
        now = self.bench.clock.now_ns()
        match self.channel:
            case "ticks":
                # The last tick of the case's own source: newer than any of the case, and without a number.
                self.send({"version": 1, "ticks": [{"symbol": "EURUSD", "price": 1.1, "time": now + 10**9}]})
            case "fills":
                self.send({"version": 1, "fill_id": name, "portfolio": "Spread", "symbol": "BBB", "quantity": "1", "price": 5})
            case "splits":
                self.send({"action_id": name, "symbol": "BBB", "numerator": 3, "denominator": 2, "event_ns": now})


def taken(bench: Bench) -> int:
    """Return how many ticks, fills, splits and orders of the desk are in the log."""
    sizes = {Ticks: lambda b: len(b.price), Fills: lambda b: len(b.fills)}
    single = (Split, PriceCorrection, FillCorrection, BookChange)
    bodies = [r.body for r in bench.records()]
    return sum(1 if isinstance(b, single) else sizes[type(b)](b) for b in bodies if isinstance(b, single) or type(b) in sizes)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    file, case = CASES[name]
    now_ns = parse_time(FILES[file]["now"])
    assert isinstance(now_ns, int)
    bench = Bench(renamed_book(), now_ns)
    stream = Stream(bench, FILES[file]["channel"])
    stream.witness(100.0, 30.0)
    for form in case.get("before", ()):
        stream.send(form)
    assert not bench.dead.letters, "what comes before a case must be good"
    counts = bench.ingest.counts
    refused_before, warned_before, taken_before = dict(counts.rejected), dict(counts.warnings), taken(bench)
    log_before = bench.payloads()

    payload = stream.send(case["send"])

    metric = case["metric"]
    assert {k: v - refused_before.get(k, 0) for k, v in counts.rejected.items()} == metric.get("refused", {})
    assert {k: n for k, v in counts.warnings.items() if (n := v - warned_before.get(k, 0))} == metric.get("warned", {})
    assert taken(bench) - taken_before == case["taken"]
    letters = bench.dead.letters
    assert sorted(letter.reason for letter in letters) == sorted(r for r, n in metric.get("refused", {}).items() for _ in range(n))
    assert (case["action"] == "refuse") == bool(letters)
    for letter in letters:
        assert letter.detail
        assert letter.received_ns == now_ns
        assert letter.source in {"venue", "fills/inbox/1", "actions"}
        if len(letters) == 1 and not case["taken"]:
            assert letter.raw == payload
        else:
            assert json.loads(letter.raw) in case["send"]["ticks"]

    # The stream is unharmed: what was there stays, and what comes is taken.
    assert bench.payloads()[: len(log_before)] == log_before
    stream.good("after")
    stream.witness(101.0, 0.0)
    assert taken(bench) == taken_before + case["taken"] + 2
    records = bench.records()
    assert all(np.isfinite(r.body.price).all() for r in records if isinstance(r.body, Ticks))
    fold = Fold(records[0].body)  # type: ignore[arg-type]
    for log_seq, record in enumerate(records[1:], start=2):
        fold.apply(record, log_seq)
    assert fold.newest()[0][fold.index.column_of[1]] == 101.0
    assert fold.dropped["unknown_instrument"] == fold.dropped["repeat"] == 0


def test_the_corpus_covers_every_reason() -> None:
    assert len(CASES) >= 60
    metrics = [case["metric"] for _, case in CASES.values()]
    assert {r for m in metrics for r in m.get("refused", {})} == {r.value for r in Reason}
    assert {w for m in metrics for w in m.get("warned", {})} == {w.value for w in Warn}
    assert {case["action"] for _, case in CASES.values()} == {"refuse", "take"}


def test_every_reason_is_explained() -> None:
    assert set(EXPLANATION) == {*Reason, *Warn}


# ------------------------------------------------------------------ fuzz

GOOD_FILL = b'{"version": 1, "fill_id": "F", "portfolio": "Long", "symbol": "AAA", "quantity": "1.5", "price": 100.5, "fees": 0.1}'
GOOD_CORRECTION = json.dumps(FILES["corrections"]["cases"][4]["send"]).encode()
GOOD_POSITIONS = json.dumps(FILES["corrections"]["cases"][7]["send"]).encode()
GOOD_TICKS = b'{"version": 1, "sequence": 3, "ticks": [{"symbol": "AAA", "price": 1.5, "time": "2024-01-02T14:59:50Z", "currency": "USD"}]}'


@pytest.mark.parametrize("good", [GOOD_FILL, GOOD_CORRECTION, GOOD_POSITIONS, GOOD_TICKS])
def test_a_payload_cut_anywhere_is_truncated(good: bytes) -> None:
    for cut in range(len(good)):
        rejections = _rejections(good[:cut])
        assert [r.reason for r in rejections] == [Reason.TRUNCATED], good[:cut]
        assert rejections[0].raw == good[:cut]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([GOOD_FILL, GOOD_CORRECTION, GOOD_POSITIONS, GOOD_TICKS]), st.data())
def test_damaged_payloads_are_refused_or_finite(good: bytes, data: st.DataObject) -> None:
    """Any bytes flipped: no exception, and nothing that is not finite gets through."""
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    _send_both(bytes(damaged))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
def test_any_bytes(payload: bytes) -> None:
    _send_both(payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("version", "fill_id", "portfolio", "symbol", "quantity", "price", "time", "fees", "ticks"), JSON)
    )
)
def test_any_json(fields: dict[str, Any]) -> None:
    _send_both(json.dumps(fields).encode())
    _send_both(json.dumps({"version": 1, "ticks": [fields]}).encode())
    _send_both(json.dumps(json.loads(GOOD_FILL) | fields).encode())


def _rejections(payload: bytes) -> list[Rejection]:
    if not GOOD_TICKS.startswith(payload):
        order = read_command(payload, 0)
        return [order] if isinstance(order, Rejection) else []
    return list(read_ticks(payload)[1])


def _send_both(payload: bytes) -> None:
    bench = Bench(now_ns=1_704_207_600_000_000_000)
    for channel in ("ticks", "fills"):
        Stream(bench, channel).send({"base64": base64.b64encode(payload).decode()})
    for record in bench.records():
        if isinstance(record.body, Ticks):
            assert np.isfinite(record.body.price).all()
        if isinstance(record.body, Fills):
            assert all(np.isfinite([f.price, f.fees]).all() for f in record.body.fills)
