"""Thresholds and run lengths: against integral equations, a Markov chain and geometric laws."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from risk_core.change_points import (
    Cusum,
    Ewma,
    ExceptionCusum,
    GarchLaw,
    NormalLaw,
    PageVariance,
    StudentTLaw,
    VolatilityBreakout,
    calibrate,
    cusum_average_run_length,
    detection_delay,
    run_length,
)
from risk_core.measures import MeasureError


def test_calibrated_cusum_has_the_run_length_asked_for() -> None:
    found = calibrate(Cusum(mean=3.0, standard_deviation=2.0), 200.0, draws=1000, seed=1)
    assert found.run_length.average >= 200.0
    assert found.run_length.average == pytest.approx(200.0, rel=0.01)
    assert found.detector.threshold == found.threshold
    exact = cusum_average_run_length(0.5, found.threshold)
    assert exact == pytest.approx(200.0, abs=4.0 * found.run_length.standard_error)
    again = calibrate(Cusum(mean=3.0, standard_deviation=2.0), 200.0, draws=1000, seed=1)
    assert again.threshold == found.threshold
    same_paths = run_length(found.detector, draws=1000, seed=1, horizon=800)
    assert same_paths.average == pytest.approx(found.run_length.average, rel=1e-12)


@pytest.mark.parametrize(("head_start", "sides"), [(0.0, "both"), (2.0, "both"), (2.0, "lower")])
def test_run_length_is_that_of_the_integral_equation(head_start: float, sides: str) -> None:
    detector = Cusum(h=4.0, head_start=head_start, sides=sides)
    found = run_length(detector, draws=1000, seed=5, horizon=1000)
    assert found.average == pytest.approx(
        cusum_average_run_length(0.5, 4.0, head_start=head_start, sides=sides), abs=4.0 * found.standard_error
    )


def test_delay_is_that_of_the_integral_equation() -> None:
    found = detection_delay(Cusum(h=4.0), shift=1.0, after=0, draws=1000, seed=2, horizon=200)
    assert found.average == pytest.approx(cusum_average_run_length(0.5, 4.0, 1.0), abs=4.0 * found.standard_error)
    assert (found.missed, found.early) == (0.0, 0.0)
    steady = detection_delay(Cusum(h=4.0), shift=1.0, after=100, draws=800, seed=2, horizon=100)
    assert steady.average < found.average  # sums are above zero by then
    assert steady.early == pytest.approx(1.0 - np.exp(-100.0 / 168.0), abs=0.06)


def test_a_memoryless_chart_is_geometric() -> None:
    """Weight 1 is Shewhart's chart: each observation is out with the chance of a normal tail."""
    found = run_length(Ewma(weight=1.0, limit=2.0), draws=2000, seed=4, horizon=200)
    chance = 2.0 * stats.norm.sf(2.0)
    assert found.average == pytest.approx(1.0 / chance, abs=4.0 * found.standard_error)
    threshold = calibrate(Ewma(weight=1.0), 1.0 / chance, draws=2000, seed=6).threshold
    assert threshold == pytest.approx(2.0, abs=0.04)


def test_exceptions_against_a_markov_chain() -> None:
    """With a multiple that makes an exception worth eleven days without, the sum moves on a lattice: up eleven, or down one."""
    p = 0.05
    multiple = brentq(lambda m: log(m) + 11.0 * log((1.0 - p * m) / (1.0 - p)), 1.5, 15.0)
    unit, highest = -log((1.0 - p * multiple) / (1.0 - p)), 25
    chain = np.zeros((highest + 1, highest + 1))
    for level in range(highest + 1):
        chain[level, max(level - 1, 0)] += 1.0 - p
        if level + 11 <= highest:
            chain[level, level + 11] += p
    exact = float(np.linalg.solve(np.eye(highest + 1) - chain, np.ones(highest + 1))[0])
    detector = ExceptionCusum(probability=p, multiple=multiple, threshold=(highest + 0.5) * unit)
    found = run_length(detector, draws=1000, seed=3, horizon=2000)
    assert found.average == pytest.approx(exact, abs=4.0 * found.standard_error)
    assert calibrate(detector, 300.0, draws=300).run_length.average >= 300.0


def test_fat_tails_and_clusters_cry_wolf() -> None:
    """A threshold for 400 normal observations does not last a quarter as long on t and GARCH data; its own calibration does."""
    detector = calibrate(PageVariance(ratio=1.5), 400.0, draws=500, seed=1).detector
    for law in (StudentTLaw(5.0), GarchLaw()):
        wild = run_length(detector, law=law, draws=300, seed=2, horizon=1600)
        assert wild.average + 4.0 * wild.standard_error < 300.0
        own = calibrate(detector, 400.0, law=law, draws=500, seed=3)
        assert own.threshold > 1.3 * detector.threshold
        fresh = run_length(own.detector, law=law, draws=500, seed=4, horizon=1600)
        assert fresh.average == pytest.approx(400.0, abs=6.0 * fresh.standard_error)


@pytest.mark.parametrize("law", [NormalLaw(), StudentTLaw(5.0), GarchLaw(), GarchLaw(df=6.0)], ids=str)
def test_laws_have_variance_one(law: object) -> None:
    draws = law(np.random.Generator(np.random.PCG64(1)), 200_000)  # type: ignore[operator]
    assert draws.mean() == pytest.approx(0.0, abs=0.02)
    assert draws.var() == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibrate(Cusum(), 1.0), "average_run_length must be more than 1"),
        (lambda: calibrate(Cusum(), 100.0, horizon=50), "horizon must be"),
        (lambda: calibrate(Cusum(), 100.0, draws=0), "draws and horizon must be at least 1"),
        (lambda: calibrate(VolatilityBreakout(), 100.0, law=lambda rng, n: np.zeros(n), draws=5), "never moved"),
        (lambda: calibrate(Cusum(), 100.0, law=lambda rng, n: 3.0 * np.eye(1, n)[0], draws=5), "take a longer horizon"),
        (lambda: detection_delay(ExceptionCusum()), "give observe"),
        (lambda: detection_delay(Cusum(h=1e-9), after=50, draws=5), "every path has an alarm"),
        (lambda: GarchLaw(0.2, 0.8), "below 1"),
        (lambda: StudentTLaw(2.0), "df must be more than 2"),
    ],
)
def test_impossible_input_is_refused(call: object, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        call()  # type: ignore[operator]
