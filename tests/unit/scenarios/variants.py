"""A book of twenty instruments, linear and bent, on each kind of simulated set: errors at equal draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.scenarios import exponential_weights
from risk_core.scenarios.drawing import sobol, weighted_moves
from risk_core.scenarios.simulated import simulated_moves
from risk_core.scenarios.simulated_variants import aligned_sobol_moves, moment_matched_moves

Floats = NDArray[np.float64]

_RNG = np.random.default_rng(5)
MOVES: Final = 0.01 * (_RNG.standard_normal((20, 1)) @ _RNG.standard_normal((1, 500)) + _RNG.standard_normal((20, 500)))
EXPOSURE: Final = 1e6 * _RNG.standard_normal(20)
WEIGHTED: Final = MOVES * np.sqrt(exponential_weights(500, 0.94)[::-1])
DEVIATION: Final = float(np.linalg.norm(EXPOSURE @ WEIGHTED))


def independent(moves: Floats, seed: int, draws: int) -> Floats:
    """Plain draws, without mirrored pairs."""
    normals = np.random.Generator(np.random.PCG64(seed)).standard_normal((20, draws))
    left, sizes, _ = np.linalg.svd(weighted_moves(moves, 0.94, None), full_matrices=False)
    return np.asarray((left * sizes) @ normals)


def unaligned(moves: Floats, seed: int, draws: int) -> Floats:
    """A Sobol sequence in all twenty principal directions, whatever the book."""
    left, sizes, _ = np.linalg.svd(weighted_moves(moves, 0.94, None), full_matrices=False)
    return np.asarray((left * sizes) @ norm.ppf(sobol(20, draws, np.random.Generator(np.random.PCG64(seed)))).T)


def aligned(moves: Floats, seed: int, draws: int) -> Floats:
    """The book's direction first."""
    return aligned_sobol_moves(moves, EXPOSURE, seed, draws=draws)


SETS: Final[dict[str, Callable[..., Floats]]] = {
    "independent": independent,
    "mirrored pairs": simulated_moves,
    "moments matched": moment_matched_moves,
    "Sobol": unaligned,
    "Sobol, book's direction first": aligned,
}


def linear(moves: Floats) -> Floats:
    """P&L of the linear book."""
    return EXPOSURE @ moves


def bent(moves: Floats) -> Floats:
    """P&L of a book short an option on everything: the linear one less a loss that grows with the square of every move."""
    return EXPOSURE @ moves - 2e7 * np.sum(moves * moves, axis=0)


def errors(draw: Callable[..., Floats], book: Callable[[Floats], Floats], truth: tuple[float, float], seeds: int, draws: int) -> Floats:
    """Relative errors of VaR and ES at 0.99, float64[seeds, 2]."""
    found = []
    for seed in range(seeds):
        pnl = book(draw(MOVES, seed, draws=draws))
        found.append([value_at_risk(pnl, 0.99).value, expected_shortfall(pnl, 0.99).value])
    return np.asarray(found) / np.asarray(truth) - 1.0


def root_mean_square(values: Floats) -> Floats:
    """Root of the mean square of each column."""
    return np.asarray(np.sqrt(np.mean(values * values, axis=0)))


LINEAR_TRUTH: Final = (DEVIATION * float(norm.ppf(0.99)), DEVIATION * float(norm.pdf(norm.ppf(0.99))) / 0.01)


def table(seeds: int = 60, draws: int = 1 << 13) -> Iterator[str]:
    """The figures of the method page."""
    large = [bent(aligned(MOVES, seed, 1 << 17)) for seed in range(100, 108)]
    truth = (
        float(np.mean([value_at_risk(pnl, 0.99).value for pnl in large])),
        float(np.mean([expected_shortfall(pnl, 0.99).value for pnl in large])),
    )
    for name, draw in SETS.items():
        on_line = 100.0 * root_mean_square(errors(draw, linear, LINEAR_TRUTH, seeds, draws))
        on_bent = 100.0 * root_mean_square(errors(draw, bent, truth, seeds, draws))
        yield f"{name:30} linear VaR {on_line[0]:.3f} ES {on_line[1]:.3f} bent VaR {on_bent[0]:.3f} ES {on_bent[1]:.3f}"


if __name__ == "__main__":
    print(DEVIATION, bent(np.zeros((20, 1))), *table(), sep="\n")
