"""Statistics of forecasts, their bands under a right model, and a watch that says when a model is stale."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import chi2
from scipy.stats import norm as normal
from scipy.stats import t as student

from risk_core.correlation import (
    CovarianceMonitor,
    EwmaCovariance,
    MonitorStatus,
    RegimeAdjustedEwmaCovariance,
    bias_band,
    bias_statistic,
    mahalanobis,
    mahalanobis_band,
    qlike,
    qlike_band,
)
from risk_core.measures import MeasureError
from tests.unit.correlation.worlds import equal_correlation

RNG = np.random.Generator(np.random.PCG64(0))
COVARIANCE = equal_correlation(4, 0.5) * np.outer([1.0, 2.0, 0.5, 1.0], [1.0, 2.0, 0.5, 1.0])


def test_statistics_by_hand_and_against_skfolio() -> None:
    assert bias_statistic([1.0, -2.0, 3.0], [1.0, 1.0, 3.0]) == pytest.approx(np.std([1.0, -2.0, 1.0], ddof=1))
    assert bias_statistic([1.0, -2.0], [1.0, 1.0], centred=False, ddof=0) == pytest.approx(np.sqrt(2.5))
    assert qlike([0.04], [0.05]) == pytest.approx(0.8 - np.log(0.8) - 1.0)
    assert qlike([0.04], [0.05], "log") == pytest.approx(np.log(0.05) + 0.8)
    assert qlike([0.3, 0.2], [0.3, 0.2]) == 0.0
    day = RNG.standard_normal(4)
    assert mahalanobis(day, COVARIANCE) == pytest.approx(day @ np.linalg.inv(COVARIANCE) @ day)
    metrics = pytest.importorskip("skfolio.metrics")
    fitted = SimpleNamespace(covariance_=COVARIANCE)
    book = np.array([0.1, 0.2, 0.3, 0.4])
    assert mahalanobis(day, COVARIANCE) / 4 == pytest.approx(metrics.mahalanobis_calibration_ratio(fitted, day[None, :]))
    theirs = metrics.portfolio_variance_qlike_loss(fitted, day[None, :], portfolio_weights=book)
    assert qlike([(book @ day) ** 2], [book @ COVARIANCE @ book], "log") == pytest.approx(theirs)


@pytest.mark.parametrize("df", [None, 9.0])
def test_bands_have_the_moments_of_the_law(df: float | None) -> None:
    """Mean and variance of x = b² and of x - log x - 1, by quadrature of scipy's density."""
    scale = 1.0 if df is None else np.sqrt((df - 2.0) / df)
    density = normal.pdf if df is None else lambda b: student.pdf(b, df, scale=scale)

    def mean(f: object) -> float:
        return 2.0 * float(integrate.quad(lambda b: f(b * b) * density(b), 0.0, np.inf, limit=300, epsabs=1e-12)[0])  # type: ignore[operator]

    reach = float(normal.ppf(0.975)) / 10.0
    square = bias_band(100, 0.95, df)
    spread = np.sqrt(mean(lambda x: x * x) - 1.0)
    assert square.upper**2 == pytest.approx(1.0 + reach * spread, rel=1e-7)
    assert square.lower**2 == pytest.approx(1.0 - reach * spread, rel=1e-7)
    assert mahalanobis_band(1, 100, 0.95, df).upper == pytest.approx(square.upper**2, rel=1e-9)
    loss = qlike_band(100, 0.95, df)
    centre = mean(lambda x: x - np.log(x) - 1.0)
    assert loss.expected == pytest.approx(centre, rel=1e-6)
    assert loss.upper - loss.expected == pytest.approx(reach * np.sqrt(mean(lambda x: (x - np.log(x) - 1.0 - centre) ** 2)), rel=1e-5)
    assert bias_band(200).upper == pytest.approx(1.0 + 1.96 * np.sqrt(0.5 / 200), abs=0.006)
    assert mahalanobis_band(5, 100, 0.95).upper == pytest.approx(1.0 + 1.96 * np.sqrt(chi2.var(5) / 25 / 100), abs=1e-5)


def test_mahalanobis_band_of_student_t() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    count, df = 6, 10.0
    x = rng.standard_normal((400_000, count)) * np.sqrt((df - 2.0) / rng.chisquare(df, (400_000, 1)))
    distance = (x * x).sum(axis=1) / count
    band = mahalanobis_band(count, 1, 0.95, df)
    assert distance.mean() == pytest.approx(1.0, abs=0.01)
    assert distance.std() == pytest.approx((band.upper - 1.0) / 1.95996, rel=0.03)


@pytest.mark.parametrize("df", [None, 8.0])
def test_false_alarms_of_a_right_model_keep_to_the_level(df: float | None) -> None:
    """On one date, at 5 % over nine statistics: Bonferroni, so at most that; with 300 watches at most 7.5 % is seen."""
    rng = np.random.Generator(np.random.PCG64(4))
    root, alarms = np.linalg.cholesky(COVARIANCE), 0
    for _ in range(300):
        state = CovarianceMonitor(4, 120, level=0.05, df=df).state()
        z = rng.standard_normal((120, 4))
        if df is not None:
            z *= np.sqrt((df - 2.0) / rng.chisquare(df, (120, 1)))
        days = z @ root.T
        books = np.array(state["settings"]["portfolios"])
        spread = np.sum((books @ COVARIANCE) * books, axis=1)
        distance = np.sum(np.linalg.solve(root, days.T) ** 2, axis=0) / 4
        state["squares"] = np.column_stack([(days @ books.T) ** 2 / spread, distance]).tolist()[:-1]
        watch = CovarianceMonitor.from_state(state)
        watch.update(days[-1], COVARIANCE)
        alarms += watch.value().stale
    assert 1 <= alarms <= 22


