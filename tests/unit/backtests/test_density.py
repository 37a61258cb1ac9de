"""Tests of PITs: against scipy, statsmodels, printed points, a second implementation, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from risk_core.backtests.berkowitz import berkowitz_tail_test, berkowitz_test
from risk_core.backtests.density import Uniformity, anderson_darling_p_value, cramer_von_mises_p_value, pit_uniformity_test
from risk_core.backtests.hong_li import hong_li_test, moment_statistic
from risk_core.backtests.result import BacktestError, Decision

RNG = np.random.Generator(np.random.PCG64(1))
PIT = RNG.random(300)


def test_uniformity_equals_scipy() -> None:
    ks = pit_uniformity_test(PIT)
    other = stats.kstest(PIT, "uniform")
    assert (ks.statistic, ks.p_value_exact) == pytest.approx((other.statistic, other.pvalue))
    assert ks.p_value == pytest.approx(stats.kstest(PIT, "uniform", method="asymp").pvalue)
    cvm = pit_uniformity_test(PIT, "cramer_von_mises")
    assert cvm.statistic == pytest.approx(stats.cramervonmises(PIT, "uniform").statistic)
    assert cvm.p_value == pytest.approx(stats.cramervonmises(PIT, "uniform").pvalue, abs=0.005)
    ad, u = pit_uniformity_test(PIT, "anderson_darling"), np.sort(PIT)
    wanted = -300 - sum((2 * i + 1) * (np.log(u[i]) + np.log(1 - u[299 - i])) for i in range(300)) / 300
    assert ad.statistic == pytest.approx(wanted)


def test_limiting_laws_at_their_printed_points() -> None:
    """Anderson and Darling's tables: 10, 5 and 1 % points."""
    for point, p in ((1.933, 0.1), (2.492, 0.05), (3.857, 0.01)):
        assert anderson_darling_p_value(point) == pytest.approx(p, rel=0.03)
    for point, p in ((0.34730, 0.1), (0.46136, 0.05), (0.74346, 0.01)):
        assert cramer_von_mises_p_value(point) == pytest.approx(p, rel=1e-4)
    assert (anderson_darling_p_value(0.0), anderson_darling_p_value(100.0)) == (pytest.approx(1.0), 0.0)
    assert (cramer_von_mises_p_value(0.0), cramer_von_mises_p_value(50.0)) == (1.0, pytest.approx(0.0, abs=1e-12))
    samples = RNG.random((4_000, 60))
    p_values = [pit_uniformity_test(s, "anderson_darling").p_value for s in samples[:600]]
    assert np.mean([p < 0.1 for p in p_values if p is not None]) == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize("lags", [0, 1, 2])
def test_berkowitz_equals_statsmodels(lags: int) -> None:
    from statsmodels.tsa.arima.model import ARIMA

    z = 1.1 * stats.norm.ppf(PIT)
    for t in range(1, 300):
        z[t] += 0.3 * z[t - 1]
    mine = berkowitz_test(stats.norm.cdf(z), lags=lags)
    other = ARIMA(z, order=(lags, 0, 0)).fit()
    wanted = 2.0 * (other.llf - stats.norm.logpdf(z).sum())
    assert mine.statistic == pytest.approx(wanted, abs=1e-5)
    assert mine.p_value == pytest.approx(stats.chi2.sf(wanted, 2 + lags), rel=1e-4)


def test_conditional_berkowitz_equals_least_squares() -> None:
    import statsmodels.api as sm

    z = stats.norm.ppf(PIT)
    fit = sm.OLS(z[1:], sm.add_constant(z[:-1])).fit()
    mine = berkowitz_test(PIT, likelihood="conditional")
    assert mine.statistic == pytest.approx(2.0 * (fit.llf - stats.norm.logpdf(z[1:]).sum()))
    assert mine.details["autoregression_1"] == pytest.approx(fit.params[1])


@pytest.mark.parametrize("spread", [0.8, 1.0, 1.5])
def test_berkowitz_tail_equals_a_plain_search(spread: float) -> None:
    z, c = spread * stats.norm.ppf(PIT), stats.norm.ppf(0.05)

    def minus(p: np.ndarray) -> float:
        law = stats.norm(p[0], np.exp(p[1]))
        return -float(law.logpdf(z[z < c]).sum() + (z >= c).sum() * law.logsf(c))

    best = optimize.minimize(minus, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11})
    mine = berkowitz_tail_test(stats.norm.cdf(z), 0.95)
    assert mine.statistic == pytest.approx(2.0 * (minus(np.zeros(2)) - best.fun), abs=1e-7)
    assert mine.details["standard_deviation"] == pytest.approx(np.exp(best.x[1]), rel=1e-4)
    assert mine.exceptions == (z < c).sum()


