"""The book tree: what it shows, how it follows the stream, and how it is walked by keyboard."""

import re
from datetime import datetime
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect

from services.common.backtests import Outcome
from tests.browser.mock_api import Server
from tests.browser.mock_data import NODES
from tests.browser.mock_desk import Desk
from tests.browser.reading import cell, choose, day, money, row, signed, visit

pytestmark = pytest.mark.browser
LEVEL = {"firm": "1", "desk": "2", "portfolio": "3"}


def fragment(page: Page) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlparse(page.url).fragment).items()}


def test_every_node_shows_its_numbers(console: Page, desk: Desk) -> None:
    tree = console.get_by_role("treegrid")
    expect(tree.locator("[data-node]")).to_have_count(len(NODES))
    indents: dict[str, float] = {}
    for node in NODES:
        snapshot = desk.snapshot(node.node_id)
        live, final = (snapshot[kind]["measures"]["historical"]["0.99"] for kind in ("live", "final"))
        expect(row(console, node.node_id)).to_have_attribute("aria-level", LEVEL[node.kind])
        heading = row(console, node.node_id).get_by_role("rowheader")
        expect(heading).to_have_text(node.name)
        indents.setdefault(LEVEL[node.kind], heading.locator(".label").bounding_box()["x"])  # type: ignore[index]
        expect(cell(console, node.node_id, "market-value")).to_have_text(money(snapshot["live"]["market_value"]))
        expect(cell(console, node.node_id, "pnl")).to_have_text(signed(snapshot["live"]["pnl"]))
        expect(cell(console, node.node_id, "live-var")).to_have_text(money(live["var"]))
        expect(cell(console, node.node_id, "live-es")).to_have_text(money(live["es"]))
        expect(cell(console, node.node_id, "final-var")).to_have_text(money(final["var"]))
        expect(cell(console, node.node_id, "final-es")).to_have_text(money(final["es"]))
        hit = cell(console, node.node_id, "exception").get_by_role("img", name="Exception")
        expect(hit).to_have_count(int("historical@0.99" in snapshot["last_close"]["exceptions"]))
    assert indents["1"] < indents["2"] < indents["3"]
    assert any("historical@0.99" in desk.snapshot(n.node_id)["last_close"]["exceptions"] for n in NODES)


def test_quality_is_shown_beside_the_numbers(console: Page) -> None:
    expect(cell(console, 6, "stale")).to_have_text("3.8 %")
    expect(cell(console, 6, "proxied")).to_have_text("8.3 %")
    expect(cell(console, 6, "status")).to_have_text("degraded")
    expect(cell(console, 7, "proxied")).to_have_text("0")
    expect(cell(console, 7, "status")).to_be_empty()
    choose(console, "Confidence", "99.9 %")
    expect(cell(console, 7, "status")).to_have_text("thin tail")
    expect(cell(console, 6, "status")).to_contain_text("degraded")
    expect(cell(console, 6, "status")).to_contain_text("+1: thin tail")


def test_live_and_final_are_told_apart_and_a_tick_moves_only_live(console: Page, desk: Desk) -> None:
    heads = console.get_by_role("treegrid").get_by_role("columnheader")
    expect(heads.filter(has_text="Live, provisional")).to_have_count(1)
    expect(heads.filter(has_text="Final")).to_contain_text(f"{day(desk.market.dates[desk.day - 1])} close")
    live, final = cell(console, 4, "live-var"), cell(console, 4, "final-var")
    before = live.inner_text(), final.inner_text()
    desk.tick(0.3)
    expect(live).to_have_text(money(desk.snapshot(4)["live"]["measures"]["historical"]["0.99"]["var"]))
    expect(cell(console, 4, "pnl")).to_have_text(signed(desk.snapshot(4)["live"]["pnl"]))
    assert live.inner_text() != before[0]
    assert final.inner_text() == before[1]


