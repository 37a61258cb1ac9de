"""Regular vine copulas: a joint law built of pair copulas, tree upon tree.

T. Bedford and R. Cooke, "Vines - a new graphical model for dependent random variables", Annals of Statistics 30 (2002) 1031-1068; K. Aas,
C. Czado, A. Frigessi and H. Bakken, "Pair-copula constructions of multiple dependence", Insurance: Mathematics and Economics 44 (2009)
182-198. Simplified: a pair copula does not change with the values that it is conditioned on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.copulas.checks import CopulaError, checked_dimension, checked_uniforms, generator, kept
from risk_core.copulas.protocol import PairCopula

Floats = NDArray[np.float64]
Conditionals = dict[tuple[int, frozenset[int]], Floats]
"""(column i, columns D) to P(U_i <= u_i | U_D = u_D), one value for each row."""


@dataclass(frozen=True, slots=True, eq=False)
class VineEdge:
    """A pair copula of two columns given others.

    Parameters
    ----------
    first, second : int
        Columns; the first and second argument of the copula.
    given : frozenset of int
        Columns conditioned on: k of them in tree k + 1.
    copula : PairCopula
    """

    first: int
    second: int
    given: frozenset[int]
    copula: PairCopula

    @property
    def members(self) -> frozenset[int]:
        """All columns of the edge."""
        return self.given | {self.first, self.second}

    @property
    def label(self) -> str:
        """As the literature writes it: "0,2|1"."""
        rest = ",".join(str(i) for i in sorted(self.given))
        return f"{self.first},{self.second}" + (f"|{rest}" if rest else "")


@dataclass(frozen=True, slots=True, eq=False)
class VineCopula:
    """A regular vine, whole or truncated: trees not given are independence (E. Brechmann, C. Czado and K. Aas, Canadian J. Stat. 40, 2012).

    Built by `VineCopula.canonical`, `VineCopula.drawable`, or fitted by `fit_vine`.

    Parameters
    ----------
    dimension : int
    trees : tuple of tuple of VineEdge
        d - k edges in tree k = 1, 2, ...

    Raises
    ------
    CopulaError
        If the trees are no regular vine: a wrong number of edges, a column out of range, a conditional that no lower tree gives, or an edge
        given twice.
    """

    dimension: int
    trees: tuple[tuple[VineEdge, ...], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimension", checked_dimension(self.dimension))
        d = self.dimension
        if not 1 <= len(self.trees) <= d - 1:
            raise CopulaError(f"a vine of {d} columns has 1 to {d - 1} trees, not {len(self.trees)}")
        known = {(i, frozenset[int]()) for i in range(d)}
        pairs: set[frozenset[int]] = set()
        for level, tree in enumerate(self.trees):
            if len(tree) != d - 1 - level:
                raise CopulaError(f"tree {level + 1} of a vine of {d} columns has {d - 1 - level} edges, not {len(tree)}")
            reached = set()
            for edge in tree:
                i, j, given = edge.first, edge.second, edge.given
                pair = frozenset({i, j})
                if len(given) != level or not {(i, given), (j, given)} <= known:
                    raise CopulaError(
                        f"edge {edge.label} of tree {level + 1} does not follow from tree {level}: two of its edges must join"
                    )
                if pair in pairs or len(pair) < 2 or edge.copula.dimension != 2:
                    raise CopulaError(f"edge {edge.label}: a vine joins two different columns, by a copula of two columns, once")
                pairs.add(pair)
                reached |= {(i, given | {j}), (j, given | {i})}
            known = reached
        sampling_order(d, self.trees)

    @classmethod
    def canonical(cls, order: Sequence[int], copulas: Sequence[Sequence[PairCopula]]) -> Self:
        """Return a C-vine: `copulas[k][m]` joins columns order[k] and order[k + 1 + m] given order[:k].

        Raises
        ------
        CopulaError
            If the order is no permutation, or a tree has too few or too many copulas.
        """
        d = _permutation(order)
        trees = []
        for k, row in enumerate(copulas):
            _counted(row, k, d)
            given = frozenset(order[:k])
            trees.append(tuple(VineEdge(order[k], order[k + 1 + m], given, copula) for m, copula in enumerate(row)))
        return cls(d, tuple(trees))

    @classmethod
    def drawable(cls, order: Sequence[int], copulas: Sequence[Sequence[PairCopula]]) -> Self:
        """Return a D-vine: `copulas[k][m]` joins columns order[m] and order[m + k + 1] given those between. Errors as `canonical`."""
        d = _permutation(order)
        trees = []
        for k, row in enumerate(copulas):
            _counted(row, k, d)
            trees.append(
                tuple(VineEdge(order[m], order[m + k + 1], frozenset(order[m + 1 : m + k + 1]), copula) for m, copula in enumerate(row))
            )
        return cls(d, tuple(trees))

    @property
    def truncation(self) -> int:
        """Number of trees; d - 1 for a whole vine."""
        return len(self.trees)

    @property
    def edges(self) -> tuple[VineEdge, ...]:
        """All edges, lowest tree first."""
        return tuple(edge for tree in self.trees for edge in tree)

    @property
    def parameter_count(self) -> int:
        """Those of all edges."""
        return sum(edge.copula.parameter_count for edge in self.edges)

    def log_density(self, u: ArrayLike) -> Floats:
        """Return the sum of the edges' log densities at the conditional probabilities, float64[n, d] to float64[n]."""
        sample = checked_uniforms(u, self.dimension)
        conditionals: Conditionals = {(i, frozenset()): sample[:, i] for i in range(self.dimension)}
        total = np.zeros(sample.shape[0])
        for edge in self.edges:
            first, second = conditionals[edge.first, edge.given], conditionals[edge.second, edge.given]
            total += edge.copula.log_density(np.column_stack((first, second)))
            if len(edge.given) + 1 < self.truncation:
                condition(edge, conditionals)
        return total

    def sample(self, count: int, seed: int) -> Floats:
        """Return float64[count, d] inside (0, 1): column by column, each by inverting its conditional law (Aas et al. 2009, sec. 3)."""
        fresh = generator(count, seed).random((count, self.dimension))
        conditionals: Conditionals = {}
        for column, edges in sampling_order(self.dimension, self.trees):
            level = kept(fresh[:, column])
            for edge in reversed(edges):
                turned = edge.copula if edge.first == column else edge.copula.transposed()
                partner = edge.second if edge.first == column else edge.first
                level = kept(turned.h_inverse(level, conditionals[partner, edge.given]))
            conditionals[column, frozenset()] = level
            for edge in edges:
                if len(edge.given) + 1 < self.truncation:
                    condition(edge, conditionals)
        return np.column_stack([conditionals[i, frozenset()] for i in range(self.dimension)])


