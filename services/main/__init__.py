"""`plimsoll`: the command line, and the one place where ports meet adapters."""

from services.main.cli import app

__all__ = ["app"]
