"""Waiting ticks, collapsed to the newest per instrument and cell of event time, so that the buffer is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

NEVER_NS = np.iinfo(np.int64).min
"""Event time of a price that was never seen."""

CORRECTION_SOURCE = np.iinfo(np.int64).max
"""Ranks a corrected price above any source at the same event time."""

_LAST_NS = np.iinfo(np.int64).max


@njit(cache=True, nogil=True)
def look_up(
    instrument_id: NDArray[np.int32], event_ns: NDArray[np.int64], column_of: NDArray[np.int64], closed_through_ns: int
) -> tuple[NDArray[np.int64], int, int, int, int]:
    """Return a batch's columns (-1: unknown), how many are known and how many of those late, and the first and last time of effect.

    `column_of` holds an instrument's column under its id. Without a known tick the times mean nothing.
    """
    column = np.empty(instrument_id.shape[0], np.int64)
    known, late = 0, 0
    first_ns, last_ns = _LAST_NS, NEVER_NS
    for i in range(instrument_id.shape[0]):
        k = instrument_id[i]
        column[i] = column_of[k] if 0 < k < column_of.shape[0] else -1
        if column[i] >= 0:
            known += 1
            t = int(event_ns[i])
            late += t <= closed_through_ns
            first_ns, last_ns = min(first_ns, t), max(last_ns, t)
    return column, known, late, max(first_ns, closed_through_ns + 1), max(last_ns, closed_through_ns + 1)


@njit(cache=True, nogil=True)
def not_older(
    instrument_id: NDArray[np.int32],
    event_ns: NDArray[np.int64],
    price: NDArray[np.float64],
    column_of: NDArray[np.int64],
    price_ns: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (column, price) of the ticks, in order of time, that are as new as what `price_ns` knows, and note their times there."""
    order = np.arange(event_ns.shape[0], dtype=np.intp)
    for i in range(1, event_ns.shape[0]):
        if event_ns[i] < event_ns[i - 1]:
            order = np.argsort(event_ns, kind="mergesort")
            break
    column, kept = np.empty(order.shape[0], np.int64), np.empty(order.shape[0], np.float64)
    count = 0
    for place in order:
        k = instrument_id[place]
        c = column_of[k] if 0 < k < column_of.shape[0] else -1
        if c >= 0 and event_ns[place] >= price_ns[c]:
            price_ns[c] = event_ns[place]
            column[count], kept[count] = c, price[place]
            count += 1
    return column[:count], kept[:count]


@njit(cache=True, nogil=True)
def keep_newest(
    cell_ns: NDArray[np.int64],
    cell_source: NDArray[np.int64],
    cell_seq: NDArray[np.int64],
    cell_price: NDArray[np.float64],
    column: NDArray[np.int64],
    event_ns: NDArray[np.int64],
    price: NDArray[np.float64],
    source_id: int,
    source_seq: int,
) -> None:
    """Fold ticks into a cell by the order (event_ns, source_id, source_seq, place in batch)."""
    for i in range(column.shape[0]):
        c = column[i]
        t = event_ns[i]
        if t > cell_ns[c] or (
            t == cell_ns[c] and (source_id > cell_source[c] or (source_id == cell_source[c] and source_seq >= cell_seq[c]))
        ):
            cell_ns[c] = t
            cell_source[c] = source_id
            cell_seq[c] = source_seq
            cell_price[c] = price[i]


@dataclass(slots=True)
class Cell:
    """Newest tick of every instrument in one cell; arrays of length N, `event_ns` NEVER_NS where none."""

    event_ns: NDArray[np.int64]
    source_id: NDArray[np.int64]
    source_seq: NDArray[np.int64]
    price: NDArray[np.float64]

    @staticmethod
    def empty(columns: int) -> Cell:
        """Return a cell without ticks."""
        return Cell(
            np.full(columns, NEVER_NS, np.int64),
            np.zeros(columns, np.int64),
            np.zeros(columns, np.int64),
            np.zeros(columns, np.float64),
        )


