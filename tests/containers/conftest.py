"""Fixtures of the container tests: the real servers of `tests.real_servers`."""

from tests.real_servers import pulsar_server, timescale_server, valkey_server

__all__ = ["pulsar_server", "timescale_server", "valkey_server"]
