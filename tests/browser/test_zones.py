"""The view of zones: the map of the book, what a press on a cell shows, how it follows the closes, and why there may be nothing."""

from datetime import date
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Locator, Page, expect

from services.api.zone_shapes import ZoneItem
from tests.browser.conftest import Watch
from tests.browser.mock_api import Server
from tests.browser.mock_data import METHODS
from tests.browser.mock_desk import Desk
from tests.browser.mock_zones import newest_zones, zone_history
from tests.browser.reading import choose, day, pixels, visit

pytestmark = pytest.mark.browser
LETTER = {"green": "G", "yellow": "Y", "red": "R"}
PLOT = ".plot.zones canvas"
FIRM, EURO = 1, 6


@pytest.fixture
def zones(console: Page) -> Page:
    """The view with its map and first history on screen."""
    console.get_by_role("tab", name="Zones", exact=True).click()
    expect(legend(console)).to_contain_text("Exceptions")
    console.wait_for_timeout(200)
    return console


def legend(page: Page) -> Locator:
    return page.get_by_test_id("zone-legend")


def heat(page: Page) -> Locator:
    return page.get_by_role("grid", name="Zones by node and method")


def cell(page: Page, node_id: int, method: str) -> Locator:
    return heat(page).locator(f"[data-node='{node_id}'] [data-method='{method}']")


def changed(item: ZoneItem) -> bool:
    return item.zone_before not in (None, item.zone)


def shown(item: ZoneItem) -> str:
    before = f"{LETTER[item.zone_before]}→" if changed(item) and item.zone_before else ""
    return f"{before}{LETTER[item.zone]}{item.exceptions} of {item.observations}"


def held(page: Page, items: list[ZoneItem]) -> None:
    """Every cell of the map is as the mock has it."""
    for item in items:
        found = cell(page, item.node_id, item.method)
        expect(found).to_have_text(shown(item))
        assert item.zone in (found.get_attribute("class") or "").split()


def test_every_method_of_every_node_has_its_zone(zones: Page, desk: Desk) -> None:
    items = newest_zones(desk, 0.99, "hypothetical", 250).items
    assert {i.zone for i in items} == set(LETTER), "the mock lacks a zone"
    order = [1, 2, 4, 5, 6, 3, 7, 8, 9]  # depth first, as the book's tree
    assert [r.get_attribute("data-node") for r in heat(zones).locator(".body").all()] == list(map(str, order))
    expect(heat(zones).get_by_role("gridcell")).to_have_count(len(items))
    held(zones, items)
    counts = [f"{sum(i.zone == z for i in items)} {z}" for z in ("red", "yellow", "green")]
    expect(zones.get_by_text(f"{day(date.fromisoformat(items[0].date))}: {', '.join(counts)} at 99 %")).to_be_visible()
    item = items[0]
    told = f"{item.zone}, {item.exceptions} exceptions in {item.observations} days, {item.expected:.1f} expected"
    name = next(n["name"] for n in desk.nodes() if n["node_id"] == item.node_id)
    assert (cell(zones, item.node_id, item.method).get_attribute("aria-label") or "").startswith(f"{name}, Historical: {told}")


def test_confidence_and_outcome_are_chosen(zones: Page, desk: Desk) -> None:
    choose(zones, "Confidence", "95 %")
    held(zones, newest_zones(desk, 0.95, "hypothetical", 250).items)
    choose(zones, "Outcome", "Actual")
    items = newest_zones(desk, 0.95, "actual", 250).items
    assert items != newest_zones(desk, 0.95, "hypothetical", 250).items
    held(zones, items)
    assert parse_qs(urlparse(zones.url).fragment)["confidence"] == ["0.95"]


