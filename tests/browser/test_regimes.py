"""The view of regimes: what is drawn, what the tables say, how it follows the closes, and why there may be nothing."""

from datetime import date
from math import sqrt
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Watch
from tests.browser.mock_api import Server
from tests.browser.mock_desk import Desk
from tests.browser.mock_regimes import CHANGES, ERRORS, FIRST, LABELS, TRANSITION
from tests.browser.reading import choose, day, pixels, visit

pytestmark = pytest.mark.browser
SPX, AAPL = 21, 1
SHOWN = ["crisis", "bear", "neutral", "bull"]
PRICE, CHANCES, VOLATILITY, FAN = ".plot.price canvas", ".plot.chances canvas", ".plot.volatility canvas", ".fan canvas"


@pytest.fixture
def regimes(console: Page) -> Page:
    """The view with its first charts on screen."""
    console.get_by_role("tab", name="Regimes").click()
    expect(legend(console)).to_contain_text("Price")
    console.wait_for_timeout(200)
    return console


def legend(page: Page) -> Locator:
    return page.get_by_test_id("regime-legend")


def likely(desk: Desk, back: int = 0) -> tuple[str, float]:
    """The likeliest label and its chance, `back` closes before the newest."""
    state = desk.watch.states(SPX, desk.day)[back]
    return max(zip(state["labels"], state["filtered"], strict=True), key=lambda pair: float(pair[1]))


def cells(table: Locator) -> list[list[str]]:
    """Texts of a table's body, row by row."""
    return [[c.inner_text().strip() for c in r.locator("th, td").all()] for r in table.locator("tbody tr").all()]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_regimes_are_shaded_and_their_chances_stacked(regimes: Page, desk: Desk, theme: str) -> None:
    if theme == "light":
        regimes.get_by_role("button", name="Use the light theme").click()
    choose(regimes, "Range", "All")
    regimes.wait_for_timeout(200)
    states = desk.watch.states(SPX, desk.day)
    for label in LABELS:
        days = sum(1 for s in states if s["labels"][max(range(4), key=lambda k, s=s: s["filtered"][k])] == label)  # type: ignore[misc]
        assert days > 20, f"the mock has no spell of {label}"
        strip = pixels(regimes, PRICE, f"regime-{label}")
        width = regimes.locator(PRICE).evaluate("(c) => c.width")
        assert strip == pytest.approx(6 * width * days / len(states), rel=0.35), label
        assert pixels(regimes, CHANCES, f"regime-{label}") > 500, label
    assert pixels(regimes, PRICE, "text") > 200
    assert pixels(regimes, VOLATILITY, "final") > 200
    assert pixels(regimes, FAN, "final") > 100


def test_the_newest_close_and_the_one_under_the_cursor_are_read(regimes: Page, desk: Desk) -> None:
    states = desk.watch.states(SPX, desk.day)
    expect(legend(regimes)).to_contain_text(day(date.fromisoformat(states[0]["date"])))
    regimes.get_by_role("application").focus()
    for _ in range(3):
        regimes.keyboard.press("ArrowLeft")
    state = states[3]
    expect(legend(regimes)).to_contain_text(day(date.fromisoformat(state["date"])))
    expect(legend(regimes)).to_contain_text(f"{round(state['price'], 4):,}")
    expect(legend(regimes)).to_contain_text(f"{state['volatility'] * sqrt(252) * 100:.1f} %")
    label, chance = likely(desk, 3)
    expect(legend(regimes).locator(".likeliest dt")).to_have_text(label)
    expect(legend(regimes).locator(".likeliest dd")).to_have_text(f"{chance * 100:.0f} %")
    regimes.keyboard.press("+")
    expect(regimes.get_by_role("button", name="Reset zoom")).to_be_visible()
    regimes.keyboard.press("0")
    expect(regimes.get_by_role("button", name="Reset zoom")).to_have_count(0)


