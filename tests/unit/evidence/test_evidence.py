"""The evidence: the truths against quadrature and simulation, theory where it speaks, and a committed row for every method."""

from __future__ import annotations

import re
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from benchmarks.evidence.estimates import costly
from benchmarks.evidence.laws import (
    ALPHA,
    BETA,
    CONFIDENCES,
    COPULA_ERROR,
    COPULA_TRUTH,
    JUMP_DEVIATION,
    JUMP_MEAN,
    JUMPS_A_DAY,
    OMEGA,
    book_truth,
    laws,
    merton_truth,
    student_truth,
)
from benchmarks.evidence.simulation import MEASURES, QUICK, Block, Finding, Plan, outcome, simulate
from benchmarks.evidence.table import BEGIN, END, replaced, tables
from risk_core.measures import value_at_risk
from risk_core.methods import ONE_DAY

PAGE = Path(__file__).parents[3] / "docs" / "methods" / "evidence.md"
SMALL = Plan(sizes=(1000,), samples=150, costly_samples=0, laws=("normal", "garch"), methods=("historical", "ewma_normal"))


@pytest.fixture(scope="module")
def small() -> dict[tuple[str, str, float, str], Finding]:
    return {(f.law, f.method, f.confidence, f.measure): f for f in simulate(SMALL, 1)}


@pytest.fixture(scope="module")
def quick() -> list[Finding]:
    return simulate(Plan(sizes=(250,), samples=2, costly_samples=1), 1)


def rows(page: str) -> dict[str, list[str]]:
    """Return the methods of each table between the markers, by its heading."""
    between = page.split(BEGIN)[1].split(END)[0]
    found: dict[str, list[str]] = {}
    for part in between.split("#### ")[1:]:
        heading, body = part.split("\n", 1)
        found[heading] = re.findall(r"^\| `(\w+)`", body, re.MULTILINE)
    return found


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_student_truth_by_quadrature(confidence: float) -> None:
    var, es = student_truth(confidence)
    law = stats.t(4.0)
    assert law.sf(var) == pytest.approx(1.0 - confidence)
    assert es == pytest.approx(quad(lambda x: x * law.pdf(x), var, np.inf)[0] / (1.0 - confidence))


@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_merton_truth_by_quadrature_of_its_characteristic_function(confidence: float) -> None:
    """Gil-Pelaez for the probability of a loss beyond VaR; ES by integrating that probability."""
    var, es = merton_truth(confidence)

    def characteristic(u: float) -> complex:
        jump = np.exp(1j * u * JUMP_MEAN - 0.5 * (u * JUMP_DEVIATION) ** 2)
        return complex(np.exp(-1j * u * JUMPS_A_DAY * JUMP_MEAN - 0.5 * u * u + JUMPS_A_DAY * (jump - 1.0)))

    def below(x: float) -> float:
        return 0.5 - quad(lambda u: (np.exp(-1j * u * x) * characteristic(u)).imag / u, 1e-9, 9.0, limit=400)[0] / np.pi

    assert below(-var) == pytest.approx(1.0 - confidence, abs=1e-8)
    beyond = quad(below, -22.0, -var, limit=60, epsabs=1e-7)[0]
    assert es == pytest.approx(var + beyond / (1.0 - confidence), rel=1e-4)


def test_merton_draws_follow_their_truth() -> None:
    moves, scale = laws()["merton"].draw(np.random.Generator(np.random.PCG64(3)), 400_000)
    assert scale == 1.0
    assert moves.mean() == pytest.approx(0.0, abs=0.01)
    assert value_at_risk(moves[0], 0.99).value == pytest.approx(merton_truth(0.99)[0], rel=0.02)


def test_copula_truth_again() -> None:
    """Half a million other draws, within four of their own standard errors (about 0.3 % each)."""
    again, _ = book_truth(77, 2, draws=250_000)
    wide = 4.0 * COPULA_ERROR * sqrt(60.0)
    assert again == pytest.approx(np.array(COPULA_TRUTH), rel=wide)


