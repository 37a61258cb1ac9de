"""GARCH fits: against arch, a plain likelihood in scipy, simulations with known parameters, and what is no series to fit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from risk_core.measures import MeasureError
from risk_core.volatility import VolatilityFit, VolatilityStatus, fit_garch, garch_recursion, step
from risk_core.volatility.state import VolatilityState, run
from tests.unit.volatility.series import Floats, garch_series

SERIES = garch_series(1200, 3, alpha=0.04, gamma=0.08, beta=0.88, df=6.0, mean=0.05)
KINDS: list[dict[str, Any]] = [
    {},
    {"constant_mean": True},
    {"asymmetric": True},
    {"innovation": "student_t"},
    {"asymmetric": True, "innovation": "student_t", "constant_mean": True},
]
NAMES = {"mean": "mu", "omega": "omega", "alpha": "alpha[1]", "gamma": "gamma[1]", "beta": "beta[1]", "df": "nu"}


def theirs(returns: Floats, *, backcast: float | None = None, cov_type: str = "robust", **kind: Any) -> Any:
    """The same model in arch."""
    from arch import arch_model

    model = arch_model(
        returns,
        mean="Constant" if kind.get("constant_mean") else "Zero",
        p=1,
        o=int(kind.get("asymmetric", False)),
        q=1,
        dist="t" if "innovation" in kind else "normal",
        rescale=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(disp="off", tol=1e-12, backcast=backcast, cov_type=cov_type)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_fits_equal_arch(kind: dict[str, Any]) -> None:
    mine, other, classic = fit_garch(SERIES, **kind), theirs(SERIES, **kind), theirs(SERIES, cov_type="classic", **kind)
    assert (mine.status, mine.reason) == (VolatilityStatus.OK, "")
    assert mine.log_likelihood == pytest.approx(other.loglikelihood, abs=1e-5)
    for name, error in mine.standard_errors().items():
        assert mine.parameters[name] == pytest.approx(other.params[NAMES[name]], abs=2e-3 * error)
        assert error == pytest.approx(classic.std_err[NAMES[name]], rel=2e-3)
        assert mine.standard_errors(robust=True)[name] == pytest.approx(other.std_err[NAMES[name]], rel=5e-3)
    np.testing.assert_allclose(mine.volatility, other.conditional_volatility, rtol=1e-4)
    np.testing.assert_allclose(mine.residuals, other.std_resid, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(mine.forecast(12), other.forecast(horizon=12).variance.to_numpy()[-1], rtol=2e-4)


def test_the_start_is_a_convention() -> None:
    """Before the first return: the mean square of all in place of arch's decaying average of the first 75."""
    square = float(np.mean(SERIES**2))
    mine, other = fit_garch(SERIES, start="mean_square"), theirs(SERIES, backcast=square)
    assert mine.log_likelihood == pytest.approx(other.loglikelihood, abs=1e-5)
    assert mine.log_likelihood != pytest.approx(fit_garch(SERIES).log_likelihood, abs=1e-3)


def test_weights_are_of_the_likelihood() -> None:
    """Against Nelder-Mead on a likelihood written out."""
    series, weights = SERIES[:300], np.linspace(0.2, 1.8, 300) / 300
    before = float(np.sum(series[:75] ** 2 * 0.94 ** np.arange(75)) / np.sum(0.94 ** np.arange(75)))

    def minus(theta: Floats) -> float:
        omega, alpha, beta = np.exp(theta)
        h, total = omega + (alpha + beta) * before, 0.0
        for r, w in zip(series, weights, strict=True):
            total += w * 0.5 * (np.log(2.0 * np.pi * h) + r * r / h)
            h = omega + alpha * r * r + beta * h
        return total if alpha + beta < 1.0 else 10.0

    fit = fit_garch(series, weights)
    wanted = minimize(minus, np.log([0.05, 0.08, 0.85]), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12, "maxiter": 1200})
    effective = weights.sum() ** 2 / (weights**2).sum()
    assert fit.log_likelihood == pytest.approx(-effective * wanted.fun, abs=1e-6)
    np.testing.assert_allclose([fit.parameters[n] for n in ("omega", "alpha", "beta")], np.exp(wanted.x), rtol=2e-3)


@pytest.mark.parametrize("df", [None, 5.0])
def test_known_parameters_are_found(df: float | None) -> None:
    """20,000 days, within four standard errors."""
    true = {"mean": 0.1, "omega": 0.03, "alpha": 0.03, "gamma": 0.1, "beta": 0.88}
    fit = fit_garch(
        garch_series(20_000, 11, df=df, **true), asymmetric=True, constant_mean=True, innovation="student_t" if df else "normal"
    )
    for name, value in (true | ({"df": df} if df else {})).items():
        assert abs(fit.parameters[name] - value) < 4.0 * fit.standard_errors()[name]


