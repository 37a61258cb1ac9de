"""Hidden Markov models: the filter in a batch, fits against hmmlearn from the same start and for the same steps, and how cost grows.

Ratios are of the calling thread's processor time, because a busy machine interrupts the longer call more often.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, best_seconds, row
from risk_core.regimes import HiddenMarkovModel, OnlineHmm, RegimeFilter, fit_hmm

STATES, DAYS, STEPS, BATCH = 4, 2_500, 50, 10_000


def model(states: int) -> HiddenMarkovModel:
    """States of rising deviation that stay twenty days each."""
    transition = np.full((states, states), 0.05 / (states - 1))
    np.fill_diagonal(transition, 0.95)
    means = np.linspace(0.1, -0.3, states)
    return HiddenMarkovModel(
        np.full(states, 1.0 / states), transition, means, np.square(0.5 * np.power(1.8, np.arange(states))).astype(np.float64)
    )


def thread_seconds(call: Callable[[], object], budget_seconds: float) -> float:
    """Return the least processor time of one call, on its own thread, among repeats."""
    call()
    best, deadline = float("inf"), time.perf_counter() + budget_seconds
    while time.perf_counter() < deadline:
        began = time.thread_time()
        call()
        best = min(best, time.thread_time() - began)
    return best


def hmmlearn_fit(y: NDArray[np.float64], start: HiddenMarkovModel, implementation: str) -> tuple[Callable[[], object], Any]:
    """Return a fit of so many steps by hmmlearn, its priors off, and the model that it leaves."""
    theirs = import_module("hmmlearn.hmm").GaussianHMM(
        start.states,
        "diag",
        n_iter=STEPS,
        tol=-np.inf,
        init_params="",
        implementation=implementation,
        covars_prior=0.0,
        covars_weight=0.0,
        min_covar=0.0,
    )

    def fit() -> object:
        theirs.startprob_, theirs.transmat_ = start.initial.copy(), start.transition.copy()
        theirs.means_, theirs.covars_ = start.means.copy(), start.scales[:, 0].copy()
        return theirs.fit(y)

    return fit, theirs


def against_hmmlearn(states: int) -> list[Row]:
    """Fit the same days in the same steps; stop if the likelihoods differ."""
    if find_spec("hmmlearn") is None:
        return []
    start = model(states)
    y = start.simulate(DAYS, 1)[1]
    mine = fit_hmm(y, states, warm=start, starts=0, steps=STEPS, tolerance=-np.inf)
    seconds = thread_seconds(lambda: fit_hmm(y, states, warm=start, starts=0, steps=STEPS, tolerance=-np.inf), 2.0)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for implementation, name, target in (("log", "hmm_fit_vs_hmmlearn", 5), ("scaling", "hmm_fit_vs_hmmlearn_scaling", 3)):
            fit, theirs = hmmlearn_fit(y, start, implementation)
            other = thread_seconds(fit, 2.0)
            if abs(theirs.score(y) - mine.log_likelihood) > 1e-6:
                raise SystemExit("the two did not find one likelihood: nothing to compare")
            against = f">= {target}: hmmlearn {implementation}, {states} states, {DAYS:,} days, {STEPS} steps, {other * 1e3:.1f} ms"
            suffix = "" if states == STATES else f"_{states}_states"
            found.append(row(f"{name}{suffix}", other / seconds, "x", against))
    return found


def filter_ns(states: int, count: int) -> float:
    """Nanoseconds of a step inside a batch."""
    truth = model(states)
    y = truth.simulate(count, 2)[1]
    return thread_seconds(lambda: truth.filtered(y), 0.7) / count * 1e9


def fit_ms(states: int, count: int) -> float:
    """Milliseconds of `STEPS` steps of expectation-maximisation."""
    start = model(states)
    y = start.simulate(count, 3)[1]
    return thread_seconds(lambda: fit_hmm(y, states, warm=start, starts=0, steps=STEPS, tolerance=-np.inf), 0.7) * 1e3


def run() -> list[Row]:
    """Measure."""
    truth = model(STATES)
    stream, online = RegimeFilter(truth), OnlineHmm(truth)
    bar = truth.simulate(1, 4)[1][0]
    y = truth.simulate(DAYS, 1)[1]
    rows = [row("hmm_filter_ns", filter_ns(STATES, BATCH), "ns", f"<= 100: a step of {STATES} states in a batch of {BATCH:,}")]
    rows += against_hmmlearn(STATES) + against_hmmlearn(2)
    rows += [row("hmm_fit_ms", best_seconds(lambda: fit_hmm(y), 3.0) * 1e3, "ms", f"{STATES} states, {DAYS:,} days, 20 starts, to the end")]
    rows += [row("hmm_update_us", best_seconds(lambda: stream.update(bar)) * 1e6, "us", "one bar of the filter, from Python")]
    rows += [row("hmm_online_update_us", best_seconds(lambda: online.update(bar)) * 1e6, "us", "one bar of online estimation, from Python")]
    rows += [row(f"hmm_filter_ns_{k}_states", filter_ns(k, BATCH), "ns", "grows as K²") for k in (2, 3, 6)]
    rows += [
        row(f"hmm_filter_ns_{count}_days", filter_ns(STATES, count), "ns", "flat in T, but for the call") for count in (1_000, 100_000)
    ]
    rows += [row(f"hmm_em_ms_{k}_states", fit_ms(k, DAYS), "ms", f"{STEPS} steps, {DAYS:,} days: grows as K²") for k in (2, 4, 6)]
    rows += [
        row(f"hmm_em_ms_{count}_days", fit_ms(STATES, count), "ms", f"{STEPS} steps, {STATES} states: grows as T")
        for count in (500, 10_000)
    ]
    return rows


if __name__ == "__main__":
    from benchmarks.rows import show

    show(run())
