"""Brings a database to the newest schema, whatever it is: PostgreSQL 15 or later, with or without TimescaleDB."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.pool import NullPool

from db.migrations.scripts import read_script

OLDEST_SERVER = 15
LOCK_KEY = 0x504C494D534F4C4C
"""Advisory lock: one migration at a time, the others wait."""
LOCK_SECONDS = 120
CONNECT_SECONDS = 10


class MigrationError(Exception):
    """The database cannot be migrated; the message says where, why, and how to mend it."""


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What was found and done. `timescale` and `licence` are None on plain PostgreSQL; `notes` are for people."""

    server: str
    revision_before: str | None
    revision: str | None
    timescale: str | None
    licence: str | None
    notes: tuple[str, ...]


def inspect(url: str) -> MigrationReport:
    """Return what a database holds without changing it; `revision` is what `migrate` would bring it to.

    Raises
    ------
    MigrationError
        The server does not answer.
    """
    where = sa.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(where, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_SECONDS})
    try:
        with engine.connect() as connection:
            server = str(_scalar(connection, "SELECT current_setting('server_version')"))
            before = MigrationContext.configure(connection).get_current_revision()
            timescale = _installed(connection)
            licence = str(_scalar(connection, "SELECT current_setting('timescaledb.license')")) if timescale else None
            with resources.as_file(resources.files("db.migrations")) as scripts:
                config = Config()
                config.set_main_option("script_location", str(scripts))
                config.set_main_option("path_separator", "os")
                head = ScriptDirectory.from_config(config).get_current_head()
            return MigrationReport(server, before, head, timescale, licence, ())
    except sa.exc.DBAPIError as error:
        raise MigrationError(f"{where.render_as_string(hide_password=True)}: {_reason(error)}") from error
    finally:
        engine.dispose()


def migrate(url: str) -> MigrationReport:
    """Migrate to the newest schema and return what was done. Idempotent; safe to run from many processes at once.

    Parameters
    ----------
    url : str
        postgresql://... of a role that may create tables in the database; it need not be a superuser.

    Raises
    ------
    MigrationError
        The server is absent, too old or read-only, the role may not create, or the schema is newer than this program.
    """
    where = sa.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(
        where, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "plimsoll migrate"}
    )
    shown = where.render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            return _migrate(connection, shown)
    except sa.exc.DBAPIError as error:
        raise MigrationError(f"{shown}: {_reason(error)}") from error
    finally:
        engine.dispose()


def _migrate(connection: sa.Connection, shown: str) -> MigrationReport:
    number = int(_scalar(connection, "SELECT current_setting('server_version_num')"))
    server = str(_scalar(connection, "SELECT current_setting('server_version')"))
    if number < OLDEST_SERVER * 10_000:
        raise MigrationError(f"{shown}: PostgreSQL {server} is too old; use {OLDEST_SERVER} or later")
    connection.execute(sa.text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
    connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
    connection.commit()
    try:
        before = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        notes = [f"schema at {before or 'nothing'}"]
        _upgrade(connection, shown)
        connection.commit()
        after = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        timescale, licence = _timescale(connection, notes)
        return MigrationReport(server, before, after, timescale, licence, tuple(notes))
    finally:
        connection.rollback()
        connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK_KEY})
        connection.commit()


def _upgrade(connection: sa.Connection, shown: str) -> None:
    config = Config()
    with resources.as_file(resources.files("db.migrations")) as scripts:
        config.set_main_option("script_location", str(scripts))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise MigrationError(f"{shown}: {error}; was it made by a newer plimsoll? Upgrade the program first") from error


def _timescale(connection: sa.Connection, notes: list[str]) -> tuple[str | None, str | None]:
    """Make hypertables where the extension is, or can be, installed; policies where its licence allows them."""
    version = _installed(connection)
    if version is None and _create_extension(connection, notes):
        version = _installed(connection)
    if version is None:
        return None, None
    _script(connection, "0001_history.timescale.sql")
    notes.append("hypertables: ticks, risk_results")
    licence = str(_scalar(connection, "SELECT current_setting('timescaledb.license')"))
    if licence == "timescale":
        _script(connection, "0001_history.timescale_licence.sql")
        notes.append("columnstore policies: ticks after 45 days, risk_results after 400 days")
    else:
        notes.append(f"no columnstore policies: the {licence} licence has none")
    connection.commit()
    return version, licence


def _installed(connection: sa.Connection) -> str | None:
    version = _scalar(connection, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    return None if version is None else str(version)


def _create_extension(connection: sa.Connection, notes: list[str]) -> bool:
    available = _scalar(connection, "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'")
    if available is None:
        notes.append("TimescaleDB is not on this server: plain tables")
        return False
    if not _scalar(connection, "SELECT count(*) FROM pg_settings WHERE name LIKE 'timescaledb.%'"):
        notes.append("TimescaleDB is installed but not loaded: add it to shared_preload_libraries for hypertables; plain tables until then")
        return False
    try:
        connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS timescaledb"))
    except sa.exc.ProgrammingError as error:
        connection.rollback()
        notes.append(f"this role may not create the TimescaleDB extension ({_reason(error)}): plain tables")
        return False
    return True


def _script(connection: sa.Connection, name: str) -> None:
    driver: Any = connection.connection.driver_connection
    driver.execute(read_script(name))


def _scalar(connection: sa.Connection, query: str) -> Any:
    return connection.execute(sa.text(query)).scalar()


def _reason(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]
