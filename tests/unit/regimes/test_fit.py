"""Fits against hmmlearn, scipy, known parameters, and what is no series to fit."""

from __future__ import annotations

import warnings
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from risk_core.regimes import (
    ErrorStatus,
    HiddenMarkovModel,
    HmmStatus,
    RegimeError,
    choose_states,
    fit_hmm,
    hmm_standard_errors,
    out_of_sample,
)
from tests.unit.regimes.worlds import FOUR, HEAVY, PAIR, TWO, draw

LONG = draw(FOUR, 4_000, 7)
SHORT = draw(TWO, 1_500, 3)
BOTH = draw(PAIR, 1_500, 5)


def test_log_densities_equal_scipy() -> None:
    logs = HEAVY.log_densities(SHORT)
    for k in (0, 1):
        other = stats.t.logpdf(SHORT, HEAVY.df[k], HEAVY.means[k, 0], np.sqrt(HEAVY.scales[k, 0, 0]))  # type: ignore[index]
        np.testing.assert_allclose(logs[:, k], other, rtol=1e-11)
    both = PAIR.log_densities(BOTH)
    thick = HiddenMarkovModel(PAIR.initial, PAIR.transition, PAIR.means, PAIR.scales, [5.0, 9.0])
    for k in (0, 1):
        np.testing.assert_allclose(both[:, k], stats.multivariate_normal.logpdf(BOTH, PAIR.means[k], PAIR.scales[k]), rtol=1e-10)
        theirs = stats.multivariate_t.logpdf(BOTH, PAIR.means[k], PAIR.scales[k], thick.df[k])  # type: ignore[index]
        np.testing.assert_allclose(thick.log_densities(BOTH)[:, k], theirs, rtol=1e-10)