def test_garch_scale_is_the_volatility_of_the_next_day() -> None:
    """The variance recursion, unrolled from the observed path; its start, 600 days before, has faded."""
    moves, scale = laws()["garch"].draw(np.random.Generator(np.random.PCG64(5)), 600)
    variance = OMEGA / (1.0 - ALPHA - BETA)
    for move in moves[0]:
        variance = OMEGA + ALPHA * move * move + BETA * variance
    assert scale == pytest.approx(sqrt(variance), rel=1e-9)


def test_historical_var_of_normal_days_is_nearly_unbiased(small: dict[tuple[str, str, float, str], Finding]) -> None:
    """The 50th worst of 1,000 lies at level 50/1001, 0.1 % of it too high: within four standard errors of the simulation."""
    found = small["normal", "historical", 0.95, "value_at_risk"]
    expected = float(stats.norm.isf(50 / 1001) / stats.norm.isf(0.05)) - 1.0
    assert abs(found.bias - expected) < 4.0 * found.error / sqrt(found.samples)
    theory = sqrt(0.05 * 0.95 / 1000) / float(stats.norm.pdf(stats.norm.isf(0.05))) / float(stats.norm.isf(0.05))
    assert found.error == pytest.approx(theory, rel=0.25)
    assert found.coverage is not None
    assert 0.84 <= found.coverage <= 1.0


def test_ewma_normal_var_of_normal_days_has_the_error_of_its_variance(small: dict[tuple[str, str, float, str], Finding]) -> None:
    """Relative variance of sigma: about sum w² / 2, with sum w² = (1 - 0.94) / (1 + 0.94)."""
    found = small["normal", "ewma_normal", 0.99, "value_at_risk"]
    assert found.error == pytest.approx(sqrt(0.06 / 1.94 / 2.0), rel=0.25)
    assert abs(found.bias) < 0.05


@pytest.mark.parametrize("confidence", CONFIDENCES)
@pytest.mark.parametrize("measure", MEASURES)
def test_ewma_normal_beats_historical_where_volatility_clusters(
    small: dict[tuple[str, str, float, str], Finding], confidence: float, measure: str
) -> None:
    assert small["garch", "ewma_normal", confidence, measure].error < 0.7 * small["garch", "historical", confidence, measure].error
    assert small["normal", "ewma_normal", confidence, measure].error > small["normal", "historical", confidence, measure].error


def test_same_seed_same_bits_however_samples_are_blocked() -> None:
    plan = Plan(sizes=(250,), costly_samples=2, methods=("historical", "volatility_weighted", "student_t", "monte_carlo_normal"))
    both, second = outcome(Block("t_copula", 250, 0, 2), plan), outcome(Block("t_copula", 250, 1, 2), plan)
    for name in plan.methods:
        assert np.array_equal(both[name][0][1:], second[name][0])


def test_quick_run_has_every_method_on_every_law(quick: list[Finding]) -> None:
    expected = {(law, size, name) for law in laws() for size in (250,) for name in ONE_DAY}
    assert {(f.law, f.size, f.method) for f in quick} == expected
    assert len(quick) == len(expected) * len(CONFIDENCES) * len(MEASURES)
    assert all(np.isfinite([f.bias, f.error, f.fallback]).all() for f in quick)
    assert {f.samples for f in quick if not costly(ONE_DAY[f.method])} == {2}
    text = tables(quick, Plan(sizes=(250,), samples=2, costly_samples=1))
    found = rows(f"{BEGIN}\n{text}\n{END}")
    assert len(found) == len(laws()) * len(CONFIDENCES)
    assert all(names == list(ONE_DAY) for names in found.values())
    assert "nan" not in text


def test_quick_plan_has_the_sizes_of_the_full_one() -> None:
    assert QUICK.sizes == Plan().sizes
    assert set(QUICK.methods) == set(ONE_DAY)


def test_committed_tables_have_a_row_for_every_method() -> None:
    """A method without evidence fails here: run `make evidence`."""
    found = rows(PAGE.read_text(encoding="utf-8"))
    assert set(found) == {f"{law.title}, {confidence:g}" for law in laws().values() for confidence in CONFIDENCES}
    for heading, names in found.items():
        assert names == list(ONE_DAY), heading


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="once each"):
        replaced("# Evidence", "table")
    page = f"words\n{BEGIN}\nold\n{END}\nmore words\n"
    assert replaced(page, "new") == f"words\n{BEGIN}\n\nnew\n\n{END}\nmore words\n"
