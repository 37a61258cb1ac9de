"""Challengers against plain arithmetic: sets in the node's currency, one fit for all confidences, the fallback, the judgement."""

from __future__ import annotations

import numpy as np
import pytest

from risk_core import tails
from risk_core.book import AssetClass, BookIndex
from risk_core.engine.challengers import FALLBACK, Challengers, judge
from risk_core.engine.configuration import ModelConfiguration
from risk_core.engine.inputs import Inputs
from risk_core.engine.market import MarketLayout
from risk_core.liquidity.terms import Liquidity, LiquidityTerms
from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.methods import METHODS, STUDENT_T, VOLATILITY_WEIGHTED, Measure, ScenarioName
from risk_core.parametric import fit_student_t
from risk_core.records import RiskResult, ScenarioRow
from risk_core.scenarios import volatility_scaled
from risk_core.scenarios.horizons import overlapping_moves
from risk_core.scenarios.moves import MOVES
from risk_core.tails import TAILS
from tests.worlds import small_book

BOOK = small_book()
LAYOUT = MarketLayout.of(BookIndex(BOOK))
INSTRUMENTS = sorted(BOOK.instruments, key=lambda i: i.instrument_id)
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

    monkeypatch.setattr(tails, "TAILS", {**TAILS, Measure.STUDENT_T: Broken})
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


@pytest.mark.parametrize("node", [0, 5], ids=["dollars", "euros"])
def test_several_days_are_windows_of_the_set(node: int) -> None:
    rows, exposure = window(), np.random.default_rng(4).normal(size=(7, COUNT)) * 1e5
    found = list(Challengers(BOOK, rows).results("run", (METHODS["historical_5d"],), inputs(exposure), (0.9,)))
    moves = overlapping_moves(np.array([r.shock for r in rows]).T, 5, LAYOUT.absolute)
    pnl = plain_vector(moves, exposure[node], BOOK.nodes[node].currency)
    row = next(r for r in found if r.node_id == BOOK.nodes[node].node_id)
    assert row.value_at_risk == pytest.approx(value_at_risk(pnl, 0.9).value, rel=1e-9)
    assert (row.horizon_days, row.scenario_count) == (5, DAYS - 4)
    assert row.value_at_risk_error is not None


def test_without_windows_the_square_root_of_time_stands_in() -> None:
    exposure = np.full((1, COUNT), 1e5)
    one_day, ten_days = Challengers(BOOK, window()[:8]).results(
        "run", (METHODS["square_root_5d"], METHODS["historical_10d"]), inputs(exposure), (0.9,)
    )
    assert ten_days.status == FALLBACK + "+thin_tail"
    assert (ten_days.horizon_days, ten_days.scenario_count) == (10, 8)
    assert ten_days.value_at_risk == pytest.approx(one_day.value_at_risk * 2**0.5, rel=0.05)  # but for the compounding of rates


def test_other_measures_are_stored_beside_the_two() -> None:
    rows, exposure = window(), np.random.default_rng(4).normal(size=(1, COUNT)) * 1e5
    found = list(Challengers(BOOK, rows).results("run", (METHODS["coherent"], METHODS["student_t"]), inputs(exposure), (0.9,)))
    pnl = plain_vector(np.array([r.shock for r in rows]).T, exposure[0], BOOK.nodes[0].currency)
    coherent, student = found
    assert coherent.value_at_risk == pytest.approx(value_at_risk(pnl, 0.9).value, rel=1e-9)
    assert coherent.measures is not None
    path = np.cumsum(pnl)
    assert coherent.measures["maximum_drawdown"] == pytest.approx((np.maximum.accumulate(np.maximum(path, 0.0)) - path).max(), rel=1e-9)
    assert student.measures is None


TERMS = (("equity", 0.002, 0.001, 4.0), (BOOK.instruments[0].symbol, 0.01, 0.0, 1.0))


def test_a_spread_is_lost_on_every_position_and_its_cost_is_in_the_components() -> None:
    exposure = np.random.default_rng(4).normal(size=COUNT) * 1e5
    configured = Challengers(BOOK, window(), ModelConfiguration(liquidity=TERMS, liquidity_multiplier=2.0))
    found, plain = (configured.scene(METHODS[name], 1, exposure, (0.9,)) for name in ("liquidity_spread", "historical"))
    liquid = Liquidity.of(INSTRUMENTS, [LiquidityTerms(*t) for t in TERMS], 2.0)
    by_hand = [0.5 * (0.01 if i.symbol == TERMS[0][0] else 0.004 if i.asset_class is AssetClass.EQUITY else 0.0) for i in INSTRUMENTS]
    by_hand = [0.005 if i.symbol == TERMS[1][0] else h for i, h in zip(INSTRUMENTS, by_hand, strict=True)]
    assert liquid.half_spread == pytest.approx(by_hand)
    cost = np.abs(exposure) * by_hand
    for (number, _), (before, _) in ((found.numbers[0], plain.numbers[0]), (found.numbers[0][::-1], plain.numbers[0][::-1])):
        assert number.value == pytest.approx(before.value + cost.sum(), rel=1e-9)
        parts = exposure * (found.moves @ number.gradient)
        assert parts == pytest.approx(exposure * (plain.moves @ before.gradient) + cost, rel=1e-9)
    assert "no_liquidity_terms" in found.status(0)


def test_a_position_that_takes_days_to_sell_is_exposed_for_longer() -> None:
    exposure = np.zeros(COUNT)
    column = next(c for c, i in enumerate(INSTRUMENTS) if i.asset_class is AssetClass.EQUITY and i.symbol != TERMS[1][0])
    exposure[column] = 1e5
    configured = Challengers(BOOK, window(), ModelConfiguration(liquidity=TERMS))
    found, plain = (configured.scene(METHODS[name], 1, exposure, (0.9,)) for name in ("liquidity_horizon", "historical"))
    slow = np.sqrt((1 + 4) * (1 + 8) / (6 * 4))
    assert found.numbers[0][0].value == pytest.approx(slow * plain.numbers[0][0].value, rel=1e-9)
    assert found.status(0) == []


@pytest.mark.parametrize("node", [0, 5], ids=["dollars", "euros"])
def test_a_sobol_set_runs_along_the_node_s_own_pnl(node: int) -> None:
    """It agrees with independent draws of the same law, and moves far less from seed to seed, in whatever currency."""
    exposure = np.where(LAYOUT.is_cash, 0.0, np.random.default_rng(4).normal(size=COUNT) * 1e5)
    found = np.array(
        [
            [
                Challengers(BOOK, window(), ModelConfiguration(seed=seed))
                .scene(METHODS[name], BOOK.nodes[node].node_id, exposure, (0.99,))
                .numbers[0][0]
                .value
                for name in ("monte_carlo_sobol", "monte_carlo_normal")
            ]
            for seed in range(20)
        ]
    )
    aligned, independent = found.T
    assert aligned.std() < 0.4 * independent.std()
    assert abs(aligned.mean() - independent.mean()) < 4.0 * independent.std() / 20**0.5


def test_forecasts_over_several_days_are_not_judged_by_one() -> None:
    ten = RiskResult("run", 1, 10**14, "historical_10d", 10, 0.9, 0, "USD", 1.0, 2.0, 40, 3, 0.0, 0.0, 0.0, "ok")
    assert list(judge("run", inputs(np.zeros((1, COUNT))), [ten])) == []
