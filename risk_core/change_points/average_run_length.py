"""Average run length of the CUSUM of a normal mean, in closed form and from its integral equation."""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
from scipy.special import ndtr

from risk_core.change_points.charts import Sides, checked_head_start, checked_sides
from risk_core.measures.checks import checked_scalar


def cusum_average_run_length(
    k: float, h: float, shift: float = 0.0, *, head_start: float = 0.0, sides: str = Sides.BOTH, nodes: int = 60
) -> float:
    """Return the expected number of observations to an alarm of `Cusum`, normal and independent, from the start.

    Parameters
    ----------
    k, h, head_start : float
        As of `Cusum`, in standard deviations.
    shift : float
        Of the mean from the first observation on, in standard deviations.
    sides : Sides or str
    nodes : int
        Of Gauss-Legendre quadrature: 60 give eight digits for h to 10.

    Raises
    ------
    MeasureError
        For impossible settings.

    Notes
    -----
    The run length L(s) from sum s solves L(s) = 1 + L(0) Phi(k - s) + integral over (0, h) of L(x) phi(x + k - s) dx (E. S. Page 1954;
    A. L. Goel and S. M. Wu, Technometrics 13 (1971) 221-230). Both sides: 1/L = 1/L+ + 1/L- without a head start; with one, the combination
    of J. M. Lucas and R. B. Crosier, "Fast initial response for CUSUM quality-control schemes", Technometrics 24 (1982) 199-205.
    """
    k, h = checked_scalar(k, "k", least=0.0), checked_scalar(h, "h", above=0.0)
    shift, head = checked_scalar(shift, "shift"), checked_head_start(head_start, h)
    up, down = checked_sides(sides)
    if not down:
        return _one_sided(k, h, shift, head, nodes)[1]
    if not up:
        return _one_sided(k, h, -shift, head, nodes)[1]
    (zero_up, head_up), (zero_down, head_down) = _one_sided(k, h, shift, head, nodes), _one_sided(k, h, -shift, head, nodes)
    return (head_up * zero_down + head_down * zero_up - zero_up * zero_down) / (zero_up + zero_down)


def _one_sided(k: float, h: float, shift: float, head: float, nodes: int) -> tuple[float, float]:
    """Return the average run length of the upper sum from zero and from the head start."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    x, w = 0.5 * h * (x + 1.0), 0.5 * h * w
    at = np.append(0.0, x)
    kernel = np.empty((nodes + 1, nodes + 1))
    kernel[:, 0] = ndtr(k - shift - at)
    z = x[None, :] + k - shift - at[:, None]
    kernel[:, 1:] = w * np.exp(-0.5 * z * z) / sqrt(2.0 * np.pi)
    lengths = np.linalg.solve(np.eye(nodes + 1) - kernel, np.ones(nodes + 1))
    z = x + k - shift - head
    from_head = 1.0 + lengths[0] * float(ndtr(k - shift - head)) + float((w * np.exp(-0.5 * z * z) / sqrt(2.0 * np.pi)) @ lengths[1:])
    return float(lengths[0]), float(from_head)


def siegmund_average_run_length(k: float, h: float, shift: float = 0.0, *, sides: str = Sides.BOTH) -> float:
    """Return Siegmund's approximation: (exp(-2 D b) + 2 D b - 1) / (2 D²) for each side.

    D is shift - k up and -shift - k down, b = h + 1.166. At D = 0 it is b². Parameters are those of
    `cusum_average_run_length`.

    Notes
    -----
    D. Siegmund, *Sequential Analysis* (Springer 1985); Montgomery, chapter 9.
    """
    k, b = checked_scalar(k, "k", least=0.0), checked_scalar(h, "h", above=0.0) + 1.166
    shift = checked_scalar(shift, "shift")
    up, down = checked_sides(sides)
    rates = [wanted / _siegmund(drift, b) for wanted, drift in ((up, shift - k), (down, -shift - k)) if wanted]
    return 1.0 / sum(rates)


def _siegmund(drift: float, b: float) -> float:
    z = 2.0 * drift * b
    if abs(z) < 1e-4:
        return b * b * (1.0 - z / 3.0)
    if z < -700.0:
        z = -700.0  # beyond any number of observations
    return (exp(-z) + z - 1.0) / (2.0 * drift * drift)
