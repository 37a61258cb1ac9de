"""Fixtures for the console: a built ``console/dist``, a mock API to serve it, and a real headless Chromium."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.mock_api import DIST, Server
from tests.browser.mock_desk import Desk
from tests.browser.reading import visit

expect.set_options(timeout=10_000)

CONSOLE = DIST.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
CHROMIUM_ARGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
BUILD_SECONDS_MAX = 300
WAIT_MS = 15_000
# The tests themselves read pixels back; a container started beside them changes the machine's network, which the console outlives.
NOISE = ("willReadFrequently", "ERR_NETWORK_CHANGED")


def node_environment() -> dict[str, str]:
    """Node and npm come from wheels in this interpreter's own environment."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def npm(*words: str) -> subprocess.CompletedProcess[str]:
    path = node_environment()["PATH"]
    command = shutil.which("npm", path=path)
    if command is None:
        pytest.fail("npm is missing: install the packages of requirements/run.txt, which bring Node")
    return subprocess.run(
        [command, *words], cwd=CONSOLE, env=node_environment(), capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False
    )


def find_chromium() -> str | None:
    return os.environ.get("PLIMSOLL_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@pytest.fixture(scope="session")
def node_modules() -> None:
    if not (CONSOLE / "node_modules" / ".package-lock.json").exists():
        done = npm("ci")
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def dist(node_modules: None) -> Path:
    """The built console; built here when it is missing."""
    if not (DIST / "index.html").exists():
        done = npm("run", "build")
        assert done.returncode == 0, done.stdout + done.stderr
    return DIST


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        message = "no Chromium found: apt-get install chromium, or name one in PLIMSOLL_CHROMIUM"
        if os.environ.get("PLIMSOLL_REQUIRE_REAL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def server(desk: Desk, dist: Path) -> Iterator[Server]:
    running = Server(desk).start()
    yield running
    running.stop()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport={"width": 1600, "height": 1000}, color_scheme="dark")
    made.set_default_timeout(WAIT_MS)
    yield made
    made.close()


class Watch:
    """What a page did wrong: errors it logged or threw, and requests that left this machine. Network failures may be expected."""

    def __init__(self, page: Page) -> None:
        self.network_failures_expected = False
        self.errors: list[str] = []
        self.strangers: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._address(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        expected = self.network_failures_expected and message.text.startswith("Failed to load resource")
        if not expected and not any(noise in message.text for noise in NOISE):
            self.errors.append(message.text)

    def _address(self, url: str) -> None:
        parts = urlparse(url)
        if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1":
            self.strangers.append(url)


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[tuple[Page, Watch]]:
    page = context.new_page()
    watch = Watch(page)
    yield page, watch
    assert watch.strangers == []
    assert watch.errors == []


@pytest.fixture
def page(watched: tuple[Page, Watch]) -> Page:
    return watched[0]


@pytest.fixture
def watch(watched: tuple[Page, Watch]) -> Watch:
    return watched[1]


@pytest.fixture
def console(page: Page, server: Server) -> Page:
    """The console with its first numbers on screen."""
    visit(page, server.url)
    page.get_by_role("treegrid").get_by_role("row", name="Firm").wait_for()
    return page
