"""Take the pictures of the console in ``docs/images``: of the mock, or of a running service.

``python -m tests.browser.screenshots [URL]``; the URL may carry a fragment such as ``#node=2``.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM_ARGS, find_chromium
from tests.browser.mock_api import Server
from tests.browser.mock_desk import Desk

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SETTLE_MS = 2_500


def main() -> None:
    server = None if len(sys.argv) > 1 else Server(Desk()).start()
    url = sys.argv[1] if server is None else f"{server.url}#node=2"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_ARGS)
        for theme in ("dark", "light"):
            page = browser.new_page(viewport={"width": 1600, "height": 1000}, color_scheme=theme)
            page.goto(url)
            page.get_by_test_id("component-sum").wait_for()
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=IMAGES / f"console-{theme}.png")
            print(IMAGES / f"console-{theme}.png")
        browser.close()
    if server is not None:
        server.stop()


if __name__ == "__main__":
    main()
