"""Alembic's entry point: runs on the connection that `db.migrate` hands over. Never autogenerates."""

from __future__ import annotations

from alembic import context


def _run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise SystemExit("run migrations with: plimsoll migrate (or db.migrate.migrate(url))")
    context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


_run()
