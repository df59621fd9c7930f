"""How good a model is on labelled documents, class by class, and what it lost against another one.

Intervals are of a bootstrap over documents, since the blocks of one document share its site and its template. Two models are compared on the same
draws: what both find hard is no difference between them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from newsfilter.classifier import decide
from newsfilter.document import BATCH_SIZE
from newsfilter.errors import InputError
from newsfilter.records import Block, Page
from newsfilter.training.corpus import as_text, document_lines
from newsfilter.training.labels import LabelledDocument, LabelsError
from newsfilter.training.scorecard import BINS, MEASURES, RESAMPLES, ClassScore, Estimate, Evaluation, Loss, Removal, Score
from newsfilter.training.scoring import calibration_error

INTERVAL = (2.5, 97.5)  # percentiles
EXCERPT = 100  # characters of each
_WEIGHTS = 4_000_000  # of a bootstrap that are in memory at a time

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Scorer(Protocol):
    """What is asked of a model."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, ``body`` among them."""

    def predict(self, pages: Sequence[Page]) -> list[Floats]:
        """Return (n_blocks, n_labels) probabilities for each page."""

    def threshold(self, label: str) -> float:
        """Return the probability from which on a kind of spam is believed."""


def evaluate(
    documents: Sequence[LabelledDocument],
    model: Scorer,
    against: Scorer | None = None,
    *,
    seed: int = 1,
    watch: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a model on labelled documents, which are read as plain text; a block without a label is context only.

    Parameters
    ----------
    against
        Another model, to find out what `model` lost. A label that it does not know it never finds.
    seed
        Of the bootstrap.
    watch
        Told how many documents of how many are done.

    Raises
    ------
    InputError
        When there is nothing to score.
    LabelsError
        Naming each label that `model` does not know.
    """
    if not documents:
        raise InputError("no labelled documents to score; label more, of other sites")
    _check_known(documents, model.labels)
    models = [model] if against is None else [model, against]
    classes = tuple(dict.fromkeys(label for one in models for label in one.labels))
    tallies = [_Tally(one, classes) for one in models]
    for start in range(0, len(documents), BATCH_SIZE):
        batch = documents[start : start + BATCH_SIZE]
        read = [page_of(document) for document in batch]
        for tally in tallies:
            tally.add(batch, read)
        if watch is not None:
            watch(start + len(batch), len(documents))
    wholes, drawn = _bootstrap(np.stack([tally.counts() for tally in tallies], axis=1), seed)
    chosen = np.flatnonzero(wholes.sum(axis=(0, 1))).tolist()
    scores = [tally.score(_class_scores(classes, chosen, wholes[k], drawn[:, k])) for k, tally in enumerate(tallies)]
    differences, lost = ((), ()) if against is None else _compared(classes, chosen, wholes, drawn)
    blocks = int(wholes[0, 0].sum())
    return Evaluation(len(documents), blocks, seed, scores[0], None if against is None else scores[1], differences, lost)


def _check_known(documents: Sequence[LabelledDocument], labels: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for document in documents:
        marked = [label for spans in document.spans.values() for _, _, label in spans]
        for label in [*(label for _, label in document.blocks if label), *marked]:
            first.setdefault(label, document.where)
    faults = [
        f"{where}: the model does not know the label {label!r}, first seen here; take it for one that it knows: --map {label}=LABEL "
        f"({', '.join(labels)})"
        for label, where in first.items()
        if label not in labels
    ]
    if faults:
        raise LabelsError(faults)


def page_of(document: LabelledDocument) -> tuple[Page, tuple[str, ...]]:
    """Return a labelled document as a page of plain text, and each block's label; spam inside a block stands as a block of its own."""
    if document.alone and not document.spans:
        ((text, label),) = document.blocks
        text = text.strip()
        return Page(text, (Block(0, len(text)),), html=False), (label,)
    return as_text(document_lines(document, cut=True), "\n\n")


def decided(model: Scorer, page: Page, rows: Floats) -> Ints:
    """Return (n_blocks,) the number of the label that cleaning gives each block before any rule."""
    return np.array([model.labels.index(label) for label in decide(model, page, rows)], np.int64)


class _Tally:
    """What one model said of every labelled block, document by document."""

    def __init__(self, model: Scorer, classes: Sequence[str]) -> None:
        self._model, self._classes = model, classes
        self._number = {label: number for number, label in enumerate(classes)}
        self._of_model = np.array([self._number[label] for label in model.labels])  # its own numbers of labels -> ours
        self._documents = 0
        self._parts: list[tuple[Ints, Ints, Ints, Ints, Floats]] = []  # document, right label, decided, likeliest, its probability
        self._removals: list[Removal] = []

    def add(self, documents: Sequence[LabelledDocument], read: Sequence[tuple[Page, tuple[str, ...]]]) -> None:
        probabilities = self._model.predict([page for page, _ in read])
        for document, (page, labels), rows in zip(documents, read, probabilities, strict=True):
            labelled = np.array([number for number, label in enumerate(labels) if label], np.int64)
            gold = np.array([self._number[label] for label in labels if label], np.int64)
            said = decided(self._model, page, rows)[labelled]
            rows = rows[labelled]  # noqa: PLW2901 - blocks without a label end here
            best, probability = self._of_model[rows.argmax(axis=1)], rows.max(axis=1, initial=0)
            self._parts.append((np.full(len(gold), self._documents), gold, self._of_model[said], best, probability))
            self._note_removals(document, page, labelled, gold, rows, said)
            self._documents += 1

    def _note_removals(
        self, document: LabelledDocument, page: Page, labelled: Ints, gold: Ints, rows: Floats, said: Ints
    ) -> None:  # fmt: skip
        wrong = (gold == self._number["body"]) & (self._of_model[said] != self._number["body"])
        for place in np.flatnonzero(wrong).tolist():
            text = " ".join(page.text_of(page.blocks[labelled[place]]).split())
            number = int(said[place])
            excerpt = text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"
            self._removals.append(Removal(document.where, excerpt, self._model.labels[number], float(rows[place, number])))

    def _columns(self) -> list[npt.NDArray[Any]]:
        return [np.concatenate(column) for column in zip(*self._parts, strict=True)]

    def counts(self) -> Ints:
        """Return (n_documents, 3, n_classes): blocks that have each label, of these found, and blocks that were said to have it."""
        document, gold, said, _, _ = self._columns()
        right = gold == said
        size = len(self._classes)

        def table(place: Ints, label: Ints) -> Ints:
            return np.bincount(place * size + label, minlength=self._documents * size).reshape(self._documents, size)

        return np.stack([table(document, gold), table(document[right], gold[right]), table(document, said)], axis=1)

    def score(self, classes: tuple[ClassScore, ...]) -> Score:
        _, gold, said, best, probability = self._columns()
        size = len(self._classes)
        pairs = np.bincount(gold * size + said, minlength=size * size).reshape(size, size)
        mistaken = [(self._classes[a], self._classes[b], int(pairs[a, b])) for a, b in np.argwhere(pairs).tolist() if a != b]
        return Score(
            classes,
            accuracy=round(float((gold == said).mean()), 6),
            calibration_error=round(calibration_error(probability, gold == best, BINS), 6),
            confusion=tuple(sorted(mistaken, key=lambda row: -row[2])),
            removals=tuple(sorted(self._removals, key=lambda removal: -removal.probability)),
        )


def _bootstrap(counts: Ints, seed: int) -> tuple[Floats, Floats]:
    """Sum counts over all documents, and over `RESAMPLES` draws of as many documents.

    Documents of equal counts are one kind, of which a draw takes so and so many: rows of one text have few kinds, however many they are.

    Parameters
    ----------
    counts
        (n_documents, n_models, 3, n_classes)

    Returns
    -------
    wholes : (n_models, 3, n_classes)
    drawn : (RESAMPLES, n_models, 3, n_classes)
    """
    shape = counts.shape[1:]
    kinds, sizes = np.unique(counts.reshape(len(counts), -1), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    step = max(1, _WEIGHTS // len(kinds))
    parts = [
        rng.multinomial(len(counts), sizes / len(counts), min(step, RESAMPLES - start)).astype(np.float64) @ kinds
        for start in range(0, RESAMPLES, step)
    ]
    return counts.sum(axis=0).astype(np.float64), np.concatenate(parts).reshape(RESAMPLES, *shape)


def _shares(counts: Floats) -> dict[str, Floats]:
    """Return (…, n_classes) of each measure from counts (…, 3, n_classes); NaN where a share has no whole."""
    there, right, said = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"precision": right / said, "recall": right / there, "f1": 2 * right / (said + there)}


def _estimate(whole: float, drawn: Floats) -> Estimate | None:
    if np.isnan(whole):
        return None
    defined = drawn[~np.isnan(drawn)]
    low, high = np.percentile(defined, INTERVAL) if defined.size else (whole, whole)
    return Estimate(round(float(whole), 6), round(float(low), 6), round(float(high), 6))


def _class_scores(classes: Sequence[str], chosen: Sequence[int], whole: Floats, drawn: Floats) -> tuple[ClassScore, ...]:
    shares, spread = _shares(whole), _shares(drawn)
    return tuple(
        ClassScore(classes[k], int(whole[0, k]), *(_estimate(shares[measure][k], spread[measure][:, k]) for measure in MEASURES))
        for k in chosen
    )


def _compared(
    classes: Sequence[str], chosen: Sequence[int], wholes: Floats, drawn: Floats
) -> tuple[tuple[ClassScore, ...], tuple[Loss, ...]]:
    shares, spread = _shares(wholes), _shares(drawn)
    differences, lost = [], []
    for k in chosen:
        row = {name: _estimate(shares[name][0, k] - shares[name][1, k], spread[name][:, 0, k] - spread[name][:, 1, k]) for name in MEASURES}
        differences.append(ClassScore(classes[k], int(wholes[0, 0, k]), *row.values()))
        for name in ("recall", "precision"):
            difference = row[name]
            if difference is not None and difference.value < 0 and difference.high < 0:
                here, there = shares[name][:, k].tolist()
                lost.append(Loss(classes[k], name, here, there, difference))
    return tuple(differences), tuple(lost)