class WaitingTicks:
    """Cells keyed by their end, oldest first when closed.

    `marks` holds the first effect time in each cell: a bucket closes for what was sent, also where a correction removed it.
    """

    def __init__(self, columns: int, grid_ns: int) -> None:
        self.columns = columns
        self.grid_ns = grid_ns
        self.cells: dict[int, Cell] = {}
        self.marks: dict[int, int] = {}

    def add(
        self,
        column: NDArray[np.int64],
        event_ns: NDArray[np.int64],
        price: NDArray[np.float64],
        source_id: int,
        source_seq: int,
        closed_through_ns: int,
    ) -> int:
        """Keep the newest ticks; one at or before `closed_through_ns` waits in the first open cell. Return how many were late."""
        if not len(column):
            return 0
        effect_ns = np.maximum(event_ns, closed_through_ns + 1)
        cell_end = -(-effect_ns // self.grid_ns) * self.grid_ns
        first = int(cell_end[0])
        if bool((cell_end == first).all()):
            self._into(first, column, event_ns, price, source_id, source_seq)
        else:
            for end in np.unique(cell_end):
                at = cell_end == end
                self._into(int(end), column[at], event_ns[at], price[at], source_id, source_seq)
        return int((event_ns <= closed_through_ns).sum())

    def add_to_cell(
        self,
        first_ns: int,
        column: NDArray[np.int64],
        event_ns: NDArray[np.int64],
        price: NDArray[np.float64],
        source_id: int,
        source_seq: int,
    ) -> None:
        """Keep and mark ticks whose effects, the first at `first_ns`, lie in one cell."""
        self._mark(first_ns)
        self._into(self.end_of(first_ns), column, event_ns, price, source_id, source_seq)

    def end_of(self, effect_ns: int) -> int:
        """Return the end of the cell of a time of effect."""
        return -(-effect_ns // self.grid_ns) * self.grid_ns

    def mark(self, effect_ns: NDArray[np.int64]) -> None:
        """Note that something takes effect at these times."""
        if not len(effect_ns):
            return
        for t in (int(effect_ns.min()), int(effect_ns.max())):
            self._mark(t)
        if self.end_of(int(effect_ns.min())) != self.end_of(int(effect_ns.max())):
            for t in effect_ns.tolist():
                self._mark(t)

    def _mark(self, effect_ns: int) -> None:
        end = self.end_of(effect_ns)
        self.marks[end] = min(self.marks.get(end, effect_ns), effect_ns)

    def cell(self, end: int) -> Cell:
        """Return the cell that ends here, empty if new."""
        if end not in self.cells:
            self.cells[end] = Cell.empty(self.columns)
        return self.cells[end]

    def _into(
        self,
        end: int,
        column: NDArray[np.int64],
        event_ns: NDArray[np.int64],
        price: NDArray[np.float64],
        source_id: int,
        source_seq: int,
    ) -> None:
        cell = self.cell(end)
        keep_newest(cell.event_ns, cell.source_id, cell.source_seq, cell.price, column, event_ns, price, source_id, source_seq)

    def remove(self, column: int, event_ns: int) -> None:
        """Forget the waiting tick of one instrument at exactly this time."""
        for cell in self.cells.values():
            if cell.event_ns[column] == event_ns:
                cell.event_ns[column] = NEVER_NS

    def earliest_ns(self) -> int | None:
        """Return the first time at which something waiting takes effect."""
        return min(self.marks.values()) if self.marks else None

    def through(self, end_ns: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
        """Yield (column, event_ns, price) that take effect by `end_ns`, oldest cell first, and forget them."""
        self.marks = {end: t for end, t in self.marks.items() if t > end_ns}
        for end in sorted(self.cells):
            if end - self.grid_ns >= end_ns:
                break
            cell = self.cells[end]
            taken = np.flatnonzero((cell.event_ns != NEVER_NS) & (cell.event_ns <= end_ns))
            yield taken, cell.event_ns[taken], cell.price[taken]
            if end <= end_ns:
                del self.cells[end]
            else:
                cell.event_ns[taken] = NEVER_NS
