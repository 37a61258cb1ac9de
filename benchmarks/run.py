"""Runs every `benchmarks/bench_*.py`, prints one table and writes `build/bench.json`.

`python -m benchmarks.run [name ...]` runs some only: `python -m benchmarks.run kernels service`.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.rows import Row

OUT = Path("build/bench.json")


def names(wanted: list[str]) -> list[str]:
    """Return the benches to run, in alphabetical order."""
    found = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))
    unknown = sorted(set(wanted) - set(found))
    if unknown:
        raise SystemExit(f"no bench {', '.join(unknown)}; there are {', '.join(found)}")
    return [n for n in found if not wanted or n in wanted]


def table(rows: list[Row]) -> Table:
    """Return the figures for people."""
    shown = Table(title="Benchmarks: ratios against a peer or a floor in the same run")
    for heading, justify in (("name", "left"), ("value", "right"), ("unit", "left"), ("against", "left")):
        shown.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for r in rows:
        shown.add_row(r.name, f"{r.value:,.4g}", r.unit, r.against)
    return shown


def main() -> None:
    """Run, print, write."""
    console = Console()
    rows: list[Row] = []
    for name in names(sys.argv[1:]):
        began = time.monotonic()
        console.print(f"{name} ...", end=" ")
        rows += importlib.import_module(f"benchmarks.bench_{name}").run()
        console.print(f"{time.monotonic() - began:.0f} s")
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps([asdict(r) for r in rows], indent=1, allow_nan=False) + "\n")
    console.print(table(rows))
    if rows:
        console.print(rows[0].machine)


if __name__ == "__main__":
    main()
