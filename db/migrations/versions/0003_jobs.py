"""Which jobs wait."""

from __future__ import annotations

from db.migrations.scripts import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Tell jobs that wait from those that are done."""
    run_script("0003_jobs.sql")


def downgrade() -> None:
    """Refuse: a job that was done would run again."""
    raise NotImplementedError("which jobs are done is not forgotten by a migration; restore a backup, or drop the database yourself")
