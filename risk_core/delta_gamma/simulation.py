"""Plain Monte Carlo value at risk and expected shortfall of a delta-gamma book, under normal or Student-t factors.

The independent terms of the book are drawn, so a path costs its rank and no matrix product.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.conventions import tail_probability
from risk_core.delta_gamma.inversion import StudentT
from risk_core.delta_gamma.model import DeltaGamma
from risk_core.delta_gamma.result import SimulatedRisk
from risk_core.measures.checks import MeasureError

Floats = NDArray[np.float64]

_BATCHES: Final = 16
_CHUNK: Final = 1 << 21


def monte_carlo_value_at_risk(
    book: DeltaGamma, confidence: float, paths: int, seed: int, factors: StudentT | None = None, *, antithetic: bool = True
) -> SimulatedRisk:
    """Return VaR and ES by plain Monte Carlo.

    Parameters
    ----------
    book : DeltaGamma
    confidence : float
        In [0.5, 1).
    paths : int
        Rounded up to 16 batches (of pairs if `antithetic`), from which the standard errors come; a batch must reach into its tail, so at
        least 160 / (1 - confidence).
    seed : int
        The same seed gives the same bits.
    factors : StudentT, optional
        Normal if not given.
    antithetic : bool
        Follow each draw of the normals with its mirror image under the same divisor.

    Raises
    ------
    MeasureError
        For too few paths.
    ConventionError
        For an impossible confidence.
    """
    tail = tail_probability(confidence)
    if paths * tail < 160.0 * (1.0 - 1e-9):
        raise MeasureError(f"{paths} paths leave too few beyond {confidence}; give at least {ceil(160.0 / tail)}")
    form = book.quadratic.loss if factors is None else factors.scaled(book.quadratic.loss)
    rng = np.random.Generator(np.random.PCG64(seed))
    folds = 2 if antithetic else 1
    drawn = _BATCHES * ceil(paths / (_BATCHES * folds))
    divisor = np.ones(drawn) if factors is None else np.sqrt(factors.degrees_of_freedom / rng.chisquare(factors.degrees_of_freedom, drawn))
    linear, curved = np.empty(drawn), np.empty(drawn)
    rows = max(1, _CHUNK // form.linear.size)
    for start in range(0, drawn, rows):
        y = rng.standard_normal((min(rows, drawn - start), form.linear.size))
        linear[start : start + rows] = y @ form.linear
        np.multiply(y, y, out=y)
        curved[start : start + rows] = y @ (0.5 * form.quadratic)
    middle = form.constant + divisor * divisor * curved
    losses = np.stack([middle + divisor * linear, middle - divisor * linear][:folds], axis=1)
    return summary(losses.reshape(_BATCHES, -1), tail, confidence, seed)


def summary(losses: Floats, tail: float, confidence: float, seed: int) -> SimulatedRisk:
    """Return VaR and ES of all losses, float64[batches, paths of each], with standard errors from the spread of the batches."""
    value, shortfall = _tail_of(losses.ravel(), tail)
    each = np.array([_tail_of(batch, tail) for batch in losses])
    errors = each.std(axis=0, ddof=1) / sqrt(len(losses))
    return SimulatedRisk(value, shortfall, float(errors[0]), float(errors[1]), confidence, losses.size, seed)


def _tail_of(losses: Floats, tail: float) -> tuple[float, float]:
    """Return the order statistic where the tail is reached, and the mean beyond it, its edge taken with the fraction left."""
    held = tail * losses.size
    count = ceil(held - 1e-9)
    worst = np.partition(losses, losses.size - count)[losses.size - count :]
    edge = float(worst[0])
    return edge, edge + float(np.sum(worst - edge)) / held
