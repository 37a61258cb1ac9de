from __future__ import annotations

import threading

import pytest

from services.common.adapters.embedded_servers import ServerUrls
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.ports import Fenced, Lease
from tests.contract.store_fixtures import Stores, bucket, lease_of


def test_first_owner_gets_epoch_one_and_others_wait(stores: Stores) -> None:
    assert stores.leases.acquire("s", "a", 5.0) == Lease("s", "a", 1)
    assert stores.leases.acquire("s", "b", 5.0) is None
    assert stores.leases.acquire("other", "b", 5.0) == Lease("other", "b", 1)


def test_takeover_after_expiry_raises_the_epoch(stores: Stores) -> None:
    first = lease_of(stores)
    stores.pass_time(4.0)
    assert stores.leases.acquire(first.shard_id, "b", 5.0) is None
    stores.pass_time(1.5)
    second = stores.leases.acquire(first.shard_id, "b", 5.0)
    assert second == Lease(first.shard_id, "b", 2)
    assert not stores.leases.renew(first, 5.0)
    assert stores.leases.renew(second, 5.0)


def test_renewal_moves_the_expiry(stores: Stores) -> None:
    lease = lease_of(stores)
    for _ in range(3):
        stores.pass_time(4.0)
        assert stores.leases.renew(lease, 5.0)
    assert stores.leases.acquire(lease.shard_id, "b", 5.0) is None


def test_an_expired_owner_whose_epoch_stands_renews(stores: Stores) -> None:
    lease = lease_of(stores)
    stores.pass_time(3600.0)
    assert stores.leases.renew(lease, 5.0)
    assert stores.leases.acquire(lease.shard_id, "b", 5.0) is None
    stores.results.commit(bucket(lease, 0))


def test_an_expired_owner_whose_epoch_stands_commits(stores: Stores) -> None:
    lease = lease_of(stores)
    stores.pass_time(3600.0)
    stores.results.commit(bucket(lease, 0))


def test_a_restarted_owner_fences_its_former_self(stores: Stores) -> None:
    former = lease_of(stores)
    again = stores.leases.acquire(former.shard_id, former.owner, 5.0)
    assert again is not None
    assert again.epoch == former.epoch + 1
    assert not stores.leases.renew(former, 5.0)
    with pytest.raises(Fenced):
        stores.results.commit(bucket(former, 0))


def test_release_frees_at_once_and_ends_the_lease(stores: Stores) -> None:
    lease = lease_of(stores)
    stores.leases.release(lease)
    assert not stores.leases.renew(lease, 5.0)
    with pytest.raises(Fenced):
        stores.results.commit(bucket(lease, 0))
    assert stores.leases.acquire(lease.shard_id, "b", 5.0) == Lease(lease.shard_id, "b", lease.epoch + 1)


def test_a_stale_release_changes_nothing(stores: Stores) -> None:
    stale = lease_of(stores)
    stores.pass_time(6.0)
    holder = lease_of(stores, owner="b")
    stores.leases.release(stale)
    assert stores.leases.renew(holder, 5.0)


def test_only_one_of_many_takes_a_shard(server: Stores) -> None:
    barrier = threading.Barrier(8)
    taken: list[Lease] = []

    def take(owner: str) -> None:
        barrier.wait()
        lease = server.leases.acquire("contended", owner, 5.0)
        if lease is not None:
            taken.append(lease)

    threads = [threading.Thread(target=take, args=(f"w{k}",)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [lease.epoch for lease in taken] == [1]


def test_connections_of_ended_threads_are_closed(embedded_servers: ServerUrls) -> None:
    """A web server's threads come and go; a hundred of them must not use up a server that takes 64 connections."""
    database = PostgresDatabase(embedded_servers.history)

    def ask() -> None:
        with database.session() as connection:
            connection.execute("SELECT 1")

    try:
        for _ in range(100):
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        with database.session() as connection:
            row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'plimsoll'").fetchone()
        assert row is not None
        assert row[0] < 20
    finally:
        database.close()
