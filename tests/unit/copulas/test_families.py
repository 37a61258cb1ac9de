"""Families against published numbers, other libraries, and calculus: densities, distributions, h-functions, rotations, tail dependence."""

from __future__ import annotations

from itertools import combinations
from math import asin, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.special import ndtr

from risk_core.copulas import (
    ClaytonCopula,
    FrankCopula,
    GaussianCopula,
    GumbelCopula,
    IndependenceCopula,
    PairCopula,
    RotatedCopula,
    StudentTCopula,
    tail_concentration,
)
from tests.unit.copulas.cases import EXTREME, POINTS, USUAL, correlation

ALL = {**USUAL, **EXTREME}

R_OUTPUT: dict[str, tuple[PairCopula, list[float], list[float]]] = {
    "gaussian": (
        GaussianCopula.pair(0.8),
        [1.03308741, 0.06507279, 0.72896012, 0.65389439, 16.45012399, 0.34813218, 0.06768115, 0.08168840, 0.40521741, 1.26723470],
        [0.31906854, 0.06230196, 0.19284669, 0.39952707, 0.98144792, 0.25677003, 0.05932818, 0.09605404, 0.35211017, 0.20885480],
    ),
    "student_t": (
        StudentTCopula.pair(0.8, 2.0),
        [0.8303065, 0.1359839, 0.5157746, 0.4776421, 26.2173959, 0.3070661, 0.1349173, 0.1597064, 0.3303230, 1.0482301],
        [0.31140349, 0.05942746, 0.18548601, 0.39143974, 0.98347259, 0.24894028, 0.05653947, 0.09210693, 0.34447385, 0.20429882],
    ),
    "frank": (
        FrankCopula(3.0),
        [0.9646599, 0.5627195, 0.8941964, 0.8364614, 2.9570945, 0.6665601, 0.5779906, 0.5241333, 0.7156741, 1.1074024],
        [0.27467496, 0.05492539, 0.15995939, 0.36750702, 0.97782283, 0.23412757, 0.05196265, 0.08676979, 0.32803721, 0.16320730],
    ),
    "clayton": (
        ClaytonCopula(1.2),
        [1.0119836, 0.2072728, 0.8148839, 0.9481976, 2.1419659, 0.6828507, 0.2040454, 0.2838497, 0.8197787, 1.109636],
        [0.28520375, 0.0610169, 0.17703377, 0.36848218, 0.97772088, 0.24082057, 0.05811908, 0.09343934, 0.33012582, 0.18738753],
    ),
    "gumbel": (
        GumbelCopula(1.5),
        [1.0391696, 0.6539579, 0.9878446, 0.8679504, 16.6030932, 0.7542073, 0.6668307, 0.6275887, 0.7477991, 1.1564864],
        [0.27194634, 0.0548438, 0.1566819, 0.3709842, 0.98176346, 0.23422865, 0.0518826, 0.08659615, 0.3308696, 0.15803914],
    ),
}


@pytest.mark.parametrize("name", R_OUTPUT)
def test_r_copula_package(name: str) -> None:
    """R copula 1.0-0 at ten points, its output as shipped in statsmodels 0.15.0 (copula_r_tests.rst)."""
    copula, density, distribution = R_OUTPUT[name]
    assert np.exp(copula.log_density(POINTS)) == pytest.approx(density, abs=1e-7, rel=1e-7)
    assert copula.distribution(POINTS) == pytest.approx(distribution, abs=1e-7)


def test_published_student_t() -> None:
    """Published case of the skfolio tests (tests/test_distribution/test_copula/test_student_t.py at c06db840)."""
    u = np.array([[0.05, 0.1], [0.4, 0.2], [0.3, 0.4], [0.5, 0.6], [0.2, 0.3]])
    copula = StudentTCopula.pair(0.809016994374947, 2.91829666208803)
    density = copula.log_density(u)
    assert density == pytest.approx([1.38938848, 0.15984856, 0.61188097, 0.56991331, 0.69612892], abs=1e-7)
    assert density.sum() == pytest.approx(3.42716024087639, abs=1e-7)
    given_first = copula.transposed().h(u[:, 1], u[:, 0])
    assert given_first == pytest.approx([0.61622819, 0.10773059, 0.63375585, 0.6928992, 0.6302627], abs=1e-7)
    assert copula.kendall_tau() == pytest.approx(0.6, abs=1e-12)