def test_a_close_moves_final_the_date_and_the_chart(console: Page, desk: Desk) -> None:
    closing = desk.day
    choose(console, "Method", "EWMA normal")
    old = cell(console, 2, "final-var").inner_text()
    desk.close_day()
    expect(cell(console, 2, "final-var")).to_have_text(money(desk.snapshot(2)["final"]["measures"]["ewma_normal"]["0.99"]["var"]))
    assert cell(console, 2, "final-var").inner_text() != old
    expect(console.get_by_role("treegrid").get_by_role("columnheader").filter(has_text="Final")).to_contain_text(
        day(desk.market.dates[closing])
    )
    expect(console.get_by_test_id("chart-legend")).to_contain_text(day(desk.market.dates[closing]))
    expect(console.get_by_test_id("replay-time")).to_contain_text(day(desk.market.dates[desk.day]))
    expect(console.get_by_test_id("replay-time")).to_contain_text("Replaying")


def test_numbers_never_go_back(console: Page, desk: Desk) -> None:
    desk.tick(0.2)
    newest = signed(desk.snapshot(4)["live"]["pnl"])
    expect(cell(console, 4, "pnl")).to_have_text(newest)
    desk.fraction -= 0.15  # an older log position, as after a takeover
    desk.touch()
    with console.expect_response(lambda answer: "/positions" in answer.url):
        console.get_by_role("tab", name="Positions").click()
    expect(cell(console, 4, "pnl")).to_have_text(newest)


def test_another_run_starts_from_nothing(console: Page, desk: Desk) -> None:
    desk.tick(0.2)
    expect(cell(console, 4, "pnl")).to_have_text(signed(desk.snapshot(4)["live"]["pnl"]))
    desk.run_id, desk.day, desk.fraction = "another", desk.day - 20, 0.1
    expect(console.get_by_test_id("replay-time")).to_contain_text(day(desk.market.dates[desk.day]))
    desk.touch()
    expect(cell(console, 4, "pnl")).to_have_text(signed(desk.snapshot(4)["live"]["pnl"]))


def test_the_tree_is_walked_by_keyboard(console: Page) -> None:
    row(console, 1).focus()
    console.keyboard.press("ArrowDown")
    expect(row(console, 2)).to_be_focused()
    expect(row(console, 2)).to_have_attribute("aria-selected", "true")
    expect(console.get_by_test_id("selected-node")).to_have_text("Fundamental")
    assert fragment(console)["node"] == "2"
    console.keyboard.press("ArrowLeft")
    expect(row(console, 2)).to_have_attribute("aria-expanded", "false")
    expect(row(console, 4)).to_have_count(0)
    console.keyboard.press("ArrowDown")
    expect(row(console, 3)).to_be_focused()
    console.keyboard.press("ArrowUp")
    console.keyboard.press("ArrowRight")
    expect(row(console, 4)).to_be_visible()
    console.keyboard.press("ArrowRight")
    expect(row(console, 4)).to_be_focused()
    console.keyboard.press("ArrowLeft")
    expect(row(console, 2)).to_be_focused()
    console.keyboard.press("End")
    expect(row(console, 9)).to_be_focused()
    console.keyboard.press("Home")
    expect(row(console, 1)).to_be_focused()
    focusable = console.get_by_role("treegrid").locator("[data-node][tabindex='0']")
    expect(focusable).to_have_count(1)


def test_a_click_on_the_caret_folds_and_on_the_row_selects(console: Page) -> None:
    row(console, 3).locator(".caret").click()
    expect(row(console, 7)).to_have_count(0)
    expect(row(console, 3)).to_have_attribute("aria-expanded", "false")
    row(console, 5).click()
    expect(console.get_by_test_id("selected-node")).to_have_text("Concentrated")