def test_a_model_that_goes_stale_is_called_so() -> None:
    rng = np.random.Generator(np.random.PCG64(6))
    root = np.linalg.cholesky(COVARIANCE)
    watch, called = CovarianceMonitor(4, 60, level=0.001, patience=3), None
    assert watch.value().status is MonitorStatus.TOO_FEW
    for t in range(400):
        day = root @ rng.standard_normal(4) * (1.0 if t < 300 else 1.7)
        watch.update(day, COVARIANCE)
        reading = watch.value()
        assert (reading.status is MonitorStatus.TOO_FEW) == (t < 59)
        if reading.stale and called is None:
            called = t
            assert reading.status is MonitorStatus.UNDERSTATED
            assert "3 days in a row" in reading.reason
    assert called is not None
    assert 302 <= called < 335
    low = CovarianceMonitor(4, 60)
    for _ in range(60):
        low.update(root @ rng.standard_normal(4), 3.0 * COVARIANCE)
    assert low.value().status is MonitorStatus.OVERSTATED
    # only the correlation is wrong: the marginal bias statistics stand, Mahalanobis and the book of all do not
    wrong = CovarianceMonitor(4, 250)
    for _ in range(250):
        wrong.update(root @ rng.standard_normal(4), np.diag(np.diag(COVARIANCE)))
    reading = wrong.value()
    assert reading.stale
    assert all(reading.bias_band.holds(b) for b in reading.bias[:4])  # type: ignore[union-attr]


def test_volatility_that_the_forecast_does_not_follow_is_a_matter_of_shape() -> None:
    """Calm and wild years in turn at the right mean square; with fourth moments allowed for, QLIKE alone is out."""
    rng = np.random.Generator(np.random.PCG64(8))
    scale = np.where(np.arange(2_000) // 50 % 2 == 0, 0.2, np.sqrt(1.96))
    watch = CovarianceMonitor(1, 2_000, portfolios=[[1.0]], df=5.0, with_mahalanobis=False)
    for s in scale:
        watch.update([s * rng.standard_normal()], [[1.0]])
    assert watch.value().status is MonitorStatus.SHAPE
    assert "QLIKE of book 0" in watch.value().reason


def test_a_faster_model_is_called_stale_less_often() -> None:
    """After a jump of volatility: EWMA with half-life 60, with and without the regime multiplier."""
    rng = np.random.Generator(np.random.PCG64(10))
    plain, quick = EwmaCovariance(4, 0.5 ** (1 / 60)), RegimeAdjustedEwmaCovariance(4, 60)
    watches, stale = [CovarianceMonitor(4, 40, level=0.001) for _ in range(2)], [0, 0]
    root = np.linalg.cholesky(COVARIANCE)
    for t in range(400):
        day = root @ rng.standard_normal(4) * (1.0 if t < 300 else 2.0)
        if t > 240:
            for k, model in enumerate((plain, quick)):
                watches[k].update(day, model.value())
                stale[k] += watches[k].value().stale
        plain.update(day)
        quick.update(day)
    assert stale[0] > 20
    assert stale[1] < 0.7 * stale[0]


def test_bad_input() -> None:
    with pytest.raises(MeasureError, match="more than ddof"):
        bias_statistic([1.0], [1.0])
    with pytest.raises(MeasureError, match="must be positive"):
        bias_statistic([1.0, 2.0], [1.0, 0.0])
    with pytest.raises(MeasureError, match="positive for form 'ratio'"):
        qlike([0.0], [1.0])
    assert qlike([0.0], [1.0], "log") == 0.0
    with pytest.raises(MeasureError, match="not positive definite"):
        mahalanobis([1.0, 1.0], [[1.0, 1.0], [1.0, 1.0]])
    for wrong in ({"days": 0}, {"days": 5, "level": 1.0}, {"days": 5, "df": 4.0}):
        with pytest.raises(MeasureError):
            bias_band(**wrong)  # type: ignore[arg-type]
    watch = CovarianceMonitor(2, 10)
    before = watch.state()
    for day, matrix in (
        ([np.nan, 1.0], np.eye(2)),
        ([1.0, 1.0], np.eye(3)),
        ([1.0, 1.0], np.full((2, 2), np.inf)),
        ([1.0, 1.0], np.ones((2, 2))),
    ):
        with pytest.raises(MeasureError):
            watch.update(day, matrix)
    assert watch.state() == before
    with pytest.raises(MeasureError, match="no row of zeros"):
        CovarianceMonitor(2, portfolios=[[0.0, 0.0]])
    idle = CovarianceMonitor(2, 60)
    for _ in range(60):
        idle.update([0.0, 0.0], np.eye(2))
    assert idle.value().status is MonitorStatus.OVERSTATED
    assert np.isfinite(idle.value().qlike).all()
