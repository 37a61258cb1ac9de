"""VaR and P&L through time, exceptions, components and positions, against the numbers the mock computed."""

import re
from datetime import date

import pytest
from playwright.sync_api import Page, expect

from tests.browser.mock_api import Server
from tests.browser.mock_data import SYMBOLS
from tests.browser.mock_desk import FIRST, Desk
from tests.browser.reading import choose, day, money, pixels, row, signed, visit

pytestmark = pytest.mark.browser
PLOT = ".plot canvas"
BARS = ".bars canvas"
YEAR_DAYS = 365.25


def note(page: Page) -> str:
    return page.get_by_text(re.compile("exceptions in the .* days in view")).inner_text()


def judged(desk: Desk, node: int, years: float | None) -> tuple[int, int]:
    """Days and exceptions of the last years (or all), counted from the mock's own arrays."""
    rows = desk.day_closes(node, "historical", 0.99, None)
    last = desk.market.dates[desk.day - 1]
    kept = [r for r in rows if years is None or (last - date.fromisoformat(r["date"])).days <= years * YEAR_DAYS + 1]
    return len(kept), sum(r["exception_hypothetical"] for r in kept)


def test_the_chart_draws_the_line_and_marks_exceptions(console: Page, desk: Desk) -> None:
    expect(console.get_by_test_id("chart-legend")).to_contain_text(day(desk.market.dates[desk.day - 1]))
    for label, years in (("1Y", 1), ("3Y", 3), ("All", None)):
        choose(console, "Range", label)
        days, exceptions = judged(desk, 1, years)
        expect(console.get_by_text(f"{exceptions} exceptions in the {days} days in view, {days * 0.01:.1f} expected")).to_be_visible()
    assert exceptions > 0
    console.wait_for_timeout(100)
    assert pixels(console, PLOT, "alarm") > 100
    assert pixels(console, PLOT, "final") > 100
    assert pixels(console, PLOT, "bar") > 500


def test_no_exception_no_red(console: Page, desk: Desk) -> None:
    """The red on the canvas is the exceptions, nothing else: a node and level without any draws none."""
    desk.corrected = {(7, d): 200_000.0 for d in range(FIRST, desk.day)}
    row(console, 7).click()
    expect(console.get_by_text("Long-Short: 0 exceptions")).to_be_visible()
    console.wait_for_timeout(100)
    assert pixels(console, PLOT, "alarm") == 0
    assert pixels(console, PLOT, "bar") > 100
    expect(console.get_by_text("No exception at this method and confidence.")).to_be_visible()


def test_the_crosshair_reads_the_day_under_it(console: Page, desk: Desk) -> None:
    legend = console.get_by_test_id("chart-legend")
    plot = console.get_by_role("application")
    expect(legend).to_contain_text(day(desk.market.dates[desk.day - 1]))
    plot.focus()
    for _ in range(3):
        console.keyboard.press("ArrowLeft")
    closed = desk.day_closes(1, "historical", 0.99, None)[-4]
    expect(legend).to_contain_text(day(date.fromisoformat(closed["date"])))
    expect(legend).to_contain_text(signed(closed["hypothetical_pnl"]))
    expect(legend).to_contain_text(money(-closed["forecast_var"]))
    expect(legend).to_contain_text(money(-closed["forecast_es"]))


