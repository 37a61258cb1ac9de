"""Where the tail begins: an order statistic of the losses, given as a confidence or chosen by a sequence of tests.

B. Bader, J. Yan and X. Zhang, "Automated threshold selection for extreme value analysis via ordered goodness-of-fit tests with adjustment
for false discovery rate", Annals of Applied Statistics 12 (2018) 310-329. ForwardStop is of M. G'Sell, S. Wager, A. Chouldechova and
R. Tibshirani, "Sequential selection procedures and false discovery rate control", JRSS B 78 (2016) 423-444.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import MASS_SLACK, tail_probability
from risk_core.extreme.goodness import goodness
from risk_core.extreme.gpd import FitMethod, FitStatus, GpdFit, fit_excesses
from risk_core.measures.checks import MeasureError, checked_pnl, checked_weights
from risk_core.methods import effective_count

Floats = NDArray[np.float64]

AUTO: Final = "auto"

CANDIDATES: Final = (0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96)
"""Confidences tried by default, lowest first."""
FEWEST: Final = 25.0
"""Effective exceedances that a candidate needs: with fewer, no test has power."""


class ChoiceStatus(StrEnum):
    """Whether a threshold was found."""

    OK = "ok"
    NONE_FITS = "none_fits"
    """Every candidate is rejected: the highest stands in."""


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The losses beyond a threshold.

    Parameters
    ----------
    threshold : float
        A loss.
    observation : int
        Its position.
    exceedances : int64[k]
        Positions of the larger losses, worst first, those with weight only.
    excesses : float64[k]
        Positive.
    """

    threshold: float
    observation: int
    exceedances: NDArray[np.int64]
    excesses: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdChoice:
    """A chosen threshold with what was tried, one entry for each candidate with enough exceedances, lowest threshold first.

    Parameters
    ----------
    threshold : float
        Confidence of the threshold chosen.
    chosen : int
        Its place among the candidates.
    confidence : float64[m]
    loss : float64[m]
        Threshold in the unit of the P&L.
    count : int64[m]
        Exceedances.
    shape : float64[m]
        Fitted xi.
    p_value : float64[m]
        Anderson-Darling.
    forward_stop : float64[m]
        Mean of -log(1 - p) over the candidates so far; rejected up to the last one at or below `significance`.
    significance : float
    status : ChoiceStatus
    reason : str
    """

    threshold: float
    chosen: int
    confidence: Floats = field(repr=False)
    loss: Floats = field(repr=False)
    count: NDArray[np.int64] = field(repr=False)
    shape: Floats = field(repr=False)
    p_value: Floats = field(repr=False)
    forward_stop: Floats = field(repr=False)
    significance: float
    status: ChoiceStatus = ChoiceStatus.OK
    reason: str = ""


def choose_threshold(
    pnl: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    candidates: Sequence[float] = CANDIDATES,
    significance: float = 0.1,
) -> ThresholdChoice:
    """Choose the lowest threshold beyond which a generalised Pareto law fits.

    Each candidate's excesses are fitted by maximum likelihood and tested by Anderson-Darling, from the lowest threshold on, and
    ForwardStop rejects the first k: the largest k with mean of -log(1 - p_i), i <= k, at most `significance`, which bounds the expected
    share of false rejections. The next threshold is chosen. Tests on nested samples are not independent, so the bound is approximate
    (Bader, Yan and Zhang 2018).

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    weights : float64[S], optional
    candidates : sequence of float
        Confidences in [0.5, 1); those with fewer than 25 effective exceedances are left out.
    significance : float
        In (0, 1).

    Raises
    ------
    MeasureError
        For an impossible vector, weights or significance, or if no candidate has enough exceedances.
    """
    vector = checked_pnl(pnl)
    mass = checked_weights(weights, pnl, vector.size)
    if not 0.0 < significance < 1.0:
        raise MeasureError(f"significance must lie strictly between 0 and 1, such as 0.1, not {significance!r}")
    tried = [(level, tail, fit) for level, tail, fit in fitted_tails(vector, mass, candidates, FEWEST)]
    if not tried:
        raise MeasureError(
            f"no candidate threshold leaves {FEWEST:g} effective exceedances that differ in {vector.size} scenarios; give more scenarios, "
            "lower candidates, or a threshold of your own"
        )
    p = np.array([goodness(tail.excesses, mass[tail.exceedances], fit).anderson_darling_p for _, tail, fit in tried])
    running = np.cumsum(-np.log1p(-p)) / np.arange(1.0, p.size + 1.0)
    rejected = np.flatnonzero(running <= significance)
    first = int(rejected[-1]) + 1 if rejected.size else 0
    none = first == p.size
    chosen = p.size - 1 if none else first
    reason = f"all {p.size} candidates are rejected at {significance:g}; the highest stands in" if none else ""
    return ThresholdChoice(
        tried[chosen][0],
        chosen,
        np.array([level for level, _, _ in tried]),
        np.array([tail.threshold for _, tail, _ in tried]),
        np.array([tail.exceedances.size for _, tail, _ in tried], np.int64),
        np.array([fit.shape for _, _, fit in tried]),
        p,
        running,
        significance,
        ChoiceStatus.NONE_FITS if none else ChoiceStatus.OK,
        reason,
    )


def tail_beyond(vector: Floats, mass: Floats, tail: float) -> Tail:
    """Return the worst losses whose weight fits into `tail`, and the next loss as the threshold; ties with it are not in the tail."""
    order = np.argsort(vector, kind="stable")
    order = order[mass[order] > 0.0]
    count = min(int(np.count_nonzero(np.cumsum(mass[order]) <= tail + MASS_SLACK)), order.size - 1)
    at = int(order[count])
    beyond = order[:count]
    beyond = beyond[vector[beyond] < vector[at]]
    return Tail(0.0 - float(vector[at]), at, beyond, vector[at] - vector[beyond])


def fitted_tails(vector: Floats, mass: Floats, candidates: Sequence[float], fewest: float) -> Iterator[tuple[float, Tail, GpdFit]]:
    """Yield (confidence, tail, fit by maximum likelihood) of the candidates with enough effective exceedances that differ."""
    for level in sorted(set(candidates)):
        tail = tail_beyond(vector, mass, tail_probability(level))
        if tail.excesses.size < 3 or effective_count(mass[tail.exceedances]) < fewest or tail.excesses.min() == tail.excesses.max():
            continue
        fit = fit_excesses(tail.excesses, mass[tail.exceedances], FitMethod.ML)
        if fit.status is not FitStatus.BOUNDARY:
            yield level, tail, fit
