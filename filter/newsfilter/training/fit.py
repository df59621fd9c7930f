"""Fit both stages with scikit-learn, and turn what was fitted into the arrays of classifier.py."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import SGDClassifier

from newsfilter.classifier import LEAF_UNITS, Linear, Trees, feature_matrix
from newsfilter.features import MARKUP_BITS, TEXT_BITS, Floats, Tables, markup_rows, page_codes, text_rows
from newsfilter.records import LABELS
from newsfilter.training.corpus import FOLDS, Example, Say, fold_of

SEED = 20240619
MIN_SITES = 2  # an n-gram that fewer sites or documents use says more about them than about its label
NAVIGATION_SHARE = 0.4  # of the navigation blocks that the trees learn from: half of all blocks are menus
REST_SHARE = (
    0.25  # of the real pages' blocks of other labels that a kind of furniture is told from; with all, fitting takes three times as long
)
WRITTEN = frozenset(("labelled", "ttc", "spam"))  # sources whose every block was written or chosen as an example
DEPTH, LEAVES = 6, 40
MUTED_SHARE = 0.25  # of the pages whose words are hidden from stage two, so that it can do without them in languages that nobody taught it

Tree = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.float64]]  # features, thresholds, leaves


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What was chosen on the validation part: docs/decisions/0007."""

    body_rounds: int = 130  # the label that decides what is kept gets more trees than the kinds of furniture
    rounds: int = 45
    learning_rate: float = 0.15
    min_leaf: int = 80
    l2: float = 10.0
    text_alpha: float = 2e-6
    markup_alpha: float = 1e-5


def text_design(examples: Sequence[Example], tables: Tables) -> sp.csr_matrix:
    """Return the hashed n-gram counts of all blocks, (n_blocks, 2**TEXT_BITS), each row divided by the root of its n-grams."""
    row_parts, column_parts, offset = [], [], 0
    for example in examples:
        for rows, blocks in text_rows(page_codes(example.page, tables)):
            column_parts.append(rows.astype(np.int32))
            row_parts.append((blocks + offset).astype(np.int32))
        offset += len(example.page.blocks)
    rows, columns = np.concatenate(row_parts), np.concatenate(column_parts)
    counts = np.maximum(np.bincount(rows, minlength=offset), 1)
    return sp.csr_matrix((1 / np.sqrt(counts[rows]), (rows, columns)), shape=(offset, 1 << TEXT_BITS))


def markup_design(examples: Sequence[Example]) -> sp.csr_matrix:
    """Return the hashed markup words of all blocks, (n_blocks, 2**MARKUP_BITS); empty rows for plain text."""
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    offset = 0
    for example in examples:
        if example.page.html:
            for number, block in enumerate(example.page.blocks):
                found = markup_rows(block.tags, block.hints)
                rows += [offset + number] * len(found)
                columns += found
                values += [1 / len(found) ** 0.5] * len(found)
        offset += len(example.page.blocks)
    return sp.csr_matrix((values, (rows, columns)), shape=(offset, 1 << MARKUP_BITS))


