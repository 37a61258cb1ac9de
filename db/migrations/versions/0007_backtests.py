"""Zones of every judged day."""

from __future__ import annotations

from db.migrations.scripts import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables, and note all days judged so far as due."""
    run_script("0007_backtests.sql")


def downgrade() -> None:
    """Refuse: rows would be lost."""
    raise NotImplementedError("zones are part of the record; restore a backup, or drop the database yourself")
