"""Forests of small trees, scored for many blocks at once: every comparison is made once, and the trees are walked with bits.

A tree's comparisons are looked up, not made: those of all trees that ask the same of the same feature are one. Eight blocks share a byte, so that
one step down a tree is a few bit operations for all of them. Against walking node by node with indices this takes half the time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from newsfilter.normal_form import Floats, Ints

LEAF_UNITS = 100_000  # a leaf of 1 is a log odd of .00001
PLANS_KEPT = 16  # forests whose plans are kept (.4 MB each): four of the model in use, and those of a fold in training
_ROWS = 256  # blocks that walk the trees together, and
_COMPARISONS = 2048  # comparisons made at a time: what both take stays in the processor's cache

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Trees:
    """Complete binary trees, one after another; a node's children are 2i + 1 (at most the threshold) and 2i + 2."""

    feature: npt.NDArray[np.int64]  # (n_trees, 2**depth - 1)
    threshold: npt.NDArray[np.float32]  # (n_trees, 2**depth - 1)
    leaf: npt.NDArray[np.int64]  # (n_trees, 2**depth), in units of 1 / LEAF_UNITS
    label: npt.NDArray[np.int16]  # (n_trees,) which label each tree speaks for; ascending, each label at least once
    base: npt.NDArray[np.float64]  # (n_labels,)

    def scores(self, matrix: Floats) -> npt.NDArray[np.float64]:
        """Return (n_blocks, n_labels) log odds. Leaves are whole numbers, so that their sums are the same in every batch and order."""
        plan = _plan(self)
        sums = np.empty((len(matrix), len(self.base)), np.int64)
        for start in range(0, len(matrix), _ROWS):
            rows = matrix[start : start + _ROWS]
            at = _leaves(plan, _answers(plan, rows))[:, : len(rows)] + plan.first_leaf
            sums[start : start + _ROWS] = np.add.reduceat(plan.leaf.take(at), plan.first_tree, axis=0).T
        return self.base + sums / LEAF_UNITS


@dataclass(frozen=True, slots=True)
class _Plan:
    """A forest in the order in which it is scored."""

    feature: Ints  # (n_comparisons,)
    threshold: Floats  # (n_comparisons, 1)
    node: Ints  # (n_nodes, n_trees), which comparison each node makes; n_comparisons where the answer is always no
    leaf: Ints  # (n_trees * n_leaves,)
    first_leaf: Ints  # (n_trees, 1)
    first_tree: Ints  # (n_labels,)
    depth: int


_PLANS: dict[int, tuple[Trees, _Plan]] = {}


def _plan(trees: Trees) -> _Plan:
    if id(trees) not in _PLANS:
        if len(_PLANS) >= PLANS_KEPT:
            _PLANS.clear()
        _PLANS[id(trees)] = (trees, _make_plan(trees))  # with the trees, so that no others get their id
    return _PLANS[id(trees)][1]


def _make_plan(trees: Trees) -> _Plan:
    n_trees, n_nodes = trees.feature.shape
    feature, threshold = trees.feature.ravel(), trees.threshold.ravel()
    asked = np.flatnonzero(threshold < np.inf)  # nothing is more than infinity: such a node fills a tree up to its full depth
    asked = asked[np.lexsort((threshold[asked], feature[asked]))]
    changes = np.ones(len(asked), np.bool_)
    changes[1:] = (np.diff(feature[asked]) != 0) | (np.diff(threshold[asked]) != 0)
    node = np.full(n_trees * n_nodes, np.count_nonzero(changes), np.int64)
    node[asked] = np.cumsum(changes) - 1
    distinct = asked[changes]
    return _Plan(
        feature=feature[distinct],
        threshold=threshold[distinct][:, None],
        node=np.ascontiguousarray(node.reshape(n_trees, n_nodes).T),
        leaf=trees.leaf.ravel(),
        first_leaf=np.arange(n_trees, dtype=np.int64)[:, None] * (n_nodes + 1),
        first_tree=np.flatnonzero(np.concatenate(([True], trees.label[1:] != trees.label[:-1]))),
        depth=(n_nodes + 1).bit_length() - 1,
    )


def _answers(plan: _Plan, rows: Floats) -> Bits:
    """Make every comparison for every block: (n_comparisons + 1, n_bytes), a bit a block, the last row all no."""
    n_bytes = -(-len(rows) // 8)
    columns = np.zeros((rows.shape[1], 8 * n_bytes), np.float32)
    columns[:, : len(rows)] = rows.T
    n_comparisons = len(plan.feature)
    answers = np.zeros((n_comparisons + 1, n_bytes), np.uint8)
    for start in range(0, n_comparisons, _COMPARISONS):
        chosen = slice(start, min(start + _COMPARISONS, n_comparisons))
        more = columns.take(plan.feature[chosen], axis=0) > plan.threshold[chosen]
        answers[chosen] = np.packbits(more.ravel(), bitorder="little").reshape(-1, n_bytes)
    return answers


def _leaves(plan: _Plan, answers: Bits) -> npt.NDArray[Any]:
    """Walk all trees: (n_trees, 8 * n_bytes), which of its leaves each block comes to."""
    nodes = answers.take(plan.node, axis=0)
    turns = np.empty((plan.depth, *nodes.shape[1:]), np.uint8)
    first = 0
    for level in range(plan.depth):
        here = nodes[first : first + (1 << level)]
        first += 1 << level
        for turn in turns[:level]:  # of the nodes that are left, each turn from the root down leaves one half
            left, right = here[: len(here) // 2], here[len(here) // 2 :]
            here = left ^ ((left ^ right) & turn)
        turns[level] = here[0]
    bits = np.unpackbits(turns, axis=-1, bitorder="little")
    leaf: npt.NDArray[Any] = bits[0].astype(np.min_scalar_type((1 << plan.depth) - 1))
    for bit in bits[1:]:
        leaf = leaf << 1 | bit
    return leaf
