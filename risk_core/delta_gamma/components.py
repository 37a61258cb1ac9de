"""Derivatives of value at risk with respect to a book's own sensitivities, and component risk of the instruments it is made of.

The exact derivative is minus the mean of each term given that the loss is VaR (D. Tasche, "Conditional expectation as quantile derivative",
2000), here by the integral that gives VaR; that of the saddlepoint follows by implicit differentiation of its own tail formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import tail_probability
from risk_core.delta_gamma.inversion import Path, StudentT, exact_quantile
from risk_core.delta_gamma.model import DeltaGamma, Quadratic, checked_gamma
from risk_core.delta_gamma.result import Method, Sensitivity
from risk_core.delta_gamma.saddlepoint import curvature, loss_at, roots_at, tilt_of_tail
from risk_core.measures.checks import MeasureError, checked_pnl

Floats = NDArray[np.float64]

_NEAR_MEAN: Final = 2e-3


def exact_sensitivity(book: DeltaGamma, confidence: float, factors: StudentT | None = None) -> Sensitivity:
    """Return exact VaR and its derivatives with respect to theta, delta and gamma.

    Parameters
    ----------
    book : DeltaGamma
    confidence : float
        In [0.5, 1).
    factors : StudentT, optional
        Normal if not given.

    Raises
    ------
    MeasureError
        For a book that does not vary: its VaR has no derivative there.
    ConventionError
        For an impossible confidence.
    """
    tail = tail_probability(confidence)
    _require_varying(book)
    value = exact_quantile(book, tail, factors)
    path = Path(book, value, factors)
    c, linear, t = path.form.quadratic, path.form.linear, path.t
    left = 1.0 / (1.0 - np.multiply.outer(t, c))
    tilted = left * linear
    density = path.density
    first = (path.weight * t / path.slack) @ tilted
    kept = (path.weight / path.slack) @ (left * path.slack[:, None])
    outer = tilted.T @ ((path.weight * t * t / path.slack)[:, None] * tilted)
    scale = 1.0 / (np.pi * density)
    second = scale * (outer.imag + np.diag(kept.imag))
    return _in_factors(book, path.form, value, -scale * first.imag, -0.5 * second, confidence, Method.EXACT)


def saddlepoint_sensitivity(book: DeltaGamma, confidence: float) -> Sensitivity:
    """Return saddlepoint VaR and its derivatives with respect to theta, delta and gamma.

    Parameters and errors are those of `exact_sensitivity`.
    """
    tail = tail_probability(confidence)
    _require_varying(book)
    loss = book.quadratic.loss
    t = tilt_of_tail(loss, tail)
    value = loss_at(loss, t)
    near = _NEAR_MEAN / sqrt(loss.cumulant(2))
    tilts = [t] if abs(t) > near else [-near, near]  # at the mean the terms are 0 / 0; the mean of both sides is the limit
    shares = [1.0] if len(tilts) == 1 else [0.5 * (near - t) / near, 0.5 * (near + t) / near]
    delta, gamma = np.zeros_like(loss.linear), np.zeros((loss.linear.size,) * 2)
    for tilt, share in zip(tilts, shares, strict=True):
        first, second = _implicit(loss, tilt)
        delta -= share * first
        gamma -= share * second
    return _in_factors(book, loss, value, delta, gamma, confidence, Method.SADDLEPOINT)


def component_value_at_risk(
    sensitivity: Sensitivity, deltas: ArrayLike, gammas: ArrayLike | Sequence[ArrayLike], thetas: ArrayLike | None = None
) -> Floats:
    """Return each instrument's component of VaR: its sensitivities times the book's derivatives. The components add up to VaR.

    Parameters
    ----------
    sensitivity : Sensitivity
        Of the whole book.
    deltas : float64[I, K]
        A row for each instrument; the rows add up to the book's delta.
    gammas : float64[I, K, K], float64[I, K], or a sequence of gammas
        One for each instrument, full or diagonal.
    thetas : float64[I], optional
        Zero if not given.

    Returns
    -------
    float64[I]
        Losses positive; negative for a hedge.

    Raises
    ------
    MeasureError
        For shapes that do not match.
    """
    rows = np.asarray(deltas, np.float64)
    count = sensitivity.delta.size
    if rows.ndim != 2 or rows.shape[1] != count:
        raise MeasureError(f"deltas must have a row for each instrument and {count} columns, not shape {rows.shape}")
    given = list(gammas)  # type: ignore[arg-type]
    carry = np.zeros(len(rows)) if thetas is None else checked_pnl(thetas, "thetas")
    if len(given) != len(rows) or carry.shape != (len(rows),):
        raise MeasureError(f"deltas has {len(rows)} instruments, gammas {len(given)}, thetas {carry.size}; they must agree")
    curved = [_contracted(sensitivity.gamma, checked_gamma(g, count, f"gammas[{i}]")) for i, g in enumerate(given)]
    total: Floats = carry * sensitivity.theta + rows @ sensitivity.delta + np.array(curved, np.float64)
    return total


def _contracted(derivative: Floats, gamma: Floats) -> float:
    return float(np.diagonal(derivative) @ gamma if gamma.ndim == 1 else np.sum(derivative * gamma))


def _require_varying(book: DeltaGamma) -> None:
    if book.standard_deviation == 0.0:
        raise MeasureError("the P&L does not depend on any factor, so VaR has no derivative; measure a book with exposures")


def _implicit(loss: Quadratic, t: float) -> tuple[Floats, Floats]:
    """Return d VaR / d (linear, matrix of the quadratic part) of the loss, at the tail probability of tilt t."""
    w, u = roots_at(loss, t)
    c, b = loss.quadratic, loss.linear
    left = 1.0 / (1.0 - c * t)
    bend = curvature(loss, t)
    third = float(np.sum((c * left) ** 3 + 3.0 * c * b * b * left**4))
    root = sqrt(bend)
    toward_w = 1.0 / (w * w) - w / u
    rate = (root + 0.5 * t * third / root) / (bend * u * u)
    along = toward_w * t / w - rate
    zeroth, first, second = toward_w / w / along, -rate / along, 0.5 * t / (root * u * u) / along
    # dx = zeroth K_p + first K'_p + second K''_p, where p is a parameter of the loss
    p0, p1, p2 = t * b * left, b * left**2, 2.0 * c * b * left**3
    linear = zeroth * t * p0 + first * (p0 + t * p1) + second * (2.0 * p1 + t * p2)
    vectors = np.stack([p0, p1, p2])
    mixing = 0.5 * np.array(
        [
            [zeroth * t + first, first * t + 2.0 * second, second * t],
            [first * t + 2.0 * second, 2.0 * second * t, 0.0],
            [second * t, 0.0, 0.0],
        ]
    )
    diagonal = 0.5 * (zeroth * t * left + first * left**2 + second * 2.0 * c * left**3)
    return linear, vectors.T @ mixing @ vectors + np.diag(diagonal)


def _in_factors(
    book: DeltaGamma, form: Quadratic, value: float, linear: Floats, quadratic: Floats, confidence: float, method: Method
) -> Sensitivity:
    """Map derivatives from the independent terms to the factors: x = mean + basis y, so x x' has its mixed terms."""
    mean = np.asarray(book.mean)
    central = form.unit * (form.basis @ linear)
    crossed = np.outer(mean, central)
    gamma = form.unit**2 * (form.basis @ quadratic @ form.basis.T) + 0.5 * (crossed + crossed.T) - 0.5 * np.outer(mean, mean)
    return Sensitivity(value, -1.0, central - mean, gamma, confidence, method)
