"""How long blocks must be to keep the dependence of a series."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log10, sqrt

import numpy as np
from numpy.typing import ArrayLike

from risk_core.measures.checks import checked_pnl


@dataclass(frozen=True, slots=True)
class BlockLengths:
    """Mean block length of the stationary bootstrap and block length of the circular one, in scenarios; at least 1, not rounded."""

    stationary: float
    circular: float


def optimal_block_length(series: ArrayLike) -> BlockLengths:
    """Return the block lengths that minimise the mean squared error of the bootstrap variance of the mean of a series.

    D. N. Politis and H. White, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23 (2004) 53-70, with
    the correction of A. Patton, D. N. Politis and H. White, Econometric Reviews 28 (2009) 372-375. The flat-top lag window reaches to
    twice the first lag from which max(5, log10 n) autocorrelations in a row are below 2 sqrt(log10(n) / n).

    Parameters
    ----------
    series : float64[n]
        In time order, either way.

    Returns
    -------
    BlockLengths
        At most min(3 sqrt(n), n / 3), rounded up. 1 for a constant series, and for fewer than 3 observations.

    Raises
    ------
    MeasureError
        For an empty series, NaN or infinite values.
    """
    values = checked_pnl(series, "series")
    n = values.size
    from_first = values - values[0]
    centred = from_first - from_first.mean()
    centred /= float(np.abs(centred).max()) or 1.0  # the length has no unit, and large numbers have no fourth power
    variance = float(centred @ centred) / n
    if n < 3 or not variance > 0.0:
        return BlockLengths(1.0, 1.0)
    run = max(5, int(log10(n)))
    largest = min(ceil(sqrt(n)) + run, n - 1)
    covariances = np.array([float(centred[lag:] @ centred[: n - lag]) / n for lag in range(largest + 1)])
    small = np.abs(covariances[1:]) / variance < 2.0 * sqrt(log10(n) / n)
    first = next((lag for lag in range(1, largest - run + 2) if bool(small[lag - 1 : lag - 1 + run].all())), None)
    reach = min(2 * first, largest) if first is not None else largest
    lags = np.arange(1, reach + 1)
    window = np.minimum(1.0, 2.0 * (1.0 - lags / reach))
    spread = 2.0 * float(window @ (lags * covariances[1 : reach + 1]))
    long_run = variance + 2.0 * float(window @ covariances[1 : reach + 1])
    longest = float(ceil(min(3.0 * sqrt(n), n / 3.0)))
    if not long_run * long_run > 0.0:
        return BlockLengths(longest, longest)
    stationary, circular = ((2.0 * spread * spread / (d * long_run * long_run) * n) ** (1.0 / 3.0) for d in (2.0, 4.0 / 3.0))
    return BlockLengths(max(1.0, min(stationary, longest)), max(1.0, min(circular, longest)))


def pnl_block_length(pnl: ArrayLike) -> BlockLengths:
    """Return the longer of the optimal block lengths of the P&L and of its absolute value.

    The P&L itself is close to uncorrelated where volatility is not: its own block length of about 1 would break up the very clusters that
    widen the error of a tail. Parameters and errors are those of `optimal_block_length`.
    """
    plain, absolute = optimal_block_length(pnl), optimal_block_length(np.abs(checked_pnl(pnl)))
    return BlockLengths(max(plain.stationary, absolute.stationary), max(plain.circular, absolute.circular))
