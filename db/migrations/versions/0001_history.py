"""The record: shards, checkpoints, results, the log, the book."""

from __future__ import annotations

from db.migrations.scripts import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    run_script("0001_history.sql")


def downgrade() -> None:
    """Refuse: the record is never dropped by a tool."""
    raise NotImplementedError("the record is not dropped by a migration; restore a backup, or drop the database yourself")
