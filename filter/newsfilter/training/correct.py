"""Sparse linear weights on top of a model's frozen scores: what a few dozen labelled rows can teach, without the pages that the model learned from.

The project's labelled documents are replayed beside the user's rows, so that what the model knows stays as it is.
"""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from newsfilter.classifier import DEFAULT_THRESHOLD, Model
from newsfilter.errors import InputError
from newsfilter.linear import MIX_RANGE
from newsfilter.model_file import FACTS, MODEL_FILE, read_arrays, shipped_model_folder
from newsfilter.ngrams import TEXT_BITS
from newsfilter.records import Page
from newsfilter.training.corpus import as_text, document_lines
from newsfilter.training.labels import LabelledDocument
from newsfilter.training.save import write_model
from newsfilter.view import View

HOSTS = 4  # documents that each row without context is put into
OWN_WEIGHT, HOST_WEIGHT = 4.0, 0.25  # of a user's block, and of a block that only gives it context
MIN_ROWS = 2  # of the user's that must share an n-gram for it to get a weight
STRENGTH = 1.0  # inverse of the L2 penalty
BATCH = 64  # pages that are scored at a time
CHECK_PAGES = 4

Say = Callable[[str], None]
Labelled = tuple[Page, tuple[str, ...], npt.NDArray[np.float64], npt.NDArray[np.bool_]]  # page, labels, weights, the user's own blocks


def correct(
    target: tuple[Path, str], base: Model, documents: Sequence[LabelledDocument], replay: Sequence[LabelledDocument], seed: int, say: Say
) -> Model:
    """Fit a correction of `base` on a user's documents, and write the corrected model.

    Parameters
    ----------
    target
        The folder to write to, and the model's name.
    """
    taught = {label for document in documents for _, label in document_lines(document, cut=True) if label and label != "body"}
    new = sorted(taught - set(base.labels))
    labels = tuple(label for label in (*base.labels, *new) if label in taught)
    if not labels:
        raise InputError("the labels hold nothing but body; label what is to be removed, too")
    pages = _pages(documents, replay, random.Random(seed))  # noqa: S311 - draws places, guards nothing
    say(f"scoring {len(pages):,} pages with {base.name}")
    scores, views = _scored(base, [page for page, *_ in pages])
    targets = np.array([label for _, known, _, _ in pages for label in known])
    weights, own = np.concatenate([item[2] for item in pages]), np.concatenate([item[3] for item in pages])
    design = _design(views)
    columns = np.flatnonzero(np.bincount(design[own].tocoo().col, minlength=design.shape[1]) >= MIN_ROWS)
    known = (targets != "") & (weights > 0)
    chosen = design[known][:, columns]
    mix = np.zeros((len(base.labels), len(labels)))
    matrix, biases = np.zeros((1 << TEXT_BITS, len(labels))), np.zeros(len(labels))
    for place, label in enumerate(labels):
        say(f"  correcting {label}: {int((targets[own] == label).sum()):,} of your blocks, {len(columns):,} n-grams")
        frozen = [base.labels.index(label)] if label in base.labels else list(range(len(base.labels)))
        given = np.clip(scores[known][:, frozen], -MIX_RANGE, MIX_RANGE)
        model = LogisticRegression(C=STRENGTH, max_iter=500, random_state=seed)
        model.fit(sp.hstack([chosen, sp.csr_matrix(given)]).tocsr(), targets[known] == label, sample_weight=weights[known])
        coefficients = model.coef_[0]
        matrix[columns, place], mix[frozen, place] = coefficients[: len(columns)], coefficients[len(columns) :]
        biases[place] = float(model.intercept_[0])
    return _write(target, base, labels, (mix, matrix, biases), [page for page, *_ in pages[:CHECK_PAGES]])


