#!/usr/bin/env python3
"""Write environment variables PULSAR_PREFIX_<key>=<value> into a properties file: replace the key's line, or add one.

The official image has a script of this name that does the same, so one start command serves both images.
"""

import os
import sys
from pathlib import Path

PREFIX = "PULSAR_PREFIX_"


def apply(lines: list[str], settings: dict[str, str]) -> list[str]:
    """The file's lines with `settings` in them; comments, order and all other keys are kept."""
    waiting = dict(settings)
    written = []
    for line in lines:
        key = line.split("=", 1)[0].strip()
        written.append(f"{key}={waiting.pop(key)}" if key in waiting else line)
    return written + [f"{key}={value}" for key, value in sorted(waiting.items())]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FILE.conf")
    file = Path(sys.argv[1])
    settings = {name.removeprefix(PREFIX): value for name, value in os.environ.items() if name.startswith(PREFIX)}
    file.write_text("\n".join(apply(file.read_text().splitlines(), settings)) + "\n")
    print(f"{file}: {len(settings)} settings from the environment", file=sys.stderr)
