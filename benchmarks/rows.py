"""What every benchmark returns: one figure, its unit, what it stands against, and where it was measured."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """`against` says what the value is to be compared with: a floor, another library, a target."""

    name: str
    value: float
    unit: str
    against: str
    machine: str


@cache
def machine() -> str:
    """Return processor, cores and Python in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def row(name: str, value: float, unit: str, against: str = "") -> Row:
    """Return a row measured here."""
    return Row(name, value, unit, against, machine())


def best_seconds(call: Callable[[], object], budget_seconds: float = 0.3) -> float:
    """Return the shortest time of one call among repeats: what a busy machine disturbs least."""
    call()
    began = time.perf_counter()
    call()
    once = max(time.perf_counter() - began, 1e-7)
    inner = max(1, int(0.002 / once))
    best = float("inf")
    deadline = time.perf_counter() + budget_seconds
    while time.perf_counter() < deadline:
        began = time.perf_counter()
        for _ in range(inner):
            call()
        best = min(best, (time.perf_counter() - began) / inner)
    return best


def show(rows: list[Row]) -> None:
    """Print rows as a table."""
    width = max((len(r.name) for r in rows), default=0)
    for r in rows:
        print(f"{r.name:<{width}}  {r.value:>12.3f} {r.unit:<12} {r.against}")
    if rows:
        print(rows[0].machine)