def test_what_changed_on_the_last_judged_day_is_marked(zones: Page, desk: Desk) -> None:
    choose(zones, "Confidence", "95 %")
    items = newest_zones(desk, 0.95, "hypothetical", 250).items
    fresh = [i for i in items if changed(i)]
    assert 0 < len(fresh) < len(items), "the mock's last day changes no zone"
    held(zones, items)
    expect(heat(zones).locator(".moved")).to_have_count(len(fresh))
    for item in fresh:
        assert "moved" in (cell(zones, item.node_id, item.method).get_attribute("class") or "").split()
        assert f"was {item.zone_before} the judged day before" in (cell(zones, item.node_id, item.method).get_attribute("title") or "")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_press_shows_the_zones_through_time(zones: Page, desk: Desk, theme: str) -> None:
    if theme == "light":
        zones.get_by_role("button", name="Use the light theme").click()
    cell(zones, EURO, "age_weighted").click()
    expect(heat(zones).get_by_role("gridcell", selected=True)).to_have_count(1)
    expect(zones.get_by_role("heading", name="Euro Blend, Age-weighted")).to_be_visible()
    rows = zone_history(desk, EURO, "age_weighted", 0.99, "hypothetical", 250)
    changes = [r for r in rows if changed(r)]
    start = next(k for k in range(len(rows), 0, -1) if rows[k - 1].zone != rows[-1].zone)
    told = f"{rows[-1].zone} since {day(date.fromisoformat(rows[start].date))}, {len(changes)} changes in {len(rows)} judged days"
    expect(zones.get_by_text(told)).to_be_visible()
    marks = zones.locator(".plot.zones .change:not([hidden])")
    expect(marks).to_have_count(len(changes))
    for row in changes:
        mark = zones.locator(f"[data-change='{row.date} {row.zone}']")
        when = day(date.fromisoformat(row.date))
        title = f"{row.zone_before} to {row.zone} on {when}: {row.exceptions} exceptions in {row.observations} days"
        expect(mark).to_have_attribute("title", title)
        expect(mark).to_have_text(LETTER[row.zone])
    zones.wait_for_timeout(300)
    assert pixels(zones, PLOT, "text") > 300
    for limit in ("gain", "warn"):
        assert pixels(zones, PLOT, limit) > 200, limit


def test_the_history_is_read_day_by_day(zones: Page, desk: Desk) -> None:
    rows = zone_history(desk, FIRM, "historical", 0.99, "hypothetical", 250)
    expect(legend(zones)).to_contain_text(day(date.fromisoformat(rows[-1].date)))
    zones.get_by_role("application").focus()
    for _ in range(3):
        zones.keyboard.press("ArrowLeft")
    row = rows[-4]
    expect(legend(zones)).to_contain_text(day(date.fromisoformat(row.date)))
    expect(legend(zones)).to_contain_text(f"{row.exceptions} of {row.observations}")
    expect(legend(zones)).to_contain_text(f"{row.multiplier_mar32:.2f}, {row.multiplier_basel_2_5:.2f}")
    assert row.kupiec_p is not None
    expect(legend(zones)).to_contain_text(f"{row.kupiec_p:.4f}")
    before = pixels(zones, PLOT, "warn")
    zones.keyboard.press("+")
    expect(zones.get_by_role("button", name="Reset zoom")).to_be_visible()
    zones.wait_for_timeout(200)
    assert pixels(zones, PLOT, "warn") != before
    zones.keyboard.press("0")
    expect(zones.get_by_role("button", name="Reset zoom")).to_have_count(0)


def test_a_long_history_is_read_to_its_start(page: Page, desk: Desk, server: Server) -> None:
    desk.history = 2_300
    visit(page, f"{server.url}#view=zones&node={FIRM}")
    rows = zone_history(desk, FIRM, "historical", 0.99, "hypothetical", 250)
    assert len(rows) == 2_300
    expect(page.get_by_text(f"{sum(map(changed, rows))} changes in 2300 judged days")).to_be_visible()


