"""Fixtures of the store suites; session-scoped servers are started once for all of them."""

from __future__ import annotations

from tests.contract.store_fixtures import embedded_servers, server, stores
from tests.real_servers import timescale_server, valkey_server

__all__ = ["embedded_servers", "server", "stores", "timescale_server", "valkey_server"]
