"""How far a number can be trusted, beside it."""

from __future__ import annotations

from db.migrations.scripts import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add standard errors and bounds; results of before have none."""
    run_script("0004_intervals.sql")


def downgrade() -> None:
    """Refuse: numbers would be lost."""
    raise NotImplementedError("intervals are part of the record; restore a backup, or drop the database yourself")
