"""Regimes, volatility and change points of instruments, day close by day close."""

from risk_core.engine.watch.evaluator import WatchEvaluator

__all__ = ["WatchEvaluator"]
