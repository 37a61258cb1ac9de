"""Fits of four models by three laws: against arch, a likelihood written out, simulations with known parameters, and what is no series."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.measures import MeasureError
from risk_core.volatility import (
    ModelFit,
    VolatilityStatus,
    fit_aparch,
    fit_egarch,
    fit_garch,
    fit_volatility,
    model_state,
    simulate_volatility,
)
from tests.unit.volatility.series import Floats, garch_series

SERIES = garch_series(1200, 3, alpha=0.04, gamma=0.08, beta=0.88, df=6.0, mean=0.05)
CALM = 0.01 * garch_series(900, 17, alpha=0.1, gamma=0.05, beta=0.82, df=5.0)
MODELS: dict[str, dict[str, Any]] = {
    "garch": {"vol": "GARCH", "o": 0},
    "gjr": {"vol": "GARCH", "o": 1},
    "egarch": {"vol": "EGARCH", "o": 1},
    "aparch": {"vol": "APARCH", "o": 1},
}
LAWS = {"normal": "normal", "student_t": "t", "skewed_t": "skewt"}
EACH = [(model, law) for model in MODELS for law in LAWS]


def theirs(
    returns: Floats, model: str, law: str, *, mean: str = "Constant", cov_type: str = "robust", backcast: float | None = None
) -> Any:
    """The same model in arch."""
    import arch

    build: Any = arch.arch_model
    other = build(returns, mean=mean, p=1, q=1, dist=LAWS[law], rescale=False, **MODELS[model])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return other.fit(disp="off", tol=1e-12, cov_type=cov_type, backcast=backcast)


def in_arch(fit: ModelFit) -> Floats:
    """Parameters in arch's order."""
    p, law = fit.parameters, (["df"] if fit.innovation != "normal" else []) + (["skew"] if fit.innovation == "skewed_t" else [])
    order = ["mean", "omega", "alpha", *(["gamma"] if "gamma" in p else []), "beta", *(["power"] if "power" in p else []), *law]
    return np.array([p[name] for name in order])


@pytest.mark.parametrize(("model", "law"), EACH)
def test_fits_equal_arch(model: str, law: str) -> None:
    """The likelihood within 1e-3, or better; and arch's own likelihood at our parameters is ours."""
    mine, other = fit_volatility(SERIES, model, innovation=law, constant_mean=True), theirs(SERIES, model, law)
    assert mine.status is VolatilityStatus.OK
    assert mine.log_likelihood is not None
    assert mine.log_likelihood > other.loglikelihood - 1e-3
    at_ours = other.model.fix(in_arch(mine))
    # arch's backcast is of its own starting mean, not of the one it finds
    assert mine.log_likelihood == pytest.approx(at_ours.loglikelihood, abs=1e-4)
    np.testing.assert_allclose(mine.volatility, at_ours.conditional_volatility, rtol=1e-5)


@pytest.mark.parametrize(("model", "law"), [("garch", "skewed_t"), ("gjr", "student_t"), ("egarch", "normal"), ("aparch", "student_t")])
def test_fits_of_another_series_equal_arch(model: str, law: str) -> None:
    """Mean zero, returns in fractions: arch must be given percent."""
    mine, other = fit_volatility(CALM, model, innovation=law), theirs(100.0 * CALM, model, law, mean="Zero")
    assert mine.log_likelihood is not None
    assert mine.log_likelihood - CALM.size * np.log(100.0) > other.loglikelihood - 1e-3


@pytest.mark.parametrize(("market", "model"), [("sp500", "egarch"), ("nasdaq", "gjr"), ("wti", "aparch")])
def test_fits_of_markets_equal_arch(market: str, model: str) -> None:
    """1,500 days of prices that come with arch: no lower likelihood than its own."""
    table = import_module(f"arch.data.{market}").load()
    prices = (table["Adj Close"] if "Adj Close" in table else table.iloc[:, 0]).dropna().to_numpy()[-1501:]
    returns = 100.0 * np.diff(np.log(prices))
    mine, other = fit_volatility(returns, model, innovation="skewed_t", constant_mean=True), theirs(returns, model, "skewed_t")
    assert mine.log_likelihood is not None
    assert mine.log_likelihood > other.loglikelihood - 1e-3
    assert mine.status is not VolatilityStatus.NOT_CONVERGED


@pytest.mark.parametrize(("model", "law"), [("garch", "normal"), ("gjr", "skewed_t"), ("egarch", "student_t")])
def test_standard_errors_equal_arch(model: str, law: str) -> None:
    """arch differentiates numerically: within 2 %."""
    mine = fit_volatility(SERIES, model, innovation=law, constant_mean=True)
    for kind, cov_type in (("hessian", "classic"), ("qml", "robust")):
        other = theirs(SERIES, model, law, cov_type=cov_type)
        np.testing.assert_allclose(in_arch(mine), other.params, atol=0.05 * other.std_err.to_numpy().min())
        np.testing.assert_allclose(list(mine.standard_errors(kind).values()), other.std_err, rtol=0.02)


