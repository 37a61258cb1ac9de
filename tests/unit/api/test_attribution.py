"""Who carries a stored number, by every grouping: parts add up to the stored bits, and without a group is a full calculation."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from risk_core.book import Tag
from risk_core.engine.valuation import exposures
from risk_core.measures import expected_shortfall, value_at_risk
from risk_core.methods import METHODS
from risk_core.records import Genesis, RiskResult
from risk_core.uncertainty import harrell_davis_expected_shortfall, harrell_davis_value_at_risk
from services.common import evidence_attribution
from services.common.evidence_shapes import Attribution, AttributionItem, NoEvidence, ResultId, UnknownGrouping
from services.main import cli
from services.main.user_errors import user_errors
from tests.unit.api.conftest import BASE_URL
from tests.unit.api.contract import check_answer
from tests.unit.api.small_run import SmallRun
from tests.unit.jobs.test_runner import CHALLENGERS, runner_of
from tests.worlds import STREAMED, interleave, make_world

PLAIN = ["instrument", "portfolio", "desk", "currency", "asset_class"]
TAGS = (Tag(2, "country", "US"), Tag(2, "sector", "tech"), Tag(3, "sector", "tech"), Tag(4, "sector", "energy & more"))
TEMPLATE = "/api/v1/results/{result_id}/attribution"


def tagged_run() -> SmallRun:
    records = interleave(make_world(4, challengers=CHALLENGERS), 4)
    assert isinstance(records[0].body, Genesis)
    genesis = replace(records[0].body, book=replace(records[0].body.book, tags=TAGS))
    run = SmallRun([replace(records[0], body=genesis), *records[1:]]).play()
    runner, _, _ = runner_of(run)
    while runner.step():
        pass
    return run


@pytest.fixture(scope="module")
def run() -> SmallRun:
    return tagged_run()


@pytest.fixture(scope="module")
def client(run: SmallRun) -> Iterator[TestClient]:
    with TestClient(run.app(), base_url=BASE_URL) as opened:
        yield opened


def newest(run: SmallRun, node_id: int, method: str, confidence: float = 0.75) -> RiskResult:
    rows = [r for r in run.stored() if (r.node_id, r.method, r.confidence) == (node_id, method, confidence)]
    return max(rows, key=lambda r: (r.as_of_ns, r.revision))


def id_of(row: RiskResult) -> ResultId:
    return ResultId(row.node_id, row.as_of_ns, row.method, row.confidence, row.revision)


def attributed(run: SmallRun, row: RiskResult, by: str, robust: bool = False) -> Attribution:
    return run.evidence().attribution(id_of(row), by, robust)


def labels(told: Attribution) -> dict[str, AttributionItem]:
    return {i.label: i for i in told.items}


@pytest.mark.parametrize("method", [*STREAMED, *CHALLENGERS])
@pytest.mark.parametrize("node_id", [1, 3, 5])
def test_every_grouping_adds_up_to_the_stored_number(run: SmallRun, method: str, node_id: int) -> None:
    for confidence in (0.75, 0.99):
        row = newest(run, node_id, method, confidence)
        for by in [*PLAIN, "tag:country", "tag:sector"]:
            told = attributed(run, row, by)
            assert (told.total_var, told.total_es) == (row.value_at_risk, row.expected_shortfall)
            for name, total in (("var", told.total_var), ("es", told.total_es)):
                parts = [getattr(i, name) for i in told.items]
                assert sum(p.component for p in parts) == pytest.approx(total, rel=1e-9)
                assert sum(p.share for p in parts) == pytest.approx(1.0, rel=1e-9)
                benefit = sum(p.standalone for p in parts) - total
                assert getattr(told, f"diversification_{name}") == pytest.approx(benefit, rel=1e-9, abs=1e-9 * abs(total))
            assert told.groupings == [*PLAIN, "tag:country", "tag:sector"]
            assert [i.var.component for i in told.items] == sorted((i.var.component for i in told.items), reverse=True)


def test_groups_are_the_books(run: SmallRun) -> None:
    row = newest(run, 1, "historical")
    assert set(labels(attributed(run, row, "portfolio"))) <= {"Long", "Spread", "Euro", "Trader"}
    assert {(i.key, i.label) for i in attributed(run, row, "desk").items} == {("2", "Desk one"), ("3", "Desk two")}
    assert set(labels(attributed(run, row, "currency"))) == {"USD", "EUR"}
    assert set(labels(attributed(run, row, "tag:sector"))) == {"tech", "energy & more", "untagged"}
    assert set(labels(attributed(run, newest(run, 5, "historical"), "desk"))) == {"Desk one"}
    fine, coarse = labels(attributed(run, row, "instrument")), labels(attributed(run, row, "tag:sector"))
    assert coarse["tech"].var.component == pytest.approx(fine["AAA"].var.component + fine["BBB"].var.component)
    assert coarse["tech"].market_value == pytest.approx(fine["AAA"].market_value + fine["BBB"].market_value)


def test_one_group_is_the_whole(run: SmallRun) -> None:
    row = newest(run, 5, "historical")
    told = attributed(run, row, "portfolio")
    (only,) = told.items
    assert only.label == "Spread"
    assert [only.es.component, only.es.standalone, only.es.incremental] == pytest.approx([row.expected_shortfall] * 3, rel=1e-12)
    assert told.diversification_es == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("robust", [False, True])
def test_a_dollar_portfolio_by_plain_calculation(run: SmallRun, robust: bool) -> None:
    """Straight from quantities, prices and scenario rows: each instrument alone, the rest without it, and its part."""
    row = newest(run, 4, "historical")
    evidence = run.evidence()
    _, genesis, node = evidence._node(4)
    moment = evidence._at(genesis, node, row)
    moves = np.array([r.shock for r in moment.rows])
    stock, rate = 3, 4
    moves[:, stock] = (1 + moves[:, stock]) * (1 + moves[:, rate]) - 1
    held = moment.bucket.quantity[moment.row_of(4)] / 1e6 * moment.bucket.price
    held[stock] *= moment.bucket.price[rate]
    var, es = (harrell_davis_value_at_risk, harrell_davis_expected_shortfall) if robust else (value_at_risk, expected_shortfall)
    whole = moves @ held
    told = attributed(run, row, "instrument", robust)
    assert len(told.items) == np.count_nonzero(held)
    ids = sorted(i.instrument_id for i in genesis.book.instruments)
    for item in told.items:
        j = ids.index(int(item.key))
        mine = moves[:, j] * held[j]
        for part, measure in ((item.var, var), (item.es, es)):
            total = measure(whole, 0.75)
            assert part.standalone == pytest.approx(measure(mine, 0.75).value, rel=1e-9)
            assert part.incremental == pytest.approx(total.value - measure(whole - mine, 0.75).value, rel=1e-8, abs=1e-8)
            assert part.component == pytest.approx(float(total.gradient @ mine), rel=1e-9)
            assert part.marginal == pytest.approx(part.component / abs(held[j]), rel=1e-9)
        assert item.market_value == pytest.approx(held[j])


@pytest.mark.parametrize("method", ["age_weighted", "ewma_normal", "volatility_weighted", "student_t", "monte_carlo_normal"])
def test_incremental_is_the_difference_of_two_full_evaluations(run: SmallRun, method: str) -> None:
    """A firm in dollars, one of its desks in euros, one future with absolute shocks: the firm is valued again with fewer units."""
    row = newest(run, 1, method, 0.99)
    evidence = run.evidence()
    _, genesis, node = evidence._node(1)
    moment = evidence._at(genesis, node, row)
    evaluator, bucket = moment.evaluator, moment.bucket
    firm, desk = moment.row_of(1), moment.row_of(3)
    rest = (bucket.quantity[firm] - bucket.quantity[desk])[None, :]
    x = exposures(evaluator.layout, rest, bucket.price, evaluator.node_currency[[firm]])[0]
    ((var, es),) = moment.challengers().scene(METHODS[method], 1, x, (0.99,)).numbers
    item = labels(attributed(run, row, "desk"))["Desk two"]
    assert item.var.incremental == pytest.approx(row.value_at_risk - var.value, rel=1e-9)
    assert item.es.incremental == pytest.approx(row.expected_shortfall - es.value, rel=1e-9)
    other = labels(attributed(run, row, "desk"))["Desk one"]
    assert other.var.standalone == pytest.approx(var.value, rel=1e-9)


def test_robust_smooths_order_statistics_only(run: SmallRun) -> None:
    single = attributed(run, newest(run, 1, "historical"), "desk", True)
    smooth = attributed(run, newest(run, 1, "smooth"), "desk")
    assert (single.measure, single.robust, smooth.robust) == ("smooth", True, False)
    assert (single.total_var, single.total_es) == (smooth.total_var, smooth.total_es)
    assert single.items == smooth.items
    assert single.value_at_risk != single.total_var
    assert sum(i.var.component for i in single.items) == pytest.approx(single.total_var, rel=1e-9)
    normal = newest(run, 1, "ewma_normal")
    assert replace_robust(attributed(run, normal, "desk", True)) == replace_robust(attributed(run, normal, "desk"))


def replace_robust(told: Attribution) -> dict[str, object]:
    return {name: getattr(told, name) for name in told.__struct_fields__ if name != "robust"}


def test_what_stands_in_is_counted(run: SmallRun) -> None:
    """Peaks over threshold has no fit over so few scenarios."""
    row = newest(run, 1, "peaks_over_threshold")
    told = attributed(run, row, "desk")
    assert "fallback_historical" in row.status
    assert (told.measure, told.stand_ins) == ("empirical", 5)
    assert attributed(run, newest(run, 1, "historical"), "desk").stand_ins == 0


def test_old_revisions_from_the_log_and_shards() -> None:
    """What checkpoints no longer hold is folded again; every shard's node knows its portfolios."""
    records = interleave(make_world(3), 3)
    played = SmallRun(records, 3, 2).play()
    evidence = played.evidence()
    revised = [r for r in played.stored() if r.method == "historical" and r.confidence == 0.99][::7]
    sources = set()
    for row in revised:
        told = evidence.attribution(id_of(row), "portfolio")
        assert (told.total_var, told.total_es) == (row.value_at_risk, row.expected_shortfall)
        assert sum(i.es.component for i in told.items) == pytest.approx(row.expected_shortfall, rel=1e-9)
        _, genesis, node = evidence._node(row.node_id)
        sources.add(evidence._at(genesis, node, row).source)
    assert sources == {"checkpoint", "log"}