@pytest.mark.parametrize(
    ("method", "label", "confidence", "shown"),
    [("age_weighted", "Age-weighted", 0.975, "97.5 %"), ("ewma_normal", "EWMA normal", 0.95, "95 %")],
)
def test_method_and_confidence_drive_everything(console: Page, desk: Desk, method: str, label: str, confidence: float, shown: str) -> None:
    choose(console, "Method", label)
    choose(console, "Confidence", shown)
    for node in NODES:
        wanted = desk.snapshot(node.node_id)["final"]["measures"][method][str(confidence)]
        expect(cell(console, node.node_id, "final-var")).to_have_text(money(wanted["var"]))
        expect(cell(console, node.node_id, "final-es")).to_have_text(money(wanted["es"]))
    last = desk.day_closes(1, method, confidence, None)[-1]
    expect(console.get_by_test_id("chart-legend")).to_contain_text(f"−VaR {shown}")
    expect(console.get_by_test_id("chart-legend")).to_contain_text(money(-last["forecast_var"]))
    expect(console.get_by_test_id("component-sum")).to_contain_text(money(desk.components(1, method, confidence)["value_at_risk"]))


def test_the_address_keeps_what_is_looked_at(console: Page, server: Server) -> None:
    row(console, 7).click()
    choose(console, "Method", "Age-weighted")
    choose(console, "Confidence", "95 %")
    assert fragment(console) == {"node": "7", "method": "age_weighted", "confidence": "0.95"}
    console.reload()
    expect(console.get_by_test_id("selected-node")).to_have_text("Long-Short")
    expect(console.get_by_role("radio", name="Age-weighted")).to_be_checked()
    expect(console.get_by_role("radio", name="95 %")).to_be_checked()


def test_an_address_that_names_nothing_falls_back(page: Page, server: Server) -> None:
    visit(page, f"{server.url}#node=77&method=oracle&confidence=0.42")
    expect(page.get_by_test_id("selected-node")).to_have_text("Firm")
    expect(page.get_by_role("radio", name="Historical")).to_be_checked()
    expect(page.get_by_role("radio", name="99 %", exact=True)).to_be_checked()


def test_the_matrix_holds_every_method_and_confidence(console: Page, desk: Desk) -> None:
    snapshot = desk.snapshot(1)
    table = console.get_by_role("table", name=re.compile("by method and confidence"))
    for method, by_confidence in snapshot["final"]["measures"].items():
        wanted = [f"{m[k] / 1e6:,.2f}" for m in by_confidence.values() for k in ("var", "es")]
        for kind in ("live", "final"):
            cells = table.locator(f"[data-row='{method}-{kind}'] td")
            expect(cells).to_have_count(len(wanted))
        expect(table.locator(f"[data-row='{method}-final'] td")).to_have_text(wanted)
    table.locator("[data-row='ewma_normal-live'] td button").first.click()
    expect(console.get_by_role("radio", name="EWMA normal")).to_be_checked()
    expect(console.get_by_role("radio", name="95 %")).to_be_checked()


def test_a_challenger_stands_beside_the_others_with_its_own_day(page: Page, server: Server, desk: Desk) -> None:
    desk.challengers, desk.behind = ("volatility_weighted",), 0
    visit(page, server.url)
    table = page.get_by_role("table", name=re.compile("by method and confidence"))
    final = table.locator("[data-row='volatility_weighted-final']")
    wanted = [f"{n[k] / 1e6:,.2f}" for n in desk.methods(1) if n["method"] == "volatility_weighted" for k in ("var", "es")]
    expect(final.locator("td")).to_have_text(wanted)
    expect(final).to_contain_text("Final")
    expect(table.locator("[data-row='volatility_weighted-live']")).to_have_count(0)
    expect(page.get_by_role("radio", name="Volatility-weighted")).to_have_count(0)
    desk.behind = 2
    desk.close_day()
    own = next(n["as_of"] for n in desk.methods(1) if n["method"] == "volatility_weighted")
    expect(final.locator("th")).to_contain_text(f"{datetime.fromisoformat(own):%d %b %Y}")
    desk.behind = 0
    expect(final.locator("th")).to_contain_text("Final")  # it has caught up, and the page asks by itself
    final.locator("td button").first.click()
    expect(page.get_by_role("radio", name="Volatility-weighted")).to_be_checked()
    expect(cell(page, 1, "live-var")).to_have_text("—")


