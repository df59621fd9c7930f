"""The model: plain arrays and JSON, read without trusting them, scored without scikit-learn.

Two stages. Sparse linear weights over hashed text n-grams, and over class, id and tag words, give each label a score of the words alone and one
of the markup alone. Trees, one forest a label against the rest, weigh these with shape, place and neighbours. Scikit-learn fits both; here
they are integer sums and comparisons, so that a block's numbers do not depend on its batch, and a cold start does not wait for an import.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from newsfilter.errors import ModelError
from newsfilter.features import (
    COLON,
    FEATURE_VERSION,
    MARKUP_BITS,
    TEXT_BITS,
    Floats,
    Tables,
    markup_rows,
    neighbour_matrix,
    page_codes,
    place_matrix,
    shape_matrix,
    text_rows,
    weighted_sums,
)
from newsfilter.records import Block, Metadata, Page

FORMAT = 1
MAX_MODEL_BYTES = 64_000_000  # a model is 3 MB; a file that unpacks to more than this is no model
MODEL_FILE, MANIFEST_FILE = "model.npz", "manifest.json"
LEAF_UNITS = 100_000  # a leaf of 1 is a log odd of .00001
TOLERANCE = 1e-6  # how far a stored block's probability may lie from what it was when the model was made
DECIMALS = 4  # of probabilities; everything that depends on them sees them rounded
_ROWS = 64  # blocks that walk the trees together: keeps the walk in the processor's cache

_NEIGHBOUR_COLUMNS = ("log_words", "kept_share", "link_density", "ends_sentence", "digits")
_NEIGHBOUR_LABELS = ("body", "headline", "byline", "caption", "teaser", "navigation", "reaction", "comment", "notice")


@dataclass(frozen=True, slots=True)
class Linear:
    """One sparse linear stage: scores are ``sums * scale / sqrt(counts) + bias``."""

    weights: npt.NDArray[np.int8]  # (n_rows, n_labels)
    scale: npt.NDArray[np.float64]  # (n_labels,)
    bias: npt.NDArray[np.float64]  # (n_labels,)

    def scores(self, sums: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Floats:
        """Return (n_blocks, n_labels) scores, rounded to two decimals."""
        root = np.sqrt(np.maximum(counts, 1).astype(np.float64))[:, None]
        return np.round(np.clip(sums * self.scale / root + self.bias, -20, 20), 2).astype(np.float32)


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
        n_trees, n_nodes = self.feature.shape
        depth = (n_nodes + 1).bit_length() - 1
        first = np.arange(n_trees, dtype=np.int64) * n_nodes
        first_leaf = np.arange(n_trees, dtype=np.int64) * (n_nodes + 1) - n_nodes
        feature, threshold, leaf = self.feature.ravel(), self.threshold.ravel(), self.leaf.ravel()
        first_tree = np.flatnonzero(np.concatenate(([True], self.label[1:] != self.label[:-1])))
        sums = np.empty((len(matrix), len(self.base)), np.int64)
        for start in range(0, len(matrix), _ROWS):
            rows = np.ascontiguousarray(matrix[start : start + _ROWS])
            offset = (np.arange(len(rows), dtype=np.int64) * rows.shape[1])[:, None]
            flat = rows.ravel()
            node = np.zeros((len(rows), n_trees), np.int64)
            for _ in range(depth):
                at = node + first
                place = feature.take(at)
                place += offset
                node += node
                node += flat.take(place) > threshold.take(at)
                node += 1
            node += first_leaf
            sums[start : start + _ROWS] = np.add.reduceat(leaf.take(node), first_tree, axis=1)
        return self.base + sums / LEAF_UNITS


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted classifier."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    tables: Tables
    text: Linear
    markup: Linear
    trees: Trees
    manifest: dict[str, Any]

    def matrix(self, page: Page) -> Floats:
        """Return the features of a page's blocks, (n_blocks, n_features)."""
        return feature_matrix(page, self.tables, self.text, self.markup, self.labels)[1]

    def predict(self, pages: Sequence[Page]) -> list[npt.NDArray[np.float64]]:
        """Return for each page (n_blocks, n_labels) probabilities, each label against the rest, rounded to four decimals."""
        matrices = [self.matrix(page) for page in pages if page.blocks]
        if not matrices:
            return [np.zeros((0, len(self.labels))) for _ in pages]
        scores = self.trees.scores(np.concatenate(matrices))
        probabilities = iter(np.split(np.round(1 / (1 + np.exp(-scores)), DECIMALS), np.cumsum([len(matrix) for matrix in matrices])[:-1]))
        return [next(probabilities) if page.blocks else np.zeros((0, len(self.labels))) for page in pages]


