"""Other measures of the same scenarios, beside VaR and ES."""

from __future__ import annotations

from db.migrations.scripts import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; results of before have none."""
    run_script("0005_measures.sql")


def downgrade() -> None:
    """Refuse: numbers would be lost."""
    raise NotImplementedError("measures are part of the record; restore a backup, or drop the database yourself")
