"""Standardised laws and compiled recursions: against scipy and arch's densities, quadrature, and finite differences."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import integrate, stats

from risk_core.volatility import innovations, model_kernels
from risk_core.volatility.coordinates import from_natural, jacobian, normal_news, parameters, searched, to_natural
from tests.unit.volatility.series import Floats

LAWS: list[tuple[float | None, float | None]] = [(None, None), (5.0, None), (5.0, -0.3), (2.3, 0.6), (60.0, 0.05)]
RNG = np.random.default_rng(1)
X = RNG.standard_t(5, 150) / 1.3
THETAS = {
    model_kernels.GARCH: np.array([0.03, 0.05, 0.04, 0.08, 0.85, 2.0, 7.3, -0.2]),
    model_kernels.EGARCH: np.array([0.03, -0.02, 0.2, -0.08, 0.93, 2.0, 7.3, -0.2]),
    model_kernels.APARCH: np.array([0.03, 0.05, 0.08, 0.4, 0.85, 1.4, 7.3, -0.2]),
}
MODELS = pytest.mark.parametrize("model", THETAS, ids=["garch", "egarch", "aparch"])


@pytest.mark.parametrize(("df", "skew"), LAWS)
def test_densities(df: float | None, skew: float | None) -> None:
    """Against scipy and arch; of mean zero and variance one by quadrature."""
    from arch.univariate import SkewStudent

    z = np.linspace(-6.0, 6.0, 41)
    v, tilt = (10.0 if df is None else df), skew or 0.0
    s = innovations.shape(v, tilt, df is None)
    mine = np.array([innovations.log_density(x, v, tilt, df is None, s)[0] for x in z])
    if df is None:
        wanted = stats.norm.logpdf(z)
    elif skew is None:
        wanted = stats.t.logpdf(z, df, 0.0, np.sqrt((df - 2.0) / df))
    else:
        wanted = SkewStudent().loglikelihood([df, skew], z, np.ones(z.size), individual=True)
    np.testing.assert_allclose(mine, wanted, rtol=1e-10)
    for power, moment, tolerance in ((0, 1.0, 1e-9), (1, 0.0, 1e-6), (2, 1.0, 1e-5)):
        if df == 2.3 and power == 2:
            continue  # its quadrature is too rough: see `power_moments`
        total = sum(
            integrate.quad(lambda x, k=power: x**k * np.exp(innovations.log_density(x, v, tilt, df is None, s)[0]), *ends, limit=200)[0]
            for ends in ((-np.inf, -1.0), (-1.0, 0.0), (0.0, 1.0), (1.0, np.inf))
        )
        assert total == pytest.approx(moment, abs=tolerance)


@pytest.mark.parametrize(("df", "skew"), [law for law in LAWS if law[0] is not None])
def test_slopes_of_the_density(df: float, skew: float | None) -> None:
    tilt, e = skew or 0.0, 1e-6

    def at(z: float, v: float, k: float) -> float:
        return innovations.log_density(z, v, k, False, innovations.shape(v, k, False))[0]

    for z in (-3.1, -0.2, 0.4, 2.5):
        _, by_z, by_df, by_skew = innovations.log_density(z, df, tilt, False, innovations.shape(df, tilt, False))
        assert by_z == pytest.approx((at(z + e, df, tilt) - at(z - e, df, tilt)) / (2 * e), abs=1e-7)
        assert by_df == pytest.approx((at(z, df + e, tilt) - at(z, df - e, tilt)) / (2 * e), abs=1e-7)
        assert by_skew == pytest.approx((at(z, df, tilt + e) - at(z, df, tilt - e)) / (2 * e), abs=1e-7)


def weighed_density(z: float, df: float, skew: float, normal: bool) -> float:
    return z * float(np.exp(innovations.log_density(z, df, skew, normal, innovations.shape(df, skew, normal))[0]))


@pytest.mark.parametrize(("df", "skew"), LAWS)
def test_quantiles_and_tail_means(df: float | None, skew: float | None) -> None:
    """arch's quantile function; the tail mean is the integral of the density's."""
    from arch.univariate import SkewStudent

    for p in (0.01, 0.05, 0.6):
        quantile, shortfall = innovations.lower_tail(p, df, skew)
        ppf = stats.norm.ppf if df is None else lambda q: float(SkewStudent().ppf(q, [df, skew or 0.0]))
        assert quantile == pytest.approx(ppf(p), rel=1e-8)
        v, tilt = (10.0 if df is None else df), skew or 0.0
        weighed = partial(weighed_density, df=v, skew=tilt, normal=df is None)
        assert shortfall == pytest.approx(integrate.quad(weighed, -np.inf, quantile, limit=300)[0] / p, rel=1e-6)


@pytest.mark.parametrize(("df", "skew"), LAWS[:4])
def test_draws_follow_the_law(df: float | None, skew: float | None) -> None:
    """40,000 draws: four binomial standard errors below three quantiles."""
    drawn = innovations.draw(np.random.Generator(np.random.PCG64(3)), (40_000,), df, skew)
    for p in (0.02, 0.3, 0.9):
        below = float(np.mean(drawn < innovations.lower_tail(p, df, skew)[0]))
        assert abs(below - p) < 4.0 * np.sqrt(p * (1.0 - p) / 40_000)


@pytest.mark.parametrize(("df", "skew"), LAWS)
def test_power_moments(df: float | None, skew: float | None) -> None:
    losses, gains = innovations.power_moments(2.0, df, skew)
    assert losses + gains == pytest.approx(1.0, abs=1e-6)
    assert (losses > gains) == (skew is not None and skew < 0.0)
    if skew is None:
        law = stats.norm() if df is None else stats.t(df, 0.0, np.sqrt((df - 2.0) / df))
        assert 2.0 * innovations.power_moments(1.3, df)[0] == pytest.approx(law.expect(lambda z: np.abs(z) ** 1.3), rel=1e-6)
    assert innovations.power_moments(6.0, 5.0) == (np.inf, np.inf)


def by_hand(theta: Floats, model: int, before: float) -> float:
    """The definition, one day after another, with arch's density."""
    from arch.univariate import SkewStudent

    mean, omega, alpha, gamma, beta, power, df, skew = theta
    if model == model_kernels.GARCH:
        v = omega + (alpha + 0.5 * gamma + beta) * before
    elif model == model_kernels.EGARCH:
        v = omega + beta * np.log(before)
    else:
        v = omega + (alpha + beta) * before ** (0.5 * power)
    h = np.empty(X.size)
    for t, x in enumerate(X):
        h[t] = v if model == model_kernels.GARCH else np.exp(v) if model == model_kernels.EGARCH else v ** (2.0 / power)
        e = x - mean
        if model == model_kernels.GARCH:
            v = omega + (alpha + gamma * (e < 0.0)) * e * e + beta * v
        elif model == model_kernels.EGARCH:
            z = e / np.sqrt(h[t])
            v = omega + alpha * (abs(z) - np.sqrt(2.0 / np.pi)) + gamma * z + beta * v
        else:
            v = omega + alpha * (abs(e) - gamma * e) ** power + beta * v
    return float(SkewStudent().loglikelihood([df, skew], X - mean, h)) / X.size


