"""Two hundred seeds of faults; every row equals the batch oracle bit for bit, none missing, none twice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.simulation.cluster import Cluster

SEEDS = 200
CHUNK = 20
CORPUS: tuple[int, ...] = (18, 24, 73, 186, 196, 274, 319, 617, 1297, 1853, 2601, 2622, 6629)
"""Seeds that once failed."""


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_seeds(first: int) -> None:
    for seed in range(first, first + CHUNK):
        try:
            Cluster(seed).run()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("seed", CORPUS)
def test_seeds_that_once_failed(seed: int) -> None:
    Cluster(seed).run()


def test_many_seeds_by_command() -> None:
    """`make sim` on all cores: what it counts, and that a failure is named and makes it fail."""
    done = subprocess.run([sys.executable, "-m", "tests.simulation", "8", "1"], capture_output=True, text=True, check=True, timeout=300)
    assert "8 seeds from 1" in done.stdout
    assert "0 failed" in done.stdout
    assert "8/8" in done.stderr


def test_faults_really_happen() -> None:
    """The scheduler crashes processes, lets stale owners be fenced, and upgrades, or it would prove nothing."""
    clusters = [Cluster(seed) for seed in range(60)]
    for cluster in clusters:
        cluster.run()
    assert sum(c.crashed for c in clusters) > 40
    assert sum(c.fenced for c in clusters) > 5
    assert sum(len(c.database.runs) > 1 for c in clusters) > 5
