"""Fixtures for every test, real servers as containers or plain processes; laws are tried on the same examples in every run."""

from hypothesis import settings

pytest_plugins = ["tests.real_servers"]

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("searching", max_examples=500, print_blob=True)
settings.load_profile("repeatable")