def test_outer_products_are_of_the_scores() -> None:
    """OPG against scores by finite differences of a likelihood written out."""
    series = SERIES[:400]
    fit = fit_volatility(series, "garch", start="mean_square")
    square = float(np.mean(series**2))

    def each(theta: Floats) -> Floats:
        omega, alpha, beta = theta
        h, logs = omega + (alpha + beta) * square, []
        for r in series:
            logs.append(-0.5 * (np.log(2.0 * np.pi * h) + r * r / h))
            h = omega + alpha * r * r + beta * h
        return np.array(logs)

    theta = np.array([fit.parameters[n] for n in ("omega", "alpha", "beta")])
    scores = np.column_stack([(each(theta + s) - each(theta - s)) / 2e-6 for s in 1e-6 * np.eye(3)])
    wanted = np.sqrt(np.diag(np.linalg.inv(scores.T @ scores)))
    assert fit.log_likelihood == pytest.approx(each(theta).sum(), abs=1e-8)
    np.testing.assert_allclose(list(fit.standard_errors("opg").values()), wanted, rtol=1e-5)
    with pytest.raises(MeasureError, match="unknown kind of standard error 'bhhh'; choose one of hessian, opg, qml"):
        fit.standard_errors("bhhh")


@pytest.mark.parametrize("law", ["normal", "student_t"])
@pytest.mark.parametrize("model", ["garch", "gjr"])
def test_fits_equal_fit_garch(model: str, law: str) -> None:
    """Two searches, one maximum; the mean square is about the sample mean in both."""
    mine = fit_volatility(SERIES, model, innovation=law, constant_mean=True, start="mean_square")
    other = fit_garch(SERIES, asymmetric=model == "gjr", innovation=law, constant_mean=True, start="mean_square")
    assert mine.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-7)
    for name, error in mine.standard_errors().items():
        assert mine.parameters[name] == pytest.approx(other.parameters[name], abs=1e-3 * error)
        assert error == pytest.approx(other.standard_errors()[name], rel=1e-3)
        assert mine.standard_errors("qml")[name] == pytest.approx(other.standard_errors(robust=True)[name], rel=1e-3)


def test_start_values_are_conventions() -> None:
    square = float(np.mean(SERIES**2))
    named, given_one = fit_volatility(SERIES, start="mean_square"), fit_volatility(SERIES, start=square)
    assert named.start_variance == pytest.approx(square, rel=1e-12)
    assert given_one.log_likelihood == pytest.approx(named.log_likelihood, abs=1e-9)
    assert given_one.log_likelihood == pytest.approx(
        theirs(SERIES, "garch", "normal", mean="Zero", backcast=square).loglikelihood, abs=1e-5
    )
    first = fit_volatility(SERIES, start=2.5, start_is_first=True)
    assert first.volatility[0] ** 2 == pytest.approx(2.5, rel=1e-12)
    before = fit_volatility(SERIES, start=2.5)
    p = before.parameters
    assert before.volatility[0] ** 2 == pytest.approx(p["omega"] + (p["alpha"] + p["beta"]) * 2.5, rel=1e-12)
    sample = fit_volatility(SERIES, constant_mean=True, start="sample_variance")
    assert sample.start_variance == pytest.approx(float(np.mean((SERIES - sample.parameters["mean"]) ** 2)), rel=1e-12)
    for model in ("egarch", "aparch"):
        assert fit_volatility(SERIES, model, start=2.5, start_is_first=True).volatility[0] ** 2 == pytest.approx(2.5, rel=1e-12)


@pytest.mark.parametrize(
    ("model", "true"),
    [
        ("egarch", {"mean": 0.1, "omega": -0.01, "alpha": 0.15, "gamma": -0.08, "beta": 0.96, "df": 7.0, "skew": -0.15}),
        ("aparch", {"mean": 0.1, "omega": 0.03, "alpha": 0.08, "gamma": 0.5, "beta": 0.9, "power": 1.3, "df": 7.0, "skew": -0.15}),
        ("gjr", {"mean": 0.1, "omega": 0.03, "alpha": 0.04, "gamma": 0.08, "beta": 0.88, "df": 7.0, "skew": -0.15}),
    ],
)
def test_known_parameters_are_found(model: str, true: dict[str, float]) -> None:
    """10,000 days, within four standard errors; and these are near the truth's own spread (see the page)."""
    _, r = simulate_volatility(model_state(model, true, 1.0), 100, paths=100, seed=7)
    day = simulate_volatility(model_state(model, true, 1.0), 10_000, paths=100, seed=8)[1][3]
    assert r.shape == (100, 100)
    fit = fit_volatility(day, model, innovation="skewed_t", constant_mean=True)
    assert fit.status is VolatilityStatus.OK
    for name, value in true.items():
        assert abs(fit.parameters[name] - value) < 4.0 * fit.standard_errors()[name]
        assert fit.standard_errors()[name] < 0.5 * abs(value) + 0.05


