"""Fits against skfolio and closed forms, and their recovery of known parameters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from skfolio.distribution import ClaytonCopula as SkfolioClayton
from skfolio.distribution import GaussianCopula as SkfolioGaussian
from skfolio.distribution import GumbelCopula as SkfolioGumbel
from skfolio.distribution import StudentTCopula as SkfolioStudentT

from risk_core.copulas import (
    PAIR_FAMILIES,
    ClaytonCopula,
    Criterion,
    FitMethod,
    FitStatus,
    FittableCopula,
    FrankCopula,
    GaussianCopula,
    GumbelCopula,
    StudentTCopula,
    aic,
    bic,
    fit_pair,
    log_likelihood,
    pseudo_observations,
    select_pair,
    tau_matrix,
)
from tests.unit.copulas.cases import USUAL, correlation
from tests.unit.copulas.recovery import recovery


@pytest.mark.parametrize(
    ("true", "theirs", "names"),
    [
        (GaussianCopula.pair(0.5), SkfolioGaussian, ("rho",)),
        (StudentTCopula.pair(0.6, 4.0), SkfolioStudentT, ("rho", "freedom")),
        (ClaytonCopula(1.5), SkfolioClayton, ("theta",)),
        (GumbelCopula(1.8), SkfolioGumbel, ("theta",)),
    ],
    ids=lambda c: type(c).__name__,
)
def test_skfolio(true: FittableCopula, theirs: type, names: tuple[str, ...]) -> None:
    """Same maximum of the likelihood, same parameters; its inversion of tau gives ours."""
    u = pseudo_observations(true.sample(600, 5))
    mine, other = type(true).fit(u), theirs(itau=False, tolerance=1e-10).fit(u)
    assert log_likelihood(mine, u) == pytest.approx(other.score(u), abs=1e-4)
    assert log_likelihood(mine, u) == pytest.approx(other.score_samples(u).sum(), abs=1e-4)
    for name in names:
        attribute = {"freedom": "dof_"}.get(name, f"{name}_")
        assert getattr(mine, name) == pytest.approx(getattr(other, attribute), rel=1e-3)
    inverted, other = type(true).fit(u, FitMethod.KENDALL_TAU), theirs(itau=True).fit(u)
    assert getattr(inverted, names[0]) == pytest.approx(getattr(other, f"{names[0]}_"), rel=1e-6)


@pytest.mark.parametrize("name", [n for n in USUAL if not n.endswith("_negative")])
def test_fitted_likelihood_beats_the_truth(name: str) -> None:
    """The maximum is at least the likelihood of the true member; the tau fit has the tau of the sample."""
    true = USUAL[name]
    u = pseudo_observations(true.sample(500, 7))
    fit = fit_pair(u, name)
    assert fit.log_likelihood >= log_likelihood(true, u) - 1e-9
    assert fit.log_likelihood == pytest.approx(log_likelihood(fit.copula, u), abs=1e-12)
    assert (fit.aic, fit.bic) == pytest.approx((aic(fit.copula, u), bic(fit.copula, u)), abs=1e-9)
    assert fit.status is FitStatus.OK
    if name != "independence":
        tau = fit_pair(u, name, FitMethod.KENDALL_TAU).copula.kendall_tau()
        assert tau == pytest.approx(stats.kendalltau(*u.T).statistic, abs=1e-9)


@pytest.mark.parametrize("name", USUAL)
@pytest.mark.parametrize("criterion", Criterion)
def test_selection_finds_the_family(name: str, criterion: Criterion) -> None:
    u = pseudo_observations(USUAL[name].sample(2000, 3))
    assert select_pair(u, criterion=criterion).family == name.removesuffix("_negative")


def test_selection_takes_the_least() -> None:
    u = pseudo_observations(GaussianCopula.pair(0.3).sample(300, 1))
    every = [fit_pair(u, name) for name in PAIR_FAMILIES if not name.endswith(("_90", "_270"))]
    assert select_pair(u).aic == min(fit.aic for fit in every)
    assert select_pair(u, criterion=Criterion.BIC).bic == min(fit.bic for fit in every)


def test_search_ends_are_reported() -> None:
    against = pseudo_observations(ClaytonCopula(3.0).sample(300, 1)) * [1.0, -1.0] + [0.0, 1.0]
    for name in ("clayton", "gumbel"):
        fit = fit_pair(against, name)
        assert fit.status is FitStatus.AT_END
        assert "search ends" in fit.reason
    comonotone = np.column_stack([np.arange(1, 51) / 51.0] * 2)
    assert {fit_pair(comonotone, name).status for name in ("gaussian", "student_t", "clayton", "frank", "gumbel")} == {FitStatus.AT_END}
    light = fit_pair(pseudo_observations(GaussianCopula.pair(0.5).sample(2000, 4)), "student_t")
    assert light.copula.tail_dependence()[0] < 0.1


def test_more_than_two_columns() -> None:
    matrix = correlation(5, 2)
    u = pseudo_observations(StudentTCopula(matrix, 5.0).sample(2000, 2))
    student = StudentTCopula.fit(u)
    assert student.correlation == pytest.approx(np.where(np.eye(5), 1.0, np.sin(0.5 * np.pi * tau_matrix(u))), abs=1e-12)
    assert student.correlation == pytest.approx(matrix, abs=0.07)
    assert 4.0 < student.freedom < 6.5
    near = [log_likelihood(StudentTCopula(student.correlation, student.freedom * k), u) for k in (0.98, 1.02)]
    assert log_likelihood(student, u) > max(near)
    z = stats.norm.ppf(u)
    assert GaussianCopula.fit(u).correlation == pytest.approx(np.corrcoef(z.T), abs=1e-12)
    for true in (ClaytonCopula(2.0, 4), GumbelCopula(2.0, 4), FrankCopula(5.0, 4)):
        fit = type(true).fit(pseudo_observations(true.sample(1500, 1)), FitMethod.KENDALL_TAU)
        assert fit.dimension == 4
        assert fit.theta == pytest.approx(true.theta, rel=0.12)


def test_two_columns_gaussian_beats_its_neighbours() -> None:
    u = pseudo_observations(GaussianCopula.pair(-0.7).sample(400, 9))
    rho = GaussianCopula.fit(u).rho
    assert log_likelihood(GaussianCopula.pair(rho), u) > max(log_likelihood(GaussianCopula.pair(rho + e), u) for e in (-1e-4, 1e-4))


def test_a_correlation_from_taus_that_is_none_is_mended() -> None:
    """More columns than observations: pair by pair they do not hold together."""
    u = pseudo_observations(np.random.default_rng(3).normal(size=(10, 20)))
    fitted = GaussianCopula.fit(u, FitMethod.KENDALL_TAU)
    least = np.linalg.eigvalsh(np.sin(0.5 * np.pi * tau_matrix(u)))[0]
    assert least < 0.0, "the sample does not show what is tested"
    assert np.linalg.eigvalsh(fitted.correlation)[0] > 1e-7
    assert np.isfinite(fitted.sample(10, 1)).all()


@pytest.mark.parametrize(
    ("name", "bias", "error"),
    [("Gaussian rho", 0.02, 0.06), ("Clayton theta", 0.2, 0.35), ("Gumbel theta", 0.1, 0.17), ("Frank theta", 0.3, 0.85)],
)
@pytest.mark.parametrize("method", FitMethod)
def test_recovery(name: str, bias: float, error: float, method: FitMethod) -> None:
    """From 250 ranks, 50 replications; the page has 200, and 1000 ranks."""
    _, seen_bias, seen_error = recovery(name, method, 250, 50)
    assert abs(seen_bias) < bias
    assert seen_error < error


def test_recovery_student_t() -> None:
    _, bias, error = recovery("Student t 1/df", FitMethod.LIKELIHOOD, 1000, 15)
    assert abs(bias) < 0.03
    assert error < 0.06
