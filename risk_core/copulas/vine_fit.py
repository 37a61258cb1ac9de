"""Fitting a regular vine, tree by tree.

J. Dissmann, E. Brechmann, C. Czado and D. Kurowicka, "Selecting and estimating regular vine copulae and application to financial returns",
Computational Statistics & Data Analysis 59 (2013) 52-69: each tree is the spanning tree of greatest sum of |Kendall's tau|, each pair
copula the family of least AIC or BIC, each tree fitted to the conditional probabilities of the one below. Nothing is random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike

from risk_core.copulas.checks import CopulaError, checked_sample
from risk_core.copulas.dependence import sample_tau
from risk_core.copulas.protocol import FitMethod
from risk_core.copulas.selection import PAIR_FAMILIES, Criterion, select_pair
from risk_core.copulas.vine import Conditionals, VineCopula, VineEdge, condition


class VineStructure(StrEnum):
    """Which trees are allowed."""

    REGULAR = "regular"
    """Any: maximum spanning trees (Dissmann et al. 2013)."""
    CANONICAL = "canonical"
    """Stars: at each level the root of greatest sum of |tau| (C. Czado, U. Schepsmeier and A. Min, Statistical Modelling 12 (2012))."""
    DRAWABLE = "drawable"
    """A path in the first tree, which settles the others: begun at the strongest pair, lengthened by the stronger of its two ends."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Two nodes of a tree that may be joined, and the dependence between them."""

    nodes: tuple[int, int]
    first: int
    second: int
    given: frozenset[int]
    weight: float


def fit_vine(
    u: ArrayLike,
    structure: VineStructure = VineStructure.REGULAR,
    *,
    order: Sequence[int] | None = None,
    families: Sequence[str] = tuple(PAIR_FAMILIES),
    criterion: Criterion = Criterion.AIC,
    truncation: int | None = None,
    method: FitMethod = FitMethod.LIKELIHOOD,
) -> VineCopula:
    """Return a vine fitted to pseudo-observations.

    Parameters
    ----------
    u : float64[n, d]
        Inside (0, 1): `pseudo_observations`.
    structure : VineStructure
    order : sequence of int, optional
        Roots of a C-vine, or path of a D-vine, in place of the choice by tau.
    families : sequence of str
        Keys of `PAIR_FAMILIES`; with "independence" among them weak pairs cost no parameter.
    criterion : Criterion
    truncation : int, optional
        Trees to fit, from 1; all d - 1 if not given.
    method : FitMethod
        For the pair copulas.

    Raises
    ------
    CopulaError
        For fewer than ten observations, values at 0 or 1, a constant column, an unknown family, an impossible truncation or order.
    """
    sample = checked_sample(u)
    d = sample.shape[1]
    kind = VineStructure(structure)
    levels = d - 1 if truncation is None else truncation
    if not 1 <= levels <= d - 1:
        raise CopulaError(f"truncation must lie between 1 and {d - 1} for {d} columns, not {truncation!r}")
    if order is not None and (kind is VineStructure.REGULAR or sorted(order) != list(range(d))):
        raise CopulaError(f"order belongs to a C- or D-vine and names each of the columns 0 to {d - 1} once, not {list(order)}")
    conditionals: Conditionals = {(i, frozenset()): sample[:, i] for i in range(d)}
    nodes: list[frozenset[int]] = [frozenset({i}) for i in range(d)]
    trees: list[tuple[VineEdge, ...]] = []
    for level in range(levels):
        candidates = _candidates(nodes, trees[-1] if trees else (), conditionals)
        chosen = _chosen(kind, level, nodes, candidates, order)
        tree = []
        for c in chosen:
            pair = np.column_stack((conditionals[c.first, c.given], conditionals[c.second, c.given]))
            tree.append(VineEdge(c.first, c.second, c.given, select_pair(pair, families, criterion, method).copula))
        for edge in tree:
            condition(edge, conditionals)
        trees.append(tuple(tree))
        nodes = [edge.members for edge in tree]
    return VineCopula(d, tuple(trees))


def _candidates(nodes: list[frozenset[int]], below: tuple[VineEdge, ...], conditionals: Conditionals) -> list[_Candidate]:
    """Return the pairs of nodes that may be joined: all in the first tree, then those whose edges share a node of the tree below."""
    found = []
    for a, b in combinations(range(len(nodes)), 2):
        given = nodes[a] & nodes[b]
        if below and not (len(given) == len(nodes[a]) - 1 and _share_a_node(below[a], below[b], given)):
            continue
        (first,), (second,) = nodes[a] - given, nodes[b] - given
        tau = sample_tau(conditionals[first, given], conditionals[second, given])
        found.append(_Candidate((a, b), first, second, given, abs(tau)))
    return found


def _share_a_node(one: VineEdge, other: VineEdge, shared: frozenset[int]) -> bool:
    """Return whether the columns shared are a whole node, in the tree below, of both edges."""
    ends = [{edge.given | {edge.first}, edge.given | {edge.second}} for edge in (one, other)]
    return all(shared in sides for sides in ends)


def _chosen(
    kind: VineStructure, level: int, nodes: list[frozenset[int]], candidates: list[_Candidate], order: Sequence[int] | None
) -> list[_Candidate]:
    if kind is VineStructure.CANONICAL:
        if order is not None:
            root = nodes.index(frozenset(order[: level + 1]))
        else:
            root = max(range(len(nodes)), key=lambda a: (sum(c.weight for c in candidates if a in c.nodes), -a))
        return [c for c in candidates if root in c.nodes]
    if kind is VineStructure.DRAWABLE and level == 0:
        path = list(order) if order is not None else _path(len(nodes), candidates)
        steps = [tuple(sorted(step)) for step in pairwise(path)]
        by_nodes = {c.nodes: c for c in candidates}
        return [by_nodes[a, b] for a, b in steps]
    return _spanning_tree(len(nodes), candidates)


def _spanning_tree(count: int, candidates: list[_Candidate]) -> list[_Candidate]:
    """Return the spanning tree of greatest weight (Kruskal), equal weights in the order of the columns; weights of zero count."""
    group = list(range(count))
    tree = []
    for c in sorted(candidates, key=lambda c: (-c.weight, c.nodes)):
        a, b = group[c.nodes[0]], group[c.nodes[1]]
        if a != b:
            group = [a if g == b else g for g in group]
            tree.append(c)
    return tree


def _path(count: int, candidates: list[_Candidate]) -> list[int]:
    weight = {c.nodes: c.weight for c in candidates}
    path = list(max(candidates, key=lambda c: (c.weight, tuple(-a for a in c.nodes))).nodes)
    while len(path) < count:
        rest = [i for i in range(count) if i not in path]
        _, at_start, new = max((weight[min(end, i), max(end, i)], start, -i) for end, start in ((path[0], 1), (path[-1], 0)) for i in rest)
        path = [-new, *path] if at_start else [*path, -new]
    return path
