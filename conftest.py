"""Fixtures for every test: real servers, as containers or plain processes."""

pytest_plugins = ["tests.real_servers"]