def test_a_pressed_cell_is_chosen_in_the_book(zones: Page, desk: Desk) -> None:
    cell(zones, EURO, "ewma_normal").click()
    zones.get_by_role("button", name="Tests in the book").click()
    expect(zones.get_by_test_id("selected-node")).to_have_text("Euro Blend")
    expect(zones.get_by_role("radio", name="EWMA normal")).to_be_checked()
    expect(zones.get_by_role("tab", name="Backtests")).to_have_attribute("aria-selected", "true")
    expect(zones.get_by_label("Readings of EWMA normal")).to_be_visible()


def test_arrow_keys_go_from_cell_to_cell(zones: Page) -> None:
    cell(zones, FIRM, METHODS[0]).focus()
    zones.keyboard.press("ArrowDown")
    zones.keyboard.press("ArrowRight")
    expect(cell(zones, 2, METHODS[1])).to_be_focused()
    zones.keyboard.press("Enter")
    fragment = parse_qs(urlparse(zones.url).fragment)
    assert (fragment["view"], fragment["node"], fragment["method"]) == (["zones"], ["2"], [METHODS[1]])
    zones.keyboard.press("ArrowLeft")
    zones.keyboard.press("ArrowLeft")
    expect(cell(zones, 2, METHODS[0])).to_be_focused()
    assert heat(zones).locator("[tabindex='0']").count() == 1


def test_a_close_is_followed(zones: Page, desk: Desk) -> None:
    desk.close_day()
    items = newest_zones(desk, 0.99, "hypothetical", 250).items
    expect(legend(zones)).to_contain_text(day(date.fromisoformat(items[0].date)))
    held(zones, items)
    count = len(zone_history(desk, FIRM, "historical", 0.99, "hypothetical", 250))
    expect(zones.get_by_text(f"changes in {count} judged days")).to_be_visible()


def test_a_method_that_is_behind_says_so(page: Page, desk: Desk, server: Server) -> None:
    desk.challengers, desk.behind = ("volatility_weighted",), 2
    visit(page, f"{server.url}#view=zones&node={FIRM}")
    late = zone_history(desk, FIRM, "volatility_weighted", 0.99, "hypothetical", 250)[-1]
    found = cell(page, FIRM, "volatility_weighted")
    expect(found).to_have_text(f"{shown(late)}≠")
    assert f"as of {day(date.fromisoformat(late.date))}" in (found.get_attribute("aria-label") or "")
    expect(cell(page, FIRM, "historical").get_by_text("≠")).to_have_count(0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keeps_zones": False}, ["No zones over 250 judged days are kept", "RISK_BACKTESTS__ENABLED", "RISK_BACKTESTS__WINDOWS"]),
        ({"state": "seeding"}, ["No day has been judged yet"]),
    ],
)
def test_why_there_is_nothing(page: Page, desk: Desk, server: Server, changes: dict[str, object], said: list[str]) -> None:
    for name, value in changes.items():
        setattr(desk, name, value)
    visit(page, f"{server.url}#view=zones")
    for text in said:
        expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()
    assert page.locator(".plot.zones").count() == 0


def test_a_problem_is_shown_and_over_when_it_is_over(page: Page, desk: Desk, server: Server, watch: Watch) -> None:
    watch.network_failures_expected = True
    desk.problems["/zones"] = "The history database does not answer."
    visit(page, f"{server.url}#view=zones")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The history database does not answer.")
    desk.problems.clear()
    alert.get_by_role("button", name="Try again").click()
    expect(legend(page)).to_contain_text("Exceptions")
    desk.problems["/zones"] = "The history database does not answer."
    expect(page.get_by_role("alert").first).to_contain_text("Not up to date.")
    expect(legend(page)).to_contain_text("Exceptions")


@pytest.mark.parametrize("size", [(1600, 1000), (1280, 800), (1024, 1200), (760, 1000), (480, 900)])
def test_nothing_is_cut_off(page: Page, server: Server, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    visit(page, f"{server.url}#view=zones")
    expect(legend(page)).to_contain_text("Exceptions")
    expect(page.get_by_text("Actual", exact=True)).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.wait_for_timeout(200)
    assert pixels(page, PLOT) > 1_000
    if size[0] > 1100:
        assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
