"""What the console says when things are not well: starting, silent, down, locked, failing; and that it looks right in both themes."""

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watch, npm
from tests.browser.mock_api import Server
from tests.browser.mock_desk import Desk
from tests.browser.reading import cell, choose, day, money, row, signed, visit

pytestmark = pytest.mark.browser
SILENCE_MS = 8_000
AA = 4.5

CONTRAST = """([ink, ground]) => {
  const style = getComputedStyle(document.documentElement);
  const light = (name) => {
    const hex = style.getPropertyValue(`--${name}`).trim();
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""

WIDER_THAN_THEMSELVES = """() => [...document.querySelectorAll('main, section, [role=treegrid], .scroll')]
  .filter((element) => element.scrollWidth > element.clientWidth + 1)
  .map((element) => element.className)"""


def test_seeding_explains_itself_and_gives_way(page: Page, desk: Desk, server: Server) -> None:
    desk.state = "seeding"
    visit(page, server.url)
    expect(page.get_by_role("heading", name="Filling the scenario window")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Seeding")).to_have_attribute("aria-valuenow", "140")
    expect(page.get_by_text("140 of 250 days")).to_be_visible()
    expect(page.get_by_test_id("replay-time")).to_contain_text("Seeding")
    desk.state = "running"
    desk.touch()
    expect(cell(page, 1, "live-var")).to_have_text(money(desk.snapshot(1)["live"]["measures"]["historical"]["0.99"]["var"]))
    expect(page.get_by_role("progressbar", name="Replay")).to_have_attribute("aria-valuenow", str(desk.day))


def test_the_header_tells_time_speed_and_state(console: Page, desk: Desk) -> None:
    expect(console.get_by_test_id("replay-time")).to_contain_text("Mon 20 Oct 2008")
    expect(console.get_by_text("1.0 days/s")).to_be_visible()
    expect(console.get_by_role("status", name="Connection")).to_have_text("Live")
    desk.state = "finished"
    expect(console.get_by_test_id("replay-time")).to_contain_text("Replayed to")
    console.get_by_role("button", name="Connection").click()
    details = console.locator(".details")
    expect(details).to_contain_text(desk.run_id)
    expect(details).to_contain_text("Rejected: unknown instrument")
    expect(details).to_contain_text(money(desk.run()["counts"]["ticks"]))


def test_a_check_that_fails_is_named(page: Page, desk: Desk, server: Server, watch: Watch) -> None:
    watch.network_failures_expected = True
    desk.checks["history"] = {"ok": False, "detail": "connection refused"}
    visit(page, server.url)
    expect(page.get_by_text("history not ready")).to_be_visible()


def test_a_lost_service_is_loud_and_its_return_is_noticed(console: Page, desk: Desk, server: Server, watch: Watch) -> None:
    watch.network_failures_expected = True
    before = cell(console, 4, "pnl").inner_text()
    server.stop()
    banner = console.get_by_test_id("link-banner")
    expect(banner).to_contain_text("No connection to the service")
    expect(banner).to_contain_text("Every number below is old")
    expect(console.get_by_role("status", name="Connection")).to_have_text("Reconnecting")
    expect(console.get_by_test_id("replay-time")).to_contain_text("Last heard at")
    assert console.locator(".page.outdated").count() == 1
    assert float(console.get_by_role("treegrid").evaluate("(e) => getComputedStyle(e).opacity")) < 0.7
    assert console.title().startswith("(old)")
    assert cell(console, 4, "pnl").inner_text() == before
    desk.close_day()
    server.start()
    expect(banner).to_have_count(0)
    expect(cell(console, 4, "pnl")).to_have_text(signed(desk.snapshot(4)["live"]["pnl"]))
    expect(console.get_by_role("status", name="Connection")).to_have_text("Live")
    expect(console.locator(".page.outdated")).to_have_count(0)


def test_a_node_chosen_while_the_service_is_away_never_shows_anothers_numbers(console: Page, server: Server, watch: Watch) -> None:
    watch.network_failures_expected = True
    expect(console.get_by_test_id("component-sum")).to_be_visible()
    server.stop()
    expect(console.get_by_test_id("link-banner")).to_be_visible()
    row(console, 5).click()
    expect(console.get_by_role("alert").filter(has_text="The service could not be reached.").first).to_be_visible()
    expect(console.get_by_test_id("component-sum")).to_have_count(0)


def test_a_silent_stream_is_not_taken_for_a_quiet_market(console: Page, desk: Desk, watch: Watch) -> None:
    watch.network_failures_expected = True
    desk.silent = True
    expect(console.get_by_role("status", name="Connection")).to_have_text("Stale", timeout=SILENCE_MS)
    expect(console.get_by_test_id("link-banner")).to_contain_text("gone quiet")
    desk.silent = False
    expect(console.get_by_role("status", name="Connection")).to_have_text("Live")


SEE_BANNERS = """() => {
    window.seen = "";
    const look = () => { window.seen += document.querySelector('[data-testid="link-banner"]')?.textContent ?? "" };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


def test_a_dead_stream_is_opened_again(console: Page, desk: Desk, watch: Watch) -> None:
    """Connected, but nothing comes: after ten seconds the console gives the connection up and asks anew."""
    watch.network_failures_expected = True
    desk.requests.clear()
    console.evaluate(SEE_BANNERS)
    desk.silent = True
    deadline = time.monotonic() + 30.0
    while "No connection" not in console.evaluate("() => window.seen"):  # it stands only until it is connected again
        assert time.monotonic() < deadline
        console.wait_for_timeout(100)
    desk.silent = False
    expect(console.get_by_role("status", name="Connection")).to_have_text("Live")
    assert "/api/v1/stream" in desk.requests


def test_a_problem_document_is_shown_where_it_belongs(console: Page, desk: Desk, watch: Watch) -> None:
    watch.network_failures_expected = True
    desk.problems["components"] = "The history database does not answer."
    choose(console, "Confidence", "95 %")
    alert = console.get_by_role("alert")
    expect(alert).to_contain_text("History is not available")
    expect(alert).to_contain_text("503")
    expect(alert).to_contain_text("The history database does not answer.")
    expect(alert).to_contain_text("/api/v1/nodes/1/components")
    expect(cell(console, 1, "live-var")).not_to_have_text("—")
    desk.problems.clear()
    console.get_by_role("button", name="Try again").click()
    expect(console.get_by_test_id("component-sum")).to_contain_text("VaR 95 %")


def test_what_cannot_be_read_again_stays_and_is_said_to_be_old(console: Page, desk: Desk, watch: Watch) -> None:
    watch.network_failures_expected = True
    expect(console.get_by_test_id("component-sum")).to_be_visible()
    closed = money(-desk.day_closes(1, "historical", 0.99, None)[-1]["forecast_var"])
    desk.problems["day_closes"] = "The history database does not answer."
    desk.close_day()
    notice = console.get_by_role("alert")
    expect(notice).to_contain_text("Not up to date.")
    expect(notice).to_contain_text("The history database does not answer.")
    expect(console.get_by_test_id("chart-legend")).to_contain_text(closed)
    desk.problems.clear()
    expect(notice).to_have_count(0)  # tried again without being asked
    expect(console.get_by_test_id("chart-legend")).to_contain_text(day(desk.market.dates[desk.day - 1]))


def test_a_key_is_asked_for_once_and_kept_for_the_tab(page: Page, desk: Desk, server: Server, watch: Watch) -> None:
    watch.network_failures_expected = True
    desk.key = "s3cret/+"
    visit(page, server.url)
    dialog = page.get_by_role("dialog", name="This service asks for an API key")
    expect(dialog).to_be_visible()
    dialog.get_by_role("textbox").fill("wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("did not accept")
    dialog.get_by_role("textbox").fill(desk.key)
    page.keyboard.press("Enter")
    expect(row(page, 1)).to_be_visible()
    expect(dialog).to_have_count(0)
    assert "/api/v1/stream?key=s3cret%2F%2B" in desk.requests
    assert not [r for r in desk.requests if "key=" in r and "/stream" not in r]
    assert page.evaluate("JSON.stringify(localStorage)").find("s3cret") < 0
    page.reload()
    expect(row(page, 1)).to_be_visible()
    expect(dialog).to_have_count(0)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_both_themes_are_readable_and_kept(chromium: Browser, server: Server, theme: str, tmp_path: Path) -> None:
    context = chromium.new_context(viewport={"width": 1600, "height": 1000}, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    visit(page, server.url)
    expect(row(page, 1)).to_be_visible()
    assert page.locator("html").get_attribute("data-theme") == theme
    for ink in ("text", "text-2", "text-3", "live", "final", "gain", "loss", "alarm", "warn"):
        for ground in ("panel", "raised", "final-ground"):
            assert page.evaluate(CONTRAST, [ink, ground]) >= AA, (ink, ground)
    for ink, ground in (
        ("text", "select"),
        ("text-2", "select"),
        ("warn", "warn-ground"),
        ("alarm", "alarm-ground"),
        ("text", "alarm-ground"),
    ):
        assert page.evaluate(CONTRAST, [ink, ground]) >= AA, (ink, ground)
    shot = tmp_path / f"{theme}.png"
    page.screenshot(path=shot)
    assert shot.stat().st_size > 50_000
    other = {"dark": "light", "light": "dark"}[theme]
    page.get_by_role("button", name=f"Use the {other} theme").click()
    assert page.locator("html").get_attribute("data-theme") == other
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == other
    context.close()


@pytest.mark.parametrize("size", [(1600, 1000), (1280, 800), (1024, 1200), (820, 1100)])
def test_nothing_is_cut_off(chromium: Browser, server: Server, size: tuple[int, int]) -> None:
    """No page-wide sideways scroll, no panel whose content is wider than it, the whole page in view on a desk's screens."""
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    visit(page, f"{server.url}#node=2&confidence=0.975")
    expect(page.get_by_test_id("component-sum")).to_be_visible()
    wide = page.evaluate(WIDER_THAN_THEMSELVES)
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    if size[0] > 1100:
        assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
    context.close()


def test_motion_is_left_out_where_it_is_unwanted(chromium: Browser, server: Server, desk: Desk) -> None:
    for wish, moving in (("reduce", False), ("no-preference", True)):
        context = chromium.new_context(reduced_motion=wish)  # type: ignore[arg-type]
        page = context.new_page()
        visit(page, server.url)
        expect(row(page, 1)).to_be_visible()
        page.wait_for_timeout(200)
        desk.tick(0.05)
        expect(cell(page, 4, "pnl")).to_have_text(signed(desk.snapshot(4)["live"]["pnl"]))
        page.wait_for_timeout(60)
        assert (page.evaluate("document.getAnimations().length") > 0) is moving
        context.close()


def test_the_pure_parts_pass_their_own_tests(node_modules: None) -> None:
    done = npm("test")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((Path(__file__).parents[2] / "console" / "package-lock.json").read_text())
    assert lock["packages"]
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_without_its_drawing_code_the_components_are_a_table(page: Page, server: Server, watch: Watch) -> None:
    watch.network_failures_expected = True
    page.route("**/assets/bars-*", lambda route: route.abort())
    visit(page, server.url)
    expect(page.get_by_role("table", name="Component risk by instrument")).to_be_visible()
    assert page.get_by_role("table", name="Component risk by instrument").bounding_box()["height"] > 100  # type: ignore[index]
