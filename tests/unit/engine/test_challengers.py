"""Challengers against plain arithmetic: sets in the node's currency, one fit for all confidences, the fallback, the judgement."""

from __future__ import annotations

import numpy as np
import pytest

from risk_core.book import BookIndex
from risk_core.engine import challengers as module
from risk_core.engine.challengers import FALLBACK, Challengers, judge
from risk_core.engine.inputs import Inputs
from risk_core.engine.market import MarketLayout
from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.methods import METHODS, STUDENT_T, VOLATILITY_WEIGHTED, Measure, ScenarioName
from risk_core.parametric import fit_student_t
from risk_core.records import RiskResult, ScenarioRow
from risk_core.scenarios import volatility_scaled
from risk_core.scenarios.moves import MOVES
from risk_core.tails import TAILS
from tests.worlds import small_book

BOOK = small_book()
LAYOUT = MarketLayout.of(BookIndex(BOOK))
COUNT = len(LAYOUT.currency)
DAYS = 40
CONFIDENCES = (0.9, 0.99)


def window(seed: int = 1) -> list[ScenarioRow]:
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(DAYS):
        shock = np.where(LAYOUT.is_cash, 0.0, 0.01 * (1.0 + day / DAYS) * rng.standard_t(5, COUNT))
        rows.append(ScenarioRow("run", day, f"day {day}", 0, day, shock, np.zeros(COUNT, np.uint8)))
    return rows


def inputs(exposure: np.ndarray, **changes: object) -> Inputs:
    nodes = len(exposure)
    values: dict[str, object] = {
        "as_of_ns": 10**15,
        "date": "2024-01-02",
        "revision": 0,
        "log_seq": 7,
        "scenarios": DAYS,
        "node_ids": tuple(n.node_id for n in BOOK.nodes[:nodes]),
        "exposure": exposure,
        "shares": np.tile([0.1, 0.2, 0.3], (nodes, 1)),
        "flags": ("",) * nodes,
        "judged_ns": 10**14,
        "outcome": np.zeros((3, nodes)),
    }
    return Inputs(**(values | changes))  # type: ignore[arg-type]


def plain_vector(moves: np.ndarray, exposure: np.ndarray, currency: str) -> np.ndarray:
    """P&L newest first, instrument by instrument, from moves oldest first in own currencies."""
    pnl = np.zeros(moves.shape[1])
    fx = {LAYOUT.currencies[c]: (moves[j] if j >= 0 else 0.0) for c, j in enumerate(LAYOUT.fx_column)}
    for j in range(COUNT):
        rate = (1.0 + fx[LAYOUT.currencies[LAYOUT.currency[j]]]) / (1.0 + fx[currency])
        pnl += exposure[j] * (moves[j] * rate if LAYOUT.absolute[j] else (1.0 + moves[j]) * rate - 1.0)
    return pnl[::-1]


def test_every_method_has_its_set_and_its_tail() -> None:
    for method in METHODS.values():
        assert method.scenario_set in MOVES
        assert method.measure in TAILS
    assert set(MOVES) == set(ScenarioName)
    assert set(TAILS) == set(Measure)


@pytest.mark.parametrize("node", [0, 5], ids=["dollars", "euros"])
def test_rows_are_plain_arithmetic_on_the_set(node: int) -> None:
    rows = window()
    exposure = np.random.default_rng(2).normal(size=(7, COUNT)) * 1e5
    found = list(Challengers(BOOK, rows).results("run", (VOLATILITY_WEIGHTED, STUDENT_T), inputs(exposure), CONFIDENCES))
    assert len(found) == 7 * 2 * 2
    moves = np.array([r.shock for r in rows]).T
    currency, node_id = BOOK.nodes[node].currency, BOOK.nodes[node].node_id
    scaled = plain_vector(volatility_scaled(moves), exposure[node], currency)
    fit = fit_student_t(plain_vector(moves, exposure[node], currency))
    for confidence in CONFIDENCES:
        row = {r.method: r for r in found if (r.node_id, r.confidence) == (node_id, confidence)}
        weighted, student = row["volatility_weighted"], row["student_t"]
        assert weighted.value_at_risk == pytest.approx(value_at_risk(scaled, confidence).value, rel=1e-9)
        assert weighted.expected_shortfall == pytest.approx(expected_shortfall(scaled, confidence).value, rel=1e-9)
        assert student.value_at_risk == pytest.approx(fit.value_at_risk(confidence).value, rel=1e-6)
        assert student.expected_shortfall == pytest.approx(fit.expected_shortfall(confidence).value, rel=1e-6)
        assert (weighted.currency, weighted.scenario_count, weighted.log_seq) == (currency, DAYS, 7)
        assert (weighted.stale_share, weighted.proxied_share, weighted.thin_share) == (0.1, 0.2, 0.3)
    thin = next(r for r in found if r.method == "volatility_weighted" and r.confidence == 0.99)
    assert thin.status == "thin_tail"


