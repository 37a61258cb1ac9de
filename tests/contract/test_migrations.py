from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db.migrate import MigrationError, MigrationReport, migrate
from services.common.adapters.embedded_servers import ServerUrls
from services.common.adapters.postgres_connection import PostgresDatabase
from services.common.adapters.postgres_leases import PostgresLeases
from services.common.adapters.postgres_results import PostgresResultStore
from services.common.ports import Lease
from tests.contract.store_fixtures import RUN, TABLES, Stores, as_of, bucket, lease_of, result
from tests.real_servers import HistoryServer, unavailable

NEWEST = "0007"


@pytest.fixture
def empty(embedded_servers: ServerUrls) -> Iterator[str]:
    """A database without tables on the embedded server."""
    with psycopg.connect(embedded_servers.history, autocommit=True) as admin:
        admin.execute("CREATE DATABASE empty")
        yield embedded_servers.history.replace("/plimsoll?", "/empty?")
        admin.execute("DROP DATABASE empty WITH (FORCE)")


def test_an_empty_database_gets_everything_and_once(empty: str) -> None:
    first, second = migrate(empty), migrate(empty)
    assert (first.revision_before, first.revision) == (None, NEWEST)
    assert (second.revision_before, second.revision) == (NEWEST, NEWEST)
    assert first.timescale is None
    with psycopg.connect(empty) as connection:
        tables = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        views = {row[0] for row in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public'")}
    assert tables == {*TABLES, "alembic_version"}
    assert views == {"v_latest_results", "v_day_closes"}


def test_many_processes_may_migrate_at_once(empty: str) -> None:
    reports: list[MigrationReport] = []
    threads = [threading.Thread(target=lambda: reports.append(migrate(empty))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.revision for r in reports] == [NEWEST] * 5
    assert sum(r.revision_before is None for r in reports) == 1


def test_every_table_says_what_it_is(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty) as connection:
        query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
        undocumented = [r[0] for r in connection.execute(query + " AND obj_description(oid) IS NULL") if r[0] != "alembic_version"]
    assert undocumented == []


def test_a_plain_owner_may_migrate_and_a_stranger_is_told(empty: str, embedded_servers: ServerUrls) -> None:
    with psycopg.connect(embedded_servers.history, autocommit=True) as admin:
        admin.execute("CREATE ROLE keeper LOGIN; CREATE ROLE stranger LOGIN; ALTER DATABASE empty OWNER TO keeper")
    try:
        with pytest.raises(MigrationError, match="permission denied"):
            migrate(empty.replace("user=postgres", "user=stranger"))
        assert migrate(empty.replace("user=postgres", "user=keeper")).revision == NEWEST
    finally:
        with psycopg.connect(embedded_servers.history, autocommit=True) as admin:
            admin.execute("ALTER DATABASE empty OWNER TO postgres")
        with psycopg.connect(empty, autocommit=True) as admin:
            admin.execute("REASSIGN OWNED BY keeper TO postgres; DROP OWNED BY keeper; DROP ROLE keeper; DROP ROLE stranger")


def test_errors_say_where_and_how_to_mend(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MigrationError, match=r"127\.0\.0\.1:1/x: .*refused") as caught:
        migrate("postgresql://somebody:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
    with pytest.raises(MigrationError, match="does not exist"):
        migrate(empty.replace("/empty?", "/nowhere?"))
    monkeypatch.setattr("db.migrate.OLDEST_SERVER", 99)
    with pytest.raises(MigrationError, match="too old; use 99"):
        migrate(empty)


def test_a_schema_of_a_newer_program_is_left_alone(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MigrationError, match="newer plimsoll"):
        migrate(empty)


def test_views_show_the_newest_revisions(server: Stores) -> None:
    lease = lease_of(server)
    server.results.commit(bucket(lease, 0, (1, 2)))
    server.results.commit(bucket(lease, 1, (1,)))
    server.results.commit(bucket(lease, 2, results=(result(1, 1, revision=1, value_at_risk=-5.0),), day_closes=()))
    assert server.admin is not None
    server.admin.execute(
        f"INSERT INTO runs (run_id, genesis, description, first_log_seq) VALUES ('{RUN}', '', '{{}}', 1); "
        + f"INSERT INTO nodes VALUES ('{RUN}', 1, 0, 'Firm', 'firm', NULL, 'USD', ''), ('{RUN}', 2, 1, 'Desk', 'desk', 1, 'USD', '')"
    )
    latest = server.admin.execute(
        "SELECT node, as_of, revision, value_at_risk, is_latest_run FROM v_latest_results ORDER BY node_id"
    ).fetchall()
    assert [(r[0], r[2], r[3], r[4]) for r in latest] == [
        ("Firm", 1, -5.0, True),
        ("Desk", 0, result(0, 2).value_at_risk, True),
    ]
    closes = server.admin.execute("SELECT node, date::text FROM v_day_closes ORDER BY as_of, node_id").fetchall()
    assert [c[0] for c in closes] == ["Firm", "Desk", "Firm"]


# ------------------------------------------------------------------ TimescaleDB


@pytest.fixture
def timescale(timescale_server: HistoryServer) -> HistoryServer:
    if not timescale_server.has_timescale:
        unavailable("TimescaleDB in a container")
    return timescale_server


@pytest.mark.docker
def test_hypertables_where_the_extension_is(timescale: HistoryServer) -> None:
    url = timescale.new_database()
    report = migrate(url)
    again = migrate(url)
    assert report.timescale is not None
    assert (again.timescale, again.licence) == (report.timescale, report.licence)
    with psycopg.connect(url) as connection:
        tables = {r[0] for r in connection.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")}
        jobs = connection.execute("SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name IS NOT NULL").fetchone()
    assert tables == {"ticks", "risk_results", "regime_states"}
    assert jobs == ((0,) if report.licence == "apache" else (2,))
    if report.licence == "apache":
        assert any("no columnstore policies" in note for note in report.notes)


@pytest.mark.docker
def test_tables_with_rows_become_hypertables_when_the_extension_comes(timescale: HistoryServer) -> None:
    url = timescale.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP EXTENSION timescaledb")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("db.migrate._create_extension", lambda connection, notes: False)
            assert migrate(url).timescale is None
        connection.execute("INSERT INTO shards VALUES ('0/1', 'w', 1, now())")
        database = PostgresDatabase(url)
        store = PostgresResultStore(database)
        store.commit_many([bucket(Lease("0/1", "w", 1), day) for day in range(0, 90, 3)])
        database.close()
    assert migrate(url).timescale is not None
    database = PostgresDatabase(url)
    store = PostgresResultStore(database)
    assert len(store.committed_results(RUN, "0/1", as_of(9))[0]) == 2
    store.commit(bucket(Lease("0/1", "w", 1), 9))
    database.close()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM risk_results").fetchone() == (60,)
        chunks = connection.execute("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'risk_results'").fetchone()
    assert chunks is not None
    assert chunks[0] >= 3


# ------------------------------------------------------ the oldest server we take


def test_the_oldest_server_takes_everything() -> None:
    """PostgreSQL 15 from the system, where it is installed."""
    binaries = next(iter(Path("/usr/lib/postgresql/15").glob("bin")), None)
    if binaries is None:
        unavailable("PostgreSQL 15 on this machine (Debian's postgresql-15)")
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        data.mkdir()
        Path(directory).chmod(0o755)
        account = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(data, "postgres", "postgres")

        def run(*command: str) -> None:
            subprocess.run(command, check=True, capture_output=True, cwd="/", **account)  # type: ignore[call-overload]

        run(str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8")
        options = f"-k {data} -c listen_addresses= -c fsync=off"
        run(str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(data / "log"), "-o", options, "start")
        try:
            url = f"postgresql:///postgres?host={data}&user=postgres"
            assert migrate(url).server.startswith("15.")
            database = PostgresDatabase(url)
            lease = PostgresLeases(database).acquire("0/1", "w", 5.0)
            assert lease is not None
            store = PostgresResultStore(database)
            for _ in range(2):
                store.commit(bucket(lease, 0))
            assert len(store.committed_results(RUN, "0/1", as_of(0))[0]) == 2
            database.close()
        finally:
            run(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
