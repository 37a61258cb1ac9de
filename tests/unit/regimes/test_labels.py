"""Names by the rule, states found again after a refit, statistics of each regime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from risk_core.measures import maximum_drawdown, value_at_risk
from risk_core.regimes import MatchStatus, RegimeError, fit_hmm, hellinger, label_states, match_states, regime_statistics
from tests.unit.regimes.worlds import FOUR, TWO, draw

COLUMN = np.array([0.1, -0.2, 0.0])


def test_the_rule() -> None:
    assert label_states(FOUR.means[:, 0], FOUR.deviations[:, 0]) == ("bull", "bear", "neutral", "crisis")
    assert label_states([0.5, -1.0], [3.0, 1.0]) == ("crisis", "calm")  # volatility decides, not the mean
    assert label_states([0.1, -0.1, 0.0], [1.0, 1.0, 2.0]) == ("bull", "bear", "crisis")
    assert label_states([0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]) == ("bull", "neutral", "bear", "crisis")
    assert label_states([5, 4, 3, 2, 1, 0], [1, 1, 1, 1, 1, 2]) == ("bull", "neutral_3", "neutral_2", "neutral_1", "bear", "crisis")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.floats(0.001, 1000.0))
def test_names_follow_their_states(seed: int, states: int, unit: float) -> None:
    """Every name once; renaming the states moves the names with them; units do not matter."""
    rng = np.random.default_rng(seed)
    m, s = rng.normal(size=states), rng.uniform(0.1, 3.0, states)
    names = label_states(m, s)
    assert len(set(names)) == states
    order = rng.permutation(states)
    assert label_states(m[order], s[order]) == tuple(names[i] for i in order)
    assert label_states(unit * m, unit * s) == names
    assert s[names.index("crisis")] == s.max()


def test_hellinger_is_its_integral() -> None:
    def law(mean: float, sd: float) -> tuple[Any, Any]:
        return np.array([[mean]]), np.array([[[sd * sd]]])

    for a, b in (((0.0, 1.0), (0.5, 2.0)), ((0.1, 0.3), (0.1, 0.9)), ((1.0, 1.0), (1.0, 1.0))):
        overlap = quad(lambda x, a=a, b=b: np.sqrt(norm.pdf(x, *a) * norm.pdf(x, *b)), -30, 30, limit=400)[0]  # type: ignore[misc]
        assert hellinger(*law(*a), *law(*b))[0, 0] == pytest.approx(np.sqrt(max(1 - overlap, 0.0)), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_shuffled_states_are_found_again(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(4)
    other = FOUR.reordered(order)
    match = match_states(FOUR.means, FOUR.covariances, other.means, other.covariances, FOUR.labels)
    assert match.status is MatchStatus.OK
    assert (order[match.order] == np.arange(4)).all()
    assert match.distances.max() < 1e-7
    back = other.reordered(match.order, FOUR.labels)
    assert (back.transition == FOUR.transition).all()


def test_a_label_that_would_change_its_meaning_is_said() -> None:
    """A fit of calmer years has no crisis as deep: the state moved far. Where the rule names others, that is said first."""
    turned = FOUR.means.copy()
    turned[[0, 2]] = [[-0.01], [0.05]]
    found = match_states(FOUR.means, FOUR.covariances, turned, FOUR.scales, FOUR.labels)
    assert (found.status, found.order.tolist()) == (MatchStatus.RULE_DISAGREES, [0, 1, 2, 3])
    assert found.reason == "by the rule bull would be neutral, neutral would be bull"
    calmer = FOUR.scales.copy()
    calmer[3] /= 16.0 * 4
    found = match_states(FOUR.means, FOUR.covariances, FOUR.means, calmer, FOUR.labels)
    assert found.status is MatchStatus.MOVED
    wilder = FOUR.scales.copy()
    wilder[3] *= 25.0
    found = match_states(FOUR.means, FOUR.covariances, FOUR.means, wilder, FOUR.labels)
    assert found.status is MatchStatus.MOVED
    assert "crisis lies" in found.reason
    with pytest.raises(RegimeError, match="4 states, the refit 2"):
        match_states(FOUR.means, FOUR.covariances, TWO.means, TWO.covariances)


def test_labels_are_stable_over_samples() -> None:
    """Refits of two samples of one market give each name to the same state."""
    fits = [fit_hmm(draw(FOUR, 3_000, seed), starts=1) for seed in (31, 32)]
    match = match_states(
        fits[0].model.means, fits[0].model.covariances, fits[1].model.means, fits[1].model.covariances, fits[0].model.labels
    )
    assert match.status is MatchStatus.OK
    assert tuple(fits[1].model.labels[i] for i in match.order) == fits[0].model.labels


def test_statistics_of_a_path() -> None:
    """With ones and zeros each regime is a sample of its own."""
    states, y = TWO.simulate(900, 4)
    found = regime_statistics(y, np.eye(2)[states], ("calm", "crisis"), confidence=0.95)
    for k, row in enumerate(found):
        own = y[states == k, 0]
        assert (row.label, row.days, row.share) == (("calm", "crisis")[k], own.size, own.size / 900)
        assert row.mean_return == pytest.approx(own.mean(), rel=1e-10)
        assert row.volatility == pytest.approx(own.std(), rel=1e-10)
        assert row.sharpe == pytest.approx(own.mean() / own.std() * np.sqrt(252), rel=1e-10)
        assert row.drawdown == pytest.approx(maximum_drawdown(own, "uncompounded").value, rel=1e-12)
        assert row.value_at_risk == pytest.approx(value_at_risk(own, 0.95).value, rel=1e-9)


def test_statistics_of_probabilities() -> None:
    y = draw(TWO, 2_000, 8)
    fit = fit_hmm(y, 2, starts=0)
    calm, crisis = regime_statistics(y, fit.probabilities.smoothed, fit.model.labels)
    assert crisis.volatility == pytest.approx(fit.model.deviations[1, 0], rel=1e-3)
    assert calm.mean_return == pytest.approx(fit.model.means[0, 0], abs=1e-3)
    assert calm.days + crisis.days == pytest.approx(2_000.0)
    assert calm.value_at_risk < crisis.value_at_risk  # type: ignore[operator]
    empty = regime_statistics(y, np.column_stack([np.ones(2_000), np.zeros(2_000)]))[1]
    assert (empty.days, empty.volatility, empty.value_at_risk) == (0.0, None, None)


BAD: list[tuple[Any, str]] = [
    (lambda: label_states([0.0], [1.0]), "K from 2 to 6"),
    (lambda: label_states([0.0, np.nan], [1.0, 1.0]), "finite"),
    (lambda: regime_statistics([1.0, 2.0], [[0.5, 0.4], [0.5, 0.5]]), "sum to one"),
    (lambda: regime_statistics([1.0, np.nan], [[0.5, 0.5]] * 2), "nan at row 1"),
    (lambda: regime_statistics([1.0, 2.0], [[0.5, 0.5]] * 2, ("a",)), "1 labels for 2"),
    (lambda: match_states(COLUMN[:, None], np.zeros((3, 1, 1)), COLUMN[:, None], np.ones((3, 1, 1))), "not positive definite"),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input(bad: Any, message: str) -> None:
    with pytest.raises(RegimeError, match=message):
        bad()
