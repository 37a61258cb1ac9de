"""How the console writes what the mock serves, and where to find it on the page."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from playwright.sync_api import Error, Locator, Page


def visit(page: Page, url: str) -> None:
    """Open an address; once more if a container started meanwhile changed the machine's network."""
    try:
        page.goto(url)
    except Error as error:
        if "ERR_NETWORK_CHANGED" not in error.message:
            raise
        page.goto(url)


def money(value: float) -> str:
    """``1,234,567``, a true minus, never "-0"; halves away from zero, as JavaScript rounds them."""
    rounded = int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP))
    return f"{'−' if rounded < 0 else ''}{abs(rounded):,}"


def signed(value: float) -> str:
    shown = money(value)
    return shown if shown.startswith("−") or shown == "0" else f"+{shown}"


def day(value: date) -> str:
    return f"{value.day} {value:%b %Y}"


def row(page: Page, node_id: int) -> Locator:
    return page.get_by_role("treegrid").locator(f"[role=row][data-node='{node_id}']")


def cell(page: Page, node_id: int, column: str) -> Locator:
    return row(page, node_id).locator(f"[data-column='{column}']")


def choose(page: Page, group: str, label: str) -> None:
    """Press one segment; the radio itself is visually hidden, its label is what people press."""
    page.get_by_role("group", name=group).get_by_text(label, exact=True).click()


COUNT_PIXELS = """([selector, hex]) => {
  const canvas = document.querySelector(selector);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const wanted = hex && [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (wanted ? wanted.every((v, k) => data[i + k] === v) && data[i + 3] === 255 : data[i + 3] > 0) count += 1;
  }
  return count;
}"""


def pixels(page: Page, selector: str, color: str | None = None) -> int:
    """Pixels drawn on a canvas: of one colour token, or any at all."""
    value = color and page.evaluate("(name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()", color)
    return int(page.evaluate(COUNT_PIXELS, [selector, value]))
