"""Size and power of the tests of ES, of densities, and of the online tests: `python -m benchmarks.backtest_power_es` prints markdown.

Forecasts are normal, of confidence 97.5 %, with a volatility that wanders from day to day. Outcomes have that law (size), 1.25 times that
volatility, Student t with 4 degrees of freedom and the same variance, or a volatility of two states that the forecast does not see.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from risk_core.backtests.berkowitz import berkowitz_tail_test, berkowitz_test
from risk_core.backtests.density import pit_uniformity_test
from risk_core.backtests.es_acerbi_szekely import AcerbiSzekely, acerbi_szekely_test, simulate_acerbi_szekely, z2_p_value
from risk_core.backtests.es_calibration import conditional_calibration_test
from risk_core.backtests.es_du_escanciano import du_escanciano_conditional, du_escanciano_unconditional
from risk_core.backtests.es_inputs import checked_outcomes, simulated_p_value
from risk_core.backtests.es_laws import NORMAL, location_scale_model
from risk_core.backtests.es_quantile import acerbi_szekely_z3
from risk_core.backtests.es_regression import esr_test
from risk_core.backtests.es_residuals import mcneil_frey_test, righi_ceretta_test
from risk_core.backtests.exception_cusum import ExceptionCusum
from risk_core.backtests.hong_li import hong_li_test
from risk_core.backtests.online import BettingTest
from risk_core.backtests.result import TestResult

Floats = NDArray[np.float64]

DAYS = (125, 250, 500, 1000)
LAWS = ("size", "volatility", "student_t", "states")
CONFIDENCE, LEVEL = 0.975, 0.95
VAR, ES = NORMAL.value_at_risk(0.025), NORMAL.expected_shortfall(0.025)
NULL_DRAWS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One series with its forecasts."""

    pnl: Floats
    scale: Floats
    pit: Floats


def sample(law: str, days: int, rng: np.random.Generator) -> Sample:
    wander = np.empty(days)
    level = 0.0
    for t, shock in enumerate(rng.standard_normal(days)):
        level = 0.95 * level + 0.1 * shock
        wander[t] = level
    scale, z = np.exp(wander), rng.standard_normal(days)
    if law == "volatility":
        z *= 1.25
    elif law == "student_t":
        z = rng.standard_t(4.0, days) / np.sqrt(2.0)
    elif law == "states":
        wild = np.cumsum(rng.random(days) < 0.04) % 2 == 1
        z *= np.where(wild, np.sqrt(1.7), np.sqrt(0.3))
    return Sample(scale * z, scale, NORMAL.cdf(z))


def p_of(result: TestResult, exact: bool) -> float:
    """Return the p-value; 1 where the test does not apply: it cannot reject."""
    p = result.p_value_exact if exact and result.p_value_exact is not None else result.p_value
    return 1.0 if p is None else p


@lru_cache(maxsize=32)
def null(kind: AcerbiSzekely, days: int) -> Floats:
    """Return the statistic under the forecasts: ratios to ES do not depend on the volatility."""
    outcomes = checked_outcomes(np.zeros(days), VAR, ES, CONFIDENCE)
    return simulate_acerbi_szekely(kind, location_scale_model(0.0, np.ones(days)), outcomes, NULL_DRAWS, 1)


def acerbi_szekely(kind: AcerbiSzekely) -> Callable[[Sample], float]:
    def p_value(s: Sample) -> float:
        statistic = acerbi_szekely_test(kind, s.pnl, s.scale * VAR, s.scale * ES, CONFIDENCE).statistic
        if statistic is None:
            return 1.0
        if kind is AcerbiSzekely.Z2:
            return z2_p_value(statistic, s.pnl.size, CONFIDENCE)
        if kind is AcerbiSzekely.MINIMALLY_BIASED_RELATIVE or kind is AcerbiSzekely.Z1:
            return simulated_p_value(null(kind, s.pnl.size), statistic, "less")
        raise ValueError(kind)

    return p_value


@lru_cache(maxsize=8)
def z3_critical(days: int) -> float:
    model = location_scale_model(0.0, np.ones(days))
    return float(acerbi_szekely_z3(np.zeros(days), CONFIDENCE, model, simulations=NULL_DRAWS).details["critical_value"])


def z3(s: Sample) -> float:
    statistic = acerbi_szekely_z3(s.pnl, CONFIDENCE, location_scale_model(0.0, s.scale), simulations=100).statistic
    return 0.0 if statistic is not None and statistic < z3_critical(s.pnl.size) else 1.0


def calibration(version: str, alternative: str) -> Callable[[Sample], float]:
    def p_value(s: Sample) -> float:
        found = conditional_calibration_test(
            s.pnl, s.scale * VAR, s.scale * ES, CONFIDENCE, version=version, alternative=alternative, scale=s.scale
        )
        return p_of(found, exact=False)

    return p_value


def residuals(exact: bool) -> Callable[[Sample], float]:
    return lambda s: p_of(mcneil_frey_test(s.pnl, s.scale * VAR, s.scale * ES, CONFIDENCE, scale=s.scale, simulations=499), exact)


def betting(strategy: str) -> Callable[[Sample], float]:
    def p_value(s: Sample) -> float:
        test = BettingTest("es_too_small", CONFIDENCE, strategy=strategy)
        for x, scale in zip(s.pnl, s.scale, strict=True):
            test.update(float(x), float(scale * VAR), float(scale * ES))
        return test.value.p_value

    return p_value


@lru_cache(maxsize=1)
def chart() -> ExceptionCusum:
    return ExceptionCusum(CONFIDENCE, run_length=2_500.0)


