"""Size and power of the coverage tests, printed as markdown: `python -m benchmarks.backtest_power`.

Confidence 0.99 and 0.95, tests at 95 %. Size: independent exceptions at the right rate. Power: independent exceptions at twice the rate,
and the clustered exceptions of a VaR that does not follow volatility (a Markov chain of the right rate in which an exception follows an
exception with probability 0.3). POF, independence and conditional coverage at the right and at twice the rate are exact sums; all else
is simulated. Cells: rejected by the asymptotic / by the exact or simulated p-value, in percent; of the traffic light red / not green.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from risk_core.backtests.catalogue import coverage_tests
from risk_core.backtests.exact import exact_conditional_coverage_p_value, exact_independence_p_value, exact_law, exact_pof_p_value
from risk_core.backtests.multilevel import multilevel_confidences, multilevel_lrt, multilevel_nass, multilevel_pearson
from risk_core.backtests.result import TestResult

Bools = NDArray[np.bool_]
Truth = Callable[[np.random.Generator, int, int, float], Bools]

DAYS: Final = (125, 250, 500, 1000)
CONFIDENCES: Final = (0.99, 0.95)
SERIES: Final = 150
DRAWS: Final = 999
STICKY: Final = 0.3


def independent(multiple: float, rng: np.random.Generator, series: int, days: int, rate: float) -> Bools:
    """Return independent exceptions at a multiple of the rate, bool[series, days]."""
    return np.asarray(rng.random((series, days)) < multiple * rate)


def clustered(rng: np.random.Generator, series: int, days: int, rate: float) -> Bools:
    """Return a Markov chain of the right rate in which an exception follows one with probability 0.3, bool[series, days]."""
    after_none = rate * (1.0 - STICKY) / (1.0 - rate)
    draws = rng.random((series, days))
    hits = np.empty((series, days), np.bool_)
    hits[:, 0] = draws[:, 0] < rate
    for t in range(1, days):
        hits[:, t] = draws[:, t] < np.where(hits[:, t - 1], STICKY, after_none)
    return hits


TRUTHS: Final[Mapping[str, Truth]] = {
    "size": partial(independent, 1.0),
    "twice the rate": partial(independent, 2.0),
    "clustered": clustered,
}


def exact_shares(days: int, rate: float, multiple: float) -> dict[str, tuple[float, float]]:
    """Return (share rejected by chi-square, by the exact p-value) of the three tests with exact laws, as exact sums."""
    _, coverage, alone, mass = exact_law(days, rate, multiple * rate)
    cases = {
        "pof": (coverage, 1.0, exact_pof_p_value),
        "independence": (alone, 1.0, exact_independence_p_value),
        "conditional_coverage": (coverage + alone, 2.0, exact_conditional_coverage_p_value),
    }
    found = {}
    for name, (ratio, degrees, p_value) in cases.items():
        distinct, where = np.unique(np.round(ratio, 9), return_inverse=True)
        kept = np.bincount(where, mass) > 1e-9
        exact = np.array([p_value(r, days, rate) if k else 1.0 for r, k in zip(distinct, kept, strict=True)])
        found[name] = float(mass[chdtrc(degrees, ratio) < 0.05].sum()), float(mass[exact[where] < 0.05].sum())
    return found


def simulated_shares(truth: Truth, days: int, confidence: float, series: int) -> dict[str, tuple[float, float]]:
    """Return (share rejected by the asymptotic p-value, by the exact or simulated one) of every test of the catalogue."""
    random = np.random.Generator(np.random.PCG64(days))
    answers = [coverage_tests(hits, confidence, simulations=DRAWS) for hits in truth(random, series, days, 1.0 - confidence)]
    return {name: _shares(answer[name] for answer in answers) for name in answers[0]}


def multilevel_shares(days: int, heavy: bool, series: int) -> dict[str, tuple[float, float]]:
    """Return the shares of the multilevel tests on four levels from 0.975: normal scores, or Student t(3) of variance one."""
    random = np.random.Generator(np.random.PCG64(days))
    from scipy.special import ndtri

    levels = multilevel_confidences()
    scores = random.standard_t(3, (series, days)) / np.sqrt(3.0) if heavy else random.standard_normal((series, days))
    cells = (scores[:, :, None] > ndtri(levels)).sum(axis=2)
    counts = [np.bincount(row, minlength=levels.size + 1) for row in cells]
    tests = {"multilevel Pearson": multilevel_pearson, "multilevel Nass": multilevel_nass, "multilevel LRT": multilevel_lrt}
    return {name: _shares(test(c, levels, simulations=DRAWS) for c in counts) for name, test in tests.items()}


def _shares(results: Iterable[TestResult]) -> tuple[float, float]:
    """Return the two shares rejected. A test that does not apply does not reject; one without p-values counts for both."""
    shares = np.mean([_told(r) for r in results], axis=0)
    return float(shares[0]), float(shares[1])


def _told(result: TestResult) -> tuple[bool, bool]:
    if "zone" in result.details:
        return result.details["zone"] == "red", result.details["zone"] != "green"
    if result.p_value is None and result.p_value_exact is None:
        return result.rejected, result.rejected
    return result.p_value is not None and result.p_value < 0.05, result.p_value_exact is not None and result.p_value_exact < 0.05


def _line(name: str, shares: Iterable[tuple[float, float]]) -> str:
    return f"| {name.replace('_', ' ')} | {' | '.join(f'{100 * a:.1f} / {100 * e:.1f}' for a, e in shares)} |"


def main(series: int) -> None:
    """Print the tables."""
    header = "| | " + " | ".join(f"{n}" for n in DAYS) + " |\n|---|" + "---|" * len(DAYS)
    for confidence in CONFIDENCES:
        for truth, draw in TRUTHS.items():
            print(f"\nConfidence {confidence}, {truth}\n\n{header}")
            columns = []
            for days in DAYS:
                column = simulated_shares(draw, days, confidence, series)
                if truth != "clustered":
                    column |= exact_shares(days, round(1.0 - confidence, 15), 1.0 if truth == "size" else 2.0)
                columns.append(column)
            for name in columns[0]:
                print(_line(name, [column[name] for column in columns]))
    for heavy in (False, True):
        print(f"\nFour levels from 0.975, {'Student t(3) scores of variance one' if heavy else 'size'}\n\n{header}")
        columns = [multilevel_shares(days, heavy, series) for days in DAYS]
        for name in columns[0]:
            print(_line(name, [column[name] for column in columns]))
    error = 100 * np.sqrt(0.0475 / series)
    print(f"\n{series} series, {DRAWS} draws for each simulated p-value; standard error of a share of 5 %: {error:.1f}.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SERIES)
