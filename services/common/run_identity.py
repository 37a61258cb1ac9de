"""What makes a run: everything that shapes its numbers, hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import risk_core
from services.common.ports import Run, RunStore

BASE_CURRENCY, CALCULATION = "base_currency", "calculation"
NUMERIC_PACKAGES = ("numpy", "numba", "llvmlite", "scipy")
ENGINE_PARTS = (
    "book.py",
    "change_points",
    "records.py",
    "conventions.py",
    "methods.py",
    "copulas",
    "covariance",
    "engine",
    "extreme",
    "further_measures.py",
    "liquidity",
    "measures",
    "parametric",
    "regimes",
    "scenarios",
    "tail_intervals.py",
    "tails.py",
    "uncertainty",
    "volatility",
    "weighting.py",
)
"""What of `risk_core` a number may depend on: a change there is another calculation."""


def calculation_hash() -> str:
    """Return the hash of the calculation sources and the numeric packages' versions."""
    digest = hashlib.sha256()
    root = Path(risk_core.__file__).parent
    for part in ENGINE_PARTS:
        top = root / part
        for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    for name in NUMERIC_PACKAGES:
        digest.update(f"{name}=={metadata.version(name)}".encode())
    return digest.hexdigest()


def first_run(genesis: bytes, base_currency: str, calculation: str, before: Run | None, log_seq: int) -> Run:
    """Return the run that a genesis record starts; `before` is the run of the log so far."""
    run_id = _identity(calculation, genesis)
    description = {BASE_CURRENCY: base_currency, CALCULATION: calculation}
    return Run(run_id, None if before is None else before.run_id, genesis, description, log_seq)


def run_under(calculation: str, newest: Run) -> Run:
    """Return the newest run, or its child when that was another calculation's: what a process that starts now goes on with.

    A child goes on in its parent's log, from its parent's checkpoints.
    """
    if newest.description.get(CALCULATION) == calculation:
        return newest
    run_id = _identity(calculation, newest.genesis, newest.run_id.encode())
    return replace(newest, run_id=run_id, parent_run_id=newest.run_id, description={**newest.description, CALCULATION: calculation})


def line_of(run: Run) -> str:
    """Return the name that a run has in common with those it goes on from, and with those that go on from it: of their log."""
    return hashlib.sha256(run.genesis).hexdigest()[:16]


def ancestors(runs: RunStore, run: Run) -> Iterator[Run]:
    """Yield the runs that a run goes on from, nearest first."""
    parent = run.parent_run_id
    while parent is not None:
        older = runs.get(parent)
        if older is None or older.genesis != run.genesis:
            return
        yield older
        parent = older.parent_run_id


def _identity(calculation: str, *parts: bytes) -> str:
    """Return the first 16 hex digits over the calculation, the genesis record's bytes, and the parent of a child."""
    return hashlib.sha256(b"".join((calculation.encode(), *parts))).hexdigest()[:16]