def test_published_tail_dependence() -> None:
    """Formulas of the VineCopula manual (BiCopPar2TailDep) at the parameters of the skfolio tests."""
    assert ClaytonCopula(2.718413896014).tail_dependence() == pytest.approx((0.77493, 0.0), abs=2e-5)
    assert GumbelCopula(3.40806952683).tail_dependence() == pytest.approx((0.0, 0.77446), abs=2e-5)
    lower, upper = StudentTCopula.pair(0.809016994374947, 2.91829666208803).tail_dependence()
    assert lower == upper == pytest.approx(0.55582, abs=2e-5)


@pytest.mark.parametrize(
    ("copula", "arguments"),
    [
        (ClaytonCopula(3.3), {"theta": 3.3}),
        (GumbelCopula(2.2), {"theta": 2.2}),
        (FrankCopula(4.4), {"theta": 4.4}),
        (GaussianCopula.pair(-0.4), {"corr": -0.4}),
        (StudentTCopula.pair(0.7, 5.0), {"corr": 0.7, "df": 5}),
    ],
    ids=lambda c: type(c).__name__,
)
def test_statsmodels(copula: PairCopula, arguments: dict[str, float]) -> None:
    """Its classes have the names of ours."""
    library = pytest.importorskip("statsmodels.distributions.copula.api")
    theirs = getattr(library, type(copula).__name__)(**arguments)
    u = np.random.default_rng(0).uniform(0.001, 0.999, (500, 2))
    assert copula.log_density(u) == pytest.approx(theirs.logpdf(u), abs=1e-9)
    assert copula.kendall_tau() == pytest.approx(theirs.tau(), abs=1e-6)
    if "theta" in arguments:
        assert copula.distribution(u) == pytest.approx(theirs.cdf(u), abs=1e-12)


def test_elliptical_densities_in_four_dimensions() -> None:
    """scipy: the multivariate law less its margins."""
    matrix = correlation(4, 1)
    u = np.random.default_rng(1).uniform(1e-4, 1.0 - 1e-4, (300, 4))
    z, x = stats.norm.ppf(u), stats.t(3).ppf(u)
    normal = stats.multivariate_normal(np.zeros(4), matrix).logpdf(z) - stats.norm.logpdf(z).sum(axis=1)
    student = stats.multivariate_t(np.zeros(4), matrix, df=3).logpdf(x) - stats.t(3).logpdf(x).sum(axis=1)
    assert GaussianCopula(matrix).log_density(u) == pytest.approx(normal, abs=1e-9)
    assert StudentTCopula(matrix, 3.0).log_density(u) == pytest.approx(student, abs=1e-9)
    assert StudentTCopula(matrix, 1e6).log_density(u) == pytest.approx(normal, abs=1e-3)


@pytest.mark.parametrize("rho", [-0.97, -0.4, 0.0, 0.3, 0.95])
def test_elliptical_distributions(rho: float) -> None:
    u = np.random.default_rng(2).uniform(0.01, 0.99, (8, 2))
    matrix = [[1.0, rho], [rho, 1.0]]
    theirs = [stats.multivariate_normal([0.0, 0.0], matrix).cdf(row) for row in stats.norm.ppf(u)]
    assert GaussianCopula.pair(rho).distribution(u) == pytest.approx(theirs, abs=1e-9)
    quadrant = 0.25 + asin(rho) / (2.0 * pi)
    half = np.array([[0.5, 0.5]])
    assert GaussianCopula.pair(rho).distribution(half) == pytest.approx(quadrant, abs=1e-10)
    copula = StudentTCopula.pair(rho, 3.3)
    assert copula.distribution(half) == pytest.approx(quadrant, abs=1e-10)
    integrated = [quad(lambda v, a=a: float(copula.h(a, v)), 0.0, b, epsabs=1e-9)[0] for a, b in u[:3]]
    assert copula.distribution(u[:3]) == pytest.approx(integrated, abs=1e-7)