def feature_matrix(
    page: Page, tables: Tables, text: Linear, markup: Linear, labels: tuple[str, ...], *, mute_text: bool = False
) -> tuple[list[str], Floats]:
    """Compute the names and values of all features of a page.

    `mute_text` is for training: it hides what the words say, as if the language were unknown.
    """
    codes = page_codes(page, tables)
    n = len(page.blocks)
    shape_names, shape = shape_matrix(page, codes)
    text_sums, counts, known = weighted_sums(text_rows(codes), text.weights, n)
    if mute_text:
        text_sums, known = np.zeros_like(text_sums), np.zeros_like(known)
    text_scores = text.scores(text_sums, counts)
    if page.html:
        found = [markup_rows(block.tags, block.hints) for block in page.blocks]
        owners = np.repeat(np.arange(n), [len(rows) for rows in found])
        markup_sums, markup_counts, _ = weighted_sums(
            [(np.array([row for rows in found for row in rows], np.int64), owners)], markup.weights, n
        )
        markup_scores = markup.scores(markup_sums, markup_counts)
    else:
        markup_scores = np.full((n, len(labels)), -9, np.float32)
    column = {name: shape[:, number] for number, name in enumerate(shape_names)}
    words = np.round(np.exp2(column["log_words"].astype(np.float64)) - 1).astype(np.int64)
    place_names, place = place_matrix(page, codes, words, tables)
    near = {name: column[name] for name in _NEIGHBOUR_COLUMNS}
    near |= {f"text_{label}": text_scores[:, labels.index(label)] for label in _NEIGHBOUR_LABELS}
    near["text_spam"] = text_scores[:, [number for number, label in enumerate(labels) if label.startswith("spam-")]].max(axis=1)
    near["markup_body"] = markup_scores[:, labels.index("body")]
    near_names, nearby = neighbour_matrix(near)
    known_share = np.round(known / np.maximum(counts, 1), 3).astype(np.float32)
    page_known = np.full(n, round(int(known.sum()) / max(int(counts.sum()), 1), 3), np.float32)
    names = [
        *shape_names,
        *place_names,
        *(f"text_{label}" for label in labels),
        *(f"markup_{label}" for label in labels),
        "known_share",
        "page_known_share",
        *near_names,
    ]
    return names, np.hstack([shape, place, text_scores, markup_scores, known_share[:, None], page_known[:, None], nearby])


def shipped_model_folder() -> Path:
    """Where the model lies that comes with newsfilter: inside the installed package, or in the checkout's ``models/``."""
    inside = Path(__file__).parent / "_model"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "models" / "shipped"


@lru_cache(maxsize=4)
def load_model(path: Path | None = None) -> Model:
    """Read a model folder (or its ``model.npz``), check it, and score the blocks stored with it.

    Raises
    ------
    ModelError
        When the file is missing, damaged, of another format or feature version, holds anything but numbers, or scores its stored blocks
        differently here. The message says what to do.
    """
    folder = shipped_model_folder() if path is None else path.parent if path.is_file() else path
    manifest_path, model_path = folder / MANIFEST_FILE, folder / MODEL_FILE
    try:
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        raw = model_path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{error.filename}: cannot be read ({error.strerror}); give --model the folder that holds {MODEL_FILE} and {MANIFEST_FILE}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{manifest_path}: not valid JSON: {error}; copy the model folder again") from error
    for key, here in (("format", FORMAT), ("feature_version", FEATURE_VERSION)):
        if not isinstance(manifest, dict) or manifest.get(key) != here:
            there = manifest.get(key) if isinstance(manifest, dict) else None
            raise ModelError(
                f"{manifest_path}: {key} is {there}, this newsfilter reads {here}; retrain the model, or install the version that made it"
            )
    digest = hashlib.sha256(raw).hexdigest()
    if digest != manifest.get("sha256"):
        raise ModelError(f"{model_path}: its sha256 is not the manifest's; the file is damaged or was changed: copy the model folder again")
    model = _from_arrays(_read_arrays(raw, model_path), manifest, digest, model_path)
    _check_scores(model, model_path)
    return model


