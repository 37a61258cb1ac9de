"""The synthetic market does what it says: its true risk is checked against its own draws and against other closed forms."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from scipy import integrate, stats

from services.common.feeds.port import FeedError
from services.common.feeds.synthetic import REGIMES, Regime, SyntheticFeed, synthetic_feed

BOOK = {"S01": 2e6, "S02": -1e6, "S03": 5e5, "INDEX": -7e5}


def returns_of(feed: SyntheticFeed) -> np.ndarray:
    return feed.closes[1:] / feed.closes[:-1] - 1.0


def pnl(feed: SyntheticFeed, exposures: dict[str, float]) -> np.ndarray:
    names = [s.symbol for s in feed.symbols]
    return sum(value * returns_of(feed)[:, names.index(symbol)] for symbol, value in exposures.items())


@pytest.mark.parametrize("nu", [None, 4.0, 8.0])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_true_risk_is_what_is_drawn(nu: float | None, confidence: float) -> None:
    """Over 20,000 days losses beyond the true VaR come as often as they should, and are on average the true ES."""
    feed = synthetic_feed(
        [Regime("one", 20_000, 0.02, 0.5, degrees_of_freedom=nu, mean=0.001)], instruments=4, first=date(1950, 1, 3), seed=3
    )
    var, es = feed.true_risk(feed.available[5], BOOK, confidence)
    losses = -pnl(feed, BOOK)
    beyond = losses > var
    deviation = np.sqrt(confidence * (1 - confidence) / len(losses))
    assert beyond.mean() == pytest.approx(1 - confidence, abs=4 * deviation)
    excess = losses[beyond]
    assert excess.mean() == pytest.approx(es, abs=4 * excess.std() / np.sqrt(len(excess)) + 4 * deviation / (1 - confidence) * (es - var))


@pytest.mark.parametrize("nu", [3.0, 5.0, 30.0])
def test_student_t_formulas_against_quadrature(nu: float) -> None:
    feed = synthetic_feed([Regime("one", 10, 0.3, 0.0, degrees_of_freedom=nu, mean=0.1)], instruments=1)
    var, es = feed.true_risk(feed.available[3], {"S01": 100.0}, 0.975)
    law = stats.t(nu, loc=-100 * 0.1 / 252, scale=100 * 0.3 / np.sqrt(252) * np.sqrt((nu - 2) / nu))
    assert var == pytest.approx(law.ppf(0.975), rel=1e-12)
    tail, _ = integrate.quad(law.ppf, 0.975, 1.0)
    assert es == pytest.approx(tail / 0.025, rel=1e-6)


def test_normal_formulas() -> None:
    """At 99 % a standard normal has VaR 2.3263 and ES 2.6652 (McNeil, Frey and Embrechts 2015)."""
    feed = synthetic_feed([Regime("one", 10, np.sqrt(252.0) / 100, 0.3)], instruments=1)
    assert feed.true_risk(feed.available[3], {"S01": 100.0}, 0.99) == pytest.approx((2.3263, 2.6652), abs=5e-5)


def test_covariances_are_those_of_the_regimes() -> None:
    feed = synthetic_feed(
        [Regime("a", 20_000, 0.1, 0.2), Regime("b", 20_000, 0.4, 0.8, degrees_of_freedom=8.0)], instruments=3, first=date(1900, 1, 3)
    )
    returns = returns_of(feed)[:, :3]
    for start, day, heavier in ((0, feed.available[10], 1.0), (20_000, feed.available[30_000], 1.5)):
        true, sample = feed.covariance(day), np.cov(returns[start : start + 19_900].T)
        variance = np.diag(true)
        # Standard error of a sample covariance; a joint Student-t's is larger by its kurtosis, (nu - 2)/(nu - 4).
        error = np.sqrt((np.outer(variance, variance) + true**2) / 19_900 * heavier)
        assert np.abs((sample - true) / error).max() < 4.5


def test_the_index_is_the_even_mix() -> None:
    returns = returns_of(synthetic_feed(instruments=5))
    assert returns[:, 5] == pytest.approx(returns[:, :5].mean(axis=1), abs=1e-13)
    feed = synthetic_feed(instruments=2)
    assert feed.true_risk(feed.available[9], {"INDEX": 10.0}, 0.99) == pytest.approx(
        feed.true_risk(feed.available[9], {"S01": 5.0, "S02": 5.0}, 0.99)
    )


def test_regimes_change_on_their_day() -> None:
    feed = synthetic_feed()
    names = [feed.regime(d).name for d in feed.available]
    changes = [k for k in range(1, len(names)) if names[k] != names[k - 1]]
    assert changes == list(np.cumsum([r.days for r in REGIMES])[:-1])
    calm, crisis = feed.true_risk(feed.available[699], BOOK, 0.99), feed.true_risk(feed.available[700], BOOK, 0.99)
    assert crisis[0] > 2 * calm[0]
    assert all(s.synthetic for s in feed.symbols)
    assert (feed.closes > 0).all()


def test_a_seed_fixes_everything() -> None:
    assert synthetic_feed(seed=7).hash == synthetic_feed(seed=7).hash
    hashes = {synthetic_feed(seed=7).hash, synthetic_feed(seed=8).hash, synthetic_feed(seed=7, ticks_per_day=3).hash}
    renamed = (Regime("quiet", 700, 0.12, 0.20), *REGIMES[1:])
    assert len(hashes | {synthetic_feed(renamed, seed=7).hash}) == 4


@pytest.mark.parametrize(
    "fields", [{"days": 0}, {"volatility": 0.0}, {"correlation": 1.0}, {"correlation": -0.1}, {"degrees_of_freedom": 2.0}]
)
def test_regimes_that_cannot_be_drawn_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(FeedError, match="regime 'x'"):
        Regime(**({"name": "x", "days": 5, "volatility": 0.1, "correlation": 0.1} | fields))  # type: ignore[arg-type]


def test_a_market_that_would_fall_below_zero_is_refused() -> None:
    with pytest.raises(FeedError, match="below zero; take another seed"):
        synthetic_feed([Regime("wild", 500, 5.0, 0.0)])


def test_no_regimes_or_instruments() -> None:
    with pytest.raises(FeedError, match="at least one"):
        synthetic_feed([])
    with pytest.raises(FeedError, match="at least one"):
        synthetic_feed(instruments=0)
