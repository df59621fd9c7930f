import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsfilter.forest import LEAF_UNITS, Trees

INFINITY = np.float32(np.inf)


def forest(seed: int, depth: int, n_trees: int, n_features: int) -> Trees:
    """Random trees that often ask the same of the same feature, and some of whose nodes ask nothing."""
    random = np.random.default_rng(seed)
    n_nodes = (1 << depth) - 1
    threshold = random.choice(np.array([-1.5, 0, 0.25, 3, INFINITY], np.float32), (n_trees, n_nodes))
    label = np.sort(np.concatenate(([0, 1], random.integers(0, 2, n_trees - 2)))).astype(np.int16)
    leaf = random.integers(-(10**6), 10**6, (n_trees, n_nodes + 1))
    return Trees(random.integers(0, n_features, (n_trees, n_nodes)), threshold, leaf, label, np.array([0.5, -0.25]))


def walked(trees: Trees, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """One row and one tree at a time, node by node."""
    sums = np.zeros((len(matrix), len(trees.base)), np.int64)
    n_nodes = trees.feature.shape[1]
    for number, row in enumerate(matrix):
        for tree, label in enumerate(trees.label):
            node = 0
            while node < n_nodes:
                node = 2 * node + (2 if row[trees.feature[tree, node]] > trees.threshold[tree, node] else 1)
            sums[number, label] += trees.leaf[tree, node - n_nodes]
    return trees.base + sums / LEAF_UNITS


@pytest.mark.parametrize("depth", [1, 3, 6, 9])
@pytest.mark.parametrize("n_rows", [0, 1, 8, 13, 257])
def test_as_walked_node_by_node(depth: int, n_rows: int) -> None:
    # Whatever the depth of the trees and the number of rows, which are scored 256 at a time and 8 to a byte.
    trees = forest(depth, depth, 7, 4)
    matrix = np.random.default_rng(n_rows).choice(np.array([-2, -1.5, 0, 0.25, 1, 3, 9, np.nan, INFINITY], np.float32), (n_rows, 4))
    np.testing.assert_array_equal(trees.scores(matrix), walked(trees, matrix))


def test_trees_that_ask_nothing() -> None:
    # All thresholds infinite: every row comes to the first leaf.
    trees = forest(0, 2, 3, 2)
    idle = Trees(trees.feature, np.full_like(trees.threshold, INFINITY), trees.leaf, trees.label, trees.base)
    matrix = np.full((3, 2), INFINITY, np.float32)
    np.testing.assert_array_equal(idle.scores(matrix), walked(idle, matrix))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_no_row_depends_on_another(seed: int, n_rows: int) -> None:
    trees = forest(seed % 5, 4, 6, 5)
    matrix = np.random.default_rng(seed).normal(size=(n_rows, 5)).astype(np.float32)
    alone = np.concatenate([trees.scores(matrix[[number]]) for number in range(n_rows)])
    np.testing.assert_array_equal(trees.scores(matrix), alone)
