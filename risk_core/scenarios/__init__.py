"""Scenario sets: matrices of joint moves with weights, one builder a file."""
