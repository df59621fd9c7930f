"""Fit both stages with scikit-learn, and turn what was fitted into the arrays of classifier.py."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import SGDClassifier

from newsfilter.cuts import MIN_CHARACTERS, cut_blocks, piece_matrix
from newsfilter.forest import LEAF_UNITS, Trees
from newsfilter.linear import Linear
from newsfilter.ngrams import MARKUP_BITS, TEXT_BITS, markup_rows, spam_profile, text_rows
from newsfilter.normal_form import Floats, Tables, join_pages, page_codes
from newsfilter.records import KINDS, LABELS
from newsfilter.training.corpus import Example, Say
from newsfilter.training.glue import GluedPage, is_spam
from newsfilter.training.splits import FOLDS, fold_of
from newsfilter.view import sequences, view_page

SEED = 20240619
MIN_SITES = 2  # an n-gram that fewer sites or documents use says more about them than about its label
NAVIGATION_SHARE = 0.4  # of the navigation blocks that the trees learn from: half of all blocks are menus
REST_SHARE = (
    0.15  # of the real pages' blocks of other labels that a kind of furniture is told from; with all, fitting takes three times as long
)
WRITTEN = frozenset(("labelled", "ttc", "spam"))  # sources whose every block was written or chosen as an example
DEPTH, LEAVES = 6, 40
BINS, BIN_ROWS = 255, 200_000  # bins of a feature, and rows that they are made from
KIND_LEAF = 10  # pages that a leaf of the trees for kinds of document needs: there are some dozens of each rare kind
DOUBT = 0.02  # probability of body under which a body block is doubted, and from 1 less which any other is
NEVER = -20.0  # log odds of a label that has no examples
MUTED_SHARE = 0.25  # of the pages whose words are hidden from stage two, so that it can do without them in languages that nobody taught it

_ONE_LEAF = np.array(
    [(True, 0, 0.0, 0, 0, 0.0)],
    [("is_leaf", "?"), ("feature_idx", "i8"), ("num_threshold", "f8"), ("left", "i8"), ("right", "i8"), ("value", "f8")],
)

Tree = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.float64]]  # features, thresholds, leaves


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What was chosen on the validation part: docs/decisions/0007."""

    context_rounds: int = 170
    body_rounds: int = 160  # the label that decides what is kept gets more trees than the kinds of furniture
    rounds: int = 40
    cut_rounds: int = 60
    kind_rounds: int = 60
    learning_rate: float = 0.15
    min_leaf: int = 80
    l2: float = 10.0
    text_alpha: float = 2e-6
    markup_alpha: float = 1e-5


def text_design(examples: Sequence[Example], tables: Tables) -> sp.csr_matrix:
    """Return the hashed n-gram counts of all blocks, (n_blocks, 2**TEXT_BITS), each row divided by the root of its n-grams."""
    row_parts, column_parts, offset = [], [], 0
    for example in examples:
        for kind in text_rows(page_codes(example.page, tables)):
            column_parts.append(kind.rows.astype(np.int32))
            row_parts.append((kind.blocks + offset).astype(np.int32))
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


@dataclass(frozen=True, slots=True)
class Binned:
    """A matrix as the numbers of bins, and the bins' upper edges.

    Trees split between bins in any case. Scikit-learn bins weighted rows by a weighted percentile for each edge, which took nine tenths of the
    time of a fit; these bins hold as many rows each, whatever they weigh.
    """

    numbers: npt.NDArray[np.uint8]  # (n_rows, n_features)
    edges: list[Floats]  # of each feature, ascending: a value is in bin k if it is at most edges[k] and more than edges[k - 1]

    def rows(self, chosen: npt.NDArray[np.bool_]) -> "Binned":
        """Return a part of the rows."""
        return Binned(self.numbers[chosen], self.edges)


