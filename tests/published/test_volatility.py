"""Volatility models as printed: QuantLib's recursion, and the GARCH benchmark of Fiorentini, Calzolari and Panattoni."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from risk_core.volatility import OnlineVolatility, fit_garch, fit_volatility, model_state


def test_quantlib_garch11_recursion() -> None:
    """`quantlib-garch11-recursion`: QuantLib test-suite/garch.cpp, testCalculation. It starts from the square of the first return."""
    published = [0.452769, 0.513323, 0.530141, 0.5350841, 0.536558, 0.536999, 0.537132, 0.537171, 0.537183, 0.537187]
    omega = 0.4 * (1.0 - 0.2 - 0.3)
    online = OnlineVolatility(model_state("garch", {"omega": omega, "alpha": 0.2, "beta": 0.3}, 0.1**2))
    assert [online.update(0.1) for _ in published] == pytest.approx(published, abs=1e-6)


FCP = {
    "mean": (-0.00619041, 0.00846212, 0.00843359, 0.00918935),
    "omega": (0.0107613, 0.00285271, 0.00132298, 0.00649319),
    "alpha": (0.153134, 0.0265228, 0.0139737, 0.0535317),
    "beta": (0.805974, 0.0335527, 0.0165604, 0.0724614),
}
"""Estimate, and standard errors of the Hessian, the outer products, and Bollerslev and Wooldridge: G. Fiorentini, G. Calzolari and L.
Panattoni, Journal of Applied Econometrics 11 (1996) 399-417; C. Brooks, S. Burke and G. Persand, "Benchmarks and the accuracy of GARCH
model estimation", International Journal of Forecasting 17 (2001) 45-56."""


def mark_pound() -> NDArray[np.float64]:
    """1,974 daily returns of the mark against the pound, in percent (Bollerslev and Ghysels 1996): one number a line, not kept here."""
    path = Path(os.environ.get("DEM2GBP", ""))
    if not path.is_file():
        pytest.skip("DEM2GBP names no file with the 1,974 returns of Bollerslev and Ghysels (1996), one a line")
    returns = np.loadtxt(path)
    assert returns.shape == (1974,)
    return returns


def test_benchmark_of_fiorentini_calzolari_and_panattoni() -> None:
    fit = fit_volatility(mark_pound(), "garch", constant_mean=True, start="sample_variance")
    assert fit.log_likelihood == pytest.approx(-1106.60788, abs=1e-4)
    for name, (value, *errors) in FCP.items():
        assert fit.parameters[name] == pytest.approx(value, rel=2e-5)
        for kind, error in zip(("hessian", "opg", "qml"), errors, strict=True):
            assert fit.standard_errors(kind)[name] == pytest.approx(error, rel=2e-5)


def test_the_start_makes_the_difference() -> None:
    """The backcast of arch has alpha 0.1455 on the same days."""
    returns = mark_pound()
    assert fit_volatility(returns, constant_mean=True).parameters["alpha"] == pytest.approx(0.1455, abs=5e-5)
    assert fit_garch(returns, constant_mean=True).parameters["alpha"] == pytest.approx(0.1455, abs=5e-5)


def test_the_start_of_the_benchmark_is_a_fixed_point() -> None:
    """Without the data: of any series the start is the mean square of its own residuals, and the likelihood is highest there."""
    rng = np.random.Generator(np.random.PCG64(1))
    h, returns = 0.5, np.empty(1500)
    for t in range(1500):
        returns[t] = 0.3 + np.sqrt(h) * rng.standard_normal()
        h = 0.05 + 0.15 * (returns[t] - 0.3) ** 2 + 0.75 * h
    fit = fit_volatility(returns, constant_mean=True, start="sample_variance")

    def likelihood(mean: float, omega: float, alpha: float, beta: float) -> float:
        e = returns - mean
        h = total = 0.0
        before = square = float(np.mean(e**2))
        for r in e:
            h = omega + alpha * square + beta * before
            total -= 0.5 * (np.log(2.0 * np.pi * h) + r * r / h)
            before, square = h, r * r
        return float(total)

    found = [fit.parameters[n] for n in ("mean", "omega", "alpha", "beta")]
    best = likelihood(*found)
    assert fit.log_likelihood == pytest.approx(best, abs=1e-8)
    for i, error in enumerate(fit.standard_errors().values()):
        for side in (-0.05, 0.05):
            moved = list(found)
            moved[i] += side * error
            assert likelihood(*moved) < best
