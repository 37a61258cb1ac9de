"""Live numbers against the canonical evaluation of the same moment, along whole disorderly logs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_core.engine.canonical import Evaluator
from risk_core.engine.fold import Bucket, Fold
from risk_core.engine.live import LIVE_TOLERANCE
from risk_core.engine.valuation import exposures, market_values
from risk_core.records import BookChange, Genesis
from services.risk.live import LiveBook
from tests.worlds import HOUR_NS, interleave, make_world


def check_agrees(fold: Fold, evaluator: Evaluator, live: LiveBook) -> None:
    """Compare every method and confidence within the stated bound, and values and positions with a plain recomputation."""
    price, _, quantity = fold.newest()
    assert np.array_equal(live.quantity, quantity)
    assert np.array_equal(live.vectors.price, price)
    var, es, _ = evaluator.measures(quantity, price)
    live_var, live_es = live.vectors.measures(np.arange(len(fold.node_ids)))
    x = np.abs(exposures(fold.layout, quantity, price, evaluator.node_currency)).sum(axis=1)
    largest = max(np.abs(m[:, : evaluator.window.count]).max(initial=0.0) for m in evaluator.window.shock.values())
    bound = (LIVE_TOLERANCE * x * largest)[:, None, None]
    assert (np.abs(live_var - var) <= bound).all()
    assert (np.abs(live_es - es) <= bound).all()
    values = market_values(fold.layout, quantity, price, evaluator.node_currency)
    assert np.allclose(live.vectors.market_value, values.sum(axis=1), rtol=0, atol=1e-9 * max(1.0, float(np.abs(values).sum())))


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), repeats=st.booleans(), disorder=st.booleans(), cadence_ns=st.sampled_from([0, 4 * HOUR_NS]))
def test_live_follows_canonical(seed: int, repeats: bool, disorder: bool, cadence_ns: int) -> None:
    """After any ticks, fills, repeats, late arrivals, splits, imports, corrections of open buckets and closes."""
    log = interleave(make_world(seed, cadence_ns=cadence_ns, disorder=disorder), seed, repeats=repeats)
    genesis = log[0].body
    assert isinstance(genesis, Genesis)
    fold = Fold(genesis)
    evaluator = Evaluator(fold, "run")
    live: LiveBook | None = None
    for log_seq, record in enumerate(log[1:], start=2):
        closed = fold.apply(record, log_seq)
        if any(not isinstance(b, Bucket) for b in closed):
            return  # folding again starts a new live book; the simulation follows it
        if live is not None:
            live.take(record)
        for bucket in closed:
            assert isinstance(bucket, Bucket)
            evaluator.evaluate(bucket)
            if live is not None:
                live.roll(bucket)
        if live is None and evaluator.window.count >= 2:
            live = LiveBook(fold, evaluator)
        if live is not None and not any(isinstance(w.body, BookChange) for w in fold.waiting):
            check_agrees(fold, evaluator, live)