def test_many_groups_are_merged(run: SmallRun, monkeypatch: pytest.MonkeyPatch) -> None:
    row = newest(run, 1, "historical")
    all_of = attributed(run, row, "instrument")
    monkeypatch.setattr(evidence_attribution, "GROUPS_MAX", 3)
    told = attributed(run, row, "instrument")
    assert len(told.items) == 3
    rest = labels(told)[f"{len(all_of.items) - 2} more"]
    kept = {i.key for i in told.items} - {""}
    assert rest.es.component == pytest.approx(sum(i.es.component for i in all_of.items if i.key not in kept))
    assert sum(i.es.component for i in told.items) == pytest.approx(row.expected_shortfall, rel=1e-9)


def test_what_cannot_be_grouped_is_said(run: SmallRun, played: SmallRun) -> None:
    row = newest(run, 1, "historical")
    with pytest.raises(UnknownGrouping, match=r"'sector' is no grouping of this book; it has instrument, portfolio, .*, tag:sector"):
        attributed(run, row, "sector")
    with pytest.raises(UnknownGrouping, match=r"it has instrument, portfolio, desk, currency, asset_class$"):
        attributed(played, newest(played, 1, "historical"), "tag:sector")
    with pytest.raises(NoEvidence, match="no result"):
        attributed(run, replace(row, as_of_ns=5), "desk")


