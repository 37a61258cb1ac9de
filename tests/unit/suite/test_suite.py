"""The suite is its parts, in one call: numbers, intervals, words, table and picture."""

from __future__ import annotations

import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from risk_core.conventions import ConventionError
from risk_core.measures import MeasureError, expected_shortfall, normal_value_at_risk, value_at_risk
from risk_core.methods import METHODS, ONE_DAY, MethodError
from risk_core.parametric import fit_student_t
from risk_core.scenarios import ScenarioSet, exponential_weights, volatility_scaled
from risk_core.suite import SuiteError, VarSuite, var_suite
from risk_core.uncertainty import Resampling, tail_draws

RNG = np.random.default_rng(5)
RETURNS = pd.DataFrame(RNG.standard_t(4, (400, 3)) * 0.01, pd.bdate_range("2023-01-02", periods=400), ["AAA", "BBB", "CCC"])
HELD = {"AAA": 1_000_000.0, "CCC": -300_000.0}
PNL = RETURNS.to_numpy() @ np.array([1_000_000.0, 0.0, -300_000.0])


@pytest.fixture(scope="module")
def whole() -> VarSuite:
    return var_suite(RETURNS, HELD, resamples=40)


def numbers(suite: VarSuite, method: str, confidence: float) -> tuple[float, float]:
    return next((r.value_at_risk, r.expected_shortfall) for r in suite.rows if (r.method, r.confidence) == (method, confidence))


def test_all_methods_at_all_confidences(whole: VarSuite) -> None:
    assert [(r.method, r.confidence) for r in whole.rows] == [(m, c) for m in ONE_DAY for c in (0.95, 0.975, 0.99, 0.999)]
    for row in whole.rows:
        assert row.expected_shortfall >= row.value_at_risk * (1 - 1e-9)
        assert row.seconds > 0.0
        for value, interval in ((row.value_at_risk, row.value_at_risk_interval), (row.expected_shortfall, row.expected_shortfall_interval)):
            assert interval is not None
            assert interval.level == 0.95
            assert interval.lower is not None
            assert interval.upper is None or interval.lower <= interval.upper  # a copula on empirical marginals repeats the worst day
            assert interval.standard_error is not None
            assert abs(value - interval.lower) <= 12 * interval.standard_error + 1e-9 * abs(value)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_numbers_are_those_of_the_parts(whole: VarSuite, confidence: float) -> None:
    newest_first = PNL[::-1]
    aged = exponential_weights(400, 0.98)
    assert numbers(whole, "historical", confidence) == pytest.approx(
        (value_at_risk(PNL, confidence).value, expected_shortfall(PNL, confidence).value), rel=1e-9
    )
    assert numbers(whole, "age_weighted", confidence)[0] == pytest.approx(value_at_risk(newest_first, confidence, aged).value, rel=1e-9)
    ewma = exponential_weights(400, 0.94)
    assert numbers(whole, "ewma_normal", confidence)[0] == pytest.approx(
        normal_value_at_risk(newest_first, confidence, ewma).value, rel=1e-2
    )
    scaled = volatility_scaled(RETURNS.to_numpy().T)
    assert numbers(whole, "volatility_weighted", confidence)[0] == pytest.approx(
        value_at_risk(np.array([1_000_000.0, 0.0, -300_000.0]) @ scaled, confidence).value, rel=1e-9
    )
    assert numbers(whole, "student_t", confidence)[0] == pytest.approx(fit_student_t(PNL).value_at_risk(confidence).value, rel=1e-6)


def test_intervals_are_the_bootstraps() -> None:
    suite = var_suite(PNL, methods=["historical"], confidences=(0.95,), resamples=100, seed=3, level=0.9)
    draws = tail_draws(PNL[::-1], (0.95,), resampling=Resampling(100, seed=3))
    (row,) = suite.rows
    assert row.value_at_risk_interval is not None
    assert (row.value_at_risk_interval.lower, row.value_at_risk_interval.upper) == pytest.approx(
        tuple(np.quantile(draws.value_at_risk[:, 0], [0.05, 0.95]))
    )
    again = var_suite(PNL, methods=["historical"], confidences=(0.95,), resamples=100, seed=3, level=0.9)
    assert again.rows[0].value_at_risk_interval == row.value_at_risk_interval


