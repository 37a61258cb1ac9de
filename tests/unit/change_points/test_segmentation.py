"""Offline change points: against every segmentation of short series, plain dynamic programming, and ruptures where it is installed."""

from __future__ import annotations

import warnings
from itertools import combinations, pairwise
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from risk_core.change_points import binary_segmentation, noise_variance, optimal_segmentation, pelt
from risk_core.measures import MeasureError


def plain_cost(part: np.ndarray, cost: str, mean: float = 0.0) -> float:
    n = part.size
    if cost == "l2":
        return float(((part - part.mean()) ** 2).sum())
    if cost == "normal":
        return n * log(part.var() + 1e-6)
    if cost == "variance":
        return n * log(float(((part - mean) ** 2).mean()) + 1e-6)
    return 2.0 * sum(m - x * log(m) for m in [part.mean()] for x in part) if part.any() else 0.0


def segmentations(n: int, least: int) -> list[list[int]]:
    """Every list of changes of n observations with segments of `least` or more."""
    return [[0, *c, n] for k in range(n) for c in combinations(range(1, n), k) if min(np.diff([0, *c, n])) >= least]


def steps(seed: int, n: int) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(seed))
    level, spread = np.repeat(rng.normal(0.0, 2.0, 5), n // 5), np.repeat(rng.choice([0.5, 1.0, 2.0], 5), n // 5)
    return level + spread * rng.standard_normal(level.size)


@pytest.mark.parametrize("cost", ["l2", "normal", "variance", "poisson"])
@pytest.mark.parametrize("least", [2, 3])
def test_pelt_is_the_best_of_all_segmentations(cost: str, least: int) -> None:
    for seed in range(6):
        x = steps(seed, 15)[:12]
        if cost == "poisson":
            x = np.floor(np.abs(3.0 * x))
        for penalty in (0.5, 3.0):
            best = min(
                sum(plain_cost(x[a:b], cost, x.mean()) + penalty for a, b in pairwise(edges)) - penalty
                for edges in segmentations(x.size, least)
            )
            found = pelt(x, cost=cost, penalty=penalty, min_size=least)
            assert found.cost + penalty * len(found.changes) == pytest.approx(best, abs=1e-7)
            assert found.penalty == penalty


@pytest.mark.parametrize("cost", ["l2", "normal"])
def test_mbic_is_the_best_of_all_segmentations(cost: str) -> None:
    for seed in range(8):
        x = steps(seed, 15)[:12]
        amount = (4 if cost == "normal" else 3) * log(12)
        unit = 0.7 if cost == "l2" else 1.0
        choices = {
            tuple(edges[1:-1]): sum(plain_cost(x[a:b], cost) + unit * log(b - a) for a, b in pairwise(edges))
            + unit * amount * (len(edges) - 2)
            for edges in segmentations(12, 2)
        }
        found = pelt(x, cost=cost, penalty="mbic", noise_variance=0.7 if cost == "l2" else None)
        assert found.changes == min(choices, key=choices.__getitem__)


def test_mbic_drops_no_start_too_soon() -> None:
    """The logarithms of lengths let a start be beaten and come back: against dynamic programming without pruning."""
    unit, n = 8.0, 48
    for seed in range(12):
        x = np.random.Generator(np.random.PCG64(seed)).standard_normal(n) + np.repeat([0.0, 3.0, 0.0], n // 3)
        best = [-3.0 * unit * log(n)] + [np.inf] * n
        for end in range(1, n + 1):
            best[end] = min(best[a] + plain_cost(x[a:end], "l2") + unit * log(end - a) for a in range(end)) + 3.0 * unit * log(n)
        found = pelt(x, penalty="mbic", min_size=1, noise_variance=unit)
        lengths = np.diff([0, *found.breakpoints])
        assert found.cost + unit * np.log(lengths).sum() + found.penalty * len(found.changes) == pytest.approx(best[-1], abs=1e-8)


@given(arrays(np.float64, st.integers(6, 40), elements=st.integers(-5, 5).map(float)), st.integers(1, 4), st.floats(0.1, 30.0))
@settings(max_examples=60, deadline=None)
def test_pelt_is_optimal_partitioning(x: np.ndarray, least: int, penalty: float) -> None:
    """Dynamic programming without pruning, on any series, ties and all."""
    best = [-penalty] + [np.inf] * x.size
    for end in range(least, x.size + 1):
        best[end] = min(best[start] + plain_cost(x[start:end], "l2") + penalty for start in range(end - least + 1))
    found = pelt(x, penalty=penalty, min_size=least)
    assert found.cost + penalty * len(found.changes) == pytest.approx(best[-1], abs=1e-7)
    assert min(np.diff([0, *found.breakpoints])) >= least


def test_optimal_segmentation_is_the_best_of_all() -> None:
    x = steps(3, 15)[:12]
    for changes in range(4):
        best = min(sum(plain_cost(x[a:b], "normal") for a, b in pairwise(e)) for e in segmentations(12, 2) if len(e) == changes + 2)
        found = optimal_segmentation(x, changes=changes, cost="normal")
        assert found.cost == pytest.approx(best, abs=1e-9)
        assert len(found.changes) == changes


def test_binary_segmentation_cuts_where_most_is_gained() -> None:
    x = steps(5, 60)
    gains = {c: plain_cost(x, "l2") - plain_cost(x[:c], "l2") - plain_cost(x[c:], "l2") for c in range(2, 59)}
    first = max(gains, key=gains.__getitem__)
    assert binary_segmentation(x, changes=1).changes == (first,)
    assert binary_segmentation(x, penalty=gains[first] * 1.001).changes == ()
    assert first in binary_segmentation(x, penalty=gains[first] * 0.999).changes
    costs = [binary_segmentation(x, changes=k).cost for k in range(6)]
    assert (np.diff(costs) <= 0.0).all()
    assert all(optimal_segmentation(x, changes=k).cost <= c + 1e-9 for k, c in enumerate(costs))


@pytest.mark.parametrize("model", ["l2", "normal"])
def test_ruptures(model: str) -> None:
    """Identical with jump = 1; what `exact` finds elsewhere costs less."""
    ruptures = pytest.importorskip("ruptures")
    warnings.simplefilter("ignore")
    for seed in range(12):
        x = steps(seed, 90)
        for least in (2, 8):
            for penalty in (2.0, 12.0):
                theirs = ruptures.Pelt(model=model, min_size=least, jump=1).fit(x).predict(penalty)
                mine = pelt(x, cost=model, penalty=penalty, min_size=least, pruning="at_once")
                exact = pelt(x, cost=model, penalty=penalty, min_size=least)
                assert list(mine.breakpoints) == theirs
                gain = mine.cost + penalty * len(mine.changes) - exact.cost - penalty * len(exact.changes)
                assert gain > 0.0 or mine.changes == exact.changes
            assert list(binary_segmentation(x, changes=4, cost=model, min_size=least).breakpoints) == ruptures.Binseg(
                model=model, min_size=least, jump=1
            ).fit(x).predict(n_bkps=4)
        assert list(optimal_segmentation(x[:60], changes=2, cost=model, min_size=3).breakpoints) == ruptures.Dynp(
            model=model, min_size=3, jump=1
        ).fit(x[:60]).predict(n_bkps=2)


def test_exact_pruning_costs_less_than_pruning_at_once_somewhere() -> None:
    gains = []
    for seed in range(100):
        x = steps(seed, 60)
        a, b = (pelt(x, cost="normal", penalty=2.0, min_size=3, pruning=p) for p in ("at_once", "exact"))
        gains.append(a.cost + 2.0 * len(a.changes) - b.cost - 2.0 * len(b.changes))
    assert min(gains) > -1e-9
    assert max(gains) > 0.01


@pytest.mark.parametrize("penalty", ["bic", "mbic", "hannan_quinn"])
def test_recovers_changes(penalty: str) -> None:
    """Shifts of four deviations and a tripled volatility, at several sizes: found within two and ten observations, nothing else."""
    for n in (300, 1500, 6000):
        rng = np.random.Generator(np.random.PCG64(n))
        mean, spread = np.zeros(n), np.ones(n)
        mean[n // 3 :], spread[2 * n // 3 :] = 4.0, 3.0
        x = mean + rng.standard_normal(n)
        if penalty != "hannan_quinn":
            assert pelt(x, penalty=penalty).changes == pytest.approx((n // 3,), abs=2)
        x = spread * rng.standard_normal(n)
        found = pelt(x, cost="variance", penalty=penalty, mean=0.0, min_size=10).changes
        assert min(abs(c - 2 * n // 3) for c in found) <= 10
        assert len(found) == 1 or penalty == "hannan_quinn"


def test_false_changes_are_rare() -> None:
    """1,000 independent observations, 40 series: BIC finds a change in at most a fifth, AIC in most."""
    rng = np.random.Generator(np.random.PCG64(4))
    noise = rng.standard_normal((40, 1000))
    assert sum(bool(pelt(z, penalty="mbic").changes) for z in noise) <= 2
    assert sum(bool(pelt(z).changes) for z in noise) <= 8
    assert sum(bool(pelt(z, penalty="aic").changes) for z in noise) > 30


def test_units_and_level_do_not_matter() -> None:
    x = steps(7, 500)
    changes = pelt(x).changes
    assert changes
    assert pelt(1e6 + 1e-3 * x).changes == changes
    assert pelt(-1e5 * x).changes == changes


def test_noise_variance_ignores_changes() -> None:
    x = 3.0 * np.random.Generator(np.random.PCG64(1)).standard_normal(5000) + np.repeat([0.0, 50.0], 2500)
    assert noise_variance(x) == pytest.approx(9.0, rel=0.08)
    assert x.var() > 600.0


def test_degenerate_series() -> None:
    for cost in ("l2", "normal", "variance", "poisson"):
        assert pelt(np.full(50, 3.0), cost=cost).changes == ()
        assert pelt([1.0, 1.0], cost=cost).changes == ()
    assert pelt([1.0, 2.0, 5.0], penalty=1.0, min_size=2).changes == ()
    assert pelt([2.0], min_size=1).changes == ()
    assert binary_segmentation(np.full(50, 3.0)).changes == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pelt([]), "empty"),
        (lambda: pelt([1.0, np.nan]), "missing or not finite"),
        (lambda: pelt([1.0]), "fewer than one segment of min_size 2"),
        (lambda: pelt(np.arange(9.0), cost="rank"), "unknown cost 'rank'"),
        (lambda: pelt(np.arange(9.0), penalty="sic"), "unknown penalty 'sic'"),
        (lambda: pelt(np.arange(9.0), penalty=0.0), "penalty must be positive"),
        (lambda: pelt(np.arange(9.0), cost="normal", min_size=1), "min_size must be a whole number of at least 2"),
        (lambda: pelt(np.arange(9.0), mean=0.0), "mean is for cost 'variance'"),
        (lambda: pelt(np.arange(9.0), cost="normal", added_variance=0.0), "added_variance must be positive"),
        (lambda: pelt([0.0, 0.0, 0.0, 0.0, 1.0]), "give noise_variance"),
        (lambda: pelt([0.5, 1.0], cost="poisson"), "whole numbers"),
        (lambda: pelt(np.arange(9.0), pruning="never"), "unknown pruning"),
        (lambda: binary_segmentation(np.arange(9.0), penalty="mbic"), "no penalty 'mbic'"),
        (lambda: optimal_segmentation(np.arange(9.0), changes=4), "need 5 segments of 2"),
        (lambda: optimal_segmentation(np.arange(9.0), changes=-1), "changes must be a whole number"),
    ],
)
def test_impossible_input_is_refused(call: object, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        call()  # type: ignore[operator]
