"""The findings as Markdown, between markers of a page whose other words are written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.evidence.estimates import LEVEL, costly
from benchmarks.evidence.laws import CONFIDENCES, laws
from benchmarks.evidence.simulation import MEASURES, Finding, Plan
from risk_core.methods import ONE_DAY

BEGIN: Final = "<!-- evidence: begin, written by `make evidence` -->"
END: Final = "<!-- evidence: end -->"
NONE: Final = "–"


def tables(findings: Sequence[Finding], plan: Plan) -> str:
    """Return one table for each law and confidence, in the order of the plan."""
    by_cell = {(f.law, f.confidence, f.method, f.measure, f.size): f for f in findings}
    sizes = plan.sizes
    lines = [
        f"{plan.samples} samples of each law and size, {plan.costly_samples} for those marked ²; seed {plan.seed}. "
        f"VaR and ES: bias / root mean square error, per cent of the truth. Covered: share of {LEVEL:.0%} intervals that hold the truth, "
        f"at {', '.join(map(str, sizes))} days.",
        "",
    ]
    for law in plan.laws:
        for confidence in CONFIDENCES:
            heads = [f"{measure} {size}" for measure in ("VaR", "ES") for size in sizes]
            ruler = "|---" * (len(heads) + 3) + "|"
            lines += [f"#### {laws()[law].title}, {confidence:g}", "", _line(["method", *heads, "VaR covered", "ES covered"]), ruler]
            for method in plan.methods:
                at = {(m, s): by_cell[law, confidence, method, m, s] for m in MEASURES for s in sizes}
                mark = " ²" if costly(ONE_DAY[method]) else ""
                lines.append(_line([f"`{method}`{mark}", *_cells(at, sizes)]))
            lines.append("")
    return "\n".join(lines)


def replaced(page: str, table: str) -> str:
    """Return the page with the table between its markers.

    Raises
    ------
    ValueError
        If the page does not have each marker once.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page must have the lines {BEGIN!r} and {END!r} once each")
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table.rstrip()}\n\n{END}{rest.split(END)[1]}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(at: dict[tuple[str, int], Finding], sizes: Sequence[int]) -> Iterator[str]:
    for measure in MEASURES:
        for size in sizes:
            found = at[measure, size]
            yield f"{_signed(100.0 * found.bias)} / {100.0 * found.error:.1f}" + ("*" if found.fallback else "")
    for measure in MEASURES:
        held = [at[measure, size].coverage for size in sizes]
        yield NONE if all(h is None for h in held) else " / ".join("?" if h is None else f"{h:.2f}" for h in held)


def _signed(value: float) -> str:
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text
