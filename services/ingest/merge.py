"""A day's ticks, fills and splits in the order of event time, cut into records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.feeds.port import RawFill, RawSplit


@dataclass(frozen=True, slots=True)
class TickStep:
    """Accepted ticks [start, stop) of the day."""

    event_ns: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class FillStep:
    """The fills of one event time."""

    event_ns: int
    fills: tuple[RawFill, ...]


@dataclass(frozen=True, slots=True)
class SplitStep:
    """One split."""

    event_ns: int
    split: RawSplit


def merge_day(
    tick_ns: NDArray[np.int64], fills: tuple[RawFill, ...], splits: tuple[RawSplit, ...], *, cadence_ns: int, batch_max: int, skip: int = 0
) -> list[tuple[TickStep | FillStep | SplitStep, int]]:
    """Return (step, watermark after it): nothing more comes at or before the watermark. The last step's is its own event time.

    Ticks (ascending event times) are cut at `batch_max`, at the ends of buckets of `cadence_ns` (0: none), and where a fill
    or split comes between. At one time splits come before fills, and fills before ticks.

    Parameters
    ----------
    skip : int
        So many of the first ticks are logged already.
    """
    events: list[FillStep | SplitStep] = [SplitStep(s.event_ns, s) for s in splits]
    times = sorted({f.event_ns for f in fills})
    events += [FillStep(t, tuple(f for f in fills if f.event_ns == t)) for t in times]
    events.sort(key=lambda e: (e.event_ns, isinstance(e, FillStep)))
    cuts = {int(np.searchsorted(tick_ns, e.event_ns, side="left")) for e in events}
    if cadence_ns and len(tick_ns):
        bucket = -(-tick_ns // cadence_ns)
        cuts |= set((np.flatnonzero(bucket[1:] != bucket[:-1]) + 1).tolist())
    ends = sorted({c for c in cuts if skip < c < len(tick_ns)} | ({len(tick_ns)} if len(tick_ns) > skip else set()))
    steps: list[TickStep | FillStep | SplitStep] = list(events)
    start = skip
    for end in ends:
        for at in range(start, end, batch_max):
            steps.append(TickStep(int(tick_ns[at]), at, min(at + batch_max, end)))
        start = end
    steps.sort(key=lambda s: s.event_ns)  # stable: splits, fills, then ticks of one time
    follow = [s.event_ns - 1 for s in steps[1:]]
    if steps:
        last = steps[-1]
        follow.append(int(tick_ns[-1]) if isinstance(last, TickStep) else last.event_ns)
    return list(zip(steps, follow, strict=True))