def binned(matrix: Floats) -> Binned:
    """Put each feature's values into at most `BINS` bins."""
    drawn = matrix if len(matrix) <= BIN_ROWS else matrix[np.random.default_rng(SEED).choice(len(matrix), BIN_ROWS, replace=False)]
    numbers, edges = np.empty(matrix.shape, np.uint8), []
    for feature in range(matrix.shape[1]):
        values = np.unique(drawn[:, feature])
        if len(values) <= BINS:
            found = (values[:-1] + values[1:]) / 2
        else:
            found = np.unique(np.percentile(drawn[:, feature], np.linspace(0, 100, BINS + 1)[1:-1], method="midpoint"))
        own = found.astype(np.float32)
        edges.append(own)
        numbers[:, feature] = np.searchsorted(own, matrix[:, feature], side="left")
    return Binned(numbers, edges)


def fit_linear(
    design: sp.csr_matrix, targets: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], alpha: float, n_labels: int
) -> Linear:
    """Fit one logistic regression a label against the rest, and round its weights to eight bits. A label without examples never scores."""

    def one(label: int) -> tuple[npt.NDArray[np.float64], float]:
        if not (targets == label).any():
            return np.zeros(design.shape[1]), NEVER
        model = SGDClassifier(loss="log_loss", alpha=alpha, max_iter=6, tol=None, average=True, random_state=SEED, n_jobs=1)
        model.fit(design, targets == label, sample_weight=weights)
        return model.coef_[0], float(model.intercept_[0])

    # Threads: the fits are independent, each by itself on one, and leave the interpreter's lock.
    models = Parallel(n_jobs=-1, prefer="threads")(delayed(one)(label) for label in range(n_labels))
    matrix, biases = np.stack([weights for weights, _ in models], axis=1), [bias for _, bias in models]
    # The largest thousandth is clipped: eight bits are better spent on the others.
    scale = np.array([max(np.quantile(np.abs(column[column != 0]), 0.999) if column.any() else 1.0, 1e-9) for column in matrix.T]) / 127
    quantised = np.clip(np.round(matrix / scale), -127, 127).astype(np.int8)
    return Linear(quantised, np.round(scale, 8), np.round(np.array(biases), 4))


@dataclass(frozen=True, slots=True)
class Blocks:
    """What the label trees learn from."""

    matrix: Binned  # (n_blocks, n_features)
    targets: npt.NDArray[np.int64]  # (n_blocks,)
    weights: npt.NDArray[np.float64]  # (n_blocks,)
    written: npt.NDArray[np.bool_]  # (n_blocks,) the blocks of clean and labelled texts, all of which count


def fit_trees(blocks: Blocks, settings: Hyperparameters, labels: Sequence[str], say: Say) -> Trees:
    """Fit one gradient-boosted forest a label against the rest."""
    fits = Parallel(n_jobs=-1, return_as="generator", inner_max_num_threads=1)(
        delayed(_forest)(
            blocks.matrix, blocks.targets == label, blocks.weights, settings, settings.body_rounds if name == "body" else settings.rounds,
            rest=None if name == "body" else blocks.written,
        )
        for label, name in enumerate(labels)
    )  # fmt: skip
    parts: list[Tree] = []
    owners, bases = [], []
    for label, (base, trees) in enumerate(fits):
        bases.append(base)
        parts += trees
        owners += [label] * len(trees)
        say(f"  trees for {labels[label]}: {int((blocks.targets == label).sum()):,} blocks")
    return _packed(parts, owners, bases)


def _packed(parts: Sequence[Tree], owners: Sequence[int], bases: Sequence[float]) -> Trees:
    features, thresholds, leaves = (np.stack(part) for part in zip(*parts, strict=True))
    return Trees(
        features, thresholds, np.round(leaves * LEAF_UNITS).astype(np.int64), np.array(owners, np.int16), np.round(np.array(bases), 5)
    )


