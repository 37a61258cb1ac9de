"""Errors that the user can mend: one clear message, no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from services.common.config import SettingsError

errors = Console(stderr=True)


class UserError(Exception):
    """Something the user can mend; shown without a trace."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn errors that the user can mend into one clear message and exit code 2."""
    from db.migrate import MigrationError
    from services.common.adapters.embedded_servers import EmbeddedServerError
    from services.common.books.table_rows import BookFileError
    from services.common.feeds.port import FeedError
    from services.common.ports import Unavailable
    from services.ingest.genesis import GenesisMismatch

    known = (
        UserError,
        SettingsError,
        FeedError,
        GenesisMismatch,
        EmbeddedServerError,
        MigrationError,
        Unavailable,
        BookFileError,
        FileNotFoundError,
    )
    try:
        yield
    except known as error:
        errors.print(f"[bold red]plimsoll:[/] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
