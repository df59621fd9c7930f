"""Model files: read, checked array by array, and scored on the blocks stored with them before they are used."""

import hashlib
import io
import json
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from newsfilter.classifier import Model
from newsfilter.cuts import CUT_FEATURES
from newsfilter.errors import ModelError
from newsfilter.features import FEATURE_VERSION
from newsfilter.forest import Trees
from newsfilter.linear import Correction, Linear
from newsfilter.ngrams import MARKUP_BITS, TEXT_BITS
from newsfilter.normal_form import INVISIBLE, PLANES, Tables
from newsfilter.records import KINDS, Block, Metadata, Page

FORMAT = 2
MAX_MODEL_BYTES = 64_000_000  # a model is 3 MB; a file that unpacks to more than this is no model
MODEL_FILE, MANIFEST_FILE = "model.npz", "manifest.json"
TOLERANCE = 1e-6  # how far a stored block's probability may lie from what it was when the model was made
FACTS = "facts"  # the array that holds labels, feature names and thresholds, as UTF-8 JSON


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
    model = _from_arrays(read_arrays(raw, model_path), manifest, digest, model_path)
    _check_scores(model, model_path)
    return model


def read_arrays(raw: bytes, path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a model file, which is refused when it holds anything else."""
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
    facts = _facts(arrays, path)
    base = tuple(facts["labels"])
    corrected = tuple(facts.get("corrected", ()))
    if "body" not in base or not isinstance(manifest.get("name"), str):
        raise ModelError(
            f"{path.parent / MANIFEST_FILE}: has no name, or no label 'body'; copy the model folder again from where it was made"
        )
    if (wrong := _misfit(arrays, facts, len(base), len(corrected))) is not None:
        raise ModelError(
            f"{path}: its array {wrong} is missing or does not fit the others; copy the model folder again from where it was made"
        )
    return Model(
        name=manifest["name"],
        sha256=digest,
        labels=(*base, *(label for label in corrected if label not in base)),
        tables=Tables(arrays["fold"], arrays["kind"]),
        text=_linear(arrays, "text"),
        markup=_linear(arrays, "markup"),
        context=_trees(arrays, "context"),
        trees=_trees(arrays, "tree"),
        cut=_trees(arrays, "cut"),
        kind=_trees(arrays, "kind"),
        thresholds=facts["thresholds"],
        correction=Correction(corrected, arrays["correction_mix"], _linear(arrays, "correction")) if corrected else None,
        manifest=manifest,
        folder=path.parent,
    )


def _facts(arrays: dict[str, npt.NDArray[Any]], path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(arrays[FACTS].tobytes())
        lists = [facts["labels"], facts["context_features"], facts["features"], facts.get("corrected", [])]
        fits = all(isinstance(item, list) and all(isinstance(name, str) for name in item) and len(set(item)) == len(item) for item in lists)
        fits = fits and isinstance(facts["summary_features"], int)
        fits = fits and all(isinstance(value, float) and 0 <= value <= 1 for value in facts["thresholds"].values())
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{path}: does not say which labels it knows ({error!r}); copy the model folder again from where it was made"
        ) from error
    if not fits:
        raise ModelError(f"{path}: its labels, features or thresholds are no lists of names and shares; copy the model folder again")
    return dict(facts)


def _linear(arrays: dict[str, npt.NDArray[Any]], name: str) -> Linear:
    return Linear(arrays[f"{name}_weights"], arrays[f"{name}_scale"], arrays[f"{name}_bias"])


def _trees(arrays: dict[str, npt.NDArray[Any]], name: str) -> Trees:
    return Trees(
        arrays[f"{name}_feature"].astype(np.int64), arrays[f"{name}_threshold"], arrays[f"{name}_leaf"].astype(np.int64),
        arrays[f"{name}_label"], arrays[f"{name}_base"],
    )  # fmt: skip


def _misfit(arrays: dict[str, npt.NDArray[Any]], facts: dict[str, Any], n_labels: int, n_corrected: int) -> str | None:
    """Name the first array that is missing, of another type or shape, or holds a number that points nowhere; None if all fit."""
    wanted: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {"fold": (np.uint16, (PLANES,)), "kind": (np.uint8, (PLANES,))}
    sizes = [("text", 1 << TEXT_BITS, n_labels), ("markup", 1 << MARKUP_BITS, n_labels)]
    if n_corrected:
        sizes.append(("correction", 1 << TEXT_BITS, n_corrected))
        wanted["correction_mix"] = (np.float64, (n_labels, n_corrected))
    for name, n_rows, width in sizes:
        wanted |= {
            f"{name}_weights": (np.int8, (n_rows, width)),
            f"{name}_scale": (np.float64, (width,)),
            f"{name}_bias": (np.float64, (width,)),
        }
    if (wrong := _first_misfit(arrays, wanted)) is not None:
        return wrong
    if (arrays["kind"] > INVISIBLE).any():
        return "kind"
    n_context, n_features = len(facts["context_features"]), len(facts["features"])
    forests = (
        ("context", 1, n_context),
        ("tree", n_labels, n_features),
        ("cut", 1, len(CUT_FEATURES)),
        ("kind", len(KINDS), int(facts["summary_features"])),
    )
    return next((wrong for forest in forests if (wrong := _misfit_trees(arrays, *forest)) is not None), None)


def _first_misfit(arrays: dict[str, npt.NDArray[Any]], wanted: dict[str, tuple[type[np.generic], tuple[int, ...]]]) -> str | None:
    for name, (kind, shape) in wanted.items():
        array = arrays.get(name)
        if not isinstance(array, np.ndarray) or array.dtype != kind or array.shape != shape:
            return name
    return None


def _misfit_trees(arrays: dict[str, npt.NDArray[Any]], forest: str, n_labels: int, n_features: int) -> str | None:
    n_trees, n_nodes = arrays[f"{forest}_feature"].shape if getattr(arrays.get(f"{forest}_feature"), "ndim", 0) == 2 else (0, 0)
    wanted: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        f"{forest}_feature": (np.int16, (n_trees, n_nodes)),
        f"{forest}_threshold": (np.float32, (n_trees, n_nodes)),
        f"{forest}_leaf": (np.int32, (n_trees, n_nodes + 1)),
        f"{forest}_label": (np.int16, (n_trees,)),
        f"{forest}_base": (np.float64, (n_labels,)),
    }
    if (wrong := _first_misfit(arrays, wanted)) is not None:
        return wrong
    label, feature = arrays[f"{forest}_label"], arrays[f"{forest}_feature"]
    if not n_nodes or (n_nodes + 1) & n_nodes or (feature < 0).any() or (feature >= n_features).any():
        return f"{forest}_feature"
    if not np.array_equal(np.unique(label), np.arange(n_labels)) or (np.diff(label) < 0).any():
        return f"{forest}_label"
    return None


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
