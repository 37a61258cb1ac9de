"""One played run for all tests that only read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from tests.unit.api.small_run import SmallRun, small_run

BASE_URL = "http://127.0.0.1"


@pytest.fixture(scope="session")
def played() -> SmallRun:
    """A disorderly world with corrections, in two shards."""
    return small_run(3, shard_count=2)


@pytest.fixture(scope="session")
def client(played: SmallRun) -> Iterator[TestClient]:
    with TestClient(played.app(), base_url=BASE_URL) as opened:
        yield opened