def test_standard_errors_are_those_of_many_samples() -> None:
    """Normal likelihood of t innovations: the robust errors hold, those of the Hessian are too small. 150 samples: within 20 %."""
    fits = [fit_garch(garch_series(2000, seed, df=6.0, omega=0.05, alpha=0.1, beta=0.8)) for seed in range(150)]
    spread = np.std([f.parameters["alpha"] for f in fits])
    robust = np.median([f.standard_errors(robust=True)["alpha"] for f in fits])
    assert robust == pytest.approx(spread, rel=0.2)
    assert np.median([f.standard_errors()["alpha"] for f in fits]) < 0.85 * spread


def test_what_500_days_tell() -> None:
    """The spread of 200 samples, as `docs/methods/volatility.md` has it; its own error is a tenth or two."""
    fits = [fit_garch(garch_series(500, seed, alpha=0.08, beta=0.9)).parameters for seed in range(200)]
    assert np.std([f["alpha"] for f in fits]) == pytest.approx(0.03, rel=0.2)
    assert np.std([f["beta"] for f in fits]) == pytest.approx(0.09, rel=0.4)


def test_variance_targeting() -> None:
    fit, free = fit_garch(SERIES, variance_targeting=True), fit_garch(SERIES)
    assert fit.long_run_variance == pytest.approx(float(np.mean(SERIES**2)), rel=1e-12)
    assert "omega" in fit.standard_errors()
    assert free.log_likelihood is not None
    assert fit.log_likelihood is not None
    assert free.log_likelihood > fit.log_likelihood > free.log_likelihood - 3.0
    about = fit_garch(SERIES, variance_targeting=True, constant_mean=True)
    assert about.long_run_variance == pytest.approx(float(np.var(SERIES)), rel=1e-12)


def test_published_recursion_of_quantlib() -> None:
    """QuantLib test-suite/garch.cpp: alpha 0.2, beta 0.3, long-run variance 0.4, returns of 0.1, starting from their square."""
    published = [0.452769, 0.513323, 0.530141, 0.5350841, 0.536558, 0.536999, 0.537132, 0.537171, 0.537183, 0.537187]
    state = VolatilityState(garch_recursion(0.4 * 0.5, 0.2, 0.3), np.array([0.01]))
    for volatility in published:
        state = step(state, 0.1)
        assert state.volatility == pytest.approx(volatility, abs=1e-6)


def test_a_stream_gives_the_bits_of_the_filter() -> None:
    for kind in KINDS:
        fit = fit_garch(SERIES, **kind)
        opening = VolatilityState(fit.state.recursion, np.array([fit.volatility[0] ** 2]))
        path, after = run(opening, SERIES[:200])
        state = opening
        for t in range(200):
            assert state.variance == path[t]
            state = step(state, float(SERIES[t]))
        assert state.variance == after.variance
    with pytest.raises(MeasureError, match="the return is nan: keep the state"):
        step(state, float("nan"))


def test_forecasts_are_the_means_of_simulated_paths() -> None:
    """20,000 paths of ten days; the error of a mean is told by the paths."""
    fit = fit_garch(SERIES, asymmetric=True)
    a, rng = fit.state.recursion, np.random.Generator(np.random.PCG64(4))
    h = np.full(20_000, fit.state.variance)
    for expected in fit.forecast(10):
        assert abs(h.mean() - expected) < 4.0 * h.std() / np.sqrt(h.size) + 1e-12
        e = np.sqrt(h) * rng.standard_normal(h.size)
        h = a.level + np.where(e < 0.0, a.down, a.up) * e * e + a.persistence * h
    assert fit.long_run_variance is not None
    assert fit.forecast(5000)[-1] == pytest.approx(fit.long_run_variance, rel=1e-9)
    with pytest.raises(MeasureError, match="at least one day"):
        fit.forecast(0)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(-40, 40), st.sampled_from(KINDS))
def test_units_do_not_matter(seed: int, power: int, kind: dict[str, Any]) -> None:
    series = garch_series(300, seed)
    one, other = fit_garch(series, **kind), fit_garch(series * 2.0**power, **kind)
    assert one.status == other.status
    for name, value in one.parameters.items():
        unit = {"mean": 2.0**power, "omega": 4.0**power}.get(name, 1.0)
        assert other.parameters[name] == pytest.approx(unit * value, rel=1e-9)
    np.testing.assert_allclose(other.residuals, one.residuals, rtol=1e-9)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000))
def test_turning_the_sign_exchanges_gains_and_losses(seed: int) -> None:
    series = garch_series(300, seed, gamma=0.05, beta=0.85)
    one, other = fit_garch(series, asymmetric=True), fit_garch(-series, asymmetric=True)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-4)
    if VolatilityStatus.OK in (one.status, other.status):
        assert other.parameters["alpha"] == pytest.approx(one.parameters["alpha"] + one.parameters["gamma"], abs=1e-4)