def test_standard_errors_cover() -> None:
    """EGARCH of 1,000 days: |z| of gamma and beta by the Hessian has root mean square near one, in 50 samples (its own error is 0.1)."""
    true = {"omega": 0.0, "alpha": 0.15, "gamma": -0.08, "beta": 0.95}
    _, r = simulate_volatility(model_state("egarch", true, 1.0), 1200, paths=100, seed=3)
    fits = [fit_egarch(row[200:]) for row in r[:50]]
    for name in ("gamma", "beta"):
        z = np.array([(f.parameters[name] - true[name]) / f.standard_errors()[name] for f in fits])
        assert 0.75 < np.sqrt(np.mean(z**2)) < 1.35


def test_aparch_has_the_others_inside() -> None:
    """Power 2 without asymmetry is GARCH; power 2 is GJR in other parameters: alpha (1 - gamma)², and 4 alpha gamma more for losses."""
    plain = fit_volatility(SERIES, "aparch", asymmetric=False, power=2.0)
    garch = fit_volatility(SERIES, "garch")
    assert plain.log_likelihood == pytest.approx(garch.log_likelihood, abs=1e-7)
    assert plain.parameters["alpha"] == pytest.approx(garch.parameters["alpha"], rel=1e-5)
    power, gjr = fit_aparch(SERIES, power=2.0, start=1.0), fit_volatility(SERIES, "gjr", start=1.0)
    p, q = power.parameters, gjr.parameters
    assert power.log_likelihood == pytest.approx(gjr.log_likelihood, abs=0.3)  # they differ in the first day's news only
    assert p["alpha"] * (1.0 - p["gamma"]) ** 2 == pytest.approx(q["alpha"], abs=0.02)
    assert 4.0 * p["alpha"] * p["gamma"] == pytest.approx(q["gamma"], abs=0.03)
    free, threshold = fit_aparch(SERIES), fit_aparch(SERIES, power=1.0)
    assert free.log_likelihood is not None
    assert threshold.log_likelihood is not None
    assert free.log_likelihood >= threshold.log_likelihood


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(-30, 30), st.sampled_from(EACH))
def test_units_do_not_matter(seed: int, power: int, kind: tuple[str, str]) -> None:
    series = garch_series(300, seed)
    one, other = (fit_volatility(s, kind[0], innovation=kind[1]) for s in (series, series * 2.0**power))
    assert one.status == other.status
    for name in set(one.parameters) - {"omega", "mean"}:
        assert other.parameters[name] == pytest.approx(one.parameters[name], rel=1e-7, abs=1e-9)
    np.testing.assert_allclose(other.volatility, one.volatility * 2.0**power, rtol=1e-7)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["gjr", "egarch"]))
def test_turning_the_sign_turns_the_asymmetry(seed: int, model: str) -> None:
    series = garch_series(400, seed, gamma=0.05, beta=0.85)
    one, other = fit_volatility(series, model), fit_volatility(-series, model)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-3)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_the_mirrored_fit_of_a_power_model_is_one_of_the_mirrored_series(seed: int) -> None:
    """A free power has several maxima, and which one a search climbs to need not be mirrored: so it is told where to begin."""
    series = garch_series(400, seed, gamma=0.05, beta=0.85)
    one = fit_volatility(series, "aparch")
    mirrored = {**one.parameters, "gamma": -one.parameters["gamma"]}
    other = fit_volatility(-series, "aparch", initial=mirrored)
    if one.status is VolatilityStatus.OK:
        assert one.log_likelihood is not None
        assert other.log_likelihood is not None
        assert other.log_likelihood >= one.log_likelihood - 1e-3


