"""Volatility models by maximum likelihood, of 1,000 simulated days, against arch; the filter; 200 instruments of filtered history.

Both search from their own start to their own tolerance and find one likelihood; neither computes standard errors until asked for. Ratios
are of the calling thread's processor time, because a busy machine interrupts the longer call more often.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from arch import arch_model
from numpy.typing import NDArray

from benchmarks.rows import Row, best_seconds, row
from risk_core.scenarios.filtered import filtered_moves
from risk_core.volatility import OnlineVolatility, fit_garch, fit_volatility, step
from risk_core.volatility.state import run as run_filter

DAYS, INSTRUMENTS = 1_000, 200
FITS, ARCH_FITS, FILTERED = 1_000, 100, 1_000_000


def series(seed: int) -> NDArray[np.float64]:
    """A GARCH(1,1) of t innovations, oldest first, in percent."""
    rng = np.random.Generator(np.random.PCG64(seed))
    z = rng.standard_t(6, DAYS + 200) * np.sqrt(4 / 6)
    h, out = 1.0, np.empty(DAYS + 200)
    for t, shock in enumerate(z):
        out[t] = np.sqrt(h) * shock
        h = 0.02 + 0.08 * out[t] ** 2 + 0.9 * h
    return out[200:]


def thread_seconds(call: Callable[[], object], budget_seconds: float) -> float:
    """Return the least processor time of one call, on its own thread, among repeats."""
    call()
    best, deadline = float("inf"), time.perf_counter() + budget_seconds
    while time.perf_counter() < deadline:
        began = time.thread_time()
        call()
        best = min(best, time.thread_time() - began)
    return best


def once(call: Callable[[], object]) -> float:
    """Return the processor time of one call, on its own thread."""
    began = time.thread_time()
    call()
    return time.thread_time() - began


def many_fits() -> list[Row]:
    """A thousand series: all fitted here, one in ten by arch, in the same run."""
    all_series = [series(s) for s in range(FITS)]
    fit_garch(all_series[0], innovation="student_t")
    normal = once(lambda: [fit_garch(r) for r in all_series])
    heavy = once(lambda: [fit_garch(r, innovation="student_t") for r in all_series])
    some = all_series[:: FITS // ARCH_FITS]
    arch_each = once(lambda: [arch_model(r, mean="Zero", rescale=False).fit(disp="off") for r in some]) / ARCH_FITS
    return [
        row(
            "garch_fit_vs_arch",
            arch_each * FITS / normal,
            "x",
            f">= 10: arch, {ARCH_FITS} of the {FITS:,} series, {arch_each * 1e3:.1f} ms each; here {normal:.2f} s for all",
        ),
        row("garch_t_1000_fits_s", heavy, "s", f"<= 2: {FITS:,} GARCH(1,1), Student t, {DAYS:,} days each, one core"),
    ]


def models(returns: NDArray[np.float64]) -> list[Row]:
    """The models that arch fits by numerical gradients, Student t."""
    rows = []
    for name in ("egarch", "aparch"):
        theirs = arch_model(returns, mean="Zero", vol=name.upper(), p=1, o=1, q=1, dist="t", rescale=False)  # type: ignore[arg-type]
        mine, found = fit_volatility(returns, name, innovation="student_t"), theirs.fit(disp="off")
        if mine.log_likelihood is None or mine.log_likelihood < found.loglikelihood - 1e-3:
            raise SystemExit(f"{name}: arch found a higher likelihood")
        seconds = thread_seconds(lambda name=name: fit_volatility(returns, name, innovation="student_t"), 1.0)  # type: ignore[misc]
        arch_seconds = thread_seconds(lambda theirs=theirs: theirs.fit(disp="off"), 1.0)  # type: ignore[misc]
        rows.append(row(f"{name}_t_fit_ms", seconds * 1e3, "ms", f"{DAYS:,} days; arch {arch_seconds * 1e3:.1f} ms"))
        rows.append(row(f"{name}_t_vs_arch", arch_seconds / seconds, "x", "arch, the same model and days"))
    return rows


def filters(returns: NDArray[np.float64]) -> list[Row]:
    """One observation of a long batch, and one from Python."""
    longer = np.resize(returns, FILTERED)
    state, power = fit_garch(returns).state, fit_volatility(returns, "aparch").state
    online = OnlineVolatility(power)
    return [
        row("garch_filter_ns", best_seconds(lambda: run_filter(state, longer)) / FILTERED * 1e9, "ns", f"<= 10: {FILTERED:,} in a batch"),
        row("aparch_filter_ns", best_seconds(lambda: power.filter(longer)) / FILTERED * 1e9, "ns", "the same: two powers each"),
        row("volatility_step_us", best_seconds(lambda: step(state, 0.5)) * 1e6, "us", "one more return, from Python"),
        row("online_volatility_update_us", best_seconds(lambda: online.update(0.5)) * 1e6, "us", "the same, APARCH"),
    ]


def run() -> list[Row]:
    """Measure."""
    returns = series(0)
    theirs = arch_model(returns, mean="Zero", rescale=False)
    heavier = arch_model(returns, mean="Zero", dist="t", rescale=False)
    mine, found = fit_garch(returns), theirs.fit(disp="off")
    if abs(mine.log_likelihood - found.loglikelihood) > 1e-3:  # type: ignore[operator]
        raise SystemExit("the two did not find one likelihood: nothing to compare")
    seconds, arch_seconds = thread_seconds(lambda: fit_garch(returns), 1.0), thread_seconds(lambda: theirs.fit(disp="off"), 2.0)
    t_seconds, arch_t_seconds = (
        thread_seconds(lambda: fit_garch(returns, innovation="student_t"), 1.0),
        thread_seconds(lambda: heavier.fit(disp="off"), 2.0),
    )
    moves = 0.01 * np.array([series(s) for s in range(INSTRUMENTS)])
    return [
        *many_fits(),
        row("garch_fit_ms", best_seconds(lambda: fit_garch(returns), 1.0) * 1e3, "ms", f"GARCH(1,1), normal, {DAYS:,} days, one thread"),
        row("garch_vs_arch", arch_seconds / seconds, "x", f">= 10: arch, the same model and days, {arch_seconds * 1e3:.1f} ms"),
        row(
            "garch_t_fit_ms",
            best_seconds(lambda: fit_garch(returns, innovation="student_t"), 1.0) * 1e3,
            "ms",
            "the same with Student t innovations",
        ),
        row("garch_t_vs_arch", arch_t_seconds / t_seconds, "x", f"arch, {arch_t_seconds * 1e3:.1f} ms"),
        row(
            "filtered_moves_ms",
            best_seconds(lambda: filtered_moves(moves), 2.0) * 1e3,
            "ms",
            f"<= 1,000: fits and residuals of {INSTRUMENTS} instruments x {DAYS:,} days",
        ),
        row(
            "filtered_ten_days_ms",
            best_seconds(lambda: filtered_moves(moves, horizon=10, seed=1), 2.0) * 1e3,
            "ms",
            "the same, and 10,000 paths of ten days",
        ),
        *models(returns),
        *filters(returns),
    ]


if __name__ == "__main__":
    from benchmarks.rows import show

    show(run())