def wild(kind: str, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    series = {
        "cauchy": lambda: rng.standard_cauchy(400),
        "zeros": lambda: rng.standard_normal(400) * (rng.random(400) < 0.3),
        "jump": lambda: rng.standard_normal(400) + 60.0 * (np.arange(400) == 200),
        "break": lambda: rng.standard_normal(400) * np.where(np.arange(400) < 300, 1.0, 5.0),
        "lattice": lambda: np.round(rng.standard_normal(400)),
        "unit root": lambda: garch_series(400, seed, omega=0.01, alpha=0.1, beta=0.9),
        "uniform": lambda: rng.uniform(-1.0, 1.0, 400),
    }
    return series[kind]()


@pytest.mark.parametrize("kind", ["cauchy", "zeros", "jump", "break", "lattice", "unit root", "uniform"])
def test_wild_series_give_numbers_and_say_what_is_wrong(kind: str) -> None:
    for seed in range(4):
        for model in KINDS:
            fit = fit_garch(wild(kind, seed), **model)
            assert np.isfinite(fit.volatility).all()
            assert (fit.volatility > 0.0).all()
            assert np.isfinite(fit.residuals).all()
            assert np.isfinite(fit.forecast(20)).all()
            assert all(np.isfinite(list(fit.parameters.values())))
            errors = [*fit.standard_errors().values(), *fit.standard_errors(robust=True).values()]
            assert np.isfinite(errors).all()
            assert (fit.reason == "") == (fit.status is VolatilityStatus.OK)
            assert fit.status is not VolatilityStatus.NOT_CONVERGED


def first(fits: list[VolatilityFit], status: VolatilityStatus) -> VolatilityFit:
    return next(f for f in fits if f.status is status)


def test_statuses() -> None:
    noise = [fit_garch(np.random.default_rng(s).standard_normal(500)) for s in range(6)]
    quiet = first(noise, VolatilityStatus.NO_CLUSTERING)
    assert (quiet.parameters["alpha"], quiet.parameters["beta"], quiet.persistence) == (0.0, 0.0, 0.0)
    assert quiet.state.variance == pytest.approx(quiet.parameters["omega"])
    broken = fit_garch(wild("break", 0))
    assert broken.status is VolatilityStatus.NEAR_UNIT_ROOT
    assert broken.long_run_variance is None
    losses = fit_garch(garch_series(2000, 5, alpha=0.0, gamma=0.2, beta=0.85), asymmetric=True)
    assert losses.status is VolatilityStatus.AT_BOUND
    assert losses.reason == "alpha stands at zero: only losses move the variance"
    assert "alpha" not in losses.standard_errors()
    thin = first([fit_garch(garch_series(1000, s), innovation="student_t") for s in range(8)], VolatilityStatus.DF_AT_UPPER_BOUND)
    assert thin.parameters["df"] == pytest.approx(200.0)
    heavy = fit_garch(np.random.default_rng(0).standard_t(1.2, 500), innovation="student_t")
    assert heavy.status is VolatilityStatus.DF_AT_LOWER_BOUND


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_nothing_to_fit(kind: dict[str, Any]) -> None:
    for value in (0.0, 0.3, -2.0):
        fit = fit_garch(np.full(200, value), **kind)
        assert fit.status is VolatilityStatus.CONSTANT
        assert fit.reason == f"every return is {value:g}; the variance is the mean square"
        assert fit.state.volatility == pytest.approx(0.0 if kind.get("constant_mean") else abs(value))
        assert np.isfinite(fit.residuals).all()
        assert fit.log_likelihood is None
    for count in (1, 2, 99):
        short = fit_garch(SERIES[:count], **kind)
        assert short.status in (VolatilityStatus.TOO_SHORT, VolatilityStatus.CONSTANT)
        assert short.standard_errors() == {}
    alone = np.zeros(300)
    alone[7] = 1.0
    assert fit_garch(SERIES[:300], alone, **kind).reason.startswith("1 effective returns; a fit needs 100")
    assert fit_garch(SERIES[:300], alone).state.volatility == pytest.approx(abs(SERIES[7]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "returns is empty"),
        (([1.0, np.nan],), "returns is nan at position 1"),
        (([1.0, np.inf],), "returns is inf at position 1"),
        (([1.0, 2.0], [1.0]), "weights must have the length"),
        (([1.0, 2.0], None, {"innovation": "ged"}), "unknown innovation 'ged'; choose one of normal, student_t"),
        (([1.0, 2.0], None, {"start": "zero"}), "unknown start 'zero'; choose one of backcast, mean_square"),
    ],
)
def test_bad_input(arguments: tuple[Any, ...], message: str) -> None:
    *given_, options = arguments if isinstance(arguments[-1], dict) else (*arguments, {})
    with pytest.raises(MeasureError, match=message):
        fit_garch(*given_, **options)
    with pytest.raises(MeasureError, match="not negative"):
        garch_recursion(-0.1, 0.1, 0.8)
