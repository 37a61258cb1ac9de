"""Markov-switching regression and autoregression against statsmodels, enumeration, and known parameters."""

from __future__ import annotations

import warnings
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from risk_core.regimes import (
    RegimeError,
    SwitchingModel,
    SwitchingStatus,
    fit_markov_autoregression,
    fit_markov_regression,
    forward_backward,
    hamilton_filter,
    logistic_transitions,
    simulate_chain,
    stationary_distribution,
)
from risk_core.regimes.switching_kernels import likelihood

P2 = np.array([[0.95, 0.05], [0.12, 0.88]])


def world(count: int, seed: int) -> tuple[Any, Any, Any]:
    """States, a regressor, and a switching autoregression of order one."""
    rng = np.random.default_rng(seed)
    s = simulate_chain(P2, count, seed)
    x = rng.standard_normal(count)
    m = np.array([0.5, -1.0])[s] + np.array([0.3, 1.2])[s] * x
    y = m.copy()
    for t in range(count):
        y[t] += 0.4 * (y[t - 1] - m[t - 1]) * (t > 0) + np.array([0.5, 1.5])[s[t]] * rng.standard_normal()
    return s, x, y


STATES, X, Y = world(400, 1)


def theirs(kind: str, y: Any, params: Any, **options: Any) -> Any:
    from statsmodels.tsa.regime_switching.markov_autoregression import MarkovAutoregression
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = {"regression": MarkovRegression, "autoregression": MarkovAutoregression}[kind](y, **options)
        return model.smooth(params)


def compare(mine: Any, other: Any) -> None:
    assert mine.log_likelihood == pytest.approx(other.llf, abs=1e-8)
    np.testing.assert_allclose(mine.log_likelihoods, other.llf_obs, atol=1e-9)
    np.testing.assert_allclose(mine.filtered, other.filtered_marginal_probabilities, atol=1e-9)
    np.testing.assert_allclose(mine.predicted, other.predicted_marginal_probabilities, atol=1e-9)
    np.testing.assert_allclose(mine.smoothed, other.smoothed_marginal_probabilities, atol=1e-9)


def test_regression_equals_statsmodels() -> None:
    model = SwitchingModel(P2, [0.4, -0.8], [0.6, 1.4], coefficients=[[0.2], [1.0]])
    params = [0.95, 0.12, 0.4, -0.8, 0.2, 1.0, 0.36, 1.96]
    compare(hamilton_filter(Y, model, X), theirs("regression", Y, params, k_regimes=2, exog=X, switching_variance=True))


@pytest.mark.parametrize("order", [1, 2, 4])
def test_autoregression_equals_statsmodels(order: int) -> None:
    """Three states, means and lags switching; joint probabilities too. The variance switches at order one only: beyond, statsmodels (0.15)
    reads that of s_{t-p+1}, not of s_t; enumeration stands in."""
    k = 3
    p = np.array([[0.9, 0.06, 0.04], [0.1, 0.8, 0.1], [0.02, 0.08, 0.9]])
    lags = 0.3 * np.random.default_rng(order).uniform(-1, 1, (k, order))
    deviations = np.array([0.5, 0.9, 1.7] if order == 1 else [0.9] * 3)
    model = SwitchingModel(p, [0.5, -0.2, -1.0], deviations, lags)
    variances = deviations**2 if order == 1 else [0.81]
    params = [*p[:, :-1].T.ravel(), 0.5, -0.2, -1.0, *variances, *lags.T.ravel()]
    y = Y[:120]
    mine = hamilton_filter(y, model)
    other = theirs("autoregression", y, params, k_regimes=k, order=order, switching_variance=order == 1)
    compare(mine, other)
    np.testing.assert_allclose(mine.smoothed_joint, np.moveaxis(other.smoothed_joint_probabilities, -1, 0), atol=1e-9)
    assert mine.predicted_joint.shape == (120 - order, *(k,) * (order + 1))


def test_everything_switching_equals_enumeration() -> None:
    """Two lags, all parameters switching: the sum over every path of nine states from stationary chances."""
    lags = np.array([[0.3, -0.2], [-0.1, 0.4]])
    model = SwitchingModel(P2, [0.5, -1.0], [0.4, 1.6], lags)
    y, total, last = Y[:9], 0.0, np.zeros(2)
    for path in product(range(2), repeat=9):
        value = stationary_distribution(P2)[path[0]] * np.prod([P2[i, j] for i, j in pairwise(path)])
        gaps = y - model.means[list(path)]
        for t in range(2, 9):
            centre = lags[path[t]] @ gaps[[t - 1, t - 2]]
            value *= norm.pdf(gaps[t], centre, model.deviations[path[t]])
        total += value
        last[path[-1]] += value
    found = hamilton_filter(y, model)
    assert found.log_likelihood == pytest.approx(np.log(total), abs=1e-10)
    np.testing.assert_allclose(found.filtered[-1], last / total, rtol=1e-9)


def test_transitions_that_vary_equal_statsmodels() -> None:
    """Filardo's model: chances of a stay are logistic in a covariate."""
    z = np.column_stack([np.ones(400), np.sin(np.arange(400) / 20)])
    slopes = np.array([[[2.0, 1.0]], [[-1.5, 0.7]]])
    for order in (0, 1):
        lags = np.full((2, order), 0.35)
        model = SwitchingModel(logistic_transitions(z, slopes), [0.4, -0.8], [0.8, 0.8], lags)
        tvtp = slopes[:, 0].T.ravel()
        params = [*tvtp, 0.4, -0.8, 0.64, *[0.35] * order]
        options: dict[str, Any] = {"k_regimes": 2, "exog_tvtp": z}
        if order:
            options |= {"order": 1, "switching_ar": False}
        compare(hamilton_filter(Y, model), theirs("autoregression" if order else "regression", Y, params, **options))


