"""Prints, as markdown, whether steering by regimes and change points helps: `python -m benchmarks.steering`.

The S&P 500 and an equal-weight portfolio of twenty of its stocks (inside the skfolio wheel, 1990 to 2022): one-day value at risk and
expected shortfall of each day from the 500 days before it, by methods that steer and by their plain twins (`steering_forecasts.RULES`),
held against what happened. Falls are those of the index, from peak to trough (`regime_walk.FALLS`).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.regime_walk import falls, index
from benchmarks.steering_forecasts import CONFIDENCES, RULES, Plan, Portfolio, Walked, walked
from risk_core.backtests import (
    acerbi_szekely_z2,
    christoffersen_conditional_coverage,
    diebold_mariano_test,
    exception_series,
    fz0_loss,
    kupiec_pof,
    model_confidence_set,
    quantile_loss,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

YEAR: Final = 250
REFERENCE: Final = "volatility_weighted"
"""Conditioning without regimes: what steering must beat."""
NONE: Final = "–"
HEADS: Final = (
    "method",
    "exceptions",
    "Kupiec p",
    "conditional coverage p",
    "most in 250 days",
    "loss over ES",
    "Z2 (p)",
    "quantile loss",
    "FZ0",
    "against twin",
    "FZ0 less the twin's, summed: in falls, outside",
    f"against `{REFERENCE}`",
    "exceptions in falls",
)


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Days of a fall among those that are forecast."""

    name: str
    inside: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One rule at one confidence, against what happened on D days.

    Parameters
    ----------
    hits : bool[D]
        Days with a loss beyond value at risk.
    kupiec, conditional_coverage : float or None
        p-values.
    shortfall_error : float or None
        Mean of (loss - ES) / ES over the exceptions: zero where expected shortfall is right, positive where it is too low.
    z2, z2_p_value : float or None
        Acerbi and Szekely: negative where losses are larger than foretold; against that, by the standard error of the days.
    quantile_loss : float
        Mean, per cent.
    fz0 : float64[D]
    """

    hits: Bools
    kupiec: float | None
    conditional_coverage: float | None
    shortfall_error: float | None
    z2: float | None
    z2_p_value: float | None
    quantile_loss: float
    fz0: Floats


def judged(pnl: Floats, value_at_risk: Floats, expected_shortfall: Floats, confidence: float) -> Judged:
    """Return what the backtests say of forecasts float64[D]."""
    hits = exception_series(pnl, value_at_risk).hits
    z2 = acerbi_szekely_z2(pnl, value_at_risk, expected_shortfall, confidence)
    beyond = -pnl[hits] / expected_shortfall[hits] - 1.0
    return Judged(
        hits,
        kupiec_pof(int(hits.sum()), hits.size, confidence).p_value,
        christoffersen_conditional_coverage(hits, confidence).p_value,
        float(beyond.mean()) if beyond.size else None,
        z2.statistic,
        z2.p_value,
        float(quantile_loss(pnl, value_at_risk, confidence).mean()),
        fz0_loss(pnl, value_at_risk, expected_shortfall, confidence),
    )


def most_within(hits: Bools, days: int) -> int:
    """Return the most exceptions in so many consecutive days; in all of them where there are fewer."""
    total = np.concatenate(([0], np.cumsum(hits)))
    return int((total[days:] - total[:-days]).max()) if hits.size > days else int(total[-1])


def against(mine: Judged, other: Judged | None) -> str:
    """Return whether a rule has the better FZ0 score than another, with Diebold and Mariano's p-value; a dash for itself or for none."""
    test = None if other is None or mine is other else diebold_mariano_test(mine.fz0, other.fz0)
    if test is None or test.statistic is None:
        return NONE
    return f"{'worse' if test.statistic > 0.0 else 'better'}, {_p(test.p_value)}"


