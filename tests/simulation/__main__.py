"""Many seeds on all cores: `python -m tests.simulation 10000`, or `make sim SEEDS=10000`.

Says how far it is, names each seed that fails and goes on; exit code 1 if any did.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.simulation.cluster import Cluster

CHUNK = 20


@dataclass(frozen=True, slots=True)
class Played:
    """What happened to one seed."""

    seed: int
    failure: str | None
    crashed: int = 0
    fenced: int = 0
    upgraded: bool = False
    rows: int = 0


def play(seed: int) -> Played:
    """Run one seed."""
    cluster = Cluster(seed)
    try:
        cluster.run()
    except Exception as error:
        return Played(seed, f"{type(error).__name__}: {error}")
    rows = len(cluster.database.results) + len(cluster.database.day_closes)
    return Played(seed, None, cluster.crashed, cluster.fenced, len(cluster.database.runs) > 1, rows)


def _quiet() -> None:
    logging.disable(logging.CRITICAL)  # outages and lost shards are what is simulated


def _shown(results: Iterable[Played], count: int, console: Console) -> Iterator[Played]:
    columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("seeds", total=count)
        for done, played in enumerate(results, start=1):
            progress.update(task, completed=done)
            if played.failure is not None:
                console.print(f"seed {played.seed}: {played.failure}", highlight=False)
            if not console.is_terminal and done % 500 == 0:
                console.print(f"{done} of {count} seeds")
            yield played


def main(count: int, first: int = 0) -> int:
    """Play seeds, tell, and return the exit code."""
    console = Console(stderr=True)
    with ProcessPoolExecutor(os.cpu_count(), initializer=_quiet) as pool:
        played = list(_shown(pool.map(play, range(first, first + count), chunksize=CHUNK), count, console))
    failed = [p.seed for p in played if p.failure is not None]
    named = f": {', '.join(map(str, failed[:50]))}" if failed else ""
    rows, crashed, fenced = (sum(getattr(p, name) for p in played) for name in ("rows", "crashed", "fenced"))
    print(f"{count} seeds from {first}: {rows:,} rows compared with the oracle; {crashed:,} processes crashed, {fenced:,} stale owners")
    print(f"fenced, {sum(p.upgraded for p in played):,} seeds upgraded; {len(failed)} failed{named}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
