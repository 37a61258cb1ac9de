"""Published examples, by source: `cases/*.json` holds the numbers, this module says which public function each kind of case is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from risk_core.measures import (
    PRESETS,
    covariance_matrix,
    delta_normal,
    ewma_correlation,
    ewma_covariance,
    ewma_variance,
    ewma_variances,
    expected_shortfall,
    normal_closed_form,
    quantile,
    student_t_closed_form,
    value_at_risk,
)
from risk_core.scenarios import exponential_weights

FILES = sorted((Path(__file__).parent / "cases").glob("*.json"))
CASES = [case for path in FILES for case in json.loads(path.read_text())]
Answers = dict[str, Any]


def tail(count: int, worst: list[float], other: float, confidence: list[float], preset: str | list[str]) -> Answers:
    """Historical VaR and ES of a sample of which only the tail is given."""
    pnl = np.random.default_rng(1).permutation([*worst, *[other] * (count - len(worst))])
    names = [preset] * len(confidence) if isinstance(preset, str) else preset
    levels = confidence * (len(names) // len(confidence))
    pairs = [(c, PRESETS[n]) for c, n in zip(levels, names, strict=True)]
    return {
        "value_at_risk": [value_at_risk(pnl, c, None, chosen).value for c, chosen in pairs],
        "expected_shortfall": [expected_shortfall(pnl, c, None, chosen).value for c, chosen in pairs],
    }


def quantiles(values: list[float], level: float) -> Answers:
    """One quantile by every name."""
    names = ("index_above", "sample_interpolation", "midway", "sample_plus_one", "excel", "linear", "type_7")
    return {name: quantile(values, level, name) for name in names}


def age_weights(decay: float, count: int, returns: list[float], days_ago: list[int]) -> Answers:
    """Weights of given days, and cumulated from the worst return."""
    weights = exponential_weights(count, decay)[np.array(days_ago) - 1]
    return {"weights": weights, "cumulative": np.cumsum(weights[np.argsort(returns)])}


def age_weighted_tail(
    decay: float, count: int, returns: list[float], days_ago: list[int], other: float, confidence: float, preset: str
) -> Answers:
    """Age-weighted VaR and ES of a sample of which only the tail is given."""
    newest_first = np.full(count, other)
    newest_first[np.array(days_ago) - 1] = returns
    weights, chosen = exponential_weights(count, decay), PRESETS[preset]
    return {
        "value_at_risk": value_at_risk(newest_first, confidence, weights, chosen).value,
        "expected_shortfall": expected_shortfall(newest_first, confidence, weights, chosen).value,
    }


def parametric(positions: list[float], volatility: list[float], correlation: float, **options: float) -> Answers:
    """Delta-normal VaR and its parts."""
    risk = delta_normal(positions, covariance_matrix(volatility, correlation), **options)
    names = ("value", "standalone", "component", "marginal", "incremental", "diversification_benefit")
    return {name: getattr(risk, name) for name in names}


def closed_form(standard_deviation: float, degrees_of_freedom: float, confidence: list[float]) -> Answers:
    """Normal and t."""
    forms = {
        "normal": [normal_closed_form(0.0, standard_deviation, c) for c in confidence],
        "student_t": [student_t_closed_form(0.0, standard_deviation, degrees_of_freedom, c) for c in confidence],
    }
    measures = ("value_at_risk", "expected_shortfall")
    return {f"{law}_{measure}": [getattr(form, measure) for form in by_level] for law, by_level in forms.items() for measure in measures}


def ewma_step(decay: float, volatility: list[float], correlation: float, returns: list[float]) -> Answers:
    """One step of variances, covariance and correlation."""
    (sx, sy), (x, y) = volatility, returns
    return {
        "variance_x": ewma_variance(sx**2, x, decay),
        "variance_y": ewma_variance(sy**2, y, decay),
        "covariance": ewma_covariance(correlation * sx * sy, x, y, decay),
        "correlation": ewma_correlation(correlation, sx, sy, x, y, decay),
    }


def ewma_path(decay: float, start: float, returns: list[float]) -> Answers:
    """The whole path of a variance."""
    return {"variances": ewma_variances(returns, decay, start)}


RUNNERS: dict[str, Callable[..., Answers]] = {
    "tail": tail,
    "quantile": quantiles,
    "age_weights": age_weights,
    "age_weighted_tail": age_weighted_tail,
    "delta_normal": parametric,
    "closed_form": closed_form,
    "ewma_step": ewma_step,
    "ewma_vector": ewma_path,
}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_published_case(case: dict[str, Any]) -> None:
    answers = RUNNERS[case["kind"]](**case["inputs"])
    for name, expected in case["expected"].items():
        assert answers[name] == pytest.approx(expected, rel=case["tolerance"].get("rel", 0.0), abs=case["tolerance"].get("abs", 0.0)), name


def test_cases_are_cited_and_tell_conventions_apart() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES) >= 17
    assert all(case["source"] and case["tolerance"] and case["expected"] for case in CASES)
    by_id = {case["id"]: case for case in CASES}
    inputs = by_id["ore-historical-es"]["inputs"]
    fractional = tail(**{**inputs, "preset": "plimsoll"})["expected_shortfall"][0]
    assert fractional == pytest.approx(958_802, abs=1)  # would fail the case by 1 %
