"""Two hundred seeds of faults; every row equals the batch oracle bit for bit, none missing, none twice."""

from __future__ import annotations

import os

import pytest

from tests.simulation.cluster import Cluster

SEEDS = int(os.environ.get("PLIMSOLL_SIM_SEEDS", "200"))
FIRST = int(os.environ.get("PLIMSOLL_SIM_FIRST", "0"))
CHUNK = 20
CORPUS: tuple[int, ...] = (18, 24, 186, 196, 274, 319)
"""Seeds that once failed."""


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, CHUNK))
def test_seeds(first: int) -> None:
    for seed in range(first, min(first + CHUNK, FIRST + SEEDS)):
        try:
            Cluster(seed).run()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("seed", CORPUS)
def test_seeds_that_once_failed(seed: int) -> None:
    Cluster(seed).run()


def test_faults_really_happen() -> None:
    """The scheduler crashes processes, lets stale owners be fenced, and upgrades, or it would prove nothing."""
    clusters = [Cluster(seed) for seed in range(60)]
    for cluster in clusters:
        cluster.run()
    assert sum(c.crashed for c in clusters) > 40
    assert sum(c.fenced for c in clusters) > 5
    assert sum(len(c.database.runs) > 1 for c in clusters) > 5
