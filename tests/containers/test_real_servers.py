"""The servers that other tests stand on: each does what it is for, and comes back with its data after kill -9."""

from __future__ import annotations

import psycopg
import pulsar
import pytest
import redis

from tests.real_servers import HistoryServer, PulsarServer, SnapshotServer, run_pulsar, run_timescale


def _client(url: str) -> pulsar.Client:
    return pulsar.Client(url, operation_timeout_seconds=20, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))


def test_broker_keeps_the_order_of_what_it_took(pulsar_server: PulsarServer) -> None:
    client = _client(pulsar_server.url)
    topic = f"persistent://public/default/{pulsar_server.new_tenant()}"
    producer = client.create_producer(topic)
    reader = client.create_reader(topic, pulsar.MessageId.earliest)
    for number in range(100):
        producer.send(str(number).encode())
    received = [int(reader.read_next(10_000).data()) for _ in range(100)]
    client.close()
    assert received == list(range(100))


def test_history_makes_a_hypertable(timescale_server: HistoryServer) -> None:
    with psycopg.connect(timescale_server.new_database()) as connection:
        connection.execute("CREATE TABLE ticks (at timestamptz NOT NULL, price float8)")
        if timescale_server.has_timescale:
            connection.execute("SELECT create_hypertable('ticks', 'at')")
        connection.execute("INSERT INTO ticks SELECT '2020-01-01'::timestamptz + n * interval '1 day', n FROM generate_series(0, 99) n")
        assert connection.execute("SELECT count(*), sum(price) FROM ticks").fetchone() == (100, 4950.0)
        if timescale_server.has_timescale:
            row = connection.execute("SELECT num_chunks FROM timescaledb_information.hypertables").fetchone()
            assert row is not None
            assert row[0] > 10


def test_databases_of_two_tests_are_apart(timescale_server: HistoryServer) -> None:
    first, second = timescale_server.new_database(), timescale_server.new_database()
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE mine (a int)")
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)


def test_snapshots_answer(valkey_server: SnapshotServer) -> None:
    with redis.Redis.from_url(valkey_server.url) as client:
        client.set("plimsoll:test", "line", ex=10)
        assert client.get("plimsoll:test") == b"line"


def test_killed_broker_comes_back_with_its_log() -> None:
    with run_pulsar() as server:
        topic = f"persistent://public/default/{server.new_tenant()}"
        client = _client(server.url)
        client.create_producer(topic).send(b"before")
        server.unit.kill()
        server.unit.start()
        reader = client.create_reader(topic, pulsar.MessageId.earliest)
        assert reader.read_next(20_000).data() == b"before"
        client.close()


def test_killed_database_comes_back_with_what_it_committed() -> None:
    with run_timescale() as server:
        if not server.has_timescale:
            pytest.skip("the embedded server is killed by its own tests")
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept (a int)")
            connection.execute("INSERT INTO kept VALUES (1)")
        server.unit.kill()
        server.unit.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT a FROM kept").fetchone() == (1,)
