"""Bad input gets an error that says what, where and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from risk_core.conventions import ConventionError, Conventions
from risk_core.measures import (
    PRESETS,
    MeasureError,
    expected_shortfall,
    normal_expected_shortfall,
    normal_value_at_risk,
    preset,
    quantile,
    value_at_risk,
)

MEASURES = [value_at_risk, expected_shortfall, normal_value_at_risk, normal_expected_shortfall]
PNL = np.array([-2.0, 1.0, 0.5, -0.5])
DATES = pd.to_datetime(["2008-10-09", "2008-10-10"])

BAD_VECTORS: list[tuple[Any, Any, str]] = [
    ([], None, "pnl is empty"),
    ([1.0, np.nan, np.nan], None, r"pnl is nan at position 1 \(2 of 3 are missing or not finite\); fill missing returns from a proxy"),
    (pd.Series([1.0, np.inf], DATES), None, r"pnl is inf at position 1 \(2008-10-10 00:00:00\)"),
    ([1e200, 0.0], None, "1e\\+200 at position 0"),
    ([[1.0, 2.0]], None, r"one dimension .* not shape \(1, 2\)"),
    (3.0, None, "one dimension"),
    (["a", "b"], None, "pnl must be numbers"),
    (PNL, [0.5, 0.5], r"weights must have the length of pnl, shape \(4,\), not \(2,\)"),
    (PNL, [1.0, -0.25, 0.0, 0.0], "weights are -0.25 at position 1: they must be finite and not negative"),
    (PNL, [1.0, np.nan, 0.0, 0.0], "weights are nan at position 1"),
    (PNL, np.zeros(4), "weights are all zero"),
    (pd.Series([1.0, 2.0], DATES), pd.Series([1.0, 2.0], DATES[::-1]), r"different indexes; align them: weights.reindex\(pnl.index\)"),
]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("pnl", "weights", "message"), BAD_VECTORS)
def test_bad_vectors_and_weights(measure: Callable[..., object], pnl: Any, weights: Any, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        measure(pnl, 0.99, weights)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("confidence", "message"),
    [(99, "0.99 may be meant"), (97.5, "0.975 may be meant"), (0.01, "0.99 may be meant"), (1.0, r"\[0.5, 1\)"), (np.nan, r"\[0.5, 1\)"),
     (0.0, r"\[0.5, 1\)"), (-0.99, r"\[0.5, 1\)"), ("0.99", "a number such as 0.99"), (None, "a number such as 0.99")],
)  # fmt: skip
def test_bad_confidence(measure: Callable[..., object], confidence: Any, message: str) -> None:
    with pytest.raises(ConventionError, match=message):
        measure(PNL, confidence)


def test_numpy_scalars_are_numbers() -> None:
    assert value_at_risk(PNL, np.float64(0.75)).value == value_at_risk(PNL, 0.75).value == 2.0


def test_conventions_that_contradict() -> None:
    weights = [0.1, 0.2, 0.3, 0.4]
    for convention in ("linear", "weibull", "closest_observation", "median_unbiased", "normal_unbiased"):
        chosen = Conventions(quantile=convention)  # type: ignore[arg-type]
        for measure in (value_at_risk, expected_shortfall):
            with pytest.raises(MeasureError, match=f"{convention} has no form for unequal weights; inverted_cdf"):
                measure(PNL, 0.75, weights, chosen)
    with pytest.raises(ConventionError, match="mean of zero"):
        normal_value_at_risk(PNL, 0.99, None, Conventions(mean="sample", ewma_start="zero"))  # type: ignore[arg-type]
    with pytest.raises(MeasureError, match="no degree of freedom"):
        normal_value_at_risk([1.0], 0.99, None, Conventions(mean="sample", ddof=1))  # type: ignore[arg-type]
    with pytest.raises(ConventionError, match="index_above"):
        quantile(PNL, 0.5, "type_10")
    with pytest.raises(ConventionError, match="strict"):
        Conventions(tail_weight="beyond")  # type: ignore[arg-type]
    with pytest.raises(MeasureError, match=r"level must lie in \[0, 1\], not 95"):
        quantile(PNL, 95)
    with pytest.raises(ConventionError, match="strata_midway"):
        preset("bloomberg")
    assert preset("ore") is PRESETS["ore"]