def test_a_zoom_in_one_chart_is_in_all(regimes: Page) -> None:
    before = [pixels(regimes, PRICE, "text"), pixels(regimes, VOLATILITY, "final")]
    box = regimes.locator(".plot.chances .u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    regimes.mouse.move(box["x"] + box["width"] * 0.2, middle)
    regimes.mouse.down()
    regimes.mouse.move(box["x"] + box["width"] * 0.3, middle, steps=5)
    regimes.mouse.up()
    expect(regimes.get_by_role("button", name="Reset zoom")).to_be_visible()
    regimes.wait_for_timeout(200)
    after = [pixels(regimes, PRICE, "text"), pixels(regimes, VOLATILITY, "final")]
    assert all(a != b for a, b in zip(after, before, strict=True))
    regimes.mouse.dblclick(box["x"] + box["width"] * 0.5, middle)
    expect(regimes.get_by_role("button", name="Reset zoom")).to_have_count(0)


def test_change_points_are_marked_listed_and_found(regimes: Page, desk: Desk) -> None:
    choose(regimes, "Range", "All")
    marks = regimes.locator(".plot.price .change")
    expect(marks).to_have_count(len(CHANGES))
    for at, detector, direction, statistic, threshold in CHANGES:
        when = desk.market.dates[at]
        mark = regimes.locator(f"[data-change='{when.isoformat()} {detector} {direction}']")
        expect(mark).to_have_attribute("title", f"{detector.title()} {direction} on {day(when)}: {statistic:.2f} beyond {threshold:.2f}")
        expect(mark).to_be_visible()
    table = regimes.get_by_role("table", name="Change points, newest first")
    told = [[day(desk.market.dates[at]), d.title(), way, f"{s:.2f}", f"{t:.2f}"] for at, d, way, s, t in reversed(CHANGES)]
    assert [[c.lstrip("◆▲▼ ") for c in line] for line in cells(table)] == told
    when = desk.market.dates[CHANGES[0][0]]
    table.get_by_role("button", name=day(when), exact=True).click()
    expect(legend(regimes)).to_contain_text(day(when))
    expect(legend(regimes)).to_contain_text("drift down, 11.3")
    expect(regimes.get_by_role("button", name="Reset zoom")).to_be_visible()
    expect(regimes.locator(".plot.price .change:not([hidden])")).to_have_count(1)


def test_the_model_in_use_is_told_with_its_errors(regimes: Page, desk: Desk) -> None:
    model = next(m for m in desk.watch.models(SPX, desk.day) if m["kind"] == "regimes")
    order = [LABELS.index(label) for label in SHOWN]
    table = regimes.get_by_role("table", name="Chances of going from one regime to another")
    expect(table.locator("thead th")).to_have_text(["From ↓ to →", *SHOWN, "Lasts, days"])
    found = cells(table)
    for line, start in zip(found, order, strict=True):
        assert line[0] == LABELS[start]
        for shown, end in zip(line[1:5], order, strict=True):
            error = ERRORS[start][end]
            assert shown.split("\n") == [f"{TRANSITION[start][end] * 100:.1f} %"] + ([] if error is None else [f"± {error * 100:.1f}"])
        assert line[5].startswith(f"{1 / (1 - TRANSITION[start][start]):.1f}")
    rows = {row["label"]: row for row in model["parameters"]["statistics"]}
    for line, label in zip(cells(regimes.get_by_role("table", name="Statistics of each regime")), SHOWN, strict=True):
        row = rows[label]
        assert line[:3] == [label, f"{row['days']:.1f}", f"{row['share'] * 100:.0f} %"]
        assert [c.replace("−", "-") for c in line[4:]] == [
            f"{row['volatility'] * 100:.2f} %",
            f"{row['sharpe']:.2f}",
            f"{row['drawdown'] * 100:.1f} %",
            f"{row['value_at_risk'] * 100:.2f} %",
        ]


def test_refits_say_what_became_of_them(regimes: Page, desk: Desk) -> None:
    rows = desk.watch.models(SPX, desk.day)
    table = regimes.get_by_role("table", name="Refits, newest first")
    expect(table.locator("tbody tr")).to_have_count(len(rows))
    assert [line[0] for line in cells(table)] == [day(date.fromisoformat(m["date"])) for m in rows]
    relabelled = next(m for m in rows if m["status"] == "relabelled")
    line = table.locator(f"[data-refit='{relabelled['date']} regimes']")
    expect(line.locator(".chip:not(.alarm)")).to_have_text("relabelled")
    expect(line).to_contain_text("by the rule bear would be neutral")
    line = table.locator(f"[data-refit='{next(m for m in rows if m['status'] == 'near_unit_root')['date']} volatility']")
    expect(line.locator(".chip.alarm")).to_have_text("refused: near unit root")
    expect(line.locator(".chip.alarm")).to_have_attribute("title", "The former parameters stay in use.")
    expect(table.locator(".chip")).to_have_count(2)


def test_volatility_ahead_and_the_next_day(regimes: Page, desk: Desk) -> None:
    items = desk.watch.forecast(SPX, desk.day, 20, 0.9)["items"]
    said = regimes.get_by_test_id("volatility-ahead")
    for value in (items[0]["volatility"], items[-1]["volatility"], items[-1]["lower"], items[-1]["upper"]):
        expect(said).to_contain_text(f"{value * sqrt(252) * 100:.1f} %")
    expect(regimes.get_by_role("img", name="Volatility of the next 20 days with a band of 90 %")).to_be_visible()
    table = regimes.get_by_role("table", name="Regime of SPX today and tomorrow")
    state = desk.watch.states(SPX, desk.day)[0]
    for line, key in zip(cells(table), ("filtered", "ahead"), strict=True):
        assert line[1:] == [f"{state[key][LABELS.index(label)] * 100:.1f} %" for label in SHOWN]


def test_a_close_and_a_correction_are_followed(regimes: Page, desk: Desk) -> None:
    desk.watch.corrected[desk.day - 2] = 77_777.25
    desk.close_day()
    expect(legend(regimes)).to_contain_text(day(desk.market.dates[desk.day - 1]))
    expect(regimes.get_by_text(f"{desk.day - FIRST} closes from")).to_be_visible()
    regimes.get_by_role("application").focus()
    regimes.keyboard.press("ArrowLeft")
    regimes.keyboard.press("ArrowLeft")
    expect(legend(regimes)).to_contain_text("77,777.25")


def test_the_address_holds_view_and_instrument(page: Page, desk: Desk, server: Server) -> None:
    desk.watch.symbols = ("SPX", "AAPL")
    visit(page, f"{server.url}#view=regimes&instrument={AAPL}")
    expect(page.get_by_role("heading", name="AAPL: price and regimes")).to_be_visible()
    choose(page, "Instrument", "SPX")
    expect(page.get_by_role("heading", name="SPX: price and regimes")).to_be_visible()
    fragment = parse_qs(urlparse(page.url).fragment)
    assert (fragment["view"], fragment["instrument"]) == (["regimes"], [str(SPX)])
    page.get_by_role("tab", name="Regimes").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Zones", exact=True)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("treegrid")).to_be_visible()
    expect(page.get_by_role("tab", name="Book")).to_be_focused()
    assert "view" not in parse_qs(urlparse(page.url).fragment)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"enabled": False}, ["Nothing is watched in this run", "RISK_REGIMES__ENABLED"]),
        ({"symbols": ()}, ["No instrument is followed", "RISK_REGIMES__OF"]),
        ({"first": 995}, ["SPX has no model yet", "after 995 closes"]),
        ({"first": 995, "failed": "all moves are equal"}, ["failed: all moves are equal", "within 63 closes"]),
    ],
)
def test_why_there_is_nothing(page: Page, desk: Desk, server: Server, changes: dict[str, object], said: list[str]) -> None:
    for name, value in changes.items():
        setattr(desk.watch, name, value)
    visit(page, f"{server.url}#view=regimes")
    for text in said:
        expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()
    assert page.locator(".plot.price").count() == 0


def test_a_problem_is_shown_and_over_when_it_is_over(page: Page, desk: Desk, server: Server, watch: Watch) -> None:
    watch.network_failures_expected = True
    desk.problems["/regimes"] = "The history database does not answer."
    visit(page, f"{server.url}#view=regimes")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The history database does not answer.")
    desk.problems.clear()
    alert.get_by_role("button", name="Try again").click()
    expect(legend(page)).to_contain_text("Price")
    desk.problems["/instruments"] = "The history database does not answer."
    desk.close_day()
    expect(page.get_by_role("alert").first).to_contain_text("Not up to date.")
    expect(legend(page)).to_contain_text("Price")


@pytest.mark.parametrize("size", [(1600, 1000), (1280, 800), (1024, 1200), (820, 1100), (760, 1000), (480, 900)])
def test_nothing_is_cut_off(page: Page, server: Server, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    visit(page, f"{server.url}#view=regimes")
    expect(legend(page)).to_contain_text("Price")
    expect(page.get_by_test_id("volatility-ahead")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for chart in (PRICE, CHANCES, VOLATILITY, FAN):
        assert pixels(page, chart) > 100
    if size[0] > 1100:
        assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