def test_components_add_up() -> None:
    exposure = np.random.default_rng(3).normal(size=COUNT) * 1e5
    for method in (VOLATILITY_WEIGHTED, STUDENT_T):
        scene = Challengers(BOOK, window()).scene(method, 6, exposure, CONFIDENCES)
        for pair in scene.numbers:
            for measured in pair:
                components = exposure * (scene.moves @ measured.gradient)
                assert components.sum() == pytest.approx(measured.value, rel=1e-6)


def test_a_book_without_positions_has_no_risk_and_flags_stay() -> None:
    exposure = np.zeros((2, COUNT))
    exposure[1, 1] = 1e5
    found = list(Challengers(BOOK, window()).results("run", (STUDENT_T,), inputs(exposure, flags=("", "degraded")), (0.9,)))
    assert str((found[0].value_at_risk, found[0].expected_shortfall)) == "(0.0, 0.0)"
    assert found[1].value_at_risk > 0.0
    assert found[1].status == "df_at_upper_bound+degraded"


@pytest.mark.parametrize("broken", ["raises", "nan"])
def test_a_number_is_never_nan(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, pnl: np.ndarray, weights: np.ndarray) -> None:
            if broken == "raises":
                raise np.linalg.LinAlgError("singular")
            self.number = value_at_risk(pnl, 0.9)
            object.__setattr__(self.number, "value", float("nan"))

        def value_at_risk(self, confidence: float) -> object:
            return self.number

        expected_shortfall = value_at_risk

    monkeypatch.setattr(module, "TAILS", {**TAILS, Measure.STUDENT_T: Broken})
    exposure = np.full((1, COUNT), 1e5)
    (row,) = Challengers(BOOK, window()).results("run", (STUDENT_T,), inputs(exposure), (0.9,))
    assert row.status == FALLBACK
    assert np.isfinite([row.value_at_risk, row.expected_shortfall]).all()


def test_a_forecast_is_judged_as_it_was_first_made() -> None:
    def forecast(var: float, revision: int, node_id: int = 1) -> RiskResult:
        return RiskResult("parent", node_id, 10**14, "student_t", 1, 0.9, revision, "USD", var, 2 * var, 40, 3, 0.0, 0.0, 0.0, "ok")

    day = inputs(np.zeros((2, COUNT)), revision=3, outcome=np.array([[-5.0, 1.0], [-7.0, 2.0], [0.5, 0.25]]))
    rows = list(judge("run", day, [forecast(6.0, 2), forecast(4.0, 0), forecast(1.0, 1, node_id=2)]))
    assert [(r.run_id, r.node_id, r.forecast_value_at_risk, r.forecast_expected_shortfall, r.revision) for r in rows] == [
        ("run", 1, 4.0, 8.0, 3),
        ("run", 2, 1.0, 2.0, 3),
    ]
    assert [(r.hypothetical_pnl, r.actual_pnl, r.fees, r.exception_hypothetical, r.exception_actual) for r in rows] == [
        (-5.0, -7.0, 0.5, True, True),
        (1.0, 2.0, 0.25, False, False),
    ]
    assert list(judge("run", day, [])) == []
