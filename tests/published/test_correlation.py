"""Printed numbers of correlation models, reproduced by one day of an update."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from risk_core.correlation import EwmaCovariance, dcc_correlations

CASES = [
    # id, source, decay, correlation, volatilities, returns, expected covariance, variances and correlation, tolerance
    (
        "leetquiz.com FRM quiz cmqpan1al001t01lb9asa05yu, question 35",
        (0.94, 0.4, (0.02, 0.03), (0.03, 0.04)),
        {"covariance": 0.0002976, "variance_x": 0.00043, "variance_y": 0.000942, "correlation": 0.4676},
    ),
    (
        "J. Hull, end-of-chapter question: volatilities 1.6 % and 2.5 %, prices 20 and 40; answer as printed at transtutors.com 1328637",
        (0.95, 0.25, (0.016, 0.025), (20.5 / 20 - 1, 40.5 / 40 - 1)),
        {"correlation": 0.2723},
    ),
]


def before(rho: float, volatilities: tuple[float, float]) -> NDArray[np.float64]:
    """Return yesterday's covariance."""
    return np.array([[1.0, rho], [rho, 1.0]]) * np.outer(volatilities, volatilities)


@pytest.mark.parametrize(("source", "inputs", "expected"), CASES, ids=["leetquiz-ewma-correlation", "hull-ewma-correlation-20-40"])
def test_ewma_update(
    source: str, inputs: tuple[float, float, tuple[float, float], tuple[float, float]], expected: dict[str, float]
) -> None:
    decay, rho, volatilities, returns = inputs
    running = EwmaCovariance(2, decay, before(rho, volatilities))
    assert running.value()[0, 1] == pytest.approx(rho * volatilities[0] * volatilities[1])
    running.update(returns)
    found = running.value()
    named = {
        "covariance": found[0, 1],
        "variance_x": found[0, 0],
        "variance_y": found[1, 1],
        "correlation": found[0, 1] / np.sqrt(found[0, 0] * found[1, 1]),
    }
    for name, value in expected.items():
        assert named[name] == pytest.approx(value, abs=5e-5 if name == "correlation" else 5e-7), source


def test_integrated_dcc_is_ewma_of_the_residuals() -> None:
    """With alpha + beta near one DCC is the exponential smoother that Engle (2002, equation 17) names as its special case."""
    z = np.random.Generator(np.random.PCG64(0)).standard_normal((2, 200))
    start = np.array([[1.0, 0.3], [0.3, 1.0]])
    smooth = EwmaCovariance(2, 0.94, start)
    for day in z.T:
        smooth.update(day)
    q = smooth.value()
    found = dcc_correlations(z, 0.06, 0.94 - 1e-12, start=start)[-1]
    assert found[0, 1] == pytest.approx(q[0, 1] / np.sqrt(q[0, 0] * q[1, 1]), abs=1e-9)