def wild(kind: str, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    series: dict[str, Callable[[], Floats]] = {
        "cauchy": lambda: rng.standard_cauchy(400),
        "zeros": lambda: rng.standard_normal(400) * (rng.random(400) < 0.3),
        "jump": lambda: rng.standard_normal(400) + 60.0 * (np.arange(400) == 200),
        "split": lambda: rng.standard_normal(400) - 300.0 * (np.arange(400) == 399),
        "break": lambda: rng.standard_normal(400) * np.where(np.arange(400) < 300, 1.0, 5.0),
        "lattice": lambda: np.round(rng.standard_normal(400)),
        "uniform": lambda: rng.uniform(-1.0, 1.0, 400),
        "late": lambda: rng.standard_normal(400) * (np.arange(400) >= 100),
    }
    found: Floats = series[kind]()
    return found


@pytest.mark.parametrize("kind", ["cauchy", "zeros", "jump", "split", "break", "lattice", "uniform", "late"])
def test_wild_series_give_numbers_and_say_what_is_wrong(kind: str) -> None:
    for model, law in EACH[kind == "zeros" :: 3]:
        fit = fit_volatility(wild(kind, 1), model, innovation=law)
        assert np.isfinite(fit.volatility).all()
        assert (fit.volatility > 0.0).all()
        assert np.isfinite(fit.residuals).all()
        assert np.isfinite(fit.state.variance)
        assert (fit.status is VolatilityStatus.OK) == (fit.reason == "")
        assert all(np.isfinite(v) for k in ("hessian", "opg", "qml") for v in fit.standard_errors(k).values())


def test_nothing_to_fit() -> None:
    for model, law in EACH:
        for series, status in (
            ([0.0] * 150, "constant"),
            ([0.3] * 150, "constant"),
            ([0.1, -0.2], "too_short"),
            (SERIES[:99], "too_short"),
        ):
            fit = fit_volatility(series, model, innovation=law)
            assert fit.status == status
            assert "mean square" in fit.reason
            assert fit.log_likelihood is fit.bic is None
            assert fit.volatility[0] == pytest.approx(np.sqrt(np.mean(np.square(series))))
            assert fit.standard_errors("qml") == {}
            assert fit.state.step(5.0).variance == pytest.approx(np.mean(np.square(series)))
    flat = np.random.default_rng(2).uniform(-1.0, 1.0, 400)
    assert fit_volatility(flat, "garch").status is VolatilityStatus.NO_CLUSTERING


def test_starts_from_given_parameters_find_the_same() -> None:
    for model in MODELS:
        cold = fit_volatility(SERIES, model, innovation="student_t")
        warm = fit_volatility(SERIES, model, innovation="student_t", initial=cold.parameters)
        assert warm.log_likelihood == pytest.approx(cold.log_likelihood, abs=1e-6)
    with pytest.raises(MeasureError, match=r"unknown initial parameters \['nu'\]"):
        fit_volatility(SERIES, initial={"nu": 5.0})


def test_same_bits_twice() -> None:
    one, other = (fit_volatility(SERIES, "aparch", innovation="skewed_t") for _ in range(2))
    assert one.parameters == other.parameters
    assert one.log_likelihood == other.log_likelihood


def test_bad_input() -> None:
    for wrong, match in (
        ({"model": "figarch"}, "unknown model 'figarch'; choose one of garch, gjr, egarch, aparch"),
        ({"innovation": "ged"}, "unknown innovation 'ged'; choose one of normal, student_t, skewed_t"),
        ({"start": "first"}, "unknown start 'first'; choose one of backcast, mean_square, sample_variance, or give the variance"),
        ({"start": -1.0}, "start variance must be positive"),
        ({"start": np.nan}, "start variance must be positive"),
        ({"power": 1.0}, "power is of aparch"),
        ({"model": "aparch", "power": 9.0}, "power is of aparch"),
    ):
        with pytest.raises(MeasureError, match=match):
            fit_volatility(SERIES, **wrong)
    with pytest.raises(MeasureError, match="returns is nan at position 1"):
        fit_volatility([1.0, np.nan])
    with pytest.raises(MeasureError, match="for skewed_t use fit_volatility"):
        fit_garch(SERIES, innovation="skewed_t")
    for model, given_parameters, match in (
        ("garch", {"omega": 1.0, "alpha": 0.1}, "needs"),
        ("garch", {"omega": 1.0, "alpha": 0.1, "beta": 0.8, "gamma": 0.1}, "knows"),
        ("garch", {"omega": 1.0, "alpha": 0.1, "beta": 0.8, "skew": 0.1}, "a skew needs a df"),
        ("garch", {"omega": -1.0, "alpha": 0.1, "beta": 0.8}, "must not be negative"),
        ("garch", {"omega": 1.0, "alpha": 0.1, "beta": np.nan}, "must be finite"),
        ("garch", {"omega": 1.0, "alpha": 0.1, "beta": 0.8, "df": 2.0}, "df must be above 2"),
        ("aparch", {"omega": 1.0, "alpha": 0.1, "beta": 0.8, "gamma": 1.0}, "gamma in"),
    ):
        with pytest.raises(MeasureError, match=match):
            model_state(model, given_parameters, 1.0)
    with pytest.raises(MeasureError, match="variance of the next return"):
        model_state("garch", {"omega": 1.0, "alpha": 0.1, "beta": 0.8}, 0.0)
