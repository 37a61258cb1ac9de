"""Figures of the page docs/methods/extreme-value.md, by simulation. `python -m tests.unit.extreme.evidence` prints the whole table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.extreme import FitMethod, InfiniteMeanError, conditional_peaks, fit_peaks, gpd_quantile
from risk_core.measures import MeasureError, expected_shortfall, student_t_closed_form, value_at_risk

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

CONFIDENCE: Final = 0.99
MEASURES: Final = ("value_at_risk", "expected_shortfall")


@dataclass(frozen=True)
class Law:
    """A law of the P&L with its true VaR and ES at 0.99."""

    draw: Draw
    value_at_risk: float
    expected_shortfall: float


def student(df: float) -> Law:
    unit = student_t_closed_form(0.0, 1.0, df, CONFIDENCE)
    spread = float(np.sqrt(df / (df - 2.0)))  # the closed form takes a standard deviation
    return Law(lambda rng, n: rng.standard_t(df, n), unit.value_at_risk * spread, unit.expected_shortfall * spread)


def pareto(shape: float) -> Law:
    var = float(gpd_quantile(CONFIDENCE, shape, 1.0))
    return Law(lambda rng, n: -gpd_quantile(rng.random(n), shape, 1.0), var, (var + 1.0) / (1.0 - shape))


LAWS: Final = {"t(3)": student(3.0), "t(4)": student(4.0), "GPD(0.25)": pareto(0.25)}


@dataclass(frozen=True)
class Evidence:
    """Of one measure, in shares of the truth: bias and root mean square error; and the share of intervals that hold it.

    `missing` are samples without an interval (an irregular fit, or ES of a tail without a mean), left out of the coverage; those without a
    mean are left out of bias and error too.
    """

    bias: float
    error: float
    empirical_error: float
    profile_coverage: float
    delta_coverage: float
    missing: float


def simulate(
    law: Law, scenarios: int, replications: int, seed: int, threshold: float | str | None = None, method: FitMethod = FitMethod.ML
) -> dict[str, Evidence]:
    """Return the evidence of both measures at 0.99, fitted with the default threshold, 95 % intervals."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in MEASURES}
    plain = {"value_at_risk": value_at_risk, "expected_shortfall": expected_shortfall}
    for _ in range(replications):
        pnl = law.draw(rng, scenarios)
        fit = fit_peaks(pnl, threshold=threshold, method=method)
        for name in MEASURES:
            truth = getattr(law, name)
            try:
                estimate = getattr(fit, name)(CONFIDENCE).value
            except InfiniteMeanError:
                continue
            held = []
            for interval in ("profile", "delta"):
                try:
                    held.append(float(truth in fit.interval(CONFIDENCE, of=name, method=interval)))
                except MeasureError:  # no regular errors, or no profile of moments
                    held.append(np.nan)
            rows[name].append((estimate / truth - 1.0, plain[name](pnl, CONFIDENCE).value / truth - 1.0, *held))
    found = {}
    for name, row in rows.items():
        share, rough, profile, delta = np.array(row).T
        found[name] = Evidence(
            float(share.mean()),
            float(np.sqrt((share**2).mean())),
            float(np.sqrt((rough**2).mean())),
            float(np.nanmean(profile)) if np.isfinite(profile).any() else np.nan,
            float(np.nanmean(delta)) if np.isfinite(delta).any() else np.nan,
            1.0 - np.isfinite(delta).sum() / replications,
        )
    return found


def sp500_returns() -> Floats:
    """Return daily log returns in per cent of the S&P 500 file that the arch package carries, 1999 to 2018."""
    from arch.data import sp500

    prices = sp500.load()["Adj Close"].to_numpy(np.float64)
    return np.asarray(100.0 * np.diff(np.log(prices)), np.float64)


def garch(known: Floats, returns: Floats) -> Floats:
    """Return GARCH(1,1) volatilities of `returns`, parameters fitted by Gaussian quasi-likelihood to `known`."""
    from arch import arch_model

    fitted = arch_model(known, mean="Zero", rescale=False).fit(disp="off")
    volatility = arch_model(returns, mean="Zero", rescale=False).fix(fitted.params).conditional_volatility
    return np.asarray(volatility, np.float64)


def backtest(returns: Floats, window: int = 1000, refit: int = 250) -> dict[str, int]:
    """Return exceptions of one-day VaR at 0.99 by four methods, each on the last 1000 days; GARCH refitted every 250."""
    exceptions = {"days": 0, "conditional": 0, "garch_normal": 0, "historical": 0, "unconditional": 0}
    for start in range(window, returns.size, refit):
        stretch = returns[start - window : min(start + refit, returns.size)]
        volatility = garch(stretch[:window], stretch)
        for day in range(window, stretch.size):
            past, sigma, forecast = stretch[day - window : day], volatility[day - window : day], float(volatility[day])
            limits = {
                "conditional": conditional_peaks(past, sigma, forecast).value_at_risk(CONFIDENCE).value,
                "garch_normal": 2.3263478740408408 * forecast,
                "historical": value_at_risk(past, CONFIDENCE).value,
                "unconditional": fit_peaks(past).value_at_risk(CONFIDENCE).value,
            }
            exceptions["days"] += 1
            for name, limit in limits.items():
                exceptions[name] += int(-stretch[day] > limit)
    return exceptions


def main() -> None:
    print("law, scenarios, measure:", ", ".join(f.name for f in fields(Evidence)))
    for name, law in LAWS.items():
        for scenarios in (500, 1000, 2500):
            for measure, row in simulate(law, scenarios, 1000, 1).items():
                print(name, scenarios, measure, *(f"{getattr(row, f.name):+.3f}" for f in fields(Evidence)), flush=True)
    for title, threshold, method in (("auto", "auto", FitMethod.ML), ("0.95", 0.95, FitMethod.ML), ("pwm", None, FitMethod.PWM)):
        for measure, row in simulate(LAWS["t(4)"], 1000, 1000, 1, threshold, method).items():
            print("t(4)", 1000, title, measure, *(f"{getattr(row, f.name):+.3f}" for f in fields(Evidence)), flush=True)
    print("S&P 500:", backtest(sp500_returns()))


if __name__ == "__main__":
    main()
