"""Fixtures of the store suites; session-scoped servers are started once for all of them."""

from __future__ import annotations

from tests.contract.store_fixtures import embedded_servers, server, stores

__all__ = ["embedded_servers", "server", "stores"]
