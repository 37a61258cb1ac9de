"""Regimes in print: the weather and umbrella chains, Hamilton (1989), Stata's examples.

The series are those that statsmodels ships with its own tests; they are read from there, not copied.
"""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import risk_core.regimes as rc

AUTOREGRESSION, REGRESSION = "test_markov_autoregression", "test_markov_regression"


def shipped(module: str, name: str) -> Any:
    """Return a list that a test module of statsmodels spells out; importing it would want its own pytest markers."""
    spec = find_spec("statsmodels.tsa.regime_switching.tests")
    if spec is None or spec.origin is None:
        pytest.skip("statsmodels came without its tests")
    for statement in ast.parse((Path(spec.origin).parent / f"{module}.py").read_text()).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", None) == name:
            values = statement.value.args[0] if isinstance(statement.value, ast.Call) else statement.value
            return np.asarray(ast.literal_eval(values), np.float64).ravel()
    pytest.skip(f"statsmodels has no {name} in {module} any more")


def test_weather() -> None:
    """`hmm-weather-viterbi-posterior`: hmmlearn's tests, after Wikipedia's Viterbi algorithm (walk, shop, clean)."""
    densities = rc.categorical_densities([[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]], [0, 1, 2])
    chain = {"transition": [[0.7, 0.3], [0.4, 0.6]], "initial": [0.6, 0.4]}
    best = rc.viterbi(densities, **chain)
    assert best.states.tolist() == [1, 0, 0]
    assert best.probability == pytest.approx(0.01344, abs=1e-6)
    posterior = [[0.23170303, 0.76829697], [0.62406281, 0.37593719], [0.86397706, 0.13602294]]
    np.testing.assert_allclose(rc.forward_backward(densities, **chain).smoothed, posterior, atol=1e-6)


def test_umbrella() -> None:
    """`hmm-umbrella-backward`: hmmlearn's tests, after Wikipedia's forward-backward algorithm; Russell and Norvig print the first two days.

    There the chain starts a day before the first umbrella, from even chances.
    """
    frames, transition = [[0.9, 0.2], [0.9, 0.2], [0.1, 0.8], [0.9, 0.2], [0.9, 0.2]], [[0.7, 0.3], [0.3, 0.7]]
    beta = [[0.0661, 0.0455], [0.0906, 0.1503], [0.4593, 0.2437], [0.69, 0.41], [1, 1]]
    np.testing.assert_allclose(rc.backward_probabilities(frames, transition), beta, atol=6e-5)
    found = rc.forward_backward(frames, transition, [0.5, 0.5])
    np.testing.assert_allclose(found.filtered[:2, 0], [0.818, 0.883], atol=5e-4)
    np.testing.assert_allclose(found.smoothed[0, 0], 0.867, atol=5e-4)
    two = rc.forward_backward(frames[:2], transition, [0.5, 0.5], initial_time="before")
    np.testing.assert_allclose(two.smoothed[0, 0], 0.883, atol=5e-4)


def hamilton_model() -> rc.SwitchingModel:
    p = [[0.754673, 1 - 0.754673], [0.095915, 1 - 0.095915]]
    return rc.SwitchingModel(p, [-0.358811, 1.163516], [np.exp(-0.262658)] * 2, [[0.013486, -0.057521, -0.246983, -0.212923]] * 2)


def test_hamilton_1989_filter() -> None:
    """Growth of real GNP 1951-84, AR(4): likelihood by EViews and Stata; the chances of statsmodels at the same parameters."""
    found = rc.hamilton_filter(shipped(AUTOREGRESSION, "rgnp"), hamilton_model())
    assert found.log_likelihood == pytest.approx(-181.26339, abs=1e-4)
    assert hamilton_model().durations == pytest.approx((1 / (1 - 0.754673), 1 / 0.095915), rel=1e-9)
    from statsmodels.tsa.regime_switching.markov_autoregression import MarkovAutoregression

    other = MarkovAutoregression(shipped(AUTOREGRESSION, "rgnp"), 2, 4, switching_ar=False)
    theirs = other.smooth([0.754673, 0.095915, -0.358811, 1.163516, np.exp(-0.262658) ** 2, 0.013486, -0.057521, -0.246983, -0.212923])
    np.testing.assert_allclose(found.filtered, theirs.filtered_marginal_probabilities, atol=1e-9)
    np.testing.assert_allclose(found.smoothed, theirs.smoothed_marginal_probabilities, atol=1e-9)


