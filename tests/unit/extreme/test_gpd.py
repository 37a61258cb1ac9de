"""The generalised Pareto fit: against scipy's optimiser, closed forms, simulated errors, and finite differences of its gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import approx_fprime

from risk_core.extreme import FitMethod, FitStatus, fit_gpd, gpd_cdf, gpd_quantile
from risk_core.extreme.gpd import parameter_gradients
from risk_core.extreme.kernels import likelihood, risk_factor
from risk_core.measures import MeasureError

Floats = NDArray[np.float64]


def draws(shape: float, count: int, seed: int, scale: float = 1.0) -> Floats:
    return gpd_quantile(np.random.default_rng(seed).random(count), shape, scale)


@pytest.mark.parametrize("shape", [-0.4, -0.1, 0.0, 0.2, 0.6, 1.3])
@pytest.mark.parametrize("count", [12, 60, 300])
def test_no_worse_than_scipy(shape: float, count: int) -> None:
    """scipy searches both parameters by Nelder-Mead: where it stays within xi >= -1, our likelihood is as large or larger."""
    excesses = draws(shape, count, int(1000 * (shape + 1)) + count, 3.0)
    fit = fit_gpd(excesses)
    found = []
    for start in (0.1, 0.7, -0.2):
        xi, _, beta = stats.genpareto.fit(excesses, start, floc=0)
        if xi >= -1.0:
            found.append((stats.genpareto.logpdf(excesses, xi, 0, beta).sum(), xi, beta))
    assert fit.log_likelihood is not None
    if not found:
        assert fit.status is FitStatus.BOUNDARY
        return
    best, xi, beta = max(found)
    assert fit.log_likelihood >= best - 1e-7
    if fit.status is not FitStatus.BOUNDARY:
        own = stats.genpareto.logpdf(excesses, fit.shape, 0, fit.scale).sum()
        assert fit.log_likelihood == pytest.approx(own, rel=1e-10)
        if fit.log_likelihood - best < 1e-5:
            assert (fit.shape, fit.scale) == pytest.approx((xi, beta), abs=1e-2)


def test_exact_quantiles_recover_the_law() -> None:
    """On 20 000 quantiles of the law both methods find it, the exponential law included."""
    level = (np.arange(20_000) + 0.5) / 20_000
    for shape in (-0.3, 0.0, 0.25):
        for method in FitMethod:
            fit = fit_gpd(gpd_quantile(level, shape, 2.0), method=method)
            assert (fit.shape, fit.scale) == pytest.approx((shape, 2.0), abs=4e-3)
            assert fit.status is FitStatus.OK


def test_law_equals_scipy() -> None:
    y, p = np.array([0.0, 0.3, 1.9, 7.0]), np.array([0.0, 0.4, 0.99, 0.99999])
    for shape in (-0.5, -1e-9, 0.0, 1e-12, 0.4, 1.5):
        assert gpd_cdf(y, shape, 2.0) == pytest.approx(stats.genpareto.cdf(y, shape, scale=2.0), abs=1e-9)
        assert gpd_quantile(p, shape, 2.0) == pytest.approx(stats.genpareto.ppf(p, shape, scale=2.0), rel=1e-7)
    assert gpd_cdf([5.0], -0.5, 2.0).tolist() == [1.0]


@pytest.mark.parametrize("shape", [-0.7, -0.031, -0.029, -1e-5, 0.0, 1e-9, 1e-4, 0.029, 0.031, 0.5, 2.0])
def test_likelihood_derivatives(shape: float) -> None:
    """Where series hand over to closed forms too: against scipy's density, and against finite differences."""
    y = draws(shape, 40, 5)
    mass = np.linspace(1.0, 2.0, 40) / np.linspace(1.0, 2.0, 40).sum()
    y = y if shape >= 0.0 else 0.8 * y
    value, *slopes, bent, cross, curved = likelihood(shape, 0.1, y, mass)
    assert value == pytest.approx(float(mass @ stats.genpareto.logpdf(y, shape, 0, np.exp(0.1))), rel=1e-8)
    point = np.array([shape, 0.1])

    def at(k: int) -> Callable[[Floats], float]:
        return lambda t: float(likelihood(t[0], t[1], y, mass)[k])

    assert slopes == pytest.approx(approx_fprime(point, at(0), 1e-7), abs=2e-5)
    hessian = [approx_fprime(point, at(k), 1e-7) for k in (1, 2)]
    assert np.array(hessian) == pytest.approx(np.array([[bent, cross], [cross, curved]]), rel=1e-4, abs=2e-4)


