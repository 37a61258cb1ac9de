"""Prints, as markdown, when the crisis state was first on in the falls of 1990 to 2022: `python -m benchmarks.regime_walk`.

Daily returns of the S&P 500 (the index inside the skfolio wheel). Every quarter the model is fitted to all days so far; in between its
parameters stand still, and probabilities are filtered: what is said of a day was known at its close. The state is on where the chance of
crisis is one half or more. A false alarm is a day on which it goes on after twenty days off, outside every fall from its peak to a year
after its trough.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.regimes import WalkForward, walk_forward

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

FIRST: Final = 1_000
EVERY: Final = 63
ON: Final = 0.5
QUIET: Final = 20
AFTER: Final = 252
FALLS: Final = {
    "1998": ("1998-06-01", "1998-12-31"),
    "2000 to 2002": ("2000-01-03", "2002-12-31"),
    "2007 to 2009": ("2007-07-02", "2009-06-30"),
    "2011": ("2011-03-01", "2011-12-30"),
    "2020": ("2020-01-02", "2020-06-30"),
}
"""Spans in which peak and trough are looked for."""


@dataclass(frozen=True)
class Fall:
    """A fall of the index: positions of peak and trough among the days."""

    name: str
    peak: int
    trough: int
    depth: float


def index() -> tuple[Days, Floats]:
    """Return days and closes of the index."""
    from skfolio.datasets import load_sp500_index

    table = load_sp500_index()
    return table.index.to_numpy().astype("datetime64[D]"), np.asarray(table.iloc[:, 0], np.float64)


def falls(days: Days, close: Floats) -> list[Fall]:
    """Return the deepest fall within each span."""
    found = []
    for name, (start, end) in FALLS.items():
        inside = np.flatnonzero((days >= np.datetime64(start)) & (days <= np.datetime64(end)))
        path = close[inside]
        depth = 1.0 - path / np.maximum.accumulate(path)
        trough = int(depth.argmax())
        found.append(Fall(name, int(inside[path[: trough + 1].argmax()]), int(inside[trough]), float(depth[trough])))
    return found


def entries(on: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the positions at which it goes on after twenty days off."""
    return np.array([t for t in np.flatnonzero(on).tolist() if not on[max(0, t - QUIET) : t].any()], np.int64)


def table(days: Days, close: Floats, walk: WalkForward, states: int, law: str) -> str:
    """Return the markdown of one model."""
    first = walk.first + 1  # returns begin with the second close
    on = np.zeros(len(days), np.bool_)
    on[first:] = walk.probability("crisis") >= ON
    lines = [
        "| fall | peak | trough | depth | crisis first on | trading days after the peak | of the way down | days on, peak to trough |",
        "|---|---|---|---|---|---|---|---|",
    ]
    near = np.zeros(len(days), np.bool_)
    for fall in falls(days, close):
        near[fall.peak : fall.trough + AFTER] = True
        held = np.flatnonzero(on[fall.peak : fall.trough + 1])
        if held.size == 0:
            said = "not before the trough | – | –"
        else:
            at = fall.peak + int(held[0])
            down = (close[fall.peak] - close[at]) / (close[fall.peak] - close[fall.trough])
            said = f"{'on at the peak' if held[0] == 0 else days[at]} | {held[0]} | {100 * down:.0f} %"
        share = 100.0 * held.size / (fall.trough - fall.peak + 1)
        lines.append(f"| {fall.name} | {days[fall.peak]} | {days[fall.trough]} | {100 * fall.depth:.0f} % | {said} | {share:.0f} % |")
    seen = (days[-1] - days[first]).astype(int) / 3652.5
    began = entries(on)
    false = [t for t in began.tolist() if not near[t]]
    renamed = sum(r.status == "relabelled" for r in walk.refits)
    held_back = sum(r.status == "held" for r in walk.refits)
    lines += [
        "",
        f"{states} states, {law}: on {100 * on[first:].mean():.1f} % of {len(days) - first:,} days from {days[first]} to {days[-1]}; "
        f"{len(false)} false alarms of {len(began)}, {len(false) / seen:.1f} a decade"
        f"{': ' + ', '.join(str(days[t]) for t in false) if false else ''}. "
        f"{len(walk.refits)} fits, {renamed} renamed states, {held_back} held the parameters of before.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, nargs="+", default=[4])
    parser.add_argument("--law", nargs="+", default=["normal", "student_t"])
    given = parser.parse_args()
    days, close = index()
    returns = 100.0 * (close[1:] / close[:-1] - 1.0)
    for states in given.states:
        for law in given.law:
            sys.stderr.write(f"{states} states, {law} ...\n")
            walk = walk_forward(returns, states, first=FIRST, every=EVERY, starts=2, law=law)
            print(table(days, close, walk, states, law) + "\n")


if __name__ == "__main__":
    main()