def test_hamilton_1989_fit() -> None:
    """The maximum and its standard errors (EViews), found from our own starts."""
    fit = rc.fit_markov_autoregression(shipped(AUTOREGRESSION, "rgnp"), 2, 4, switching_autoregression=False)
    assert fit.status is rc.SwitchingStatus.OK
    assert fit.log_likelihood == pytest.approx(-181.26339, abs=1e-4)
    truth = hamilton_model()
    np.testing.assert_allclose(fit.model.transition, truth.transition, atol=1e-4)
    np.testing.assert_allclose(fit.model.means, truth.means, atol=1e-4)
    np.testing.assert_allclose(fit.model.autoregression, truth.autoregression, atol=1e-4)
    printed = {
        "p[0,0]": 0.0965189, "p[1,0]": 0.0377362, "mean[0]": 0.2645396, "mean[1]": 0.0745187,
        "ar[1]": 0.1199942, "ar[2]": 0.137663, "ar[3]": 0.1069103, "ar[4]": 0.1105311,
    }  # fmt: skip
    for name, error in printed.items():
        assert fit.standard_errors[name] == pytest.approx(error, rel=1e-4), name


def test_stata_switching_lags() -> None:
    """Stata's mswitch example of the same series: two lags that switch."""
    lags = [[0.3710719, 0.7002937], [0.4621503, -0.3206652]]
    p = [[0.3812383, 1 - 0.3812383], [0.3564492, 1 - 0.3564492]]
    model = rc.SwitchingModel(p, [-0.0055216, 1.195482], [0.6677098] * 2, lags)
    assert rc.hamilton_filter(shipped(AUTOREGRESSION, "rgnp"), model).log_likelihood == pytest.approx(-179.32354, abs=1e-4)


def test_stata_absolute_returns() -> None:
    """`stata-areturns-switching-variance`: Stata's mswitch example, likelihood, parameters and standard errors."""
    y = shipped(REGRESSION, "areturns")
    model = rc.SwitchingModel(
        [[0.7530865, 0.2469135], [0.6825357, 0.3174643]],
        [0.7641424, 1.972771],
        [0.5895792, 1.605333],
        coefficients=[[0.0790744], [0.527953]],
    )
    assert rc.hamilton_filter(y[1:], model, y[:-1]).log_likelihood == pytest.approx(-745.7977, abs=0.002)
    fit = rc.fit_markov_regression(y[1:], 2, y[:-1], switching_variance=True, starts=2)
    assert fit.log_likelihood == pytest.approx(-745.7977, abs=0.002)
    np.testing.assert_allclose(fit.model.means, model.means, atol=1e-4)
    np.testing.assert_allclose(fit.model.deviations, model.deviations, atol=1e-4)
    assert fit.standard_errors["p[0,0]"] == pytest.approx(0.0634387, rel=1e-4)
    assert fit.standard_errors["coefficient[1,0]"] == pytest.approx(0.0857841, rel=1e-4)


def test_stata_federal_funds() -> None:
    """Stata's mswitch example of the federal funds rate: two means, one variance."""
    fit = rc.fit_markov_regression(shipped(REGRESSION, "fedfunds"), 2, starts=0)
    assert fit.log_likelihood == pytest.approx(-508.63592, abs=1e-4)
    np.testing.assert_allclose(fit.model.means, [3.70877, 9.556793], atol=1e-4)
    np.testing.assert_allclose(fit.model.deviations, 2.107562, atol=1e-4)
    np.testing.assert_allclose(fit.model.transition[:, 0], [0.9820939, 0.0503587], atol=1e-5)
