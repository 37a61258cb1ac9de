"""Standard errors of the second stage: correlation parameters, margins and target taken as known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from risk_core.correlation.kernels import composite, likelihood
from risk_core.correlation.search import Evaluate
from risk_core.correlation.targets import Targets

Floats = NDArray[np.float64]
Pairs = NDArray[np.int64]

_STEP = 1e-4
_NAMES = ("alpha", "gamma", "beta")


def evaluation(residuals: Floats, start: Floats, goal: Targets, pairs: Pairs | None) -> Evaluate:
    """Return the function from theta to the likelihood, of all instruments or of pairs, and the scores of each day."""
    days = residuals.shape[1]
    by_day = np.ascontiguousarray(residuals.T)

    def evaluate(theta: Floats) -> tuple[float, Floats]:
        each, slopes = np.empty(days), np.empty((days, 3))
        if pairs is None:
            value = likelihood(by_day, start, goal.level, goal.low, theta, each, slopes)
        else:
            value = composite(residuals, pairs, start, goal.level, goal.low, theta, each, slopes)
        return float(value), slopes

    return evaluate


def two_stage_errors(
    residuals: Floats, start: Floats, goal: Targets, theta: Floats, parameters: dict[str, float], pairs: Pairs | None, *, robust: bool
) -> dict[str, float]:
    """See `CorrelationFit.standard_errors`. The Hessian is a difference of analytic scores."""
    free = [k for k, name in enumerate(_NAMES) if parameters.get(name, 0.0) > 0.0]
    if not free:
        return {}
    evaluate = evaluation(residuals, start, goal, pairs)
    curve = np.empty((len(free), len(free)))
    for row, k in enumerate(free):
        step = np.zeros(3)
        step[k] = min(_STEP, 0.1 * theta[k], 0.1 * max(1.0 - float(theta @ np.array([1.0, goal.reach, 1.0])), 1e-6))
        ahead, behind = evaluate(theta + step)[1].sum(axis=0), evaluate(theta - step)[1].sum(axis=0)
        curve[row] = (ahead - behind)[free] / (2.0 * step[k])
    curve = 0.5 * (curve + curve.T)
    if not (np.linalg.eigvalsh(-curve) > 0.0).all():
        return {}
    inverse = np.linalg.inv(-curve)
    if robust or pairs is not None:
        scores = evaluate(theta)[1][:, free]
        inverse = inverse @ (scores.T @ scores) @ inverse
    return {_NAMES[k]: float(np.sqrt(inverse[row, row])) for row, k in enumerate(free)}