def _forest(
    matrix: Binned,
    targets: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64],
    settings: Hyperparameters,
    rounds: int,
    *,
    rest: npt.NDArray[np.bool_] | None,
) -> tuple[float, list[Tree]]:
    """Fit one label against the rest: with `rest`, against those blocks and a share of the others, which is weighted up to make up for it."""
    if not targets.any():
        return NEVER, [complete_tree(_ONE_LEAF, [])]
    if rest is not None:
        always = targets | rest
        chosen = always | (np.random.default_rng(SEED).random(len(targets)) < REST_SHARE)
        weights = np.where(always, weights, weights / REST_SHARE)[chosen]
        matrix, targets = matrix.rows(chosen), targets[chosen]
    model = HistGradientBoostingClassifier(
        max_iter=rounds, learning_rate=settings.learning_rate, max_depth=DEPTH, max_leaf_nodes=LEAVES,
        min_samples_leaf=min(settings.min_leaf, max(len(targets) // 100, 5)), l2_regularization=settings.l2, early_stopping=False, random_state=SEED,
    )  # fmt: skip
    model.fit(matrix.numbers, targets, sample_weight=weights)
    # scikit-learn has no public way to a fitted tree's nodes; a test holds these two names to their meaning.
    base = float(model._baseline_prediction.ravel()[0])  # noqa: SLF001
    return base, [complete_tree(iteration[0].nodes, matrix.edges) for iteration in model._predictors]  # noqa: SLF001


def complete_tree(nodes: npt.NDArray[np.void], edges: Sequence[Floats]) -> Tree:
    """Spread scikit-learn's node table over a complete tree: an early leaf's value goes to every leaf below it.

    Its thresholds lie between two bins' numbers; in the tree stands the edge between the bins.
    """
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
            feature[at] = nodes[node]["feature_idx"]
            threshold[at] = edges[feature[at]][int(nodes[node]["num_threshold"])]
            place(int(nodes[node]["left"]), 2 * at + 1, level + 1)
            place(int(nodes[node]["right"]), 2 * at + 2, level + 1)

    place(0, 0, 0)
    return feature, threshold, leaf


def repetition_weights(examples: Sequence[Example]) -> npt.NDArray[np.float64]:
    """Weigh a line less the more often its site repeats it, by the root: a menu on forty pages is no forty menus."""
    keys = [(example.site, example.page.text_of(block)) for example in examples for block in example.page.blocks]
    seen = Counter(keys)
    return np.array([seen[key] ** -0.5 for key in keys])


def thinned(targets: npt.NDArray[np.int64], navigation: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Choose the blocks that the trees learn from: all, but of navigation, half of all blocks, a share (weighted up to make up for it)."""
    kept: npt.NDArray[np.bool_] = (targets != navigation) | (rng.random(len(targets)) < NAVIGATION_SHARE)
    return kept


def cut_design(
    glued: Iterable[tuple[GluedPage, Linear]], tables: Tables, labels: tuple[str, ...]
) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return the features of all pieces, which of them are spam, and their weights; each page with the text weights that have not seen it."""
    matrices, spam, weights = [], [], []
    for item, text in glued:
        joined = join_pages([item.page], tables)
        profile = spam_profile(text_rows(joined.codes), text.margins(labels), len(joined.codes.kinds))
        long = [(0, number) for number, block in enumerate(item.page.blocks) if block.end - block.start >= MIN_CHARACTERS]
        if not long:
            continue
        cuts = cut_blocks(joined, profile, long)
        matrices.append(piece_matrix(joined, profile, cuts))
        spam += [is_spam(piece.start, piece.end, item.spam) for cut in cuts for piece in cut.pieces]
        weights += [item.weight for cut in cuts for _ in cut.pieces]
    return np.concatenate(matrices), np.array(spam), np.array(weights, np.float64)


def fit_cut(glued: Sequence[tuple[GluedPage, Linear]], tables: Tables, labels: tuple[str, ...], settings: Hyperparameters) -> Trees:
    """Fit the trees that say which piece of a block is spam; without examples, trees that never do."""
    if not glued:
        return _packed([complete_tree(_ONE_LEAF, [])], [0], [NEVER])
    matrix, spam, weights = cut_design(glued, tables, labels)
    base, trees = _forest(binned(matrix), spam, weights, settings, settings.cut_rounds, rest=None)
    return _packed(trees, [0] * len(trees), [base])


def fit_kinds(summaries: Floats, examples: Sequence[Example], settings: Hyperparameters) -> Trees:
    """Fit one forest a kind of document against the rest, on the summaries of pages, (n_pages, n_summary_features).

    Kinds that are rare in the training pages are weighted up, since how rare they are in a dump is not known.
    """
    kinds = np.array([example.kind for example in examples])
    chosen = kinds != ""
    counts = Counter(kinds[chosen].tolist())
    weights = np.array([(len(kinds) / counts[kind]) ** 0.5 for kind in kinds[chosen].tolist()])
    rare = replace(settings, min_leaf=KIND_LEAF, learning_rate=0.1)
    pages = binned(summaries[chosen])
    parts: list[Tree] = []
    owners, bases = [], []
    for number, kind in enumerate(KINDS):
        base, trees = _forest(pages, kinds[chosen] == kind, weights, rare, settings.kind_rounds, rest=None)
        parts += trees
        owners += [number] * len(trees)
        bases.append(base)
    return _packed(parts, owners, bases)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything that a model file holds."""

    labels: tuple[str, ...]
    text: Linear
    markup: Linear
    context: Trees
    trees: Trees
    cut: Trees
    kind: Trees
    summary_features: int
    context_features: tuple[str, ...]
    features: tuple[str, ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)  # label, or "cut" -> probability from which on it is believed


@dataclass(frozen=True, slots=True)
class Design:
    """The blocks of all pages in one row: what is known of each, and what each weighs."""

    targets: npt.NDArray[np.int64]  # (n_blocks,) number of the label; -1 where none is known
    sites: npt.NDArray[np.int64]  # (n_blocks,) number of the site
    folds: npt.NDArray[np.int64]  # (n_blocks,)
    weights: npt.NDArray[np.float64]  # (n_blocks,)
    html: npt.NDArray[np.bool_]  # (n_blocks,)
    written: npt.NDArray[np.bool_]  # (n_blocks,) of a source whose every block was written or chosen as an example

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        return self.targets >= 0


def make_design(examples: Sequence[Example], labels: Sequence[str]) -> Design:
    """Number labels and sites, and weigh each block by its page and its repetitions."""
    sizes = np.array([len(example.page.blocks) for example in examples])
    targets = np.concatenate([[labels.index(label) if label else -1 for label in example.labels] for example in examples]).astype(np.int64)
    site_number = {site: number for number, site in enumerate(dict.fromkeys(example.site for example in examples))}
    return Design(
        targets,
        np.repeat([site_number[example.site] for example in examples], sizes),
        np.repeat([fold_of(example.site) for example in examples], sizes),
        np.repeat([example.weight for example in examples], sizes) * repetition_weights(examples),
        np.repeat([example.page.html for example in examples], sizes),
        np.repeat([example.source in WRITTEN for example in examples], sizes),
    )


def fit_stage_one(
    examples: Sequence[Example], design: Design, tables: Tables, settings: Hyperparameters, n_labels: int
) -> list[tuple[Linear, Linear]]:
    """Fit text and markup weights without each fold in turn, and, last, on everything."""
    text, markup = drop_rare(text_design(examples, tables), design.sites), drop_rare(markup_design(examples), design.sites)

    def on(chosen: npt.NDArray[np.bool_]) -> tuple[Linear, Linear]:
        with_markup = chosen & design.html
        return (
            fit_linear(text[chosen], design.targets[chosen], design.weights[chosen], settings.text_alpha, n_labels),
            fit_linear(markup[with_markup], design.targets[with_markup], design.weights[with_markup], settings.markup_alpha, n_labels),
        )

    return [*(on(design.known & (design.folds != fold)) for fold in range(FOLDS)), on(design.known)]


def doubtful(design: Design, body: npt.NDArray[np.float64], labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Find blocks of real pages whose label is likely wrong: trees that have not seen their site are sure of the opposite.

    Gold texts are partly made by machines: they leave out paragraphs, lists and the end of long articles, and hold furniture here and there.
    """
    is_body = design.targets == labels.index("body")
    found: npt.NDArray[np.bool_] = design.known & ~design.written & np.where(is_body, body < DOUBT, body > 1 - DOUBT)
    return found


def fit(
    examples: Sequence[Example],
    glued: Sequence[GluedPage],
    tables: Tables,
    settings: Hyperparameters,
    say: Say,
    labels: tuple[str, ...] = LABELS,
) -> Fitted:
    """Fit all stages on labelled pages, and the trees that judge a block's pieces on `glued`.

    Each stage sees, of each page, the scores that the stages before give it when they have not seen its site, as it will be in use.
    """
    rng = np.random.default_rng(SEED)
    design = make_design(examples, labels)
    navigation = labels.index("navigation")
    drawn = design.known & thinned(design.targets, navigation, rng)
    weights = np.where(design.targets == navigation, design.weights / NAVIGATION_SHARE, design.weights)
    say(f"{len(examples):,} pages, {len(design.targets):,} blocks, {int(design.sites.max()) + 1:,} sites")
    *held_out, final = fit_stage_one(examples, design, tables, settings, len(labels))
    say("text and markup weights fitted")
    cut = fit_cut([(page, held_out[fold_of(page.site)][0]) for page in glued], tables, labels, settings)
    say(f"trees for the pieces of a block fitted on {len(glued):,} pages")
    page_folds = [fold_of(example.site) for example in examples]
    muted = rng.random(len(examples)) < MUTED_SHARE
    views = [
        view_page(example.page, tables, *held_out[fold], labels, mute_text=bool(mute))
        for example, fold, mute in zip(examples, page_folds, muted, strict=True)
    ]
    numbered = binned(np.concatenate([view.matrix for view in views]))
    say(f"{len(views[0].names)} features computed")

    def context_trees(chosen: npt.NDArray[np.bool_]) -> Trees:
        is_body = design.targets[chosen] == labels.index("body")
        base, trees = _forest(numbered.rows(chosen), is_body, weights[chosen], settings, settings.context_rounds, rest=None)
        return _packed(trees, [0] * len(trees), [base])

    chosen_of = [drawn & (design.folds != fold) for fold in range(FOLDS)]
    *without, context = Parallel(n_jobs=-1, prefer="threads")(delayed(context_trees)(chosen) for chosen in (*chosen_of, drawn))
    say("context trees fitted")
    body = [without[fold].scores(view.matrix)[:, 0] for view, fold in zip(views, page_folds, strict=True)]
    names, found = zip(*(sequences([view], [own]) for view, own in zip(views, body, strict=True)), strict=True)
    summaries = np.stack([view.summary(own) for view, own in zip(views, body, strict=True)])
    kind = fit_kinds(summaries, examples, settings)
    say("trees for the kinds of document fitted")
    wrong = drawn & doubtful(design, 1 / (1 + np.exp(-np.concatenate(body))), labels)
    _say_doubtful(wrong, examples, design, labels, say)
    drawn &= ~wrong
    around = binned(np.concatenate(found)[drawn])
    whole = Binned(np.hstack([numbered.numbers[drawn], around.numbers]), [*numbered.edges, *around.edges])
    say(f"{len(names[0])} features of the surroundings computed")
    trees = fit_trees(Blocks(whole, design.targets[drawn], weights[drawn], design.written[drawn]), settings, labels, say)
    context_features = tuple(views[0].names)
    return Fitted(labels, *final, context, trees, cut, kind, summaries.shape[1], context_features, (*context_features, *names[0]))


def _say_doubtful(wrong: npt.NDArray[np.bool_], examples: Sequence[Example], design: Design, labels: Sequence[str], say: Say) -> None:
    """Tell what is left out, by source and label."""
    sources = np.repeat([example.source for example in examples], [len(example.page.blocks) for example in examples])
    counts = Counter(zip(sources[wrong].tolist(), design.targets[wrong].tolist(), strict=True))
    say(f"{int(wrong.sum()):,} of {int(design.known.sum()):,} labels doubted and left out")
    for (source, label), count in counts.most_common(12):
        say(f"  {count:6,} {labels[label]} of {source}")