def drop_rare(design: sp.csr_matrix, sites: npt.NDArray[np.int64]) -> sp.csr_matrix:
    """Zero the columns that fewer than `MIN_SITES` sites use."""
    pairs = design.tocoo()
    seen = np.unique(pairs.col.astype(np.int64) * (int(sites.max()) + 1) + sites[pairs.row])
    spread = np.bincount(seen // (int(sites.max()) + 1), minlength=design.shape[1])
    return (design @ sp.diags((spread >= MIN_SITES).astype(np.float64))).tocsr()


def fit_linear(design: sp.csr_matrix, targets: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], alpha: float) -> Linear:
    """Fit one logistic regression a label against the rest, and round its weights to eight bits."""

    def one(label: int) -> SGDClassifier:
        model = SGDClassifier(loss="log_loss", alpha=alpha, max_iter=6, tol=None, average=True, random_state=SEED, n_jobs=1)
        return model.fit(design, targets == label, sample_weight=weights)

    # Threads: the fits are independent, each by itself on one, and leave the interpreter's lock.
    models = Parallel(n_jobs=-1, prefer="threads")(delayed(one)(label) for label in range(len(LABELS)))
    matrix, biases = np.stack([model.coef_[0] for model in models], axis=1), [float(model.intercept_[0]) for model in models]
    # The largest thousandth is clipped: eight bits are better spent on the others.
    scale = np.array([max(np.quantile(np.abs(column[column != 0]), 0.999) if column.any() else 1.0, 1e-9) for column in matrix.T]) / 127
    quantised = np.clip(np.round(matrix / scale), -127, 127).astype(np.int8)
    return Linear(quantised, np.round(scale, 8), np.round(np.array(biases), 4))


def fit_trees(
    matrix: Floats,
    targets: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    written: npt.NDArray[np.bool_],
    settings: Hyperparameters,
    say: Say,
) -> Trees:
    """Fit one gradient-boosted forest a label against the rest. `written`: the blocks of clean and labelled texts, all of which count."""
    fits = Parallel(n_jobs=-1, return_as="generator", inner_max_num_threads=1)(
        delayed(_forest)(matrix, targets == label, weights, settings, rest=None if name == "body" else written)
        for label, name in enumerate(LABELS)
    )
    parts: list[Tree] = []
    owners, bases = [], []
    for label, (base, trees) in enumerate(fits):
        bases.append(base)
        parts += trees
        owners += [label] * len(trees)
        say(f"  trees for {LABELS[label]}: {int((targets == label).sum()):,} blocks")
    features, thresholds, leaves = (np.stack(part) for part in zip(*parts, strict=True))
    return Trees(
        features, thresholds, np.round(leaves * LEAF_UNITS).astype(np.int64), np.array(owners, np.int16), np.round(np.array(bases), 5)
    )


def _forest(
    matrix: Floats,
    targets: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64],
    settings: Hyperparameters,
    *,
    rest: npt.NDArray[np.bool_] | None,
) -> tuple[float, list[Tree]]:
    """Fit one label against the rest: with `rest`, against those blocks and a share of the others, which is weighted up to make up for it."""
    if rest is not None:
        always = targets | rest
        chosen = always | (np.random.default_rng(SEED).random(len(targets)) < REST_SHARE)
        weights = np.where(always, weights, weights / REST_SHARE)[chosen]
        matrix, targets = matrix[chosen], targets[chosen]
    rounds = settings.body_rounds if rest is None else settings.rounds
    model = HistGradientBoostingClassifier(
        max_iter=rounds, learning_rate=settings.learning_rate, max_depth=DEPTH, max_leaf_nodes=LEAVES, min_samples_leaf=settings.min_leaf,
        l2_regularization=settings.l2, early_stopping=False, random_state=SEED,
    )  # fmt: skip
    model.fit(matrix, targets, sample_weight=weights)
    # scikit-learn has no public way to a fitted tree's nodes; a test holds these two names to their meaning.
    base = float(model._baseline_prediction.ravel()[0])  # noqa: SLF001
    return base, [complete_tree(iteration[0].nodes) for iteration in model._predictors]  # noqa: SLF001


def complete_tree(nodes: npt.NDArray[np.void]) -> Tree:
    """Spread scikit-learn's node table over a complete tree: an early leaf's value goes to every leaf below it."""
    feature = np.zeros((1 << DEPTH) - 1, np.int64)
    threshold = np.full((1 << DEPTH) - 1, np.inf, np.float32)
    leaf = np.zeros(1 << DEPTH, np.float64)

    def place(node: int, at: int, level: int) -> None:
        if level == DEPTH:
            leaf[at - len(feature)] = nodes[node]["value"]
        elif nodes[node]["is_leaf"]:
            place(node, 2 * at + 1, level + 1)
            place(node, 2 * at + 2, level + 1)
        else:
            feature[at], threshold[at] = nodes[node]["feature_idx"], np.float32(nodes[node]["num_threshold"])
            place(int(nodes[node]["left"]), 2 * at + 1, level + 1)
            place(int(nodes[node]["right"]), 2 * at + 2, level + 1)

    place(0, 0, 0)
    return feature, threshold, leaf