def test_drag_zooms_and_a_double_click_goes_back(console: Page) -> None:
    console.get_by_text(re.compile("days in view")).wait_for()
    before = note(console)
    box = console.locator(".plot .u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    console.mouse.move(box["x"] + box["width"] * 0.5, middle)
    console.mouse.down()
    console.mouse.move(box["x"] + box["width"] * 0.7, middle, steps=5)
    console.mouse.up()
    expect(console.get_by_role("button", name="Reset zoom")).to_be_visible()
    assert note(console) != before
    console.mouse.dblclick(box["x"] + box["width"] * 0.5, middle)
    expect(console.get_by_role("button", name="Reset zoom")).to_have_count(0)
    expect(console.get_by_text(before)).to_be_visible()


def test_the_last_twenty_exceptions_are_listed_and_found_on_the_chart(console: Page, desk: Desk) -> None:
    choose(console, "Confidence", "95 %")
    rows = [r for r in desk.day_closes(1, "historical", 0.95, None) if r["exception_hypothetical"]]
    table = console.get_by_role("table", name="Last 20 exceptions")
    expect(table.locator("tbody tr")).to_have_count(min(20, len(rows)))
    newest, fifth = rows[-1], rows[-5]
    first = table.locator("tbody tr").first
    expect(first).to_contain_text(signed(newest["hypothetical_pnl"]))
    expect(first).to_contain_text(money(newest["forecast_var"]))
    expect(first).to_contain_text(f"{-newest['hypothetical_pnl'] / newest['forecast_var']:.2f}")
    table.get_by_role("button", name=day(date.fromisoformat(fifth["date"])), exact=True).click()
    expect(console.get_by_test_id("chart-legend")).to_contain_text(day(date.fromisoformat(fifth["date"])))
    expect(console.get_by_role("button", name="Reset zoom")).to_be_visible()


def test_a_correction_redraws_the_day_it_judges_again(console: Page, desk: Desk) -> None:
    table = console.get_by_role("table", name="Last 20 exceptions")
    desk.corrected.clear()
    loss = 3 * float(desk.market.var["historical"][0.99][desk.day - 30, 0])
    assert table.get_by_text(signed(-loss)).count() == 0
    desk.correct(1, desk.day - 30, -loss)
    expect(table.get_by_text(signed(-loss))).to_be_visible()


def test_more_days_than_one_page_are_read(page: Page, desk: Desk, server: Server) -> None:
    desk.history = 9_000
    visit(page, server.url)
    choose(page, "Range", "All")
    expect(page.get_by_text("in the 9,000 days in view")).to_be_visible()
    cursors = [r for r in desk.requests if "/day_closes" in r and "cursor=" in r]
    assert len(cursors) == 2


def test_components_are_sorted_and_add_up(console: Page, desk: Desk) -> None:
    for label, key, total in (("VaR", "component_var", "value_at_risk"), ("ES", "component_es", "expected_shortfall")):
        choose(console, "Component of", label)
        answer = desk.components(1, "historical", 0.99)
        expect(console.get_by_test_id("component-sum")).to_contain_text(f"Sum = {label} 99 % {money(answer[total])}")
        wanted = sorted(((i["symbol"], i[key]) for i in answer["items"]), key=lambda pair: -pair[1])
        table = console.get_by_role("table", name="Component risk by instrument")
        expect(table.locator("tr")).to_have_count(len(SYMBOLS))
        shown = [(r.locator("th").inner_text(), r.locator("td").inner_text()) for r in table.locator("tr").all()]
        assert shown == [(symbol, money(value)) for symbol, value in wanted]
        assert wanted[-1][1] < 0
        console.wait_for_timeout(100)
        assert pixels(console, BARS, "final") > 1_000
        assert pixels(console, BARS, "gain") > 100


def test_components_are_grouped_and_each_group_stands_alone(console: Page, desk: Desk) -> None:
    row(console, 8).click()
    console.get_by_label("Grouped by").select_option("asset class")
    table = console.get_by_role("table", name="Component risk by asset class")
    answer = desk.attribution("8:0:historical:0.99", "asset_class")
    wanted = sorted(((i["label"], i["var"]["component"], i["var"]["standalone"]) for i in answer["items"]), key=lambda one: -one[1])
    expect(table.locator("tbody tr")).to_have_count(2)
    shown = [(r.locator("th").inner_text(), *r.locator("td").all_inner_texts()) for r in table.locator("tbody tr").all()]
    assert shown == [(label, money(part), money(alone)) for label, part, alone in wanted]
    expect(console.get_by_test_id("component-sum")).to_contain_text(f"Sum = VaR 99 % {money(answer['total_var'])}")
    console.get_by_label("Grouped by").select_option("instrument")
    expect(console.get_by_role("table", name="Component risk by instrument").locator("tbody tr").first).to_be_visible()


def test_components_that_do_not_add_up_are_said_so(console: Page, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = desk.components(4, "historical", 0.99)
    monkeypatch.setattr(desk, "components", lambda *_: real | {"sum_component_var": real["value_at_risk"] + 5_000.0})
    row(console, 4).click()
    expect(console.get_by_test_id("component-sum")).to_contain_text("Components sum to")


def test_positions_show_what_is_held_and_what_is_priced_late(console: Page, desk: Desk) -> None:
    row(console, 9).click()
    console.get_by_role("tab", name="Positions").click()
    table = console.get_by_role("table", name="Positions of Daily Trading")
    items = desk.positions(9)["items"]
    expect(table.locator("tbody tr")).to_have_count(len(items))
    for item in items:
        line = table.get_by_role("row").filter(has=console.get_by_role("rowheader", name=item["symbol"], exact=True))
        expect(line).to_contain_text(money(item["quantity"]))
        expect(line).to_contain_text(money(item["market_value"]))
    late = table.get_by_role("row").filter(has_text="RRC").locator(".old")
    expect(late).to_have_text(day(desk.market.dates[desk.day - 2]))
    expect(table.locator("tfoot td")).to_have_text(money(sum(i["market_value"] for i in items)))
