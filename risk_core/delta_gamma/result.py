"""What the delta-gamma methods return."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Method(StrEnum):
    """How a number was found."""

    DELTA_NORMAL = "delta_normal"
    CORNISH_FISHER = "cornish_fisher"
    SADDLEPOINT = "saddlepoint"
    EXACT = "exact"


class DeltaGammaStatus(StrEnum):
    """How far a number can be trusted."""

    OK = "ok"
    CONSTANT = "constant"
    """The P&L does not vary: the number is minus the P&L, at every confidence."""
    NOT_MONOTONE = "not_monotone"
    """Skewness and kurtosis lie outside the domain in which a Cornish-Fisher quantile rises with the confidence."""


@dataclass(frozen=True, slots=True)
class DeltaGammaRisk:
    """A risk number of a delta-gamma book.

    Parameters
    ----------
    value : float
        Loss positive, in the unit of the P&L, never clipped.
    confidence : float
    method : Method
    status : DeltaGammaStatus
    reason : str
        Empty when "ok".
    """

    value: float
    confidence: float
    method: Method
    status: DeltaGammaStatus = DeltaGammaStatus.OK
    reason: str = ""

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """Value at risk with its derivatives with respect to the book's own sensitivities.

    Under the exact law minus these are the moments of the moves given that the loss is VaR: -theta = 1, -delta = E[x | loss = VaR] and
    -2 gamma = E[x x' | loss = VaR].

    Parameters
    ----------
    value : float
        Value at risk: theta_book theta + delta_book · delta + sum(gamma_book * gamma), for any book that has it (Euler).
    theta : float
        d VaR / d theta: -1.
    delta : float64[K]
        d VaR / d delta.
    gamma : float64[K, K]
        d VaR / d gamma, symmetric, summed over both triangles as in sum(gamma * change).
    confidence : float
    method : Method
    """

    value: float
    theta: float
    delta: NDArray[np.float64] = field(repr=False)
    gamma: NDArray[np.float64] = field(repr=False)
    confidence: float
    method: Method


@dataclass(frozen=True, slots=True)
class SimulatedRisk:
    """Value at risk and expected shortfall of a simulation, with standard errors.

    Parameters
    ----------
    value_at_risk, expected_shortfall : float
        Loss positive.
    value_at_risk_error, expected_shortfall_error : float
        Standard errors, from independent batches.
    confidence : float
    paths : int
    seed : int
    """

    value_at_risk: float
    expected_shortfall: float
    value_at_risk_error: float
    expected_shortfall_error: float
    confidence: float
    paths: int
    seed: int
