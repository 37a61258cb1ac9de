"""How much each scenario weighs in VaR and ES: their gradients with respect to the P&L vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from risk_core.engine.kernels import MASS_SLACK
from risk_core.methods import MeasurePlan

Vector = NDArray[np.float64]


def scenario_weights(plan: MeasurePlan, method: int, confidence: int, aged: Vector) -> tuple[Vector, Vector]:
    """Return (VaR weights, ES weights), float64[S] by age, with VaR = -sum(weight * pnl), ES likewise.

    They are minus the gradients: both measures are homogeneous of degree one in the vector, so Euler's theorem gives the sums.
    Where the empirical VaR sits on a tie, the newest of the tied scenarios carries it, as in the canonical order.

    Parameters
    ----------
    plan : MeasurePlan
        Compiled for S scenarios.
    method, confidence : int
        Indices into the plan.
    aged : float64[S]
        P&L by age, newest first, gains positive.
    """
    weight = plan.weights[plan.weight_of[method]]
    if plan.empirical[method]:
        return _empirical(weight, float(plan.tail[confidence]), aged)
    square = float(np.add.accumulate(weight * aged * aged)[-1])
    if square <= 0.0:
        return np.zeros_like(aged), np.zeros_like(aged)
    slope = -weight * aged / np.sqrt(square)
    return plan.quantile[confidence] * slope, plan.density[confidence] * slope


def _empirical(weight: Vector, tail: float, aged: Vector) -> tuple[Vector, Vector]:
    order = np.lexsort((np.arange(len(aged)), aged))
    beyond = np.add.accumulate(weight[order])
    reached = np.flatnonzero(beyond >= tail - MASS_SLACK)
    last = int(reached[0]) if len(reached) else len(aged) - 1
    var, es = np.zeros_like(aged), np.zeros_like(aged)
    var[order[last]] = 1.0
    es[order[:last]] = weight[order[:last]] / tail
    mass = float(beyond[last - 1]) if last else 0.0
    es[order[last]] = (tail - mass) / tail
    return var, es