def test_methods_lie_side_by_side_with_their_intervals(page: Page, server: Server, desk: Desk) -> None:
    desk.challengers = ("volatility_weighted",)
    visit(page, server.url)
    page.get_by_role("tab", name="Methods").click()
    table = page.get_by_role("table", name="Methods side by side with intervals")
    expect(table.locator("tbody tr")).to_have_count(4)
    held = {n["method"]: n for n in desk.methods(1) if n["confidence"] == 0.99}
    for method, numbers in held.items():
        line = table.locator(f"tr[data-method='{method}']")
        told = f"VaR {numbers['var']:,.0f} ({numbers['var_lower']:,.0f} to {numbers['var_upper']:,.0f})"
        expect(line).to_contain_text(told)
        box = [line.locator(f"i.{part}.var").bounding_box() for part in ("line", "dot")]
        assert box[0]
        assert box[1]
        middle = box[1]["x"] + box[1]["width"] / 2
        assert abs(middle - (box[0]["x"] + box[0]["width"] / 2)) < 2, "an interval of a tenth to each side has its number in the middle"
    places = {m: table.locator(f"tr[data-method='{m}'] i.dot.var").bounding_box() for m in held}
    order = sorted(held, key=lambda m: held[m]["var"])
    assert sorted(order, key=lambda m: places[m]["x"]) == order, "a greater number lies further to the right"  # type: ignore[index]
    others = page.get_by_label("Other measures of the same days").locator("div")
    expect(others).to_have_text(
        [re.compile(r"^ES over VaR\s*\d\.\d\d$"), re.compile("^Maximum drawdown"), re.compile(r"^house measure\s*1\.5")]
    )
    table.get_by_role("button", name="EWMA normal").click()
    expect(page.get_by_role("radio", name="EWMA normal")).to_be_checked()
    choose(page, "Confidence", "99.9 %")
    expect(table.locator("tr[data-method='historical']")).to_contain_text("to no bound")


def test_every_method_stands_in_a_zone_with_its_tests(page: Page, server: Server, desk: Desk) -> None:
    visit(page, server.url)
    page.get_by_role("tab", name="Backtests").click()
    table = page.get_by_role("table", name="Zones and tests by method")
    expect(table.locator("tbody tr")).to_have_count(3)

    def held(window: int, outcome: Outcome, confidence: float = 0.99) -> None:
        for item in desk.backtests(1, confidence, window, outcome).items:
            line = table.locator(f"tr[data-method='{item.method}'] td")
            expect(line.nth(0)).to_have_text(item.zone)
            expect(line.nth(1)).to_have_text(str(item.exceptions))
            expect(line.nth(3)).to_have_text(str(item.observations))

    held(250, "hypothetical")
    choose(page, "Days", "500 days")
    held(500, "hypothetical")
    choose(page, "Outcome", "Actual")
    held(500, "actual")
    choose(page, "Confidence", "95 %")
    held(500, "actual", 0.95)
    table.get_by_role("button", name="EWMA normal").click()
    readings = page.get_by_label("Readings of EWMA normal")
    wanted = next(i for i in desk.backtests(1, 0.95, 500, "actual").items if i.method == "ewma_normal")
    expect(readings.locator("li")).to_have_text([test.reading for test in wanted.tests])
    expect(page.get_by_role("radio", name="EWMA normal")).to_be_checked()


def test_the_load_is_todays_loss_over_the_forecast(console: Page, desk: Desk) -> None:
    node = next(n.node_id for n in NODES if desk.snapshot(n.node_id)["live"]["pnl"] < 0)
    row(console, node).click()
    snapshot = desk.snapshot(node)
    load = -snapshot["live"]["pnl"] / snapshot["final"]["measures"]["historical"]["0.99"]["var"]
    expect(console.get_by_test_id("load")).to_have_text(f"{load:.0%} of the load line".replace("%", " %"))
    expect(cell(console, node, "load").get_by_role("img")).to_have_attribute(
        "aria-label", f"{load:.0%} of the load line".replace("%", " %")
    )