@pytest.mark.parametrize("shortfall", [False, True])
@pytest.mark.parametrize("shape", [-0.6, -1e-3, 0.0, 1e-3, 0.02, 0.9])
def test_risk_factor_derivatives(shape: float, shortfall: bool) -> None:
    _, by_shape, by_depth, bent, mixed, curved = risk_factor(shape, 2.3, shortfall)
    step = 1e-5
    for k, (first, second) in enumerate(((by_shape, by_depth), (bent, mixed), (mixed, curved))):
        up, down = risk_factor(shape + step, 2.3, shortfall)[k], risk_factor(shape - step, 2.3, shortfall)[k]
        deep, flat = risk_factor(shape, 2.3 + step, shortfall)[k], risk_factor(shape, 2.3 - step, shortfall)[k]
        assert first == pytest.approx((up - down) / (2 * step), rel=1e-5)
        assert second == pytest.approx((deep - flat) / (2 * step), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("method", list(FitMethod))
@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_gradients_equal_finite_differences(method: FitMethod, shape: float) -> None:
    excesses, mass = draws(shape, 30, 8, 5.0), np.linspace(1.0, 2.0, 30)
    fit = fit_gpd(excesses, mass, method=method)
    by_shape, by_scale = parameter_gradients(excesses, mass, fit)
    step = 1e-6
    for i in range(30):
        bump = step * (np.arange(30) == i)
        up, down = (fit_gpd(excesses + s * bump, mass, method=method) for s in (1, -1))
        assert by_shape[i] == pytest.approx((up.shape - down.shape) / (2 * step), abs=2e-7)
        assert by_scale[i] == pytest.approx((up.scale - down.scale) / (2 * step), abs=2e-6)
    assert by_shape @ excesses == pytest.approx(0.0, abs=1e-12)
    assert by_scale @ excesses == pytest.approx(fit.scale, rel=1e-12)


@pytest.mark.parametrize("method", list(FitMethod))
def test_standard_errors_equal_the_spread_of_simulated_fits(method: FitMethod) -> None:
    """600 samples of 400 from xi = 0.2: the spread over the mean error lies within 10 %, four times its own error."""
    fits = [fit_gpd(draws(0.2, 400, seed, 3.0), method=method) for seed in range(600)]
    for name in ("shape", "scale"):
        spread = np.std([getattr(f, name) for f in fits])
        assert np.mean([getattr(f, f"{name}_error") for f in fits]) == pytest.approx(spread, rel=0.1)
    assert np.mean([f.shape for f in fits]) == pytest.approx(0.2, abs=0.02)


def test_observed_information_tends_to_smiths_covariance() -> None:
    """(1 + xi) / k times [[1 + xi, -beta], [-beta, 2 beta²]] (Hosking and Wallis 1987, from Smith 1984), on exact quantiles."""
    fit = fit_gpd(gpd_quantile((np.arange(50_000) + 0.5) / 50_000, 0.2, 3.0))
    assert fit.covariance is not None
    assert fit.covariance * 50_000 == pytest.approx(1.2 * np.array([[1.2, -3.0], [-3.0, 18.0]]), rel=0.01)


def test_weights() -> None:
    """Whole weights repeat observations: the same likelihood maximum. Equal weights of any size are none. Zero weight is absence."""
    excesses = draws(0.3, 40, 2)
    counts = np.random.default_rng(0).integers(0, 4, 40)
    weighted, repeated = fit_gpd(excesses, counts), fit_gpd(np.repeat(excesses, counts))
    assert (weighted.shape, weighted.scale) == pytest.approx((repeated.shape, repeated.scale), rel=1e-10)
    assert weighted.effective_count == pytest.approx(counts.sum() ** 2 / (counts**2).sum())
    assert weighted.count == np.count_nonzero(counts)
    assert weighted.shape_error is not None
    assert repeated.shape_error is not None
    assert weighted.shape_error > repeated.shape_error
    assert fit_gpd(excesses, np.full(40, 7.0)).shape == pytest.approx(fit_gpd(excesses).shape, rel=1e-12)


@pytest.mark.parametrize("method", list(FitMethod))
def test_unit_and_order_do_not_matter(method: FitMethod) -> None:
    excesses = draws(0.3, 50, 4)
    fit, scaled = fit_gpd(excesses, method=method), fit_gpd(1e140 * excesses[::-1], method=method)
    assert (scaled.shape, scaled.scale / 1e140) == pytest.approx((fit.shape, fit.scale), rel=1e-10)
    again = fit_gpd(excesses, method=method)
    assert (again.shape, again.scale, again.log_likelihood) == (fit.shape, fit.scale, fit.log_likelihood)


def test_statuses() -> None:
    uniform = fit_gpd(np.arange(1.0, 51.0))
    assert (uniform.status, uniform.shape, uniform.scale) == (FitStatus.BOUNDARY, -1.0, 50.0)
    assert uniform.log_likelihood == pytest.approx(-50 * np.log(50))
    assert uniform.covariance is None
    endless = fit_gpd(draws(1.6, 200, 1))
    assert endless.status is FitStatus.INFINITE_MEAN
    assert "no mean" in endless.reason
    few = fit_gpd(draws(0.2, 15, 0))
    assert few.status is FitStatus.FEW_EXCEEDANCES
    short = fit_gpd(draws(-0.7, 400, 3))
    assert (short.status, short.covariance, short.shape_error) == (FitStatus.IRREGULAR, None, None)
    heavy = fit_gpd(draws(0.9, 400, 3), method="pwm")
    assert heavy.status is FitStatus.IRREGULAR
    outside = fit_gpd([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 3.0], method="pwm")
    assert (outside.status, outside.log_likelihood) == (FitStatus.INFEASIBLE, None)
    assert -outside.scale / outside.shape < 3.0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: fit_gpd([]), "excesses is empty"),
        (lambda: fit_gpd([1.0, np.nan, 2.0]), "excesses is nan at position 1"),
        (lambda: fit_gpd([1.0, 0.0, 2.0]), "must be positive, not .*less the threshold"),
        (lambda: fit_gpd([1.0, 2.0]), "2 excesses cannot show a tail"),
        (lambda: fit_gpd([1.0, 2.0, 3.0], [0.0, 0.0, 1.0]), "1 excesses cannot"),
        (lambda: fit_gpd([2.0, 2.0, 2.0]), "all excesses are equal"),
        (lambda: fit_gpd([1.0, 2.0, 3.0], method="lm"), "unknown method 'lm'; choose one of ml, pwm"),
        (lambda: gpd_quantile(1.0, 0.1, 1.0), "may have no end"),
        (lambda: gpd_cdf(1.0, 0.1, 0.0), "scale must be positive"),
    ],
)
def test_bad_input(bad: Callable[[], object], message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        bad()
