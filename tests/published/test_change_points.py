"""Published change points, control charts and stability tests. The sources are with each test."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from risk_core.change_points import (
    Cusum,
    Ewma,
    binary_segmentation,
    breakpoints,
    cusum_average_run_length,
    f_statistics,
    ols_cusum,
    optimal_segmentation,
    pelt,
    recursive_cusum,
    recursive_mosum,
    siegmund_average_run_length,
)

NILE = sm.datasets.nile.load_pandas().data["volume"].to_numpy()

MONTGOMERY = [
    *[9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34],
    *[9.03, 11.47, 10.51, 9.40, 10.08, 9.37, 10.62, 10.31, 8.52, 10.84],
    *[10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52],
]
"""Montgomery, Introduction to Statistical Quality Control, chapter 9, table 9.1: mean 10 and deviation 1, the last ten about 11."""


def test_nile_1898() -> None:
    """nile-breakpoint-1898: breakpoints(Nile ~ 1) of strucchange, tests/strucchange-tests.Rout.save: observation 28."""
    assert breakpoints(NILE).changes == (28,)
    assert optimal_segmentation(NILE, changes=1).changes == (28,)
    assert binary_segmentation(NILE, changes=1).changes == (28,)
    assert pelt(NILE, cost="l2").changes == (28,)
    assert pelt(NILE, cost="l2").breakpoints == (28, 100)
    assert f_statistics(NILE).place == 28
    assert 1871 + 28 - 1 == 1898  # the last year of the high level


def test_nile_table() -> None:
    """summary(breakpoints(Nile ~ 1)), manual of strucchange: RSS and BIC of 0 to 5 breaks."""
    found = breakpoints(NILE, h=0.15)
    assert np.round(found.rss).tolist() == [2835157, 1597457, 1552924, 1538097, 1507888, 1659994]
    assert np.round(found.bic).tolist() == [1318, 1270, 1276, 1285, 1292, 1311]
    assert f_statistics(NILE).supremum == pytest.approx(75.93, abs=0.005)


def test_recursive_cusum_of_the_nile() -> None:
    """strucchange-rec-cusum: strucchange-tests.Rout.save, S = 2.0669, p = 7.487e-08."""
    found = recursive_cusum(NILE)
    assert found.statistic == pytest.approx(2.0669, rel=2e-5)
    assert found.p_value == pytest.approx(7.487e-08, rel=1e-3)


def test_recursive_mosum_of_the_nile() -> None:
    """strucchange-rec-mosum: strucchange-tests.Rout.save, h = 0.5, M0 = 5.097."""
    assert recursive_mosum(NILE, h=0.5, draws=200).statistic == pytest.approx(5.097, rel=2e-5)


def test_ols_cusum_of_investment() -> None:
    """statsmodels-cusum-ols-macrodata: statsmodels 0.15.0, test_cusum_ols (strucchange): 1.05575061040121, p 0.214956739737654."""
    data = sm.datasets.macrodata.load_pandas().data
    growth = 400.0 * np.diff(np.log(data["realinv"].to_numpy()))
    regressors = np.column_stack([np.ones(growth.size), 400.0 * np.diff(np.log(data["realgdp"])), data["realint"].to_numpy()[:-1]])
    found = ols_cusum(growth, regressors)
    assert found.statistic == pytest.approx(1.05575061040121, rel=1e-7)
    assert found.p_value == pytest.approx(0.214956739737654, rel=1e-7)
    assert ols_cusum(growth, regressors, ddof=0).statistic != pytest.approx(1.05575061040121, rel=1e-3)


def test_montgomery_tabular_cusum() -> None:
    """Table 9.2: K = 0.5, H = 5; the upper sum passes 5 at observation 29, after seven above zero: the change came after 22."""
    found = Cusum(mean=10.0, standard_deviation=1.0, k=0.5, h=5.0).run(MONTGOMERY)
    assert found.alarms[0] == 28
    assert found.columns["upper"][:5] == pytest.approx([0.0, 0.0, 0.0, 1.16, 2.82])
    assert found.columns["lower"][:4] == pytest.approx([0.05, 1.56, 1.77, 0.0])
    assert found.columns["upper"][28:] == pytest.approx([5.28, 5.30])
    assert found.columns["upper_run"][28] == 7


def test_montgomery_ewma_chart() -> None:
    """Chapter 9, EWMA of the same data: lambda 0.10, L 2.7; limits 10.27 and 9.73 at first, 10.62 and 9.38 later; out at 29."""
    found = Ewma(mean=10.0, weight=0.1, limit=2.7).run(MONTGOMERY)
    assert found.columns["ewma"][:4] == pytest.approx([9.945, 9.7495, 9.70355, 9.8992], abs=5e-6)
    assert found.columns["ewma"][-1] == pytest.approx(10.6341, abs=5e-5)
    assert np.round(found.columns["upper_limit"][[0, -1]], 2).tolist() == [10.27, 10.62]
    assert np.round(found.columns["lower_limit"][[0, -1]], 2).tolist() == [9.73, 9.38]
    assert found.alarms[0] == 28


SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


@pytest.mark.parametrize(
    ("h", "printed"),
    [(4.0, (168, 74.2, 26.6, 13.3, 8.38, 4.75, 3.34)), (5.0, (465, 139, 38.0, 17.0, 10.4, 5.75, 4.01))],
)
def test_montgomery_average_run_lengths(h: float, printed: tuple[float, ...]) -> None:
    """Table 9.3: two-sided tabular CUSUM, k = 0.5; three digits."""
    for shift, length in zip(SHIFTS, printed, strict=True):
        assert cusum_average_run_length(0.5, h, shift) == pytest.approx(length, rel=5e-3)


def test_fast_initial_response() -> None:
    """Lucas and Crosier (1982): k = 0.5, h = 5, head start 2.5: 430 without a shift, 6.35 with one of one deviation."""
    assert cusum_average_run_length(0.5, 5.0, head_start=2.5) == pytest.approx(430.0, abs=1.0)
    assert cusum_average_run_length(0.5, 5.0, 1.0, head_start=2.5) == pytest.approx(6.35, abs=0.005)


def test_siegmund() -> None:
    """Montgomery, chapter 9: one side 938.2 at k = 0.5, h = 5, both 469.1; after a shift of one deviation 10.34 on that side."""
    assert siegmund_average_run_length(0.5, 5.0, sides="upper") == pytest.approx(938.2, abs=0.05)
    assert siegmund_average_run_length(0.5, 5.0) == pytest.approx(469.1, abs=0.05)
    assert siegmund_average_run_length(0.5, 5.0, 1.0, sides="upper") == pytest.approx(10.34, abs=0.01)