def value(theta: Floats, model: int, of_first: bool = False, moving: bool = True) -> tuple[float, Floats, Floats]:
    slope, each = np.empty(8), np.empty((X.size, 8))
    away = X - theta[0]
    before, by_mean = (float(away @ away) / X.size, -2.0 * float(away.mean())) if moving else (1.2, 0.0)
    return model_kernels.likelihood(X, theta, model, False, before, by_mean, of_first, slope, each), slope, each


@MODELS
def test_the_value_is_the_definition(model: int) -> None:
    assert value(THETAS[model], model, moving=False)[0] == pytest.approx(by_hand(THETAS[model], model, 1.2), rel=1e-12)


@MODELS
@pytest.mark.parametrize("of_first", [False, True])
def test_gradients_are_finite_differences(model: int, of_first: bool) -> None:
    """By all parameters, through a start that moves with the mean."""
    theta = THETAS[model]
    _, slope, each = value(theta, model, of_first)
    np.testing.assert_allclose(each.mean(axis=0), slope, atol=1e-13)
    for i in range(8):
        if i == model_kernels.POWER and model != model_kernels.APARCH:
            continue
        step = 1e-6 * (np.arange(8) == i)
        wanted = (value(theta + step, model, of_first)[0] - value(theta - step, model, of_first)[0]) / 2e-6
        assert slope[i] == pytest.approx(wanted, abs=2e-8)


@MODELS
def test_searched_coordinates(model: int) -> None:
    theta = THETAS[model]
    u = searched(theta, model)
    np.testing.assert_allclose(parameters(u, model), theta, rtol=1e-12)
    slopes = jacobian(u, model)
    for i in range(8):
        step = 1e-6 * (np.arange(8) == i)
        np.testing.assert_allclose(slopes[:, i], (parameters(u + step, model) - parameters(u - step, model)) / 2e-6, atol=1e-5)
    natural, by = to_natural(theta, model, 0.3, 2.5)
    np.testing.assert_allclose(from_natural(natural, model, 0.3, 2.5), theta, rtol=1e-12)
    for i in range(8):
        if i == model_kernels.POWER and model != model_kernels.APARCH:
            continue  # held at 2
        step = 1e-6 * (np.arange(8) == i)
        moved = (to_natural(theta + step, model, 0.3, 2.5)[0] - to_natural(theta - step, model, 0.3, 2.5)[0]) / 2e-6
        np.testing.assert_allclose(by[:, i], moved, atol=1e-7)


def test_news_of_the_normal() -> None:
    e = 1e-6
    mean, by_gamma, by_power = normal_news(0.4, 1.3)
    assert mean == pytest.approx(stats.norm.expect(lambda z: (np.abs(z) - 0.4 * z) ** 1.3), rel=1e-8)
    assert by_gamma == pytest.approx((normal_news(0.4 + e, 1.3)[0] - normal_news(0.4 - e, 1.3)[0]) / (2 * e), rel=1e-7)
    assert by_power == pytest.approx((normal_news(0.4, 1.3 + e)[0] - normal_news(0.4, 1.3 - e)[0]) / (2 * e), rel=1e-7)
