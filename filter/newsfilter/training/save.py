"""Write a model folder: arrays, manifest, and the blocks that every later load is checked with."""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata as installed
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from newsfilter.classifier import Model
from newsfilter.features import FEATURE_VERSION
from newsfilter.model_file import FACTS, FORMAT, MANIFEST_FILE, MODEL_FILE, load_model
from newsfilter.normal_form import Tables
from newsfilter.records import Block, Page
from newsfilter.training.fit import Fitted

CHECK_BLOCKS = 32


def save_model(folder: Path, name: str, fitted: Fitted, tables: Tables, about: dict[str, Any], check: Sequence[Page]) -> Model:
    """Write `fitted` to `folder` and read it back.

    Parameters
    ----------
    about
        What the manifest says beside the model's own facts: sources, metrics, hyperparameters.
    check
        Pages of which the first `CHECK_BLOCKS` blocks are stored with their probabilities.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "fold": tables.fold, "kind": tables.kind,
        "text_weights": fitted.text.weights, "text_scale": fitted.text.scale, "text_bias": fitted.text.bias,
        "markup_weights": fitted.markup.weights, "markup_scale": fitted.markup.scale, "markup_bias": fitted.markup.bias,
    }  # fmt: skip
    for forest, trees in (("context", fitted.context), ("tree", fitted.trees), ("cut", fitted.cut), ("kind", fitted.kind)):
        arrays |= {
            f"{forest}_feature": trees.feature.astype(np.int16), f"{forest}_threshold": trees.threshold, f"{forest}_leaf": trees.leaf.astype(np.int32),
            f"{forest}_label": trees.label.astype(np.int16), f"{forest}_base": trees.base,
        }  # fmt: skip
    facts = {
        "labels": list(fitted.labels),
        "context_features": list(fitted.context_features),
        "features": list(fitted.features),
        "summary_features": fitted.summary_features,
        "thresholds": dict(fitted.thresholds),
    }
    return write_model(folder, name, arrays, facts, about, check)


def write_model(
    folder: Path, name: str, arrays: dict[str, npt.NDArray[Any]], facts: dict[str, Any], about: dict[str, Any], check: Sequence[Page]
) -> Model:
    """Write a model folder and read it back. `facts` goes into the arrays, so that their digest covers it, and into the manifest, to be read."""
    stored = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    raw = archive(arrays | {FACTS: np.frombuffer(stored, np.uint8)})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(raw)
    manifest = {
        "format": FORMAT,
        "name": name,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "feature_version": FEATURE_VERSION,
        "software": {package: installed.version(package) for package in ("scikit-learn", "numpy", "scipy", "trafilatura", "lxml")},
        **about,
        **facts,
        "check": [],
    }
    _write(folder, manifest)
    load_model.cache_clear()
    model = load_model(folder)
    manifest["check"] = _stored(model, check)
    _write(folder, manifest)
    load_model.cache_clear()
    return load_model(folder)


def archive(arrays: dict[str, Any]) -> bytes:
    """Pack arrays as ``numpy.savez_compressed`` does, but with no clock in it: equal arrays give equal bytes."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name, array in arrays.items():
            entry = BytesIO()
            np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, entry.getvalue())
    return packed.getvalue()


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _stored(model: Model, pages: Sequence[Page]) -> list[dict[str, Any]]:
    stored, left = [], CHECK_BLOCKS
    for page in pages:
        blocks = page.blocks[:left]
        if not blocks:
            break
        left -= len(blocks)
        short = Page(page.text[: blocks[-1].end], blocks, html=page.html, metadata=page.metadata)
        facts = [
            {key: value for key, value in asdict(block).items() if value != getattr(Block(0, 0), key) or key in ("start", "end")}
            for block in blocks
        ]
        stored.append(
            {
                "html": page.html,
                "title": page.metadata.title,
                "text": short.text,
                "blocks": facts,
                "probabilities": model.predict([short])[0].tolist(),
            }
        )
    return stored
