"""Inbound messages without a broker; fills by the run that they belong to."""

from __future__ import annotations

from db.migrations.scripts import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the inbox, and tell the fills of runs anew apart."""
    run_script("0002_desk.sql")


def downgrade() -> None:
    """Refuse: a fill that waits is never dropped by a tool."""
    raise NotImplementedError("messages that wait are not dropped by a migration; restore a backup, or drop the database yourself")
