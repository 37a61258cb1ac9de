"""Holdings of a book by group: instrument, portfolio, desk, currency, asset class, or any tag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk_core.book import Book, BookIndex, Instrument, NodeKind

TAG: Final = "tag:"
UNTAGGED: Final = ("", "untagged")
NO_DESK: Final = ("", "no desk")

Key = tuple[str, str]
"""(key, label)"""
Quantities = NDArray[np.int64]

_BY_INSTRUMENT: Final[Mapping[str, Callable[[Instrument], Key]]] = {
    "instrument": lambda i: (str(i.instrument_id), i.symbol),
    "currency": lambda i: (i.currency, i.currency),
    "asset_class": lambda i: (i.asset_class.value, i.asset_class.value),
}
_BY_NODE: Final[Mapping[str, NodeKind]] = {"portfolio": NodeKind.PORTFOLIO, "desk": NodeKind.DESK}


def groupings(book: Book) -> list[str]:
    """Return what holdings of a book can be grouped by."""
    return ["instrument", *_BY_NODE, "currency", "asset_class", *(f"{TAG}{k}" for k in sorted({t.key for t in book.tags}))]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Labels, and quantities int64[G, N] in millionths of a unit."""

    keys: list[Key]
    quantity: Quantities

    def merged(self, order: Sequence[int], most: int) -> Groups:
        """Return the first groups of an order, and the others as one: `most` in all."""
        kept, rest = list(order[: most - 1]), list(order[most - 1 :])
        keys = [*(self.keys[g] for g in kept), ("", f"{len(rest)} more")]
        return Groups(keys, np.vstack((self.quantity[kept], self.quantity[rest].sum(axis=0, keepdims=True))))


def groups_of(by: str, index: BookIndex, holdings: Mapping[int, Quantities]) -> Groups:
    """Return the groups that hold something, and what they hold.

    Parameters
    ----------
    by : str
        One of `groupings`.
    holdings : mapping
        Portfolio to its quantities, int64[N].
    """
    found: dict[Key, Quantities] = {}
    for key, quantity in _cells(by, index, holdings):
        found[key] = found[key] + quantity if key in found else quantity
    kept = [key for key in found if found[key].any()]
    return Groups(kept, np.array([found[key] for key in kept], np.int64).reshape(len(kept), len(index.instrument_ids)))


def _cells(by: str, index: BookIndex, holdings: Mapping[int, Quantities]) -> Iterable[tuple[Key, Quantities]]:
    """Yield (group, quantities of it); a group may come several times."""
    if by in _BY_NODE:
        for node_id, quantity in sorted(holdings.items()):
            yield _node_key(index, node_id, _BY_NODE[by]), quantity
        return
    key_of = _BY_INSTRUMENT[by] if by in _BY_INSTRUMENT else _tag_key(index.book, by.removeprefix(TAG))
    instruments = {i.instrument_id: i for i in index.book.instruments}
    total = sum(holdings.values(), np.zeros(len(index.instrument_ids), np.int64))
    for column in np.flatnonzero(total).tolist():
        only = np.zeros_like(total)
        only[column] = total[column]
        yield key_of(instruments[index.instrument_ids[column]]), only


def _tag_key(book: Book, key: str) -> Callable[[Instrument], Key]:
    values = {t.instrument_id: t.value for t in book.tags if t.key == key}

    def key_of(instrument: Instrument) -> Key:
        value = values.get(instrument.instrument_id)
        return UNTAGGED if value is None else (value, value)

    return key_of


def _node_key(index: BookIndex, node_id: int, kind: NodeKind) -> Key:
    """Return the nearest node of a kind, from a portfolio upwards."""
    nodes = {n.node_id: n for n in index.book.nodes}
    found = next((nodes[k] for k in index.ancestors[node_id] if nodes[k].kind is kind), None)
    return NO_DESK if found is None else (str(found.node_id), found.name)