def condition(edge: VineEdge, conditionals: Conditionals) -> None:
    """Add the two conditional probabilities that an edge gives to the next tree."""
    first, second = conditionals[edge.first, edge.given], conditionals[edge.second, edge.given]
    conditionals[edge.first, edge.given | {edge.second}] = kept(edge.copula.h(first, second))
    conditionals[edge.second, edge.given | {edge.first}] = kept(edge.copula.transposed().h(second, first))


def sampling_order(dimension: int, trees: Sequence[Sequence[VineEdge]]) -> list[tuple[int, list[VineEdge]]]:
    """Return the columns in an order in which they can be drawn, each with its edges to columns drawn before, lowest tree first.

    Found from the end: a column that no edge left is conditioned on, with one edge in each tree, can come last. A regular vine always has
    one, truncated or not; the largest is taken.
    """
    left = [list(tree) for tree in trees]
    columns = set(range(dimension))
    order: list[tuple[int, list[VineEdge]]] = []
    while len(columns) > 1:
        inner = {i for tree in left for edge in tree for i in edge.given}
        for column in sorted(columns - inner, reverse=True):
            own = [[edge for edge in tree if column in (edge.first, edge.second)] for tree in left]
            if all(len(edges) == 1 or not tree for edges, tree in zip(own, left, strict=True)):
                break
        else:
            raise CopulaError("the trees are no regular vine: no column can be drawn last")
        order.append((column, [edges[0] for edges in own if edges]))
        columns.remove(column)
        left = [[edge for edge in tree if column not in (edge.first, edge.second)] for tree in left]
    order.append((columns.pop(), []))
    return order[::-1]


def _permutation(order: Sequence[int]) -> int:
    if sorted(order) != list(range(len(order))) or len(order) < 2:
        raise CopulaError(f"order must name each of the columns 0 to d - 1 once, not {list(order)}")
    return len(order)


def _counted(row: Sequence[PairCopula], k: int, d: int) -> None:
    if len(row) != d - 1 - k:
        raise CopulaError(f"tree {k + 1} of a vine of {d} columns has {d - 1 - k} copulas, not {len(row)}")
