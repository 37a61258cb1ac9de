"""What Ray wrote of a start that failed: its own exception seldom names the cause, which is in the log of one of its processes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

FILES: Final = ("raylet.err", "gcs_server.err", "gcs_server.out", "ray_client_server*.err", "runtime_env_agent.err", "dashboard_agent.err")
LINES_MAX: Final = 4
WIDTH_MAX: Final = 400
TELLING: Final = re.compile(r" [ECF] \d+ \d+\] |Check failed|Error\b|Exception|error:|cannot|denied|exceed|No space")


def log_tail(directory: Path) -> str:
    """Return the last telling lines of the logs of the newest session in a cluster's temporary directory; empty without any.

    Parameters
    ----------
    directory : Path
        Ray's temporary directory, the one that holds `session_latest`.
    """
    logs = directory / "session_latest" / "logs"
    told = []
    for pattern in FILES:
        for file in sorted(logs.glob(pattern)):
            try:
                lines = file.read_text(errors="replace").splitlines()
            except OSError:
                continue
            telling = [line for line in lines if TELLING.search(line)] or [line for line in lines if line.strip()]
            told += [f"{file.name}: {line.strip()[:WIDTH_MAX]}" for line in telling[-LINES_MAX:]]
    return "\n".join(told)