def _write(
    target: tuple[Path, str],
    base: Model,
    labels: tuple[str, ...],
    learned: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]],
    check: Sequence[Page],
) -> Model:
    folder, name = target
    mix, matrix, biases = learned
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-9) / 127
    path = base_file(base)
    arrays = read_arrays(path.read_bytes(), path)
    known = json.loads(arrays.pop(FACTS).tobytes())
    arrays |= {
        "correction_mix": np.round(mix, 5),
        "correction_weights": np.round(matrix / scale).astype(np.int8),
        "correction_scale": np.round(scale, 8),
        "correction_bias": np.round(biases, 5),
    }
    new = [label for label in labels if label not in base.labels]
    facts = {**known, "corrected": list(labels), "thresholds": {**base.thresholds, **dict.fromkeys(new, DEFAULT_THRESHOLD)}}
    about = {"base": {"name": base.name, "sha256": base.sha256}}
    return write_model(folder, name, arrays, facts, about, check)


def base_file(base: Model) -> Path:
    """Return the file that a loaded model came from."""
    return (base.folder or shipped_model_folder()) / MODEL_FILE


def _pages(documents: Sequence[LabelledDocument], replay: Sequence[LabelledDocument], rng: random.Random) -> list[Labelled]:
    """Put rows without context into documents, several to one, as spam stands there; and return them with the replayed documents."""
    pages = []
    for document in documents:
        if not document.alone:
            lines = document_lines(document, cut=True)
            pages.append(_labelled(lines, set(range(len(lines)))))
    rows = [document for document in documents if document.alone]
    hosts: dict[str, list[LabelledDocument]] = {}
    for document in replay:
        if document.kind == "article":
            hosts.setdefault(document.lang, []).append(document)
    everything = [document for group in hosts.values() for document in group]
    for _ in range(HOSTS):
        left = rng.sample(rows, len(rows))
        while left:
            row = left[0]
            host = rng.choice(hosts.get(row.lang) or everything)
            size = rng.choice((1, 1, 2, 4))
            guests, left = left[:size], left[size:]
            blocks = list(host.blocks)
            place = rng.choice((len(blocks), len(blocks), rng.randint(0, len(blocks))))
            blocks[place:place] = [guest.blocks[0] for guest in guests]
            pages.append(_labelled(blocks, set(range(place, place + len(guests)))))
    pages += [_labelled(row.blocks, {0}) for row in rows]
    return [*pages, *(_labelled(document.blocks, set(), weight=1.0) for document in replay)]


def _labelled(blocks: Sequence[tuple[str, str]], own: set[int], weight: float = HOST_WEIGHT) -> Labelled:
    page, labels = as_text([(text, f"{label}\n{number}") for number, (text, label) in enumerate(blocks)], "\n\n")
    numbers = [int(label.split("\n")[1]) for label in labels]
    is_own = np.array([number in own for number in numbers], np.bool_)
    return page, tuple(label.split("\n")[0] for label in labels), np.where(is_own, OWN_WEIGHT, weight), is_own


def _scored(base: Model, pages: Sequence[Page]) -> tuple[npt.NDArray[np.float64], list[View]]:
    parts, views = [], []
    for start in range(0, len(pages), BATCH):
        found, seen, _ = base.log_odds(pages[start : start + BATCH])
        parts.append(found)
        views += seen
    return np.concatenate(parts), views


def _design(views: Sequence[View]) -> sp.csr_matrix:
    """Return the hashed n-grams of all blocks, each row divided by the root of its n-grams, as `Linear.scores` does."""
    rows, columns, offset = [], [], 0
    for view in views:
        for kind in view.grams:
            rows.append(kind.blocks + offset)
            columns.append(kind.rows)
        offset += len(view.matrix)
    row, column = np.concatenate(rows), np.concatenate(columns)
    counts = np.maximum(np.bincount(row, minlength=offset), 1)
    return sp.csr_matrix((1 / np.sqrt(counts[row]), (row, column)), shape=(offset, 1 << TEXT_BITS))
