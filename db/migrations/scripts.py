"""Runs the hand-written SQL beside this file."""

from __future__ import annotations

from importlib import resources

from alembic import op


def read_script(name: str) -> str:
    """Return the text of a script in `sql/`."""
    return resources.files("db.migrations").joinpath("sql", name).read_text(encoding="utf-8")


def run_script(name: str) -> None:
    """Run every statement of a script in the migration's transaction."""
    connection = op.get_bind().connection.driver_connection
    connection.execute(read_script(name))  # type: ignore[union-attr]