def test_books_and_vectors_say_the_same() -> None:
    days = RETURNS.index.to_numpy().astype("datetime64[D]")
    held = ScenarioSet(
        "historical",
        tuple(RETURNS),
        days,
        np.ascontiguousarray(RETURNS.to_numpy().T),
        np.full(400, 1 / 400),
        np.zeros(3, bool),
        np.zeros((3, 400), bool),
    )
    ways = [
        var_suite(RETURNS, HELD, methods=["historical"], resamples=0),
        var_suite(RETURNS, pd.Series(HELD), methods=["historical"], resamples=0),
        var_suite(RETURNS.to_numpy(), [1_000_000.0, 0.0, -300_000.0], methods=["historical"], resamples=0),
        var_suite(held, HELD, methods=[METHODS["historical"]], resamples=0),
        var_suite(pd.Series(PNL), methods=["historical"], resamples=0),
    ]
    for way in ways:
        assert [r.value_at_risk for r in way.rows] == pytest.approx([r.value_at_risk for r in ways[0].rows], rel=1e-12)
        assert all(r.value_at_risk_interval is None for r in way.rows)


def test_a_method_without_a_number_says_so_and_stands_on_history() -> None:
    suite = var_suite(np.array([0.0, -1.0, 2.0, 1.0]), methods=["peaks_over_threshold", "historical"], confidences=(0.75,), resamples=0)
    fallen, plain = suite.rows
    assert "no_number" in fallen.status
    assert "historical number stands in" in fallen.reason
    assert fallen.value_at_risk == plain.value_at_risk


def test_the_frame_has_no_nan(whole: VarSuite) -> None:
    frame = whole.frame
    assert frame.index.names == ["method", "confidence"]
    assert frame.loc[("historical", 0.99), "value_at_risk"] == numbers(whole, "historical", 0.99)[0]
    assert frame.loc[("historical", 0.999), "var_upper"] is None
    assert not frame.select_dtypes("number").isna().any().any()


def test_tables_show_every_row(whole: VarSuite) -> None:
    lines = str(whole).splitlines()
    assert len(lines) == 2 + len(whole.rows)
    assert max(map(len, lines)) <= 120
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(whole)
    shown = console.export_text()
    html = whole._repr_html_()
    assert html.count("<tr") == 1 + len(whole.rows)
    for method in ONE_DAY.values():
        assert method.label in shown
        assert method.label in html
    assert "400 scenarios, 95% intervals" in shown


def test_the_picture_has_the_distribution_and_every_tail(whole: VarSuite, tmp_path: Path) -> None:
    picture = whole.picture(0.95)
    root = xml.fromstring(picture.save(tmp_path / "tails.svg").read_text())
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}circle")) == len(ONE_DAY)
    assert len(root.findall(f"{space}rect")) > 10
    told = " ".join(t.text or "" for t in root.iter(f"{space}text"))
    assert all(m.label in told for m in ONE_DAY.values())
    assert picture._repr_svg_() == picture.svg
    assert "0.99" in whole.picture().svg
    with pytest.raises(SuiteError, match=r"no confidence 0\.9;"):
        whole.picture(0.9)
    flat = var_suite(np.zeros(30), methods=["historical"], resamples=0)
    xml.fromstring(flat.picture().svg)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: var_suite(RETURNS), "returns of 3 instruments need exposures"),
        (lambda: var_suite(RETURNS, {"ZZZ": 1.0}), "the returns have no column 'ZZZ'; they have AAA, BBB, CCC"),
        (lambda: var_suite(RETURNS.to_numpy(), {"AAA": 1.0}), "need a DataFrame with names"),
        (lambda: var_suite(RETURNS.to_numpy(), [1.0]), "1 exposures for 3 instruments"),
        (lambda: var_suite(RETURNS, [1.0, np.nan, 0.0]), "exposure 1 is not finite"),
        (lambda: var_suite(RETURNS.mask(RETURNS.iloc[7, 0] == RETURNS), HELD), "the return of AAA in row 7 is nan"),
        (lambda: var_suite(PNL, [1.0]), "a P&L vector has no exposures"),
        (lambda: var_suite(np.zeros((2, 2, 2))), "not of shape"),
        (lambda: var_suite(PNL, methods=[]), "name at least one of historical"),
        (lambda: var_suite(PNL, confidences=()), "confidences are empty"),
        (lambda: var_suite(PNL, resamples=1), "resamples must be 0"),
        (lambda: var_suite(PNL, resamples=-3), "resamples must be 0"),
    ],
)
def test_what_cannot_be_used_is_named(call: object, what: str) -> None:
    with pytest.raises(SuiteError, match=what):
        call()  # type: ignore[operator]


def test_what_the_parts_refuse_is_refused() -> None:
    with pytest.raises(MethodError, match="unknown method 'oracle'; known are historical"):
        var_suite(PNL, methods=["oracle"])
    with pytest.raises(ConventionError):
        var_suite(PNL, confidences=(1.5,))
    with pytest.raises(MeasureError):
        var_suite(PNL, level=2.0)
    with pytest.raises(MeasureError):
        var_suite(np.array([1.0, np.nan]), methods=["historical"])