@pytest.mark.parametrize(("truth", "series"), [(TWO, SHORT), (PAIR, BOTH), (FOUR, LONG)], ids=["two", "pair", "four"])
def test_thirty_steps_equal_hmmlearn(truth: HiddenMarkovModel, series: Any) -> None:
    """The same steps from the same start, hmmlearn's priors off: one likelihood, one set of parameters."""
    hmmlearn = pytest.importorskip("hmmlearn.hmm")
    theirs = hmmlearn.GaussianHMM(
        truth.states,
        "full",
        n_iter=30,
        tol=-np.inf,
        init_params="",
        covars_prior=0.0,
        covars_weight=0.0,
        min_covar=0.0,
        implementation="log",
    )
    theirs.startprob_, theirs.transmat_, theirs.means_, theirs.covars_ = truth.initial, truth.transition, truth.means, truth.scales
    columns = series.reshape(len(series), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(columns)
    mine = fit_hmm(series, truth.states, warm=truth, starts=0, steps=30, tolerance=-np.inf)
    assert mine.steps == 30
    order = np.argsort(theirs.covars_.sum(axis=(1, 2)))
    assert mine.log_likelihood == pytest.approx(theirs.score(columns), abs=1e-8)
    np.testing.assert_allclose(mine.model.means, theirs.means_[order], atol=1e-10)
    np.testing.assert_allclose(mine.model.covariances, theirs.covars_[order], atol=1e-10)
    np.testing.assert_allclose(mine.model.transition, theirs.transmat_[np.ix_(order, order)], atol=1e-10)
    np.testing.assert_allclose(mine.probabilities.smoothed, theirs.predict_proba(columns)[:, order], atol=1e-8)
    assert (mine.model.viterbi(series).states == np.argsort(order)[theirs.predict(columns)]).all()


def test_every_step_raises_the_likelihood() -> None:
    for series, options in ((SHORT, {}), (draw(HEAVY, 800, 1), {"law": "student_t"}), (BOTH, {"diagonal": True})):
        values = []
        model = fit_hmm(series, 2, starts=0, steps=0, **options).model  # type: ignore[arg-type]
        for _ in range(15):
            fit = fit_hmm(series, 2, warm=model, starts=0, steps=1, tolerance=-np.inf, **options)  # type: ignore[arg-type]
            values.append(fit.log_likelihood)
            model = fit.model
        assert (np.diff(values) > -1e-7).all()
        assert values[-1] > values[0]


def test_four_states_are_recovered() -> None:
    states, y = FOUR.simulate(4_000, 7)
    fit = fit_hmm(y)
    assert (fit.status, fit.reason) == (HmmStatus.OK, "")
    assert fit.log_likelihood >= FOUR.log_likelihood(y)
    order = [fit.model.labels.index(name) for name in FOUR.labels]
    found = fit.model.reordered(order)
    errors = hmm_standard_errors(found, y)
    assert errors.status is ErrorStatus.OK
    np.testing.assert_allclose(found.deviations[:, 0], FOUR.deviations[:, 0], rtol=0.15)
    for k in range(4):
        assert abs(found.means[k, 0] - FOUR.means[k, 0]) < 4 * errors.means[k][0]  # type: ignore[operator]
        assert abs(found.transition[k, k] - FOUR.transition[k, k]) < 4 * errors.transition[k][k]  # type: ignore[operator]
    path = found.viterbi(y).states
    assert (path == states).mean() > 0.85
    assert (np.argmax(found.filtered(y), axis=1) == states).mean() > 0.75
    assert fit.model.stationary @ fit.model.transition == pytest.approx(fit.model.stationary, abs=1e-12)


@pytest.mark.parametrize("count", [500, 2_000])
def test_two_states_are_recovered(count: int) -> None:
    y = draw(TWO, count, 11)
    fit = fit_hmm(y, 2)
    errors = hmm_standard_errors(fit.model, y)
    assert fit.status is HmmStatus.OK
    assert fit.model.labels == ("calm", "crisis")
    for k in (0, 1):
        assert abs(fit.model.means[k, 0] - TWO.means[k, 0]) < 3.5 * errors.means[k][0]  # type: ignore[operator]
        assert abs(fit.model.scales[k, 0, 0] - TWO.scales[k, 0, 0]) < 3.5 * errors.variances[k][0]  # type: ignore[operator]


def test_student_t_and_two_columns_are_recovered() -> None:
    y = draw(HEAVY, 6_000, 2)
    fit = fit_hmm(y, 2, law="student_t", starts=1)
    errors = hmm_standard_errors(fit.model, y)
    df = fit.model.df
    assert df is not None
    assert fit.status is HmmStatus.OK
    for k in (0, 1):
        assert abs(df[k] - HEAVY.df[k]) < 3.5 * errors.df[k]  # type: ignore[index, operator]
        assert abs(fit.model.scales[k, 0, 0] - HEAVY.scales[k, 0, 0]) < 3.5 * errors.variances[k][0]  # type: ignore[operator]
    assert fit.log_likelihood > fit_hmm(y, 2, starts=1).log_likelihood + 50
    pair = fit_hmm(BOTH, 2, starts=1)
    wrong = hmm_standard_errors(pair.model, BOTH)
    for k, a in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert abs(pair.model.means[k, a] - PAIR.means[k, a]) < 3.5 * wrong.means[k][a]  # type: ignore[operator]
        assert abs(pair.model.scales[k, a, a] - PAIR.scales[k, a, a]) < 3.5 * wrong.variances[k][a]  # type: ignore[operator]


def test_standard_errors_are_those_of_the_likelihood() -> None:
    """Against second differences of the log-likelihood itself, and against the spread of simulated fits."""
    fit = fit_hmm(SHORT, 2, tolerance=1e-9)
    errors = hmm_standard_errors(fit.model, SHORT)

    def value(theta: Any) -> float:
        p = np.array([[1 - theta[0], theta[0]], [theta[1], 1 - theta[1]]])
        return HiddenMarkovModel(fit.model.initial, p, theta[2:4], theta[4:6]).log_likelihood(SHORT)

    at = np.array([fit.model.transition[0, 1], fit.model.transition[1, 0], *fit.model.means[:, 0], *fit.model.scales[:, 0, 0]])
    steps = np.diag(1e-3 * np.abs(at))
    curve = np.array(
        [
            [(value(at + a + b) - value(at + a - b) - value(at - a + b) + value(at - a - b)) / (4 * a.sum() * b.sum()) for b in steps]
            for a in steps
        ]
    )
    by_hand = np.sqrt(np.diag(np.linalg.inv(-curve)))
    mine = [errors.transition[0][1], errors.transition[1][0], *(row[0] for row in errors.means), *(row[0] for row in errors.variances)]
    np.testing.assert_allclose(np.array(mine, float), by_hand, rtol=2e-3)
    assert errors.transition[0][0] == pytest.approx(errors.transition[0][1], rel=1e-9)
    assert errors.durations[0] == pytest.approx(errors.transition[0][0] / (1 - fit.model.transition[0, 0]) ** 2, rel=1e-12)  # type: ignore[operator]


def test_coverage_of_standard_errors() -> None:
    """120 samples of 800 days: intervals of 1.96 errors hold the truth about 95 times in a hundred."""
    hits, count = np.zeros(4), 0
    for seed in range(120):
        y = draw(TWO, 800, 100 + seed)
        fit = fit_hmm(y, 2, warm=TWO, starts=0)
        errors = hmm_standard_errors(fit.model, y)
        if errors.status is not ErrorStatus.OK or errors.transition[0][0] is None or errors.transition[1][1] is None:
            continue
        gaps = [
            (fit.model.means[0, 0] - TWO.means[0, 0], errors.means[0][0]),
            (fit.model.scales[1, 0, 0] - TWO.scales[1, 0, 0], errors.variances[1][0]),
            (fit.model.transition[0, 0] - TWO.transition[0, 0], errors.transition[0][0]),
            (fit.model.transition[1, 1] - TWO.transition[1, 1], errors.transition[1][1]),
        ]
        hits += [abs(g) < 1.96 * e for g, e in gaps]  # type: ignore[operator]
        count += 1
    assert count >= 115
    assert (hits / count > 0.88).all()
    assert (hits / count < 0.995).all()


@settings(max_examples=8, deadline=None)
@given(st.floats(1e-6, 1e6), st.integers(0, 50))
def test_units_and_seeds(unit: float, seed: int) -> None:
    """The unit of returns scales means and deviations and nothing else; one seed gives the same bits."""
    y = SHORT[:600]
    fit, other = fit_hmm(y, 2, starts=1, seed=seed), fit_hmm(y * unit, 2, starts=1, seed=seed)
    np.testing.assert_allclose(other.model.deviations, unit * fit.model.deviations, rtol=1e-3)
    np.testing.assert_allclose(other.model.transition, fit.model.transition, atol=1e-3)
    assert other.log_likelihood == pytest.approx(fit.log_likelihood - y.size * np.log(unit), abs=0.01)
    again = fit_hmm(y, 2, starts=1, seed=seed)
    assert again.log_likelihood == fit.log_likelihood
    assert (again.model.transition == fit.model.transition).all()


def test_signs_turn_the_means() -> None:
    fit, other = fit_hmm(SHORT, 2, starts=0), fit_hmm(-SHORT, 2, starts=0)
    np.testing.assert_allclose(other.model.means, -fit.model.means, atol=1e-3)


def test_priors_are_off_and_do_what_they_say() -> None:
    """Raw returns of one percent: no prior moves them; a prior on rows and scales pulls where it should."""
    y = 0.01 * SHORT
    fit = fit_hmm(y, 2, starts=0)
    np.testing.assert_allclose(fit.model.deviations[:, 0], 0.01 * fit_hmm(SHORT, 2, starts=0).model.deviations[:, 0], rtol=1e-3)
    smooth = fit_hmm(y, 2, starts=0, transition_prior=200.0)
    assert smooth.model.transition[1, 0] > fit.model.transition[1, 0] + 0.05
    pooled = fit_hmm(y, 2, starts=0, variance_prior=1e4)
    assert np.ptp(np.log(pooled.model.deviations)) < 0.5 * np.ptp(np.log(fit.model.deviations))


def test_initial_chances() -> None:
    free, steady = fit_hmm(SHORT, 2, starts=0), fit_hmm(SHORT, 2, starts=0, initial="stationary")
    given_ = fit_hmm(SHORT, 2, starts=0, warm=TWO, initial=[0.3, 0.7])
    assert max(free.model.initial) > 0.999
    np.testing.assert_allclose(steady.model.initial, steady.model.stationary, atol=1e-9)
    assert given_.model.initial == pytest.approx([0.3, 0.7])
    assert free.log_likelihood > steady.log_likelihood
    assert (free.parameters, steady.parameters) == (7, 6)


def test_statuses() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(800)
    assert fit_hmm(noise, 2).status is HmmStatus.ONE_REGIME
    assert fit_hmm(SHORT, 2, steps=3, starts=0).status is HmmStatus.NOT_CONVERGED
    still = np.where(rng.random(800) < 0.5, 0.0, noise)
    assert fit_hmm(still, 2).status is HmmStatus.FLOORED
    doubled = fit_hmm(np.column_stack([SHORT, 2 * SHORT]), 2, starts=0)
    assert doubled.status is HmmStatus.FLOORED
    assert "columns" in doubled.reason
    burst = 0.5 * noise
    burst[400:415] *= 12.0
    thin = fit_hmm(burst, 2)
    assert thin.status is HmmStatus.THIN_STATE
    assert "crisis" in thin.reason
    nearly = fit_hmm(SHORT, 2, law="student_t", starts=0)
    assert nearly.status in (HmmStatus.DF_AT_BOUND, HmmStatus.OK)


def test_one_huge_outlier_leaves_numbers() -> None:
    """A price that was not mended, or a split that was not adjusted: no NaN, and a status."""
    for size in (1e3, 1e12):
        y = SHORT[:400].copy()
        y[200] = size
        fit = fit_hmm(y, 2, starts=1)
        assert fit.status is not HmmStatus.OK
        assert np.isfinite(fit.probabilities.smoothed).all()
        assert np.isfinite(fit.model.means).all()
        assert np.isfinite(TWO.filtered(y)).all()


BAD: list[tuple[Any, str]] = [
    (lambda: fit_hmm([]), "empty"),
    (lambda: fit_hmm(SHORT[:59], 2), "59 observations are too few for 2 states: give at least 60"),
    (lambda: fit_hmm(np.full(100, 0.3), 2), "column 0 of the series does not vary"),
    (lambda: fit_hmm(np.where(np.arange(100) == 7, np.nan, SHORT[:100]), 2), "nan at row 7, column 0"),
    (lambda: fit_hmm(np.where(np.arange(100) == 7, np.inf, SHORT[:100]), 2), "inf at row 7"),
    (lambda: fit_hmm(["a"] * 100, 2), "must be numbers"),
    (lambda: fit_hmm(SHORT, 1), "at least 2"),
    (lambda: fit_hmm(SHORT, 7), "at most 6"),
    (lambda: fit_hmm(SHORT, True), "whole number"),  # type: ignore[arg-type]
    (lambda: fit_hmm(SHORT, 2, law="cauchy"), "normal, student_t"),
    (lambda: fit_hmm(SHORT, 2, df=1.0), "df must lie between"),
    (lambda: fit_hmm(SHORT, 2, warm=FOUR), "4 states"),
    (lambda: fit_hmm(SHORT, 2, transition_prior=0.5), "transition_prior"),
    (lambda: fit_hmm(SHORT, 2, seed=-1), "seed"),
    (lambda: HiddenMarkovModel([1.0, 0.0], np.eye(2), [0.0, 0.0], [1.0, 0.0]), "positive definite"),
    (lambda: HiddenMarkovModel([1.0, 0.0], np.eye(2), [0.0, 0.0], [1.0, 1.0], [2.0, 5.0]), "more than 2"),
    (lambda: TWO.filtered(BOTH), "1 columns, the series of 2"),
    (lambda: TWO.reordered([0, 0]), "once"),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(bad: Any, message: str) -> None:
    with pytest.raises(RegimeError, match=message):
        bad()


def test_choice_of_states() -> None:
    """BIC, AIC and unseen days see two states; unseen likelihood is that of the filter of a model fitted before."""
    y = draw(TWO, 1_500, 21)
    choice = choose_states(y, (2, 3), folds=2, starts=1)
    assert choice.best.states == choice.by("out_of_sample").states == 2
    one = fit_hmm(y[:750], 2, starts=1)
    two = fit_hmm(y[:1125], 2, starts=1)
    total = out_of_sample(one.model, y[:1125], 750) + out_of_sample(two.model, y, 1125)
    assert choice.candidates[0].out_of_sample == pytest.approx(total / 750, rel=1e-12)
    fit = choice.best.fit
    assert fit.bic == pytest.approx(np.log(1500) * 7 - 2 * fit.log_likelihood)
    assert fit.aic == pytest.approx(14 - 2 * fit.log_likelihood)
    four = choose_states(LONG, (2, 4), folds=1, starts=1)
    assert four.best.states == four.by("out_of_sample").states == 4
    with pytest.raises(RegimeError, match="different numbers"):
        choose_states(y, (2, 2))


def test_the_best_order_of_states_is_that_of_volatility() -> None:
    fit = fit_hmm(LONG, 4, starts=0)
    assert (np.diff(fit.model.deviations[:, 0]) > 0).all()
    likelihoods = {p: fit.model.reordered(p).log_likelihood(LONG) for p in list(permutations(range(4)))[:6]}
    assert np.ptp(list(likelihoods.values())) < 1e-6


def test_the_score_is_the_slope_of_the_likelihood() -> None:
    """Two columns, Student t: chances, means, scales with their corners, degrees of freedom, by central differences."""
    from risk_core.regimes.errors import _free, _pack, _score

    y = BOTH[:200]
    model = HiddenMarkovModel(PAIR.initial, PAIR.transition, PAIR.means, PAIR.scales, [5.0, 9.0])
    free = _free(model, True, True, False)
    theta = _pack(model, free)
    assert theta.size == 2 + 4 + 6 + 2

    def value(x: Any) -> float:
        scales = np.array([[[x[6], x[7]], [x[7], x[8]]], [[x[9], x[10]], [x[10], x[11]]]])
        p = [[1 - x[0], x[0]], [x[1], 1 - x[1]]]
        return HiddenMarkovModel(PAIR.initial, p, x[2:6].reshape(2, 2), scales, x[12:]).log_likelihood(y)

    by_hand = [(value(theta + h) - value(theta - h)) / 2e-5 for h in 1e-5 * np.eye(theta.size)]
    np.testing.assert_allclose(_score(theta, model, free, y), by_hand, rtol=1e-5, atol=1e-4)