def table(results: Mapping[str, Judged], spans: Sequence[Span], confidence: float) -> str:
    """Return the markdown of one portfolio and confidence, rules as rows."""
    within = np.any([s.inside for s in spans], axis=0)
    tail, days = 1.0 - confidence, within.size
    heads = list(HEADS)
    heads[1] += f" (of {tail * days:.1f})"
    heads[-1] += f" (of {tail * within.sum():.1f})"
    lines = [_line(heads), "|---" * len(heads) + "|"]
    for name, r in results.items():
        twin = results.get(RULES[name].twin)
        cells = [
            f"`{name}`",
            str(int(r.hits.sum())),
            _p(r.kupiec),
            _p(r.conditional_coverage),
            str(most_within(r.hits, YEAR)),
            NONE if r.shortfall_error is None else f"{100.0 * r.shortfall_error:+.1f} %",
            NONE if r.z2 is None else f"{r.z2:+.2f} ({_p(r.z2_p_value)})",
            f"{r.quantile_loss:.4f}",
            f"{r.fz0.mean():.4f}",
            against(r, twin),
            NONE if twin is None else ", ".join(f"{(r.fz0 - twin.fz0)[part].sum():+,.0f}" for part in (within, ~within)),
            against(r, results[REFERENCE]),
            str(int(r.hits[within].sum())),
        ]
        lines.append(_line(cells))
    best = model_confidence_set(np.column_stack([r.fz0 for r in results.values()]), list(results))
    kept = [f"`{name}`" for name in results if name in best.included]
    return "\n".join([*lines, "", f"Model confidence set at {100.0 * best.test_level:g} %, FZ0: {', '.join(kept)}."])


def table_of_falls(results: Mapping[str, Judged], spans: Sequence[Span], confidence: float) -> str:
    """Return the markdown of exceptions fall by fall, and outside them, with those that a right forecast expects."""
    outside = Span("outside", ~np.any([s.inside for s in spans], axis=0))
    columns = [*spans, outside]
    expected = [f"{s.name} ({s.inside.sum():,} days: {(1.0 - confidence) * s.inside.sum():.1f})" for s in columns]
    lines = [_line(["method", *expected]), "|---" * (len(columns) + 1) + "|"]
    lines += [_line([f"`{name}`", *(str(int(r.hits[s.inside].sum())) for s in columns)]) for name, r in results.items()]
    return "\n".join(lines)


def spans_of(dates: NDArray[np.datetime64], close: Floats, days: NDArray[np.int64]) -> list[Span]:
    """Return the falls among the days forecast; day t is the return to the close of t + 1."""
    return [Span(f.name, (days + 1 > f.peak) & (days + 1 <= f.trough)) for f in falls(dates, close)]


def portfolios() -> tuple[Portfolio, Portfolio]:
    """Return the index, and twenty stocks held in equal shares on the same days."""
    from skfolio.datasets import load_sp500_dataset

    dates, close = index()
    stocks = load_sp500_dataset()
    if not np.array_equal(stocks.index.to_numpy().astype("datetime64[D]"), dates):
        raise SystemExit("stocks and index of the installed skfolio have different days; install the locked version")
    return _portfolio("S&P 500", close[:, None]), _portfolio("Twenty stocks in equal shares", np.asarray(stocks, np.float64))


def report(held: Sequence[Portfolio], found: Mapping[tuple[str, str], Walked], plan: Plan) -> str:
    """Return all tables."""
    dates, close = index()
    parts = []
    for portfolio in held:
        mine = {name: found[portfolio.name, name] for name in RULES}
        days = plan.days(portfolio)
        pnl, spans = portfolio.pnl[days], spans_of(dates, close, days)
        how = "every day" if plan.every == 1 else f"every {plan.every} days only"
        head = f"{portfolio.name}, {days.size:,} days forecast from {dates[days[0] + 1]} to {dates[days[-1] + 1]}, {how}"
        for c, confidence in enumerate(CONFIDENCES):
            results = {name: judged(pnl, w.value_at_risk[c], w.expected_shortfall[c], confidence) for name, w in mine.items()}
            parts += [f"{head}, {100.0 * confidence:g} %:", table(results, spans, confidence)]
            if c == 0:
                parts += [f"{portfolio.name}, exceptions at {100.0 * confidence:g} % by fall:", table_of_falls(results, spans, confidence)]
        stood = [f"`{name}` {w.replaced}" for name, w in mine.items() if w.replaced]
        parts += [f"{portfolio.name}, days on which historical simulation stood in: {', '.join(stood)}."] if stood else []
    return "\n\n".join(parts)


def _portfolio(name: str, close: Floats) -> Portfolio:
    return Portfolio(name, np.ascontiguousarray(100.0 * (close[1:] / close[:-1] - 1.0).T))


def _p(value: float | None) -> str:
    return NONE if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Forecast, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="days from one forecast to the next: 50 for a quick look")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.every < 1 or given.workers < 1:
        parser.error("--every and --workers are whole numbers of at least 1")
    held, plan = portfolios(), Plan(every=given.every)
    with ProcessPoolExecutor(given.workers) as pool:
        found = walked(held, plan, pool.map)
    sys.stdout.write(report(held, found, plan) + "\n")


if __name__ == "__main__":
    main()