def test_sizes_of_the_likelihood_ratios() -> None:
    whole = [berkowitz_test(RNG.random(250), likelihood="conditional").p_value for _ in range(400)]
    tail = [berkowitz_tail_test(RNG.random(500), 0.95).p_value for _ in range(400)]
    for found in (whole, tail):
        assert np.mean([p < 0.1 for p in found if p is not None]) == pytest.approx(0.1, abs=0.05)
    simulated = berkowitz_tail_test(PIT, 0.95, simulations=500)
    assert simulated.p_value_exact == pytest.approx(simulated.p_value, abs=0.08)
    assert berkowitz_tail_test(stats.norm.cdf(1.5 * stats.norm.ppf(PIT)), 0.95).rejected


def brute_hong_li(u: np.ndarray, lag: int) -> float:
    """Q(j) from the paper with scipy's quadrature and loops."""
    from scipy.integrate import quad

    def k(x: float) -> float:
        return 0.9375 * (1 - x * x) ** 2 if abs(x) < 1 else 0.0

    n = u.size
    h = u.std(ddof=1) * n ** (-1 / 6)
    grid = (np.arange(150) + 0.5) / 150

    def weight(x: float, z: float) -> float:
        if x < h:
            mass = quad(k, -x / h, 1)[0]
        elif x > 1 - h:
            mass = quad(k, -1, (1 - x) / h)[0]
        else:
            mass = 1.0
        return k((x - z) / h) / h / mass

    kernel = np.array([[weight(x, z) for z in u] for x in grid])
    density = kernel[:, lag:] @ kernel[:, : n - lag].T / (n - lag)
    m = ((density - 1) ** 2).mean()
    edge = quad(lambda b: quad(lambda x: k(x) ** 2, -1, b)[0] / quad(k, -1, b)[0] ** 2, 0, 1)[0]
    centre = ((1 / h - 2) * quad(lambda x: k(x) ** 2, -1, 1)[0] + 2 * edge) ** 2 - 1
    variance = 2 * quad(lambda x: quad(lambda v: k(x + v) * k(v), -1, 1)[0] ** 2, -1, 1)[0] ** 2
    return float(((n - lag) * h * m - h * centre) / np.sqrt(variance))


def test_hong_li_equals_a_second_implementation() -> None:
    u = PIT[:60]
    mine = hong_li_test(u, lags=2, simulations=0)
    first, second = brute_hong_li(u, 1), brute_hong_li(u, 2)
    assert mine.details["q_1"] == pytest.approx(first, abs=0.02)
    assert mine.statistic == pytest.approx((first + second) / np.sqrt(2), abs=0.03)
    assert mine.status == "asymptotic_only"


def test_hong_li_finds_dependence_and_holds_its_simulated_size() -> None:
    found = [hong_li_test(RNG.random(100), lags=2, simulations=200).p_value_exact for _ in range(100)]
    assert np.mean([p < 0.1 for p in found if p is not None]) == pytest.approx(0.1, abs=0.1)
    z = np.zeros(250)
    for t in range(1, 250):
        z[t] = 0.7 * z[t - 1] + np.sqrt(0.51) * RNG.standard_normal()
    clustered = hong_li_test(stats.norm.cdf(z), lags=2, simulations=99)
    assert clustered.rejected
    assert clustered.details["m_1_1"] > 5.0  # type: ignore[operator]
    many = [moment_statistic(RNG.random(400), 1, 2, 5) for _ in range(300)]
    assert np.mean(many) == pytest.approx(0.0, abs=0.25)
    assert np.std(many) == pytest.approx(1.0, abs=0.3)


def test_degenerate_samples() -> None:
    assert pit_uniformity_test([0.5]).decision is Decision.ACCEPT
    assert pit_uniformity_test([0.5], "cramer_von_mises").p_value_exact is None
    assert pit_uniformity_test([0.0, 0.5], "anderson_darling").status == "impossible_outcome"
    for method in Uniformity:
        assert pit_uniformity_test(np.full(100, 0.02), method).rejected
    assert berkowitz_test([0.2, 0.5]).status == "too_few_observations"
    assert berkowitz_test([1.0, 0.2, 0.3, 0.4, 0.5]).status == "impossible_outcome"
    assert berkowitz_test([0.3] * 20).status == "no_variation"
    assert berkowitz_tail_test([0.5] * 20, 0.95).status == "too_few_exceptions"
    assert berkowitz_tail_test([0.01, 0.02], 0.95).status == "too_few_observations"
    assert berkowitz_tail_test([0.0, 0.02, 0.5], 0.95).status == "impossible_outcome"
    assert berkowitz_tail_test([0.01, 0.01, 0.5], 0.95).status == "no_variation"
    assert hong_li_test([0.5] * 10).status == "too_few_observations"
    assert hong_li_test([0.5] * 50).status == "no_variation"
    for test in (pit_uniformity_test, berkowitz_test, hong_li_test):
        with pytest.raises(BacktestError):
            test([0.5, np.nan])
    with pytest.raises(BacktestError, match="kolmogorov"):
        pit_uniformity_test(PIT, "shapiro")
    with pytest.raises(BacktestError, match="likelihood"):
        berkowitz_test(PIT, likelihood="whittle")
