"""The worker over instruments: the same rows whoever dies on the way, corrections folded again, everything published and shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from risk_core.records import PriceCorrection, RegimeState, WatchRow
from services.common.adapters.memory_log import MemoryLog
from services.common.adapters.memory_snapshots import MemorySnapshots
from services.common.adapters.memory_stores import MemoryDatabase, MemoryLeases, MemoryResultStore, MemoryRunStore
from services.common.adapters.memory_topics import MemoryBroker, MemoryPublisher
from services.common.codec import decode, encode
from services.common.schemas import decode_change_point, decode_regime
from services.common.shard_kinds import INSTRUMENTS, WATCH_SHARD
from services.risk.finisher import FinisherPorts
from services.risk.worker import RiskWorker, WorkerPorts, WorkerSettings
from tests.simulation.cluster import SimClock
from tests.unit.engine.test_watch import fold, moves, records
from tests.worlds import close_ns

CORRECTED = 200


class Place:
    """Everything but the worker."""

    def __init__(self, corrected: bool) -> None:
        self.clock = SimClock()
        self.database = MemoryDatabase(self.clock)
        self.snapshots = MemorySnapshots(self.clock)
        self.broker = MemoryBroker(retained_max=100_000)
        self.log = MemoryLog()
        given = records(moves())
        genesis = replace(given[0], source_id=0, source_seq=0, body=fold().genesis)
        for record in (genesis, *given):
            self.log.append(encode(record))
        if corrected:
            body = PriceCorrection("late print", close_ns(CORRECTED) - 5, 1, 777.0, "a misprint")
            self.log.append(encode(replace(given[-1], source_id=9, source_seq=1, body=body)))

    def worker(self, name: str) -> RiskWorker:
        finishing = FinisherPorts(
            MemoryResultStore(self.database), MemoryPublisher(self.broker), self.snapshots, lambda log_seq: True, self.clock
        )
        ports = WorkerPorts(
            self.log, MemoryLeases(self.database), MemoryRunStore(self.database, decode), finishing, self.clock, "test", INSTRUMENTS
        )
        return RiskWorker(ports, WorkerSettings(name, read_timeout_seconds=0.0, pending_max=8, group_max=3))

    def rows(self) -> dict[tuple[type, tuple[object, ...]], WatchRow]:
        return {(kind, key): row for kind, table in self.database.watched.items() for key, row in table.items()}


def settle(place: Place, worker: RiskWorker, steps: int) -> bool:
    """Step until nothing is left to do, or the steps are spent: then the worker is dropped as it stands."""
    quiet = 0
    for _ in range(steps):
        place.clock.ns += 20_000_000
        busy = worker.step()
        for finisher in worker.finishers():
            busy |= len(list(finisher.steps())) > 0
        quiet = 0 if busy else quiet + 1
        if quiet > 20:
            return True
    return False


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "corrected"])
def undisturbed(request: pytest.FixtureRequest) -> Place:
    place = Place(request.param)
    assert settle(place, place.worker("one"), 10_000)
    return place


def test_a_correction_brings_revisions_from_its_day_on(undisturbed: Place) -> None:
    found = [row for row in undisturbed.rows().values() if isinstance(row, RegimeState)]
    revised = {row.as_of_ns for row in found if row.revision == 1}
    late = {close_ns(day) for day in range(CORRECTED, 261)}
    assert revised == (late if len(found) > 140 else set())
    assert {row.as_of_ns for row in found if row.revision == 0} == {close_ns(day) for day in range(121, 261)}


@pytest.mark.parametrize("seed", range(4))
def test_the_rows_are_the_same_whoever_dies(undisturbed: Place, seed: int) -> None:
    rng = np.random.default_rng(seed)
    place = Place(any(row.revision for row in undisturbed.rows().values()))
    for life in range(100):
        if settle(place, place.worker(f"worker {life}"), int(rng.integers(3, 40))):
            break
        place.clock.ns += 6_000_000_000  # its lease ends
    assert life > 2
    assert place.rows() == undisturbed.rows()
    assert published(place) == published(undisturbed)


def published(place: Place) -> tuple[set[object], set[object]]:
    regimes, changes = (place.broker.retained(topic) for topic in ("regimes", "change_points"))
    return {decode_regime(m.payload) for m in regimes}, {decode_change_point(m.payload) for m in changes}


def test_everything_is_published_and_the_newest_state_is_shown(undisturbed: Place) -> None:
    regimes, changes = published(undisturbed)
    assert regimes | changes == {row for row in undisturbed.rows().values() if type(row).__name__ != "RegimeModel"}
    shown = undisturbed.snapshots.read({1: WATCH_SHARD, 2: WATCH_SHARD}, ("regime",))
    newest = max((row for row in regimes if isinstance(row, RegimeState)), key=lambda row: (row.as_of_ns, row.revision))
    assert list(shown) == [1]
    assert decode_regime(shown[1]["regime"]) == newest
    assert undisturbed.snapshots.read({1: WATCH_SHARD}) == {}