@pytest.mark.parametrize("name", USUAL)
def test_density_integrates_to_one(name: str) -> None:
    """Trapezium rule on normal scores, where all these densities are smooth."""
    z, step = np.linspace(-7.0, 7.0, 561, retstep=True)
    u = np.stack(np.meshgrid(ndtr(z), ndtr(z)), axis=-1).reshape(-1, 2)
    weight = np.outer(stats.norm.pdf(z), stats.norm.pdf(z)).ravel() * step**2
    assert np.exp(USUAL[name].log_density(u)) @ weight == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize("name", USUAL)
def test_h_is_the_derivative(name: str) -> None:
    """Central differences of the distribution give h both ways, and of h the density."""
    copula, e = USUAL[name], 1e-6
    u, v = np.random.default_rng(3).uniform(0.005, 0.995, (2, 200))

    def reached(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return copula.distribution(np.column_stack((first, second)))

    assert copula.h(u, v) == pytest.approx((reached(u, v + e) - reached(u, v - e)) / (2 * e), abs=1e-7)
    assert copula.transposed().h(v, u) == pytest.approx((reached(u + e, v) - reached(u - e, v)) / (2 * e), abs=1e-7)
    density = np.exp(copula.log_density(np.column_stack((u, v))))
    assert density == pytest.approx((copula.h(u + e, v) - copula.h(u - e, v)) / (2 * e), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=40, deadline=None)
@given(st.floats(1e-6, 1.0 - 1e-6), st.floats(1e-6, 1.0 - 1e-6), st.floats(1e-6, 1.0 - 1e-6))
def test_h_inverse_and_bounds(name: str, u: float, v: float, other: float) -> None:
    """h inverts where the inverse is no end of (0, 1); h rises in u; the distribution keeps to the Fréchet bounds."""
    copula = ALL[name]
    place = float(copula.h_inverse(u, v))
    if 1e-9 < place < 1.0 - 1e-9 and max(abs(getattr(copula, "theta", 0.0)), 1.0) < 100.0:
        assert copula.h(place, v) == pytest.approx(u, abs=1e-7)
    low, high = sorted((u, other))
    assert copula.h(low, v) <= copula.h(high, v) + 1e-9
    reached = float(copula.distribution([[u, v]])[0])
    assert max(u + v - 1.0, 0.0) - 1e-9 <= reached <= min(u, v) + 1e-9


@pytest.mark.parametrize("name", ALL)
def test_ends_stay_finite(name: str) -> None:
    ends = np.array([0.0, 1e-300, 1e-12, 1e-6, 0.5, 1.0 - 1e-6, 1.0 - 1e-12, 1.0])
    grid = np.stack(np.meshgrid(ends, ends), axis=-1).reshape(-1, 2)
    copula = ALL[name]
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(copula.log_density(grid)).all()
        assert np.isfinite(copula.distribution(grid)).all()
        for conditional in (copula.h, copula.h_inverse):
            reached = conditional(grid[:, 0], grid[:, 1])
            assert ((reached >= 0.0) & (reached <= 1.0)).all()
    drawn = copula.sample(2000, 1)
    assert drawn.min() > 0.0
    assert drawn.max() < 1.0


@pytest.mark.parametrize("name", ALL)
def test_samples(name: str) -> None:
    """Uniform margins (Kolmogorov-Smirnov), tau, and concentration in both tails against C(q, q)/q: four standard errors."""
    copula, n, q = ALL[name], 20_000, 0.05
    u = copula.sample(n, 11)
    assert np.array_equal(u, copula.sample(n, 11))
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    assert stats.kendalltau(*u.T).statistic == pytest.approx(copula.kendall_tau(), abs=4.0 * 0.8 / sqrt(n))
    at_q, beyond = copula.distribution([[q, q], [1.0 - q, 1.0 - q]])
    expected = at_q / q, (2.0 * q - 1.0 + beyond) / q
    for seen, wanted in zip(tail_concentration(u, q), expected, strict=True):
        assert seen == pytest.approx(wanted, abs=4.0 * sqrt(max(wanted, 0.01) / (q * n)))


@pytest.mark.parametrize("name", USUAL)
def test_tail_dependence_is_the_limit(name: str) -> None:
    """C(q, q)/q at q = 1e-5 and its mirror image, computed; the Gaussian and Gumbel's lower tail converge like powers of q."""
    copula, q = USUAL[name], 1e-5
    at_q, beyond = copula.distribution([[q, q], [1.0 - q, 1.0 - q]])
    lower, upper = copula.tail_dependence()
    slack = 0.03 if name == "gaussian" else 0.004
    assert at_q / q == pytest.approx(lower, abs=slack)
    assert (2.0 * q - 1.0 + beyond) / q == pytest.approx(upper, abs=slack)


@pytest.mark.parametrize("copula", [ClaytonCopula(1.5, 4), GumbelCopula(1.8, 4), FrankCopula(6.0, 4), FrankCopula(200.0, 3)], ids=str)
def test_exchangeable_samples(copula: ClaytonCopula) -> None:
    """Marshall-Olkin: uniform margins, the same tau for every pair, and the closed distribution."""
    n = 20_000
    u = copula.sample(n, 5)
    for i, j in combinations(range(copula.dimension), 2):
        assert stats.kendalltau(u[:, i], u[:, j]).statistic == pytest.approx(copula.kendall_tau(i, j), abs=0.02)
    assert all(stats.kstest(column, "uniform").pvalue > 1e-4 for column in u.T)
    for level in (0.1, 0.5, 0.9):
        closed = float(copula.distribution(np.full((1, copula.dimension), level))[0])
        assert np.mean(np.all(u <= level, axis=1)) == pytest.approx(closed, abs=4.0 * sqrt(closed / n))


def test_distribution_in_three_dimensions_is_closed() -> None:
    u = np.array([[0.3, 0.6, 0.8]])
    theta = 1.7
    clayton = (np.sum(u**-theta) - 2.0) ** (-1.0 / theta)
    gumbel = np.exp(-(np.sum((-np.log(u)) ** theta) ** (1.0 / theta)))
    frank = -np.log1p(np.prod(np.expm1(-theta * u)) / np.expm1(-theta) ** 2) / theta
    for copula, closed in ((ClaytonCopula(theta, 3), clayton), (GumbelCopula(theta, 3), gumbel), (FrankCopula(theta, 3), frank)):
        assert copula.distribution(u) == pytest.approx(closed, rel=1e-12)
    assert IndependenceCopula(3).distribution(u) == pytest.approx(0.144)


def test_rotations_move_the_corner() -> None:
    """Mass is where the convention says: at 90 degrees U high with V low, at 270 U low with V high."""
    base = ClaytonCopula(6.0)
    for degrees, corner in ((90, (0.95, 0.05)), (180, (0.95, 0.95)), (270, (0.05, 0.95))):
        turned = RotatedCopula(base, degrees)
        assert turned.log_density([corner]) == pytest.approx(base.log_density([[0.05, 0.05]]), abs=1e-9)
        assert turned.kendall_tau() == base.kendall_tau() * (1.0 if degrees == 180 else -1.0)
    assert RotatedCopula(base, 90).transposed() == RotatedCopula(base, 270)
    assert RotatedCopula(base, 180).tail_dependence() == base.tail_dependence()[::-1]


def test_frank_tau_against_quadrature() -> None:
    for theta in (1e-4, 0.09, 0.11, 1.0, 7.0, 80.0):
        debye = quad(lambda t: t / np.expm1(t) if t else 1.0, 0.0, theta, epsabs=1e-13)[0] / theta
        direct = 1.0 - 4.0 / theta * (1.0 - debye)
        assert FrankCopula(theta).kendall_tau() == pytest.approx(direct, abs=1e-10 if theta > 0.01 else 1e-8)
        assert FrankCopula(-theta).kendall_tau() == -FrankCopula(theta).kendall_tau()