def test_initial_chances_and_their_time() -> None:
    model = SwitchingModel(P2, [0.4, -0.8], [0.6, 1.4], [[0.3], [0.1]])
    before = hamilton_filter(Y, model, initial=[0.2, 0.8])
    first = hamilton_filter(Y, model, initial=np.array([0.2, 0.8]) @ P2, initial_time="first")
    assert before.log_likelihood == pytest.approx(first.log_likelihood, rel=1e-13)
    from statsmodels.tsa.regime_switching.markov_autoregression import MarkovAutoregression

    other = MarkovAutoregression(Y, 2, 1, switching_variance=True)
    other.initialize_known(np.array([0.2, 0.8]))
    assert before.log_likelihood == pytest.approx(other.smooth([0.95, 0.12, 0.4, -0.8, 0.36, 1.96, 0.3, 0.1]).llf, abs=1e-8)
    none = SwitchingModel(P2, [0.4, -0.8], [0.6, 1.4])
    flat = forward_backward(
        -0.5 * ((Y[:, None] - none.means) / none.deviations) ** 2 - np.log(none.deviations * np.sqrt(2 * np.pi)), P2, [0.2, 0.8], logs=True
    )
    assert hamilton_filter(Y, none, initial=[0.2, 0.8], initial_time="first").log_likelihood == pytest.approx(
        flat.log_likelihood, rel=1e-12
    )


@pytest.mark.parametrize("order", [0, 1, 3])
def test_the_likelihood_of_the_search_is_that_of_the_filter(order: int) -> None:
    model = SwitchingModel(P2, [0.4, -0.8], [0.6, 1.4], np.full((2, order), 0.2), [[0.1], [0.2]])
    centres = model.means + X[:, None] @ model.coefficients.T
    value = likelihood(Y, centres, np.ascontiguousarray(model.autoregression), model.deviations, P2, np.array([0.2, 0.8]) @ P2)
    assert value == pytest.approx(hamilton_filter(Y, model, X, initial=[0.2, 0.8]).log_likelihood, rel=1e-12)


def test_parameters_are_recovered() -> None:
    """An autoregression with a regressor; each within four of its standard errors, states found."""
    s, x, y = world(1_200, 4)
    fit = fit_markov_autoregression(y, 2, 1, x, switching_variance=True, switching_autoregression=False, starts=0)
    assert (fit.status, fit.reason) == (SwitchingStatus.OK, "")
    truth = {
        "p[0,0]": 0.88, "p[1,1]": 0.95, "mean[0]": -1.0, "mean[1]": 0.5, "deviation[0]": 1.5, "deviation[1]": 0.5,
        "ar[1]": 0.4, "coefficient[0,0]": 1.2, "coefficient[1,0]": 0.3,
    }  # fmt: skip
    m = fit.model
    found = {
        "p[0,0]": m.transition[0, 0], "p[1,1]": m.transition[1, 1], "mean[0]": m.means[0], "mean[1]": m.means[1],
        "deviation[0]": m.deviations[0], "deviation[1]": m.deviations[1], "ar[1]": m.autoregression[0, 0],
        "coefficient[0,0]": m.coefficients[0, 0], "coefficient[1,0]": m.coefficients[1, 0],
    }  # fmt: skip
    for name, value in truth.items():
        assert abs(found[name] - value) < 4 * fit.standard_errors[name], name
    assert (fit.probabilities.smoothed.argmax(axis=1) == 1 - s[1:]).mean() > 0.93
    assert fit.parameters == 9


def test_switching_variance() -> None:
    """No constant: the model of `fit_hmm` with means of zero, from stationary chances."""
    from risk_core.regimes import fit_hmm
    from tests.unit.regimes.worlds import TWO, draw

    y = draw(TWO, 1_000, 17)
    fit = fit_markov_regression(y, 2, constant=False, switching_mean=False, switching_variance=True, starts=0)
    other = fit_hmm(y, 2, free_means=False, initial="stationary", starts=0, tolerance=1e-9)
    assert fit.log_likelihood == pytest.approx(other.log_likelihood, abs=0.05)
    assert fit.log_likelihood >= other.log_likelihood - 1e-6  # the search maximises over the stationary chances too
    np.testing.assert_allclose(fit.model.deviations, other.model.deviations[:, 0], rtol=0.02)
    assert fit.parameters == 4


BAD: list[tuple[Any, str]] = [
    (lambda: fit_markov_regression(Y, 2, switching_mean=False), "nothing switches"),
    (lambda: fit_markov_regression(Y[:20], 2), "too few for 2 states"),
    (lambda: fit_markov_regression(np.full(200, 1.0), 2), "does not vary"),
    (lambda: fit_markov_regression(Y, 2, np.ones(400)), "collinear"),
    (lambda: fit_markov_regression(Y, 2, np.ones(3)), "exog has 3 rows"),
    (lambda: fit_markov_autoregression(Y, 2, 0), "order"),
    (lambda: fit_markov_regression(np.where(np.arange(400) == 3, np.nan, Y), 2), "nan at row 3"),
    (lambda: SwitchingModel(P2, [0.0, 0.0], [1.0, 0.0]), "deviations positive"),
    (lambda: SwitchingModel(P2, [0.0], [1.0, 1.0]), "one for each state"),
    (lambda: SwitchingModel(np.full((6, 6), 1 / 6), [0.0] * 6, [1.0] * 6, np.zeros((6, 5))), "joint states"),
    (lambda: hamilton_filter(Y, SwitchingModel(P2, [0.0, 0.0], [1.0, 1.0]), X), "0 columns of exog"),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(bad: Any, message: str) -> None:
    with pytest.raises(RegimeError, match=message):
        bad()
