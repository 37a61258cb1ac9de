"""Zones of judged days: those of the plain tests on the same window, whatever comes late, twice, or again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from risk_core.backtests import coverage_tests
from risk_core.book import Node
from risk_core.records import BacktestResult, DayCloseRow
from services.backtest.worker import BacktestPorts, BacktestWorker
from services.common.adapters.memory_backtests import MemoryBacktests
from services.common.adapters.memory_stores import MemoryDatabase
from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
from services.common.codec import encode
from services.common.ports import Commit, HistoryFilter, Run, Unavailable
from services.common.schemas import decode_zone
from tests.contract.store_fixtures import RUN, Stores, as_of, checkpoint, day_close, lease_of, memory_stores
from tests.worlds import make_world

WINDOW = 20
DAYS = 60


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.rows: list[BacktestResult] = []
        self.nodes: list[Node] = []
        self.waiting = -1

    def book(self, nodes: Sequence[Node]) -> None:
        self.nodes = list(nodes)

    def zones(self, rows: Sequence[BacktestResult]) -> None:
        self.rows += rows

    def backtests_due(self, count: int) -> None:
        self.waiting = count


class Place:
    """Memory stores with a run, and workers over them."""

    def __init__(self, windows: tuple[int, ...] = (WINDOW,)) -> None:
        self.stores: Stores = memory_stores()
        self.stores.runs.register(Run(RUN, None, encode(make_world(1, days=6).genesis)))
        self.broker = MemoryBroker(retained_max=100_000)
        self.windows = windows
        self.heard = Heard()
        self.lease = lease_of(self.stores)

    def worker(self) -> BacktestWorker:
        ports = BacktestPorts(self.stores.open_backtests(), self.stores.queries, self.stores.runs, MemoryPublisher(self.broker), self.heard)
        return BacktestWorker(ports, self.windows)

    def close(self, *rows: DayCloseRow) -> None:
        day = max(row.as_of_ns for row in rows)
        papers = checkpoint(0, as_of_ns=day, log_seq=day // 10**9 + rows[0].revision)
        self.stores.results.commit(Commit(self.lease, papers, day_closes=rows))

    @property
    def rows(self) -> dict[tuple[object, ...], BacktestResult]:
        backtests = self.stores.open_backtests()
        assert isinstance(backtests, MemoryBacktests)
        database: MemoryDatabase = backtests._database
        return dict(database.backtests)


def judged(day: int, revision: int = 0, seed: int = 1, **changes: object) -> list[DayCloseRow]:
    """A day of two confidences; its exceptions are drawn from day, seed and revision."""
    rng = np.random.default_rng([seed, day, revision])
    found = []
    for confidence in (0.9, 0.99):
        hit, actual = (bool(rng.random() < 3.0 * (1.0 - confidence)) for _ in range(2))
        row = day_close(day, revision=revision, confidence=confidence, exception_hypothetical=hit, exception_actual=actual)
        found.append(replace(row, **changes))  # type: ignore[arg-type]
    return found


def all_days(place: Place, step: bool = False) -> None:
    worker = place.worker()
    for day in range(DAYS):
        place.close(*judged(day))
        if step:
            assert worker.step()
    worker.step()
    worker.ports.backtests.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("outcome", ["hypothetical", "actual"])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_zones_are_those_of_the_plain_tests(outcome: str, confidence: float) -> None:
    place = Place()
    all_days(place)
    rows = [r for r in place.rows.values() if (r.outcome, r.confidence) == (outcome, confidence)]
    assert len(rows) == DAYS
    hits = [getattr(judged(day)[int(confidence == 0.99)], f"exception_{outcome}") for day in range(DAYS)]
    for row, day in zip(sorted(rows, key=lambda r: r.as_of_ns), range(DAYS), strict=True):
        seen = hits[max(0, day + 1 - WINDOW) : day + 1]
        tests = coverage_tests(seen, confidence)
        light = tests["traffic_light"].details
        assert (row.observations, row.exceptions, row.zone) == (len(seen), sum(seen), light["zone"])
        assert row.expected == pytest.approx(len(seen) * (1.0 - confidence))
        assert row.type_i == pytest.approx(light["type_i"], abs=1e-12)
        assert row.kupiec_p == pytest.approx(tests["pof"].p_value, abs=1e-9)
    assert confidence == 0.99 or {r.zone for r in rows} >= {"green", "yellow"}


def test_day_by_day_or_all_at_once_gives_the_same_rows() -> None:
    one, other = Place((10, 30)), Place((10, 30))
    all_days(one, step=True)
    all_days(other)
    assert one.rows == other.rows
    assert len(one.rows) == DAYS * 2 * 2 * 2
    assert one.heard.waiting == 0
    assert one.heard.nodes[0].name == "Firm"
    assert {r.window_days for r in one.heard.rows} == {10}


def test_every_row_is_published_and_says_where_the_method_stood_before() -> None:
    place = Place()
    all_days(place, step=True)
    said = {decode_zone(m.payload) for m in place.broker.retained("zones")}
    assert said == set(place.rows.values())
    for row in said:
        before = [r for r in said if (r.outcome, r.confidence) == (row.outcome, row.confidence) and r.as_of_ns < row.as_of_ns]
        assert row.zone_before == (max(before, key=lambda r: r.as_of_ns).zone if before else None)
    assert any(r.zone_before not in (None, r.zone) for r in said)


def test_a_correction_judges_again_from_its_day_on_however_slowly_it_comes() -> None:
    place = Place()
    all_days(place)
    before = place.rows
    worker = place.worker()
    for day in range(40, DAYS):
        place.close(*judged(day, revision=1, seed=9))
        worker.step()
    after = place.rows
    assert {k: v for k, v in after.items() if v.revision == 0} == before
    revised = [r for r in after.values() if r.revision == 1]
    assert {r.as_of_ns for r in revised} == {as_of(day) for day in range(40, DAYS)}
    history = place.stores.queries.zone_history(HistoryFilter(RUN, 1, confidence=0.9), "actual", WINDOW)
    hits = [judged(day)[0].exception_actual for day in range(40)] + [judged(day, 1, 9)[0].exception_actual for day in range(40, DAYS)]
    assert [r.exceptions for r in history] == [sum(hits[max(0, day + 1 - WINDOW) : day + 1]) for day in range(DAYS)][::-1]


def test_a_day_that_comes_late_is_put_in_its_place() -> None:
    place, whole = Place(), Place()
    all_days(whole)
    worker = place.worker()
    for day in [d for d in range(DAYS) if d != 30]:
        place.close(*judged(day))
    worker.step()
    place.close(*judged(30))
    worker.step()
    assert place.rows == whole.rows


def test_a_worker_that_dies_before_it_published_leaves_what_is_due() -> None:
    class Gone(Exception):
        pass

    class Dying(MemoryPublisher):
        def publish(self, topic: str, key: str, payload: bytes) -> None:
            raise Gone

    place, whole = Place(), Place()
    all_days(whole)
    for day in range(DAYS):
        place.close(*judged(day))
    dying = place.worker()
    dying.ports.publisher = Dying(place.broker)
    with pytest.raises(Gone):
        dying.step()
    dying.ports.backtests.close()  # type: ignore[attr-defined]
    assert place.rows == {}
    place.worker().step()
    assert place.rows == whole.rows
    assert {decode_zone(m.payload) for m in place.broker.retained("zones")} == set(whole.rows.values())


def test_longer_horizons_are_left_out_and_their_notes_forgotten() -> None:
    place = Place()
    place.close(*judged(0, method="historical_5d", horizon_days=5))
    worker = place.worker()
    assert worker.step()
    assert place.rows == {}
    assert not worker.step()


def test_what_is_away_is_asked_again() -> None:
    place = Place()
    place.close(*judged(0))
    worker = place.worker()
    database: MemoryDatabase = worker.ports.backtests._database  # type: ignore[attr-defined]
    database.available = False
    assert not worker.step()
    with pytest.raises(Unavailable):
        worker.ports.backtests.waiting()
    database.available = True
    assert worker.step()
    assert len(place.rows) == 4