def cusum(s: Sample) -> float:
    found = ExceptionCusum.from_state(chart().state())
    for hit in -s.pnl > s.scale * VAR:
        found.update(bool(hit))
    return 0.0 if found.value.alarms else 1.0


FAST: dict[str, Callable[[Sample], float]] = {
    "Acerbi-Szekely Z1, simulated": acerbi_szekely(AcerbiSzekely.Z1),
    "Acerbi-Szekely Z2, exact": acerbi_szekely(AcerbiSzekely.Z2),
    "Acerbi-Szekely Z3, simulated": z3,
    "minimally biased, relative, simulated": acerbi_szekely(AcerbiSzekely.MINIMALLY_BIASED_RELATIVE),
    "McNeil-Frey, t": residuals(exact=False),
    "McNeil-Frey, bootstrap": residuals(exact=True),
    "Righi-Ceretta, simulated": lambda s: p_of(
        righi_ceretta_test(s.pnl, s.scale * VAR, s.scale * ES, CONFIDENCE, scale=s.scale, simulations=499), True
    ),
    "Du-Escanciano unconditional, normal": lambda s: p_of(du_escanciano_unconditional(s.pit, CONFIDENCE), False),
    "Du-Escanciano unconditional, exact": lambda s: p_of(du_escanciano_unconditional(s.pit, CONFIDENCE), True),
    "the same, one-sided (Costanzino-Curran)": lambda s: p_of(du_escanciano_unconditional(s.pit, CONFIDENCE, alternative="greater"), True),
    "Du-Escanciano conditional, 1 lag, chi-squared": lambda s: p_of(du_escanciano_conditional(s.pit, CONFIDENCE), False),
    "Du-Escanciano conditional, 1 lag, simulated": lambda s: p_of(du_escanciano_conditional(s.pit, CONFIDENCE), True),
    "calibration, simple, two-sided": calibration("simple", "two-sided"),
    "calibration, simple, one-sided": calibration("simple", "greater"),
    "calibration, general, two-sided": calibration("general", "two-sided"),
    "calibration, general, one-sided": calibration("general", "greater"),
    "ESR intercept": lambda s: p_of(esr_test(s.pnl, s.scale * ES, CONFIDENCE, version="intercept"), False),
    "ESR intercept, one-sided": lambda s: p_of(
        esr_test(s.pnl, s.scale * ES, CONFIDENCE, version="intercept", alternative="greater"), False
    ),
    "PIT, Kolmogorov-Smirnov": lambda s: p_of(pit_uniformity_test(s.pit), True),
    "PIT, Anderson-Darling": lambda s: p_of(pit_uniformity_test(s.pit, "anderson_darling"), False),
    "PIT, Cramer-von Mises": lambda s: p_of(pit_uniformity_test(s.pit, "cramer_von_mises"), True),
    "Berkowitz, 1 lag": lambda s: p_of(berkowitz_test(s.pit), False),
    "Berkowitz tail": lambda s: p_of(berkowitz_tail_test(s.pit, CONFIDENCE), False),
    "betting on ES (taylor), any day": betting("taylor"),
    "CUSUM of exceptions, an alarm": cusum,
}
SLOW: dict[str, Callable[[Sample], float]] = {
    "betting on ES (gree), any day": betting("gree"),
    "ESR strict": lambda s: p_of(esr_test(s.pnl, s.scale * ES, CONFIDENCE), False),
    "Hong-Li, 2 lags, normal": lambda s: p_of(hong_li_test(s.pit, lags=2, simulations=0), False),
    "Hong-Li, 2 lags, simulated": lambda s: p_of(hong_li_test(s.pit, lags=2, simulations=99), True),
}


def shares(simulations: int, slow: int, seed: int) -> dict[str, dict[tuple[str, int], float]]:
    """Return, by test, the share of samples rejected at 5 % by law and days."""
    found: dict[str, dict[tuple[str, int], float]] = {name: {} for name in (*FAST, *SLOW)}
    for i, law in enumerate(LAWS):
        for j, days in enumerate(DAYS):
            rng = np.random.Generator(np.random.PCG64([seed, i, j]))
            samples = [sample(law, days, rng) for _ in range(simulations)]
            for name, test in FAST.items():
                found[name][law, days] = float(np.mean([test(s) < 1.0 - LEVEL for s in samples]))
            for name, test in SLOW.items():
                found[name][law, days] = float(np.mean([test(s) < 1.0 - LEVEL for s in samples[:slow]]))
    return found


def table(found: dict[str, dict[tuple[str, int], float]]) -> str:
    titles = {"size": "size", "volatility": "volatility 1.25", "student_t": "t(4), same variance", "states": "two unseen states"}
    lines = [
        "| test | " + " | ".join(titles[law] for law in LAWS) + " |",
        "|---|" + "---|" * len(LAWS),
    ]
    for name, cells in found.items():
        row = [" / ".join(f"{100.0 * cells[law, days]:.0f}" for days in DAYS) for law in LAWS]
        lines.append(f"| {name}{' *' if name in SLOW else ''} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Size and power of tests of expected shortfall, as markdown.")
    parser.add_argument("--simulations", type=int, default=60)
    parser.add_argument("--slow", type=int, default=10, help="samples for tests marked *")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    started = perf_counter()
    text = table(shares(options.simulations, options.slow, options.seed))
    days = " / ".join(str(n) for n in DAYS)
    print(
        f"Share of samples rejected at 5 %, in per cent, at {days} days; {options.simulations} samples a cell, * {options.slow}.\n\n{text}"
    )
    print(f"{perf_counter() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
