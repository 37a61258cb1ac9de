"""Zones: every judged day of every method."""
