"""The simulation: samples of each law and size, every method on each, spread over processes."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.estimates import costly, estimate
from benchmarks.evidence.laws import CONFIDENCES, laws
from risk_core.methods import ONE_DAY

Floats = NDArray[np.float64]

MEASURES: Final = ("value_at_risk", "expected_shortfall")
BLOCK: Final = 20
UNIT: Final = 0.01
"""Of the laws: one per cent a day, so that the moves are simple returns; the figures are ratios and do not know it."""


@dataclass(frozen=True)
class Plan:
    """How much to simulate.

    Parameters
    ----------
    sizes : tuple of int
        Days in a sample.
    samples : int
        Of each law and size.
    costly_samples : int
        The first of them, for methods that `costly` names.
    seed : int
        The same seed gives the same figures, however many processes.
    laws, methods : tuple of str
        All registered ones.
    """

    sizes: tuple[int, ...] = (250, 500, 1000)
    samples: int = 400
    costly_samples: int = 60
    seed: int = 1
    laws: tuple[str, ...] = tuple(laws())
    methods: tuple[str, ...] = tuple(ONE_DAY)


FULL: Final = Plan()
QUICK: Final = Plan(samples=4, costly_samples=1)


@dataclass(frozen=True)
class Finding:
    """One method on one law, size, confidence and measure.

    Parameters
    ----------
    bias, error : float
        Mean and root mean square of estimate over truth minus one.
    samples : int
        Their number; the standard error of `bias` is about `error` / sqrt(samples).
    fallback : float
        Share of samples in which the historical number stood in.
    coverage : float or None
        Share of intervals that hold the truth; None where there is none.
    missing : float or None
        Share of samples without an interval, left out of `coverage`.
    """

    law: str
    size: int
    method: str
    confidence: float
    measure: str
    bias: float
    error: float
    samples: int
    fallback: float
    coverage: float | None
    missing: float | None


@dataclass(frozen=True)
class Block:
    """Samples first to last of one law and size: a unit of work."""

    law: str
    size: int
    first: int
    last: int


Outcome = dict[str, tuple[Floats, NDArray[np.bool_], Floats | None]]
"""By method: ratios to the truth float64[B, C, 2], fallbacks bool[B], and ends over the truth float64[B, C, 2, 2]."""


def simulate(plan: Plan, workers: int) -> list[Finding]:
    """Return the findings by law, size, method, confidence and measure; progress goes to stderr."""
    blocks = list(_blocks(plan))
    if workers <= 1:
        return list(_findings(plan, {block: outcome(block, plan) for block in blocks}))
    found: dict[Block, Outcome] = {}
    began = time.monotonic()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(outcome, block, plan): block for block in blocks}
        for done in as_completed(waiting):
            found[waiting[done]] = done.result()
            print(f"\r{len(found)} of {len(blocks)} blocks, {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return list(_findings(plan, {block: found[block] for block in blocks}))


def outcome(block: Block, plan: Plan) -> Outcome:
    """Return what each method says of the samples of a block; the bits depend on plan.seed, law, size and sample alone."""
    law, number = laws()[block.law], list(laws()).index(block.law)
    exposures, truth = np.array(law.exposures), np.array(law.truth)
    rows: dict[str, list[tuple[Floats, bool, Floats | None]]] = defaultdict(list)
    for sample in range(block.first, block.last):
        moves, scale = law.draw(np.random.Generator(np.random.PCG64([plan.seed, number, block.size, sample])), block.size)
        for name in plan.methods:
            method = ONE_DAY[name]
            if costly(method) and sample >= plan.costly_samples:
                continue
            numbers, fallback, ends = estimate(method, UNIT * moves, exposures, sample)
            aim = UNIT * scale * truth
            rows[name].append((numbers / aim, fallback, None if ends is None else ends / aim[:, :, None]))
    found: Outcome = {}
    for name, row in rows.items():
        ratios, fallbacks, ends_of = zip(*row, strict=True)
        found[name] = np.array(ratios), np.array(fallbacks), None if ends_of[0] is None else np.array(ends_of)
    return found


def _blocks(plan: Plan) -> Iterator[Block]:
    for law in plan.laws:
        for size in plan.sizes:
            for first in range(0, plan.samples, BLOCK):
                yield Block(law, size, first, min(first + BLOCK, plan.samples))


def _findings(plan: Plan, found: dict[Block, Outcome]) -> Iterator[Finding]:
    for law, size in product(plan.laws, plan.sizes):
        here = [one for block, one in found.items() if (block.law, block.size) == (law, size)]
        for name in plan.methods:
            parts = [one[name] for one in here if name in one]
            if not parts:
                continue
            off = np.concatenate([p[0] for p in parts]) - 1.0
            fallback = float(np.concatenate([p[1] for p in parts]).mean())
            ends = np.concatenate([p[2] for p in parts if p[2] is not None]) if parts[0][2] is not None else None
            for c, confidence in enumerate(CONFIDENCES):
                for m, measure in enumerate(MEASURES):
                    coverage, missing = (None, None) if ends is None else _coverage(ends[:, c, m])
                    bias, error = float(off[:, c, m].mean()), float(np.sqrt((off[:, c, m] ** 2).mean()))
                    yield Finding(law, size, name, confidence, measure, bias, error, len(off), fallback, coverage, missing)


def _coverage(ends: Floats) -> tuple[float | None, float]:
    given = ~np.isnan(ends).any(axis=1)
    if not given.any():
        return None, 1.0
    return float(((ends[given, 0] <= 1.0) & (ends[given, 1] >= 1.0)).mean()), float(1.0 - given.mean())
