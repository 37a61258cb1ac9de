"""A part that is away is told once, and once more when it is back: not at every try in between."""

from __future__ import annotations

import logging
import time


class Outage:
    """What one user of a part saw of it.

    Parameters
    ----------
    logger : logging.Logger
        The user's.
    part : str
        What is away: history, log, snapshot cache.
    """

    def __init__(self, logger: logging.Logger, part: str) -> None:
        self._logger = logger
        self._part = part
        self._since: float | None = None

    def away(self, error: Exception | str) -> None:
        """The part did not answer."""
        if self._since is None:
            self._since = time.monotonic()
            self._logger.warning("%s is away", self._part, extra={"error": str(error)})

    def back(self) -> None:
        """The part answered. Cheap to call often."""
        if self._since is not None:
            seconds, self._since = time.monotonic() - self._since, None
            self._logger.info("%s is back", self._part, extra={"seconds": round(seconds, 3)})
