"""Bias and root mean square error of the fits on samples of a known t: the table of docs/methods/parametric.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from risk_core.measures import expected_shortfall, student_t_closed_form, value_at_risk
from risk_core.parametric import fit_cornish_fisher, fit_student_t

DF = 4.0


@dataclass(frozen=True)
class Recovery:
    """Errors relative to the true number, over all samples of one size."""

    scenarios: int
    estimator: str
    number: str
    bias: float
    rmse: float


def recovery(sizes: tuple[int, ...] = (250, 500, 1000), draws: int = 400, seed: int = 1, confidence: float = 0.99) -> list[Recovery]:
    """Return how well value at risk and expected shortfall of a t with 4 degrees of freedom are found.

    Parameters
    ----------
    sizes : tuple of int
        Scenarios of a sample.
    draws : int
        Samples of each size, from one PCG64 stream.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    exact = student_t_closed_form(0.0, np.sqrt(DF / (DF - 2.0)), DF, confidence)
    rows = []
    for size in sizes:
        found: dict[tuple[str, str], list[float]] = {}
        for _ in range(draws):
            pnl = stats.t.rvs(DF, size=size, random_state=rng)
            student, expansion = fit_student_t(pnl), fit_cornish_fisher(pnl)
            for estimator, var, es in (
                ("historical", value_at_risk(pnl, confidence), expected_shortfall(pnl, confidence)),
                ("student t", student.value_at_risk(confidence), student.expected_shortfall(confidence)),
                ("cornish-fisher", expansion.value_at_risk(confidence), expansion.expected_shortfall(confidence, "quantile")),
            ):
                found.setdefault((estimator, "VaR"), []).append(var.value / exact.value_at_risk - 1.0)
                found.setdefault((estimator, "ES"), []).append(es.value / exact.expected_shortfall - 1.0)
            found.setdefault(("student t", "1/df"), []).append(DF / student.df - 1.0)
        for (estimator, number), errors in found.items():
            rows.append(Recovery(size, estimator, number, float(np.mean(errors)), float(np.sqrt(np.mean(np.square(errors))))))
    return rows


if __name__ == "__main__":
    for row in recovery():
        print(f"{row.scenarios:5d}  {row.estimator:15s} {row.number:5s} bias {row.bias:+.3f}  rmse {row.rmse:.3f}")
