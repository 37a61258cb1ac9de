"""Scores: against their printed formulas, numbers by hand, and the law that the truth scores best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from risk_core.backtests.result import BacktestError
from risk_core.backtests.scores import JointScore, fz0_loss, fzg_loss, joint_loss, quantile_loss

number = st.floats(-50.0, 50.0).map(lambda x: round(x, 6))
positive = st.floats(0.01, 50.0).map(lambda x: round(x, 6))


def printed_fz0(y: float, v: float, e: float, alpha: float) -> float:
    return -(y <= v) * (v - y) / (alpha * e) + v / e + np.log(-e) - 1.0


def printed_fzg(y: float, v: float, e: float, alpha: float) -> float:
    below, g = float(y <= v), np.exp(e) / (1.0 + np.exp(e))
    return (below - alpha) * v - below * y + g * (e - v + below * (v - y) / alpha) + np.log(2.0 / (1.0 + np.exp(e)))


def test_quantile_loss_by_hand() -> None:
    assert quantile_loss([-3.0, 1.0, -2.0], 2.0, 0.99) == pytest.approx([0.99, 0.03, 0.0])


@given(number, positive, st.floats(0.0, 20.0), st.sampled_from([0.9, 0.975, 0.99]))
@settings(max_examples=100)
def test_joint_losses_equal_the_printed_formulas(pnl: float, var: float, gap: float, confidence: float) -> None:
    alpha, es = 1.0 - confidence, var + gap
    assert fz0_loss([pnl], var, es, confidence)[0] == pytest.approx(printed_fz0(pnl, -var, -es, alpha), rel=1e-9, abs=1e-9)
    assert fzg_loss([pnl], var, es, confidence)[0] == pytest.approx(printed_fzg(pnl, -var, -es, alpha), rel=1e-9, abs=1e-9)


@given(number, positive, st.floats(0.0, 20.0), positive)
@settings(max_examples=50)
def test_differences_of_fz0_have_no_unit(pnl: float, var: float, gap: float, unit: float) -> None:
    def difference(scale: float) -> float:
        one = fz0_loss([scale * pnl], scale * var, scale * (var + gap), 0.975)
        return float((one - fz0_loss([scale * pnl], scale * 2.0 * var, scale * (2.0 * var + gap), 0.975))[0])

    assert difference(unit) == pytest.approx(difference(1.0), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("score", list(JointScore))
def test_the_truth_has_the_smallest_expected_loss(score: JointScore) -> None:
    law, confidence = stats.norm(0.0, 1.3), 0.95
    var, es = -law.ppf(0.05), 1.3 * stats.norm.pdf(stats.norm.ppf(0.05)) / 0.05

    def expected(v: float, e: float) -> float:
        return sum(
            integrate.quad(lambda x: float(joint_loss([x], v, e, confidence, score)[0]) * law.pdf(x), a, b)[0]
            for a, b in ((-13.0, -v), (-v, 13.0))
        )

    best = expected(var, es)
    for v, e in ((0.9, 1.0), (1.1, 1.0), (1.0, 0.9), (1.0, 1.1), (1.15, 1.15)):
        if score is JointScore.ASYMMETRIC_LAPLACE and v * var > e * es:
            continue
        assert expected(v * var, max(e * es, v * var)) > best


def test_quantile_loss_is_smallest_at_the_quantile() -> None:
    sample = np.random.default_rng(1).standard_t(4, 20_001)
    grid = np.linspace(1.0, 4.0, 601)
    scores = [quantile_loss(sample, v, 0.975).mean() for v in grid]
    assert grid[int(np.argmin(scores))] == pytest.approx(-np.quantile(sample, 0.025), abs=0.01)


def test_what_cannot_be_scored() -> None:
    with pytest.raises(BacktestError, match="position 1"):
        quantile_loss([0.0, np.nan], 1.0, 0.99)
    with pytest.raises(BacktestError, match="below value_at_risk"):
        fz0_loss([0.0, 1.0], 2.0, 1.0, 0.99)
    with pytest.raises(BacktestError, match="positive"):
        fz0_loss([0.0, 1.0], -2.0, -1.0, 0.99)
    with pytest.raises(BacktestError, match="2 days"):
        quantile_loss([0.0, 1.0], [1.0, 1.0, 1.0], 0.99)
    with pytest.raises(BacktestError, match="fz0"):
        joint_loss([0.0], 1.0, 1.0, 0.99, "fz1")
    with pytest.raises(BacktestError, match="confidence"):
        quantile_loss([0.0], 1.0, 0.01)
    assert np.isfinite(fzg_loss([-1e6, 1e6], -2.0, -1.0, 0.99)).all()
