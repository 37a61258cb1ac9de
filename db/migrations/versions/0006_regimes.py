"""Regimes, their models, and change points."""

from __future__ import annotations

from db.migrations.scripts import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the tables; runs of before have no such rows."""
    run_script("0006_regimes.sql")


def downgrade() -> None:
    """Refuse: rows would be lost."""
    raise NotImplementedError("regimes are part of the record; restore a backup, or drop the database yourself")
