"""What the benchmark compares is the same thing: values and components of the peers are ours."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peer_measures import PEERS, SHARED, our_components, our_portfolio, our_value

RANDOM = np.random.Generator(np.random.PCG64(9))
RETURNS = 0.01 * RANDOM.standard_t(4, (240, 3))
WEIGHTS = np.array([0.5, 0.3, 0.2])
INTERPOLATED = {("skfolio", name) for name in SHARED if name == "var" or name.startswith("drawdown_at_risk")}
"""skfolio's quantile lies between two observations, ours is one."""


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("peer", ["skfolio", "riskfolio"])
def test_values_and_components_agree(peer: str, name: str) -> None:
    pytest.importorskip(peer)
    found = PEERS[peer]()
    value, components = found.value(SHARED[name]), found.components(SHARED[name])
    series = RETURNS @ WEIGHTS
    ours, parts = our_value(SHARED[name])(series), our_components(SHARED[name])(RETURNS, WEIGHTS)
    loose = (peer, name) in INTERPOLATED
    assert value(series) == pytest.approx(ours, rel=0.1 if loose else 1e-5)
    if not loose:
        assert components(RETURNS, WEIGHTS) == pytest.approx(parts, rel=1e-2, abs=1e-3 * abs(ours))


@pytest.mark.parametrize("peer", ["skfolio", "riskfolio"])
def test_portfolio_calls_give_the_values_of_the_vector(peer: str) -> None:
    pytest.importorskip(peer)
    chosen, found, series = list(SHARED.values()), PEERS[peer](), RETURNS @ WEIGHTS
    assert found.portfolio(chosen)(RETURNS, WEIGHTS) == pytest.approx([found.value(shared)(series) for shared in chosen], rel=1e-6)
    assert our_portfolio(chosen)(RETURNS, WEIGHTS) == pytest.approx([our_value(shared)(series) for shared in chosen], rel=1e-12)