def repetition_weights(examples: Sequence[Example]) -> npt.NDArray[np.float64]:
    """Weigh a line less the more often its site repeats it, by the root: a menu on forty pages is no forty menus."""
    keys = [(example.site, example.page.text_of(block)) for example in examples for block in example.page.blocks]
    seen = Counter(keys)
    return np.array([seen[key] ** -0.5 for key in keys])


def thinned(targets: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Choose the blocks that the trees learn from: all, but of navigation, half of all blocks, a share (weighted up to make up for it)."""
    kept: npt.NDArray[np.bool_] = (targets != LABELS.index("navigation")) | (rng.random(len(targets)) < NAVIGATION_SHARE)
    return kept


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that a model file holds."""

    text: Linear
    markup: Linear
    trees: Trees
    features: tuple[str, ...]


def fit(examples: Sequence[Example], tables: Tables, settings: Hyperparameters, say: Say) -> Fitted:
    """Fit both stages on labelled pages.

    Stage two sees, of each page, the scores that a stage one gives it that has not seen its site, as it will be in use.
    """
    rng = np.random.default_rng(SEED)
    sizes = np.array([len(example.page.blocks) for example in examples])
    targets = np.concatenate([[LABELS.index(label) if label else -1 for label in example.labels] for example in examples]).astype(np.int64)
    site_number = {site: number for number, site in enumerate(dict.fromkeys(example.site for example in examples))}
    sites = np.repeat([site_number[example.site] for example in examples], sizes)
    weights = np.repeat([example.weight for example in examples], sizes).astype(np.float64)
    folds = np.repeat([fold_of(example.site) for example in examples], sizes)
    weights *= repetition_weights(examples)
    known = targets >= 0
    drawn = known & thinned(targets, rng)
    weights_drawn = np.where(targets == LABELS.index("navigation"), weights / NAVIGATION_SHARE, weights)
    say(f"{len(examples):,} pages, {len(targets):,} blocks, {len(site_number):,} sites")
    text, markup = drop_rare(text_design(examples, tables), sites), drop_rare(markup_design(examples), sites)
    html = np.repeat([example.page.html for example in examples], sizes)
    written = np.repeat([example.source in WRITTEN for example in examples], sizes)

    def stage_one(chosen: npt.NDArray[np.bool_]) -> tuple[Linear, Linear]:
        with_markup = chosen & html
        return (
            fit_linear(text[chosen], targets[chosen], weights[chosen], settings.text_alpha),
            fit_linear(markup[with_markup], targets[with_markup], weights[with_markup], settings.markup_alpha),
        )

    final = stage_one(known)
    say("stage one fitted")
    held_out = [stage_one(known & (folds != fold)) for fold in range(FOLDS)]
    say("stage one fitted without each fold")
    muted = rng.random(len(examples)) < MUTED_SHARE
    matrices, names = [], [""]
    starts = np.concatenate(([0], np.cumsum(sizes)))
    for number, example in enumerate(examples):
        fold_text, fold_markup = held_out[folds[starts[number]]]
        names, matrix = feature_matrix(example.page, tables, fold_text, fold_markup, LABELS, mute_text=bool(muted[number]))
        matrices.append(matrix)
    say(f"{len(names)} features computed")
    trees = fit_trees(np.concatenate(matrices)[drawn], targets[drawn], weights_drawn[drawn], written[drawn], settings, say)
    return Fitted(*final, trees, tuple(names))
