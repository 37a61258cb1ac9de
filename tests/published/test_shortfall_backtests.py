"""Printed results of backtests of expected shortfall, reproduced from the statistics that are printed with them."""

from __future__ import annotations

import pytest

from risk_core.backtests.es_acerbi_szekely import z2_critical_value, z2_p_value
from risk_core.backtests.es_du_escanciano import (
    du_escanciano_conditional_p_value,
    du_escanciano_unconditional_p_value,
    violation_moments,
)


def test_matlab_unconditional_t() -> None:
    """MATLAB esbacktest.unconditionalT: 1,966 days at 97.5 %, Z2 = -0.38265. Its tables are simulated and interpolated."""
    assert z2_critical_value(1966, 0.975, 0.99, "t3") == pytest.approx(-0.42986, abs=0.002)
    assert z2_p_value(-0.38265, 1966, 0.975, "t3") == pytest.approx(0.018566, abs=0.002)


@pytest.mark.parametrize(
    ("confidence", "statistic", "p_value", "standard_error", "interval"),
    [
        (0.95, 0.028821, 0.181, 0.0028565, (0.019401, 0.030599)),
        (0.975, 0.015998, 0.086278, 0.0020394, (0.0085028, 0.016497)),
        (0.99, 0.0080997, 0.016871, 0.0012972, (0.0024575, 0.0075425)),
    ],
)
def test_matlab_unconditional_de(
    confidence: float, statistic: float, p_value: float, standard_error: float, interval: tuple[float, float]
) -> None:
    """MATLAB esbacktestbyde.unconditionalDE, large sample, 1,966 days."""
    mean, error = violation_moments(1966, confidence)
    assert error == pytest.approx(standard_error, rel=2e-5)
    assert (mean - 1.959964 * error, mean + 1.959964 * error) == pytest.approx(interval, rel=5e-5)
    assert du_escanciano_unconditional_p_value(statistic, 1966, confidence) == pytest.approx(p_value, abs=2e-4)


@pytest.mark.parametrize(("statistic", "p_value"), [(39.113, 3.2121e-09), (31.177, 1.6979e-07), (18.598, 9.1526e-05)])
def test_matlab_conditional_de(statistic: float, p_value: float) -> None:
    """MATLAB esbacktestbyde.conditionalDE, 2 lags."""
    assert du_escanciano_conditional_p_value(statistic, 2) == pytest.approx(p_value, rel=5e-4)


@pytest.mark.parametrize(
    ("law", "level", "critical"), [("normal", 0.95, -0.7), ("normal", 0.9999, -1.8), ("t3", 0.95, -0.82), ("t3", 0.9999, -4.4)]
)
def test_acerbi_szekely_critical_values(law: str, level: float, critical: float) -> None:
    """Acerbi and Szekely (2014): 250 days at 97.5 %; their tails of one in ten thousand are simulated."""
    assert z2_critical_value(250, 0.975, level, law) == pytest.approx(critical, rel=0.05)