def test_the_route(client: TestClient, run: SmallRun) -> None:
    row = newest(run, 1, "historical")
    for query, by, robust in (("", "instrument", False), ("?by=tag:sector&robust=true", "tag:sector", True), ("?by=desk", "desk", False)):
        answer = client.get(f"/api/v1/results/{id_of(row)}/attribution{query}")
        told = check_answer(client.app.openapi(), TEMPLATE, answer)  # type: ignore[attr-defined]
        assert (told["by"], told["robust"], answer.status_code) == (by, robust, 200)
        assert sum(i["var"]["component"] for i in told["items"]) == pytest.approx(told["total_var"], rel=1e-9)
    for query, status, said in (
        ("?by=sector", 422, "by: 'sector' is no grouping of this book; it has instrument"),
        ("?robust=perhaps", 422, "robust"),
    ):
        answer = client.get(f"/api/v1/results/{id_of(row)}/attribution{query}")
        problem = check_answer(client.app.openapi(), TEMPLATE, answer)  # type: ignore[attr-defined]
        assert answer.status_code == status
        assert said in problem["detail"]
    assert client.get("/api/v1/results/1:5:historical:0.75/attribution").status_code == 404
    told = client.get("/api/v1/nodes/1/components").json()
    assert told["groupings"] == [*PLAIN, "tag:country", "tag:sector"]


def test_the_command(run: SmallRun, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def evidence() -> Iterator[object]:
        with user_errors():
            yield run.evidence()

    monkeypatch.setattr(cli, "evidence", evidence)
    monkeypatch.setenv("COLUMNS", "120")
    row = newest(run, 1, "historical")
    runner = CliRunner()
    shown = runner.invoke(cli.app, ["attribution", str(id_of(row)), "--by", "desk", "--robust"])
    assert shown.exit_code == 0, shown.output
    for text in ("VaR by desk, USD", "ES by desk, USD", "Desk one", "incremental", "diversification benefit", "smoothed from"):
        assert text in shown.output
    written = runner.invoke(cli.app, ["attribution", str(id_of(row)), "--by", "tag:sector", "--json"])
    told = json.loads(written.stdout)
    assert {i["label"] for i in told["items"]} == {"tech", "energy & more", "untagged"}
    assert told["total_var"] == row.value_at_risk
    assert runner.invoke(cli.app, ["attribution", str(id_of(row)), "--by", "sector"]).exit_code == 2
