"""The P&L distribution with the tails of several methods on it, as SVG: no library draws it, so any notebook and browser shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDTH: Final = 820
PLOT_LEFT, PLOT_RIGHT, PLOT_TOP, BARS_HEIGHT = 190, 20, 40, 190
ROW: Final = 22
COLOURS: Final = ("#1b6ca8", "#d1495b", "#3f8f5f", "#8a5aa8", "#c98a1b", "#4a6274", "#b0508c", "#2a9d8f")


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG image: shown as such by a notebook; `save` writes it to a file."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> Path:
        """Write the image; return where."""
        target = Path(path)
        target.write_text(self.svg, encoding="utf-8")
        return target


def tail_picture(pnl: Floats, marks: Sequence[tuple[str, float, float]], confidence: float) -> Picture:
    """Return a histogram of the P&L vector, and below it one line a method from its value at risk to its expected shortfall.

    Parameters
    ----------
    pnl : float64[S]
        Gains positive.
    marks : sequence of (label, value at risk, expected shortfall)
    confidence : float
        For the title.
    """
    losses = [-v for _, var, es in marks for v in (var, es)]
    low, high = min(float(pnl.min()), *losses), max(float(pnl.max()), *losses)
    room = 0.03 * (high - low) or 1.0
    low, high = low - room, high + room
    inner = WIDTH - PLOT_LEFT - PLOT_RIGHT
    base = PLOT_TOP + BARS_HEIGHT
    height = base + 34 + ROW * len(marks) + 12

    def x(value: float) -> float:
        return PLOT_LEFT + inner * (value - low) / (high - low)

    counts, edges = np.histogram(pnl, bins=min(80, max(10, int(np.sqrt(pnl.size) * 2))), range=(low, high))
    worst = max((-var for _, var, _ in marks), default=low)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"'
        f' font-family="sans-serif" font-size="12"><title>{escape(_title(pnl, confidence))}</title>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{PLOT_LEFT}" y="22" font-size="14" fill="#222">{escape(_title(pnl, confidence))}</text>',
    ]
    for count, left, right in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            tall = BARS_HEIGHT * count / counts.max()
            colour = "#e9b3a6" if right <= worst else "#c9d3dc"
            wide = max(x(right) - x(left) - 1, 0.5)
            parts.append(f'<rect x="{x(left):.1f}" y="{base - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{colour}"/>')
    parts.append(f'<line x1="{PLOT_LEFT}" x2="{WIDTH - PLOT_RIGHT}" y1="{base}" y2="{base}" stroke="#555"/>')
    for tick in _ticks(low, high):
        parts.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{base}" y2="{base + 4}" stroke="#555"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{base + 17}" text-anchor="middle" fill="#555">{tick:,.6g}</text>')
    for k, (label, var, es) in enumerate(marks):
        y, colour = base + 34 + ROW * k, COLOURS[k % len(COLOURS)]
        parts.append(f'<line x1="{x(-var):.1f}" x2="{x(-var):.1f}" y1="{PLOT_TOP}" y2="{y}" stroke="{colour}" stroke-dasharray="2 4"/>')
        parts.append(f'<line x1="{x(-es):.1f}" x2="{x(-var):.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<circle cx="{x(-var):.1f}" cy="{y}" r="5" fill="{colour}"><title>VaR {var:,.6g}</title></circle>')
        parts.append(
            f'<path d="M {x(-es):.1f} {y - 6} l 6 6 l -6 6 l -6 -6 z" fill="#fff" stroke="{colour}" stroke-width="2">'
            f"<title>ES {es:,.6g}</title></path>"
        )
        parts.append(f'<text x="{PLOT_LEFT - 10}" y="{y + 4}" text-anchor="end" fill="#222">{escape(label)}</text>')
    parts.append("</svg>")
    return Picture("\n".join(parts))


def _title(pnl: Floats, confidence: float) -> str:
    return f"P&L of {pnl.size} scenarios; VaR (dot) and ES (diamond) at {confidence:.4g}"


def _ticks(low: float, high: float) -> list[float]:
    """Return five to ten round values between two."""
    raw = (high - low) / 8.0
    size = 10.0 ** np.floor(np.log10(raw))
    step = float(size * min((m for m in (1, 2, 5, 10) if m * size >= raw), default=10))
    return [float(k * step) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]