def _read_arrays(raw: bytes, path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > MAX_MODEL_BYTES:
            raise ModelError(
                f"{path}: unpacks to {size:,} bytes, more than the {MAX_MODEL_BYTES:,} of any model; this is not a newsfilter model"
            )
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise ModelError(
            f"{path}: holds something else than plain arrays ({error}); copy the model folder again from where it was made"
        ) from error


def _from_arrays(arrays: dict[str, npt.NDArray[Any]], manifest: dict[str, Any], digest: str, path: Path) -> Model:
    labels = tuple(map(str, manifest.get("labels", ())))
    if "body" not in labels or not isinstance(manifest.get("name"), str):
        raise ModelError(
            f"{path.parent / MANIFEST_FILE}: has no name, or no label 'body'; copy the model folder again from where it was made"
        )
    if (wrong := _misfit(arrays, len(labels), len(manifest.get("features", ())))) is not None:
        raise ModelError(
            f"{path}: its array {wrong} is missing or does not fit the others; copy the model folder again from where it was made"
        )
    return Model(
        name=manifest["name"],
        sha256=digest,
        labels=labels,
        tables=Tables(arrays["fold"], arrays["kind"]),
        text=Linear(arrays["text_weights"], arrays["text_scale"], arrays["text_bias"]),
        markup=Linear(arrays["markup_weights"], arrays["markup_scale"], arrays["markup_bias"]),
        trees=Trees(
            arrays["tree_feature"].astype(np.int64),
            arrays["tree_threshold"],
            arrays["tree_leaf"].astype(np.int64),
            arrays["tree_label"],
            arrays["tree_base"],
        ),
        manifest=manifest,
    )


def _misfit(arrays: dict[str, npt.NDArray[Any]], n_labels: int, n_features: int) -> str | None:
    """Name the first array that is missing, of another type or shape, or holds a number that points nowhere; None if all fit."""
    n_trees, n_nodes = arrays["tree_feature"].shape if getattr(arrays.get("tree_feature"), "ndim", 0) == 2 else (0, 0)
    wanted: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "fold": (np.uint16, (65536,)),
        "kind": (np.uint8, (65536,)),
        "text_weights": (np.int8, (1 << TEXT_BITS, n_labels)),
        "text_scale": (np.float64, (n_labels,)),
        "text_bias": (np.float64, (n_labels,)),
        "markup_weights": (np.int8, (1 << MARKUP_BITS, n_labels)),
        "markup_scale": (np.float64, (n_labels,)),
        "markup_bias": (np.float64, (n_labels,)),
        "tree_feature": (np.int16, (n_trees, n_nodes)),
        "tree_threshold": (np.float32, (n_trees, n_nodes)),
        "tree_leaf": (np.int32, (n_trees, n_nodes + 1)),
        "tree_label": (np.int16, (n_trees,)),
        "tree_base": (np.float64, (n_labels,)),
    }
    for name, (kind, shape) in wanted.items():
        array = arrays.get(name)
        if not isinstance(array, np.ndarray) or array.dtype != kind or array.shape != shape:
            return name
    label, feature = arrays["tree_label"], arrays["tree_feature"]
    if not n_nodes or (n_nodes + 1) & n_nodes or (feature < 0).any() or (feature >= n_features).any():
        return "tree_feature"
    if not np.array_equal(np.unique(label), np.arange(n_labels)) or (np.diff(label) < 0).any():
        return "tree_label"
    return "kind" if (arrays["kind"] > COLON).any() else None


def _check_scores(model: Model, path: Path) -> None:
    try:
        pages, wanted = stored_pages(model.manifest.get("check", []))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{path.parent / MANIFEST_FILE}: its stored blocks cannot be read ({error!r}); copy the model folder again"
        ) from error
    for page, rows in zip(pages, wanted, strict=True):
        here = model.predict([page])[0]
        if here.shape != rows.shape or np.abs(here - rows).max(initial=0) > TOLERANCE:
            off = float(np.abs(here - rows).max(initial=0)) if here.shape == rows.shape else float("nan")
            raise ModelError(
                f"{path}: scores its stored blocks differently here (by {off:.2g}); install the numpy that its manifest names, or retrain the model"
            )


def stored_pages(check: list[dict[str, Any]]) -> tuple[list[Page], list[npt.NDArray[np.float64]]]:
    """Read the pages that a manifest stores, and the probabilities that their blocks had when the model was made."""
    pages = [
        Page(
            item["text"],
            tuple(
                Block(**{**facts, "tags": tuple(facts.get("tags", ())), "hints": tuple(facts.get("hints", ()))}) for facts in item["blocks"]
            ),
            html=item["html"],
            metadata=Metadata(title=item.get("title")),
        )
        for item in check
    ]
    return pages, [np.array(item["probabilities"], np.float64) for item in check]
